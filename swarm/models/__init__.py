"""Models: who answers, what it costs, and what a tier is called."""
