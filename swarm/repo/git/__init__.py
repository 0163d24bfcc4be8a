"""Git itself: commands, trees, merges and their accounting. Nothing here knows a ref of swarm's."""
