"""What runs where: the embedded server, local processes, containers, and the room there is for them."""
