"""The merge queue: trains, their verdicts, and the one transaction that lands them."""
