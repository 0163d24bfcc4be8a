"""Which names in a scope are taken for folders: all that locks, and so every look, need of scopes."""


def may_be_folder(name: str) -> bool:
    """A literal last part that is taken for a folder as well: one without an extension."""
    return "." not in name.strip(".")
