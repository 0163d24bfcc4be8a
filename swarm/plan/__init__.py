"""Plans: what they are, what is wrong with them, and what their graph says."""
