"""Turn a requirements file into a merged, tested branch by running many coding agents at once."""

__version__ = "0.1.0"
