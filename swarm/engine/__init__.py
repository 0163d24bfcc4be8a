"""The task queue: Lua scripts that alone change state, and the Python that calls them."""
