"""What an agent changed in its workspace: compared, checked against the write scope, nothing written yet."""

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from swarm.plan.scope import WriteScope, is_glob, literal_prefix
from swarm.repo.git.ignore import IgnoreRules, is_cache
from swarm.repo.git.paths import newly_escaping, shown, spelling_fault
from swarm.repo.git.tree import EXECUTABLE, GITLINK, REGULAR, SYMLINK, TreeEntry
from swarm.repo.workspaces.scan import Stamp, Survey, UnstableFileError, open_beneath, read_file, survey_tree

UNSTABLE = "was being written while the attempt was taken"


@dataclass(frozen=True)
class Edit:
    """One path of an attempt. An empty mode deletes it; an `oid` keeps the content and changes the mode."""

    path: bytes
    mode: str
    oid: str = ""


@dataclass
class Changes:
    """The difference between a workspace and its base."""

    edits: list[Edit] = field(default_factory=list)
    out_of_scope: list[bytes] = field(default_factory=list)  # all UTF-8: others are refused
    refused: dict[bytes, str] = field(default_factory=dict)
    has_escape: bool = False  # a link that leads out of the repository
    left_out: list[bytes] = field(default_factory=list)  # inside the scope, and ignored; caches are not told
    submodules: list[bytes] = field(default_factory=list)  # inside the scope, and not as they were laid out


class Comparison:
    """One workspace against its base commit; `changes()` is the result."""

    def __init__(
        self,
        root_fd: int,
        *,
        base: dict[bytes, TreeEntry],
        snapshot: dict[bytes, Stamp],
        taken_ns: int,
        scope: WriteScope,
        rules: IgnoreRules,
        read_base_links: Callable[[], Mapping[bytes, bytes]],
        max_file_bytes: int,
        find_untouched: Callable[[Collection[bytes]], set[bytes]] | None = None,
    ) -> None:
        self._root_fd = root_fd
        self._base = {path: entry for path, entry in base.items() if entry.mode != GITLINK}
        self._submodules = base.keys() - self._base.keys()
        self._snapshot = snapshot
        self._taken_ns = taken_ns
        self._scope = scope
        self._rules = rules
        self._read_base_links = read_base_links
        self._max_file_bytes = max_file_bytes
        self._find_untouched = find_untouched
        self._wanted = self._declared_artefacts()
        self._changes = Changes()

    def changes(self) -> Changes:
        """Walk the workspace and name every path that differs."""
        survey = self._survey()
        new = [path for path in (*survey.found, *survey.refused) if path not in self._base]
        artefacts = {path for path in self._rules.ignored(new) if not self._is_wanted(path)}
        self._leave_out(sorted(artefacts))
        self._changes.submodules += [
            path for path in sorted(self._submodules) if self._is_covered(path) and not self._is_empty(path)
        ]
        self._changes.refused.update(
            {path: reason for path, reason in survey.refused.items() if path not in artefacts}
        )
        self._find_deletions(survey)
        for path, stamp in survey.found.items():
            if path not in artefacts and self._may_differ(path, stamp):
                self._compare(path, stamp)
        self._refuse_escaping_links(survey)
        return self._changes

    def _survey(self) -> Survey:
        """What is in the workspace; of folders that nobody has touched, what was there at first."""
        tracked = _folders_of(self._base) | _folders_of(self._submodules)
        untouched = self._find_untouched(tracked) if self._find_untouched else set()
        survey = survey_tree(
            self._root_fd,
            tracked_folders=tracked,
            submodules=self._submodules,
            choose=self._choose_folders,
            untouched=untouched,
        )
        for folder in tracked:
            if not untouched.isdisjoint(_parents(folder)):
                untouched.add(folder)
        if untouched:
            survey.found.update(
                {
                    path: stamp
                    for path, stamp in self._snapshot.items()
                    if path.rpartition(b"/")[0] in untouched
                }
            )
        return survey

    def _find_deletions(self, survey: Survey) -> None:
        for path in self._base.keys() - survey.found.keys() - survey.refused.keys():
            self._add(Edit(path, ""))
        for path in self._submodules:
            if any(folder in survey.found for folder in _parents(path)):
                self._changes.refused[path] = "the submodule's folder was replaced"

    def _may_differ(self, path: bytes, stamp: Stamp) -> bool:
        before = self._snapshot.get(path)
        return before is None or not before.describes(stamp) or stamp.ctime_ns > self._taken_ns

    def _compare(self, path: bytes, stamp: Stamp) -> None:
        """Add an edit when content or mode differ from the base; a mere touch does not."""
        mode, entry = _mode_of(stamp), self._base.get(path)
        if entry is None and not self._may_write(path):
            return
        if stamp.size > self._max_file_bytes:
            self._changes.refused[path] = f"is larger than {self._max_file_bytes} bytes"
            return
        try:
            content = read_file(self._root_fd, path)
        except UnstableFileError:
            self._changes.refused[path] = UNSTABLE
            return
        if entry is None or _blob_id(content, len(entry.oid)) != entry.oid:
            self._add(Edit(path, mode))
        elif mode != _plain_mode(entry.mode):
            self._add(Edit(path, mode, entry.oid))

    def _add(self, edit: Edit) -> None:
        if self._may_write(edit.path):
            self._changes.edits.append(edit)

    def _may_write(self, path: bytes) -> bool:
        """The path may be part of the attempt; one that may not is recorded with why."""
        if fault := spelling_fault(path):
            self._changes.refused[path] = fault
        elif not self._scope.covers(path.decode()):
            self._changes.out_of_scope.append(path)
        else:
            return True
        return False

    def _refuse_escaping_links(self, survey: Survey) -> None:
        """Refuse what leads out of the tree as it would land: left-out files are no part of that."""
        edited = {edit.path: edit.mode for edit in self._changes.edits}
        is_link = {path for path, entry in self._base.items() if entry.mode == SYMLINK}
        if not is_link & edited.keys() and SYMLINK not in edited.values():
            return
        links: dict[bytes, bytes] = {}
        for path, stamp in survey.found.items():
            if stat.S_ISLNK(stamp.mode) and (path in edited or path in self._base):
                try:
                    links[path] = read_file(self._root_fd, path)
                except UnstableFileError:
                    self._changes.refused[path] = UNSTABLE
        for path in newly_escaping(self._read_base_links(), links):
            self._changes.refused[path] = f"links to '{shown(links[path])}', outside the repository"
            self._changes.has_escape = True

    def _choose_folders(self, folders: list[bytes]) -> list[bytes]:
        """Leave out folders of artefacts, which can be huge: those ignored by the base or by themselves."""
        ignored = self._rules.ignored(folder + b"/" for folder in folders)
        chosen = [
            folder
            for folder in folders
            if self._is_wanted(folder)
            or any(path.startswith(folder + b"/") for path in self._wanted)
            or not (folder + b"/" in ignored or self._ignores_itself(folder))
        ]
        self._leave_out(folder + b"/" for folder in sorted(set(folders).difference(chosen)))
        return chosen

    def _leave_out(self, paths: Iterable[bytes]) -> None:
        """Note what a person may miss of these; a folder's path ends in `/`."""
        self._changes.left_out += [
            path
            for path in paths
            if self._is_covered(path + b"x" if path.endswith(b"/") else path) and not is_cache(path)
        ]

    def _is_empty(self, folder: bytes) -> bool:
        """It is there, with nothing in it."""
        try:
            folder_fd = open_beneath(self._root_fd, folder)
        except OSError:
            return False
        try:
            with os.scandir(folder_fd) as entries:
                return next(entries, None) is None
        finally:
            os.close(folder_fd)

    def _is_covered(self, path: bytes) -> bool:
        return not spelling_fault(path) and self._scope.covers(path.decode())

    def _ignores_itself(self, folder: bytes) -> bool:
        """Tools mark their caches with a .gitignore of `*`; one that the base tracks is no cache."""
        try:
            content = read_file(self._root_fd, folder + b"/.gitignore")
        except UnstableFileError:
            return False
        lines = [line.strip() for line in content.splitlines()]
        return [line for line in lines if line and not line.startswith(b"#")] == [b"*"]

    def _declared_artefacts(self) -> set[bytes]:
        """Ignored paths that the scope names without a wildcard: they are meant to be produced."""
        literal = [
            os.fsencode(literal_prefix(pattern)) for pattern in self._scope.patterns if not is_glob(pattern)
        ]
        ignored = self._rules.ignored([*literal, *(path + b"/" for path in literal)])
        return {path.rstrip(b"/") for path in ignored}

    def _is_wanted(self, path: bytes) -> bool:
        return bool(self._wanted) and any(each in self._wanted for each in (path, *_parents(path)))


def _mode_of(stamp: Stamp) -> str:
    if stat.S_ISLNK(stamp.mode):
        return SYMLINK
    return EXECUTABLE if stamp.mode & stat.S_IXUSR else REGULAR


def _plain_mode(mode: str) -> str:
    """Old commits hold modes such as 100664, which git treats as 100644."""
    return REGULAR if mode.startswith("100") and mode != EXECUTABLE else mode


def _blob_id(content: bytes, length: int) -> str:
    """The id that git gives this content, in a repository whose ids have `length` digits."""
    digest = (
        hashlib.sha256()
        if length == hashlib.sha256().digest_size * 2
        else hashlib.sha1(usedforsecurity=False)
    )
    digest.update(b"blob %d\0" % len(content))
    digest.update(content)
    return digest.hexdigest()


def _folders_of(paths: Iterable[bytes]) -> set[bytes]:
    nearest = {path.rpartition(b"/")[0] for path in paths} - {b""}
    return nearest.union(*map(_parents, nearest))


def _parents(path: bytes) -> list[bytes]:
    """The folders above a path, nearest first."""
    parents = []
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        parents.append(path)
    return parents
