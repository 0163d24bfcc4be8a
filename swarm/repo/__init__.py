"""Git underneath: the hub, workspaces, attempts, gates and the merge queue."""
