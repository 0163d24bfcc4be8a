"""What outlives Redis: each run's events, tasks and report, as files beside the repository."""
