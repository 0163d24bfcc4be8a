"""What a person sees of a run: the live view, the report, and how values are worded."""
