"""The example that `swarm demo` runs: a small repository, its requirements, and a scripted model."""
