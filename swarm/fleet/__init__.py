"""Where tool hosts and workers run, and how many of them."""
