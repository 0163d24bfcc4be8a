"""What a command under isolation `process` can reach beside its own tree, with the kernel's own refusals."""

import ctypes
import errno
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.fleet.confinement import open_confinement
from swarm.fleet.process import ProcessLauncher
from swarm.sandbox.client import HostedSandbox
from swarm.sandbox.landlock import describe_landlock, landlock_abi, open_paths
from swarm.sandbox.protocol import Finished
from swarm.settings import Settings, load_settings

needs_landlock = pytest.mark.skipif(not describe_landlock()[0], reason="this kernel has no Landlock")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home."""
    return tmp_path / "me"


@pytest.fixture
def root(tmp_path: Path, home: Path) -> Path:
    """A repository in the user's home, with keys beside it and swarm's folder in it."""
    root = home / "shop"
    for place, text in {
        "me/.ssh/id_ed25519": "canary",
        "me/notes.txt": "canary",
        "me/shop/pyproject.toml": "[project]\nname = 'shop'\n",
        "me/shop/.swarm/repo.git/HEAD": "canary",
        "me/shop/.swarm/server/server.json": "canary",
        "me/shop/.swarm/workspaces/w/8/theirs.txt": "canary",
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    (root / ".git").mkdir()
    return root


@pytest.fixture
def settings(root: Path) -> Settings:
    """The settings that a worker of this repository has."""
    return load_settings(root)


@pytest.fixture
def sandbox(settings: Settings, home: Path) -> Iterator[HostedSandbox]:
    """An attempt's sandbox, where attempts have theirs."""
    with opened(settings, home) as sandbox:
        yield sandbox


@contextmanager
def opened(settings: Settings, home: Path, *, path: str = "") -> Iterator[HostedSandbox]:
    """A sandbox for the user whose home this is, with `path` before the rest of PATH."""
    tree = settings.home / "workspaces/w/7"
    tree.mkdir(parents=True)
    environment = {"PATH": f"{path}:/usr/bin:/bin"}
    confinement = open_confinement(settings, home=home, environment=environment)
    sandbox = ProcessLauncher(confinement=confinement).open(tree, labels={})
    try:
        yield sandbox
    finally:
        sandbox.close()


def sh(sandbox: HostedSandbox, script: str) -> Finished:
    """Run a shell script to its end."""
    return sandbox.run(["sh", "-c", script], timeout_s=60)


@needs_landlock
@pytest.mark.parametrize(
    "path",
    [
        ".swarm/repo.git/HEAD",
        ".swarm/server/server.json",
        ".swarm/workspaces/w/8/theirs.txt",
        "../.ssh/id_ed25519",
        "../notes.txt",
    ],
)
def test_a_command_cannot_read(sandbox: HostedSandbox, root: Path, path: str) -> None:
    """The hub, another attempt's work and the user's own files are closed, by any way to them."""
    link = sandbox.tree / "link"
    link.symlink_to(root / path)

    plain, linked = sh(sandbox, f"cat {root / path}"), sh(sandbox, "cat link; ln -L link copy; cat copy")

    assert "Permission denied" in plain.output
    assert "canary" not in plain.output + linked.output


@needs_landlock
@pytest.mark.parametrize(
    "script",
    [
        "echo bad > {root}/.swarm/repo.git/HEAD",
        "rm {root}/.swarm/repo.git/HEAD",
        "mv {root}/.swarm/repo.git {root}/.swarm/gone",
        "touch {root}/.swarm/repo.git/new",
        "echo bad >> {root}/.swarm/workspaces/w/8/theirs.txt",
        "echo bad > {root}/pyproject.toml",
        "rm -r {root}/.swarm/workspaces/w/8",
        "mkdir /tmp/swarm-must-not-be-here",
    ],
)
def test_a_command_cannot_change(sandbox: HostedSandbox, root: Path, script: str) -> None:
    """Only the workspace and its private folders can be written to."""
    before = contents(root)

    done = sh(sandbox, script.format(root=root))

    assert done.exit_code != 0
    assert contents(root) == before
    assert not Path("/tmp/swarm-must-not-be-here").exists()


def contents(root: Path) -> dict[str, str]:
    """Every file below a folder."""
    return {str(path): path.read_text() for path in root.rglob("*") if path.is_file()}


@needs_landlock
def test_a_command_cannot_read_what_another_process_was_given(sandbox: HostedSandbox) -> None:
    """Same user or not, root or not: the git of a worker reads the hub's password from a pipe."""
    given_fd, to_given = os.pipe()
    os.write(to_given, b"canary\n")
    bystander = subprocess.Popen(["sleep", "60"], pass_fds=[given_fd])
    place = f"/proc/{bystander.pid}/fd/{given_fd}"

    read = sh(sandbox, f"timeout 5 head -n 1 {place}")
    with Path(place).open(encoding="utf-8") as pipe:
        unconfined = pipe.readline()
    bystander.kill()
    bystander.wait()
    os.close(given_fd)
    os.close(to_given)

    assert "Permission denied" in read.output
    assert unconfined == "canary\n"


@needs_landlock
def test_a_command_cannot_read_the_environment_of_another_process(sandbox: HostedSandbox) -> None:
    """Same user or not, root or not: a worker's holds the credentials of models, Redis and the hub."""
    bystander = subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "KEY": "canary"})
    place = Path(f"/proc/{bystander.pid}/environ")
    while b"canary" not in place.read_bytes():  # it is still to become `sleep`
        time.sleep(0.01)

    read = sh(sandbox, f"cat {place} | tr '\\0' '\\n'")
    bystander.kill()
    bystander.wait()

    assert "canary" not in read.output


@needs_landlock
@pytest.mark.skipif(landlock_abi() < 6, reason="this kernel's Landlock knows nothing of signals")
def test_a_command_cannot_signal_the_worker(sandbox: HostedSandbox) -> None:
    """Same user or not: whatever is not started by the command is out of its reach."""
    bystander = subprocess.Popen(["sleep", "60"])

    done = sh(sandbox, f"kill -9 {bystander.pid}; kill -9 $PPID; sleep 60 & kill $! && echo own")
    outlived = bystander.poll() is None
    bystander.kill()
    bystander.wait()

    assert outlived
    assert done.exit_code == 0
    assert "own" in done.output


@needs_landlock
def test_ordinary_work_goes_on_as_before(sandbox: HostedSandbox) -> None:
    """Interpreters, git, temporary files, processes, sockets, and settings above the workspace."""
    done = sh(
        sandbox,
        "set -e; mkdir a b; echo x > a/f; mv a/f b/g; ln b/g b/h; chmod 600 b/g; mktemp; echo > ~/rc;"
        "ls /usr > /dev/null;"
        "git init -q . && git add b && git -c user.name=a -c user.email=b commit -qm c && git log --oneline;"
        "cat ../../../../pyproject.toml; printf 'print(1)\\n' > ok.py;"
        f"{sys.executable} -m ruff check ok.py; {sys.executable} -c '{USES}'; exec 3<>/dev/null; echo all",
    )

    assert done.output.rstrip().endswith("all"), done.output
    assert done.exit_code == 0


USES = (
    "import multiprocessing, socket, ssl, subprocess, tempfile, threading;"
    'multiprocessing.Lock(); s = socket.create_server(("127.0.0.1", 0));'
    "socket.create_connection(s.getsockname()); socket.socketpair();"
    'tempfile.NamedTemporaryFile().write(b"x"); subprocess.run(["true"], check=True)'
)


@needs_landlock
def test_a_tool_in_the_home_is_found_through_its_link_on_path(settings: Settings, home: Path) -> None:
    """What a link in ~/.local/bin leads to can be used; what else lies in ~/.local stays closed."""
    tool, secret = home / "tools/lint/bin/lint", home / ".local/share/keyring"
    for place in (tool, secret, home / "tools/other", home / ".local/bin/own"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("#!/bin/sh\ncat ${0%/bin/*}/words\n")
        place.chmod(0o755)
    (home / "tools/lint/words").write_text("linted")
    (home / ".local/bin/lint").symlink_to(tool)

    with opened(settings, home, path=f"{home}/.local/bin") as sandbox:
        linted = sandbox.run([str(tool)], timeout_s=20)
        refused = [sh(sandbox, f"cat {place}") for place in (secret, home / "tools/other")]

    assert linted.output == "linted"
    assert ["Permission denied" in done.output for done in refused] == [True, True]


@needs_landlock
def test_more_folders_are_opened_by_the_settings(settings: Settings, home: Path, tmp_path: Path) -> None:
    """`readable` and `writable` are for what no rule can guess."""
    shared, cache = home / "libs", tmp_path / "cache"
    shared.mkdir()
    cache.mkdir()
    (shared / "lib.txt").write_text("shared")

    with opened(replace(settings, readable=str(shared), writable=str(cache)), home) as sandbox:
        done = sh(sandbox, f"cat {shared}/lib.txt; echo kept > {cache}/new; echo bad > {shared}/new")

    assert "shared" in done.output
    assert (cache / "new").read_text() == "kept\n"
    assert not (shared / "new").exists()


@needs_landlock
def test_a_path_entry_above_the_home_does_not_open_it(settings: Settings, home: Path) -> None:
    """~/bin is on many a PATH; what it is part of is the home itself."""
    (home / "bin").mkdir()

    with opened(settings, home, path=f"{home}/bin") as sandbox:
        done = sh(sandbox, f"cat {home}/notes.txt; ls {home}/bin && echo listed")

    assert "Permission denied" in done.output
    assert done.output.endswith("listed\n")


def test_the_neighbours_of_a_closed_folder_are_open(tmp_path: Path) -> None:
    """A closed folder, nothing else, is left out; an island in it is open, a link into it is not."""
    for name in ("a/b/closed/island", "a/b/open", "a/open", "open"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a/link").symlink_to(tmp_path / "a/b/closed")

    found = open_paths(hidden=[str(tmp_path / "a/b/closed")], readable=[str(tmp_path / "a/b/closed/island")])

    inside = sorted(str(path.relative_to(tmp_path)) for path in found if tmp_path in path.parents)
    assert inside == ["a/b/closed/island", "a/b/open", "a/open", "open"]


def without_landlock() -> None:
    """Filter its system calls away, as a container may: they fail as on a kernel that has none."""
    load_number, is_equal, answer = 0x20, 0x15, 0x06
    steps = [
        (load_number, 0, 0, 0),
        (is_equal, 0, 1, 444),
        (answer, 0, 0, 0x0005_0000 | errno.ENOSYS),
        (answer, 0, 0, 0x7FFF_0000),
    ]
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("@HxxxxxxP", len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    set_no_new_privs, set_seccomp, mode_filter = 38, 22, 2
    assert libc.prctl(set_no_new_privs, 1, 0, 0, 0) == 0
    assert libc.prctl(set_seccomp, mode_filter, header, 0, 0) == 0


def run_python(program: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program where there is no Landlock."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        preexec_fn=without_landlock,  # this process's threads hold nothing that it needs
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_rules_that_cannot_be_applied_run_nothing(tmp_path: Path) -> None:
    """A tool host that was told to confine and cannot is gone, and does not work without."""
    done = run_python(
        "import sys, pathlib; from swarm.sandbox import landlock, serving;"
        "serving.serve(pathlib.Path(sys.argv[1]), landlock.Confinement((), ()))",
        tmp_path,
    )

    assert done.returncode == 1
    assert "Landlock 2 is needed" in done.stderr


def test_an_unconfined_attempt_says_so_in_its_log(tmp_path: Path) -> None:
    """Nobody who reads the log believes that a command was confined when it was not."""
    tree, log = tmp_path / "tree", tmp_path / "attempt.log"
    tree.mkdir()
    done = run_python(
        "import sys, pathlib; from swarm.fleet.process import ProcessLauncher;"
        "from swarm.sandbox.landlock import Confinement; tree, log = map(pathlib.Path, sys.argv[1:]);"
        "sandbox = ProcessLauncher(confinement=Confinement((), ())).open(tree, labels={});"
        "[sandbox.run(['echo', 'ran'], timeout_s=20, log=log) for _ in range(2)]; sandbox.close()",
        tree,
        log,
    )

    first, *rest = log.read_text().splitlines()
    assert done.returncode == 0, done.stderr
    assert first.startswith("[swarm: not confined")
    assert rest == ["ran", "ran"]
