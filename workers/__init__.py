"""The workers: each claims one task at a time, runs an agent on it in a sandbox, and hands the result in."""
