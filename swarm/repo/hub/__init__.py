"""The hub: the one repository that attempts and landings live in, and its refs."""
