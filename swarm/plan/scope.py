"""Write scopes: which paths a task may change."""

from pathspec import GitIgnoreSpec


class WriteScope:
    """The paths that a task's `files` cover: anchored at the repository's root, globs as git matches them."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = tuple(patterns)
        self._spec = GitIgnoreSpec.from_lines(["/" + pattern.lstrip("/") for pattern in self.patterns])

    def covers(self, path: str) -> bool:
        """The path is in the scope; a directory in the scope covers everything under it."""
        return bool(self.patterns) and self._spec.match_file(path)
