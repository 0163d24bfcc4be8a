"""Workspaces: checkouts to work in, and taking what was changed there."""
