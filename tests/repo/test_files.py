"""docs/files.md, row by row: what becomes of each kind of change, from the workspace to the branch."""

import os
import re
import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from merge_board import Board, task

from swarm.plan.scope import WriteScope
from swarm.repo.git.paths import MAX_PATH_BYTES
from swarm.repo.git.tree import EXECUTABLE, GITLINK, REGULAR, SYMLINK, read_blobs, read_tree
from swarm.repo.hub.refs import attempt_ref
from swarm.repo.merging.merge_queue import Outcome
from swarm.repo.workspaces.workspace import MAX_FILE_BYTES, UNSAFE_NAME, Taken, Workspace, take_attempt
from swarm.testing.repository import UserRepository

PAGE = Path(__file__).parents[2] / "docs" / "files.md"
BINARY = bytes(range(256)) * 4
LONG = "/".join(["d" * 200] * 18)
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
Landed = Mapping[str, tuple[str, bytes] | None]
"""Path -> mode and content; None of what is gone."""


@dataclass(frozen=True)
class Row:
    """A kind of change: how it comes about, and what becomes of it."""

    edit: Callable[[Path], object]
    lands: Landed = field(default_factory=dict)  # all that changes on the branch
    refused: tuple[str, ...] = ()  # the words that it is refused with
    base: Callable[[UserRepository], object] = UserRepository.head


def put(name: str, content: bytes | str = b"x\n") -> Callable[[Path], object]:
    """Write a file, and the folders above it."""

    def edit(tree: Path) -> None:
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return edit


def link(name: str, target: str) -> Callable[[Path], object]:
    """Make a symbolic link, in place of a file if there is one."""

    def edit(tree: Path) -> None:
        (tree / name).unlink(missing_ok=True)
        (tree / name).symlink_to(target)

    return edit


def rename(old: str, new: str) -> Callable[[Path], object]:
    """Rename a file or a folder."""
    return lambda tree: (tree / old).rename(tree / new)


def each(*edits: Callable[[Path], object]) -> Callable[[Path], object]:
    """One after the other."""
    return lambda tree: [edit(tree) for edit in edits]


def remove(name: str) -> Callable[[Path], object]:
    """Delete a file, or an empty folder."""
    return lambda tree: (tree / name).rmdir() if (tree / name).is_dir() else (tree / name).unlink()


def mode(name: str, bits: int) -> Callable[[Path], object]:
    """Set the mode of a file."""
    return lambda tree: (tree / name).chmod(bits)


def sized(name: str, size: int) -> Callable[[Path], object]:
    """A file of so many bytes, all zero and none of them on disk."""

    def edit(tree: Path) -> None:
        with (tree / name).open("wb") as file:
            file.truncate(size)

    return edit


def listening(tree: Path) -> None:
    """Leave a socket behind; its name would be too long for a socket from anywhere else."""
    before = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tree)
        listener.bind("sock")
        os.chdir(before)


def device(tree: Path) -> None:
    """A character device, where this system lets us make one."""
    try:
        os.mknod(tree / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no device can be made here")


def committed(files: Mapping[str, bytes]) -> Callable[[UserRepository], object]:
    """The base has these files too; read raw, whatever its attributes say."""

    def commit(user: UserRepository) -> None:
        user.write(files)
        for name in files:
            blob = user.git("hash-object", "-w", "--no-filters", name).decode().strip()
            user.git("update-index", "--add", "--cacheinfo", f"{REGULAR},{blob},{name}")
        user.git("commit", "-q", "-m", "more")

    return commit


def with_link(name: str, target: str) -> Callable[[UserRepository], object]:
    """The base has a symbolic link."""

    def commit(user: UserRepository) -> None:
        (user.path / name).parent.mkdir(parents=True, exist_ok=True)
        (user.path / name).symlink_to(target)
        user.commit({})

    return commit


def with_program(user: UserRepository) -> None:
    """The base has an executable file."""
    user.write({"run.sh": "x\n"})
    (user.path / "run.sh").chmod(0o755)
    user.commit({})


def with_submodule(user: UserRepository) -> None:
    """The base has a submodule at `sub`, which nothing here is checked out of."""
    user.write({".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = ../sub\n'})
    user.git("add", ".gitmodules")
    user.git("update-index", "--add", "--cacheinfo", f"{GITLINK},{user.head()},sub")
    user.git("commit", "-q", "-m", "with a submodule")


def repository_in(folder: str) -> Callable[[Path], object]:
    """A clone in that folder, with a commit of its own."""

    def edit(tree: Path) -> None:
        inner = UserRepository(tree / folder)
        inner.path.mkdir(parents=True, exist_ok=True)
        inner.git("init", "-q")
        inner.git("config", "user.email", "x@x")
        inner.git("config", "user.name", "x")
        inner.commit({"inner.txt": "x\n"})

    return edit


def tracked_by_lfs(user: UserRepository) -> None:
    """The base has a pointer, and attributes that ask for filters; any filter that ran would show."""
    attributes = b"*.bin filter=lfs diff=lfs merge=lfs -text\n"
    committed({".gitattributes": attributes, "old.bin": POINTER})(user)
    filter_by_echo(user)


def filter_by_echo(repository: UserRepository) -> None:
    """Filters that replace whatever they are given."""
    for verb in ("clean", "smudge"):
        repository.git("config", f"filter.lfs.{verb}", f"echo {verb}")


def write_content(tree: Path) -> None:
    """The agent sees the pointer, not what it points to, and writes content in place of a pointer."""
    assert (tree / "old.bin").read_bytes() == POINTER
    filter_by_echo(UserRepository(tree))
    put("new.bin", BINARY)(tree)


def text(content: str | bytes = b"x\n", entry_mode: str = REGULAR) -> tuple[str, bytes]:
    """What lands of a file."""
    return entry_mode, content.encode() if isinstance(content, str) else content


A, B, GUIDE = text("a = 1\n"), text("b = 1\n"), text("guide\n")
OUTSIDE = "outside the repository"
ROWS: dict[str, Row] = {
    # content
    "edit": Row(put("src/a.py", "a = 2\n"), {"src/a.py": text("a = 2\n")}),
    "new file": Row(put("new/deep/x.py"), {"new/deep/x.py": text()}),
    "empty file": Row(put("empty", b""), {"empty": text(b"")}),
    "no newline at the end": Row(put("src/a.py", "a = 2"), {"src/a.py": text("a = 2")}),
    "touch": Row(each(put("src/a.py", "a = 1\n"), lambda tree: os.utime(tree / "src/b.py", (0, 0)))),
    "binary file": Row(each(put("x.bin", BINARY)), {"x.bin": text(BINARY)}),
    "binary edit": Row(
        put("x.bin", BINARY[::-1]), {"x.bin": text(BINARY[::-1])}, base=committed({"x.bin": BINARY})
    ),
    "CRLF": Row(
        each(put("dos.bat", "a\r\nb\r\n"), put("unix.txt", "a\nb\r\n")),
        {"dos.bat": text("a\r\nb\r\n"), "unix.txt": text("a\nb\r\n")},
        base=committed({".gitattributes": b"* text=auto eol=crlf\n*.bat text eol=lf\n*.txt ident\n"}),
    ),
    "100 MiB": Row(sized("large", MAX_FILE_BYTES), {"large": text(bytes(MAX_FILE_BYTES))}),
    "over 100 MiB": Row(
        sized("large", MAX_FILE_BYTES + 1), refused=("large: is larger than 104857600 bytes",)
    ),
    "sparse": Row(sized("sparse", 1 << 40), refused=("sparse: is larger than 104857600 bytes",)),
    "ignored": Row(each(put("build/out.o"), put("trace.log"), put("src/__pycache__/a.pyc"))),
    "tracked though ignored": Row(
        put("kept.log", "more\n"), {"kept.log": text("more\n")}, base=committed({"kept.log": b"x\n"})
    ),
    "an own .gitignore": Row(
        each(put(".gitignore", "*\n"), put("seen.txt")), {".gitignore": text("*\n"), "seen.txt": text()}
    ),
    # where it is
    "deletion": Row(remove("src/b.py"), {"src/b.py": None}),
    "rename": Row(rename("src/b.py", "src/c.py"), {"src/b.py": None, "src/c.py": B}),
    "folder renamed": Row(
        rename("src", "lib"), {"src/a.py": None, "src/b.py": None, "lib/a.py": A, "lib/b.py": B}
    ),
    "case-only rename": Row(rename("src/a.py", "src/A.py"), {"src/a.py": None, "src/A.py": A}),
    "file to folder": Row(
        each(remove("README.md"), put("README.md/inner")), {"README.md": None, "README.md/inner": text()}
    ),
    "folder to file": Row(
        each(remove("docs/guide.md"), remove("docs"), put("docs")), {"docs/guide.md": None, "docs": text()}
    ),
    "empty folder": Row(lambda tree: (tree / "hollow/deep").mkdir(parents=True)),
    "hard link": Row(
        each(
            lambda tree: os.link(tree / "src/a.py", tree / "twin.py"),
            lambda tree: (tree / "twin.py").write_text("both\n"),
        ),
        {"src/a.py": text("both\n"), "twin.py": text("both\n")},
    ),
    "too deep": Row(
        lambda tree: (tree / "/".join("d" * 300)).mkdir(parents=True),
        refused=("/".join("d" * 257) + ": is nested deeper than 256 folders",),
    ),
    # modes and kinds
    "executable": Row(mode("src/a.py", 0o755), {"src/a.py": text("a = 1\n", EXECUTABLE)}),
    "no longer executable": Row(
        mode("run.sh", 0o644),
        {"run.sh": text()},
        base=with_program,
    ),
    "other mode bits": Row(each(mode("src/a.py", 0o600), mode("src/b.py", 0o4666))),
    "pipe": Row(lambda tree: os.mkfifo(tree / "pipe"), refused=("pipe: is a device, a pipe or a socket",)),
    "socket": Row(listening, refused=("sock: is a device, a pipe or a socket",)),
    "device": Row(device, refused=("null: is a device, a pipe or a socket",)),
    # symbolic links
    "link inside": Row(link("src/up", "../docs/guide.md"), {"src/up": text("../docs/guide.md", SYMLINK)}),
    "link to nothing": Row(link("dangling", "src/none.py"), {"dangling": text("src/none.py", SYMLINK)}),
    "chain of links": Row(
        each(link("one", "two"), link("two", "src"), link("three", "one/../docs")),
        {
            "one": text("two", SYMLINK),
            "two": text("src", SYMLINK),
            "three": text("one/../docs", SYMLINK),
        },
    ),
    "file to link": Row(link("src/a.py", "b.py"), {"src/a.py": text("b.py", SYMLINK)}),
    "link to file": Row(
        each(remove("link"), put("link")), {"link": text()}, base=with_link("link", "src/a.py")
    ),
    "absolute link": Row(link("evil", "/etc/passwd"), refused=(f"evil: links to '/etc/passwd', {OUTSIDE}",)),
    "link by dots": Row(link("src/evil", "../../x"), refused=(f"src/evil: links to '../../x', {OUTSIDE}",)),
    "chain outward": Row(
        each(lambda tree: (tree / "src/d").mkdir(), link("src/d/up", "../.."), link("evil", "src/d/up/../x")),
        refused=(f"evil: links to 'src/d/up/../x', {OUTSIDE}",),
    ),
    "circle of links": Row(
        each(link("a", "b"), link("b", "a")),
        refused=(f"a: links to 'b', {OUTSIDE}", f"b: links to 'a', {OUTSIDE}"),
    ),
    "link into .git": Row(link("evil", ".git/config"), refused=(f"evil: links to '.git/config', {OUTSIDE}",)),
    "old link turned outward": Row(
        each(remove("d1/d2/x"), remove("d1/d2"), link("d1/d2", "..")),
        refused=(f"old: links to 'd1/d2/../../x', {OUTSIDE}",),
        base=lambda user: [committed({"d1/d2/x": b"x\n"})(user), with_link("old", "d1/d2/../../x")(user)],
    ),
    "old outward link": Row(
        link("fine", "src"), {"fine": text("src", SYMLINK)}, base=with_link("theirs", "/etc/hosts")
    ),
    "through an old outward link": Row(
        link("evil", "theirs/passwd"),
        refused=(f"evil: links to 'theirs/passwd', {OUTSIDE}",),
        base=with_link("theirs", "/etc"),
    ),
    # names
    "odd names": Row(
        each(
            *map(
                put, ODD := ["a b", "q\"uo'te", "back\\slash", "-rf", ":(top)x", "*", " lead", "ünï", "$(x)"]
            )
        ),
        {name: text() for name in ODD},
    ),
    "newline in a name": Row(put("new\nline"), refused=(r"new\nline: name with control character U+000A",)),
    "control character in a name": Row(put("tab\t"), refused=(r"tab\t: name with control character U+0009",)),
    "bidi character in a name": Row(
        each(*(put(f"x{letter}") for letter in BIDI)),
        refused=tuple(
            rf"x\u{ord(letter):04x}: name with invisible character U+{ord(letter):04X}" for letter in BIDI
        ),
    ),
    "name that is not UTF-8": Row(
        put(os.fsdecode(b"latin-\xe9")), refused=(r"latin-\xe9: name is not UTF-8",)
    ),
    ".git in any spelling": Row(
        each(put("src/.GIT/config"), put("git~1")),
        refused=("git~1: git data may not be nested", "src/.GIT: git data may not be nested"),
    ),
    ".git behind a backslash": Row(put("x\\.git"), refused=(rf"x\.git: {UNSAFE_NAME}",)),
    "too long": Row(
        each(lambda tree: (tree / LONG).mkdir(parents=True), put(f"{LONG}/x")),
        refused=(f"{LONG}/x: path longer than {MAX_PATH_BYTES} bytes",),
    ),
    # submodules
    "submodule moved": Row(repository_in("sub"), base=with_submodule),
    "submodule removed": Row(remove("sub"), base=with_submodule),
    "submodule replaced": Row(
        each(remove("sub"), put("sub")), refused=("sub: replaces a submodule",), base=with_submodule
    ),
    "submodule added": Row(
        repository_in("vendor/lib"), refused=("vendor/lib/.git: git data may not be nested",)
    ),
    ".gitmodules": Row(
        put(".gitmodules", "# none\n"), {".gitmodules": text("# none\n")}, base=with_submodule
    ),
    ".gitmodules as a link": Row(
        each(*(link(name, "README.md") for name in (".gitmodules", ".GITMODULES", "GITMOD~1"))),
        refused=tuple(f"{name}: {UNSAFE_NAME}" for name in (".GITMODULES", ".gitmodules", "GITMOD~1")),
    ),
    # LFS
    "LFS pointer": Row(put("new.bin", POINTER), {"new.bin": text(POINTER)}, base=tracked_by_lfs),
    "LFS content": Row(write_content, {"new.bin": text(BINARY)}, base=tracked_by_lfs),
}
"""Kind of change, as the page calls it -> how it is made here, and what becomes of it."""


def take(board: Board, workspace: Workspace, *scope: str) -> Taken:
    """As a worker does, with its own limit."""
    ref = attempt_ref(board.run, "one", 1)
    return take_attempt(board.hub, workspace, scope=WriteScope(scope), message="attempt", ref=ref)


def changes(board: Board, old: str, new: str) -> Landed:
    """What differs between two commits."""
    before, after = (read_tree(board.hub.git, commit) for commit in (old, new))
    changed = [path for path in before | after if before.get(path) != after.get(path)]
    there = [path for path in changed if path in after]
    contents = dict(zip(there, read_blobs(board.hub.git, [after[path].oid for path in there]), strict=True))
    return {
        os.fsdecode(path): (after[path].mode, contents[path]) if path in after else None for path in changed
    }


@pytest.mark.parametrize("kind", ROWS)
def test_what_becomes_of_a_change(board: Board, kind: str) -> None:
    """It lands as it is, or not at all: refused with the path and why, or no change in git's eyes."""
    row = ROWS[kind]
    row.base(board.user)
    board.submit(task("one", "**"))
    claim = board.claim()
    workspace = board.workspace(claim)
    row.edit(workspace.tree)

    taken = take(board, workspace, "**")

    assert taken.refused == tuple(sorted(row.refused))
    assert (taken.commit is None) == (not row.lands)
    if taken.commit is None:
        return
    board.engine.hand_in(claim, commit=taken.commit)
    landing = board.land()
    assert (landing.outcome, landing.reason) == (Outcome.LANDED, "")
    assert changes(board, claim.base, landing.commit) == row.lands
    assert board.violations() == []


def test_the_page_has_a_row_for_each_kind_that_is_tested() -> None:
    """No outcome is claimed without a test, and none is tested without being stated."""
    named = re.findall(r"^\| `([^|]+)` \| [^|]+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(named) == sorted(ROWS)


def test_a_binary_file_that_two_changed_is_a_conflict(board: Board) -> None:
    """Nothing of it can be merged: the later one goes back, with the file named."""
    committed({"x.bin": BINARY})(board.user)
    board.submit(task("one", "x.bin", priority=1), task("two", "src/a.py"))
    board.hand_in(put("x.bin", BINARY + b"one"))
    board.hand_in(put("x.bin", BINARY + b"two"))

    first, second = board.land(), board.land()

    assert first.outcome is Outcome.LANDED
    assert (second.outcome, second.requeued) == (Outcome.CONFLICT, True)
    assert second.reason == "conflicts with what has landed: x.bin"


def test_a_link_that_the_merge_turns_outward_does_not_land(board: Board) -> None:
    """Each attempt is in order by itself; together they would lead out of the repository."""
    committed({"d1/d2/x": b"x\n"})(board.user)
    board.submit(task("one", "way", priority=1), task("two", "d1/**"))
    board.hand_in(link("way", "d1/d2/../../x"))
    board.hand_in(each(remove("d1/d2/x"), remove("d1/d2"), link("d1/d2", "..")))

    first, second = board.land(), board.land()

    assert first.outcome is Outcome.LANDED
    assert second.outcome is Outcome.REFUSED
    assert second.reason == f"way: links to 'd1/d2/../../x', {OUTSIDE}"
    assert board.engine.task(board.run, "two").needs_person


def test_a_file_that_attributes_say_is_no_text_and_two_changed_is_a_conflict(board: Board) -> None:
    """As text it would merge. The later one goes back, though its own attributes make it text."""
    lines = [b"%d\n" % number for number in range(20)]
    committed({".gitattributes": b"*.lock -merge\n", "x.lock": b"".join(lines)})(board.user)
    board.submit(task("one", "x.lock", priority=1), task("two", "src/a.py", ".gitattributes"))
    board.hand_in(put("x.lock", b"".join([b"one\n", *lines[1:]])))
    last = put("x.lock", b"".join([*lines[:-1], b"two\n"]))
    board.hand_in(each(last, put(".gitattributes", b"")))

    first, second = board.land(), board.land()

    assert first.outcome is Outcome.LANDED
    assert (second.outcome, second.requeued) == (Outcome.CONFLICT, True)
    assert second.reason == "conflicts with what has landed: x.lock"
