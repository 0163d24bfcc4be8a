"""Hosts that share a git server: each has a mirror, and the server alone says what has happened."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from git_servers import hooked
from merge_board import Board, task, write

from swarm.engine.engine import Engine
from swarm.errors import ConfigError, HubRefusedError, HubUnreachableError, RepositoryError
from swarm.repo.hub.hub import Hub
from swarm.repo.hub.refs import RefChange, base_ref, branch_ref, task_ref
from swarm.repo.hub.remote import Remote
from swarm.repo.hub.writing import LOCK_NAME
from swarm.repo.merging.landing import Outcome
from swarm.testing.checker_git import check_history
from swarm.testing.repository import UserRepository


@pytest.fixture
def here(tmp_path: Path, server: Path, user: UserRepository) -> Hub:
    """The mirror of the host where the user's repository is, which has shared its HEAD."""
    hub = Hub.open_or_create(tmp_path / "here" / "repo.git", address=str(server))
    hub.share_base(hub.import_base(user.path))
    return hub


@pytest.fixture
def there(tmp_path: Path, server: Path) -> Hub:
    """The mirror of another host, which knows nothing yet."""
    return Hub.open_or_create(tmp_path / "there" / "repo.git", address=str(server))


@pytest.fixture
def board(engine: Engine, here: Hub, user: UserRepository, tmp_path: Path) -> Board:
    """Where tasks are done."""
    return Board(engine, here, user, tmp_path / "work")


@pytest.fixture
def elsewhere(board: Board, there: Hub) -> Board:
    """The same run, as the other host sees it."""
    return replace(board, hub=there)


def refs_of(path: Path) -> dict[str, str]:
    """Every ref of a repository -> its object id."""
    return Hub(path).refs_under("refs/")


def test_what_one_host_writes_the_server_and_its_mirror_have(here: Hub, server: Path) -> None:
    """The server is first; a mirror that could not follow has it from the server later."""
    base = next(iter(refs_of(server).values()))

    here.start_branch("swarm/r", base)
    here.create_refs({task_ref("done", "r", "t"): base})

    assert refs_of(server) == refs_of(here.path)
    assert refs_of(server) == {
        base_ref(base): base,
        branch_ref("swarm/r"): base,
        task_ref("done", "r", "t"): base,
    }


def test_a_host_sees_what_another_has_done_once_it_looks(here: Hub, there: Hub) -> None:
    """And what is gone there is gone here."""
    base = next(iter(here.refs_under("refs/swarm/base/").values()))
    here.start_branch("swarm/r", base)
    here.create_refs({task_ref("attempt", "r", "t") + "/1": base, task_ref("attempt", "x", "t") + "/1": base})

    there.mirror_run("r", "swarm/r")
    seen, other = there.find_attempt("r", "t"), there.find_attempt("x", "t")
    here.sweep_attempts("r", "t")
    there.mirror_run("r", "swarm/r")

    assert seen is not None
    assert (seen.commit, seen.attempt) == (base, 1)
    assert other is None  # of another run
    assert there.find_attempt("r", "t") is None
    assert there.tip("swarm/r") == base


def test_a_host_without_the_commit_to_begin_at_gets_it(board: Board, there: Hub) -> None:
    """Its own repository, if it has any, need not know it."""
    base = board.user.head()
    board.submit(task("t"))

    there.mirror_task(board.run, "t", base=base, branch=board.branch)

    assert there.resolve(f"{base}^{{tree}}") == board.hub.resolve(f"{base}^{{tree}}")


def test_a_shallow_clone_cannot_share_what_it_lacks(here: Hub, user: UserRepository, tmp_path: Path) -> None:
    """It is said in a person's words; a server that has the history takes it."""
    user.commit({"x": "y"})
    clone = tmp_path / "clone"
    user.git("clone", "-q", "--depth=1", f"file://{user.path}", str(clone))
    shallow = Hub.open_or_create(tmp_path / "shallow" / "repo.git", address=str(here.remote))
    commit = shallow.import_base(clone)

    with pytest.raises(RepositoryError, match="shallow clone lacks") as refused:
        shallow.share_base(commit)
    here.import_base(user.path)
    here.share_base(commit)
    shallow.share_base(shallow.import_base(clone))

    assert "--unshallow" in refused.value.help


def test_a_commit_that_the_server_does_not_have_is_missed_by_name(there: Hub) -> None:
    """Somebody names another hub, or none."""
    with pytest.raises(HubUnreachableError, match="does not have commit 1111111111") as missing:
        there.mirror_task("r", "t", base="1" * 40, branch="swarm/r")

    assert "must name the same hub" in missing.value.help


def test_two_hosts_start_a_branch_at_once(board: Board, there: Hub) -> None:
    """The second takes what the first has made, though its mirror did not know it."""
    first = board.user.head()
    board.hub.start_branch("swarm/r", first)
    second = board.user.commit({"x": "y"})
    there.import_base(board.user.path)

    assert there.start_branch("swarm/r", second) == first
    assert there.tip("swarm/r") == first


def test_the_fence_rises_across_hosts(here: Hub, there: Hub, server: Path) -> None:
    """A mirror that is behind finds out by being refused."""
    low, high = there.raise_fence("swarm/r", 5), here.raise_fence("swarm/r", 9)

    assert low is not None
    assert high is not None
    assert there.raise_fence("swarm/r", 7) is None
    assert there.raise_fence("swarm/r", 11) is not None
    assert Hub(server).fence("swarm/r") == 11
    assert here.raise_fence("swarm/r", 10) is None


def test_one_stale_lease_moves_nothing(here: Hub, there: Hub, server: Path) -> None:
    """Whatever else is in the transaction, and whichever line of it is stale."""
    base = next(iter(here.refs_under("refs/swarm/base/").values()))
    here.start_branch("swarm/r", base)
    fence = here.raise_fence("swarm/r", 3)
    before = refs_of(server)
    other = RefChange("create", "refs/swarm/x", base)
    stale = [
        RefChange("update", branch_ref("swarm/r"), base, "1" * 40),
        RefChange("verify", "refs/swarm/fence/swarm/r", old=base),
        RefChange("create", "refs/swarm/fence/swarm/r", base),
        RefChange("delete", branch_ref("swarm/r"), old=str(fence)),
    ]

    for change in stale:
        with there.writing_refs() as writer:
            assert not writer.transact([other, change]).succeeded

    assert refs_of(server) == before
    assert there.tip("swarm/r") == base  # a refusal shows the mirror what is there instead


def test_deleting_what_another_host_has_deleted_is_no_error(here: Hub, there: Hub, server: Path) -> None:
    """A sweep may be repeated anywhere."""
    base = next(iter(here.refs_under("refs/swarm/base/").values()))
    here.create_refs({f"{task_ref('attempt', 'r', 't')}/{number}": base for number in (1, 2)})
    there.mirror_run("r", "swarm/r")
    here.reject_attempts("r", "t", upto=1)

    there.sweep_attempts("r", "t")

    assert not [ref for ref in refs_of(server) if "/attempt/" in ref]


def test_runs_land_wherever_their_attempts_were_made(board: Board, elsewhere: Board, server: Path) -> None:
    """One host does the work and the other merges; then the other way about."""
    board.submit(task("one", "src/one.py"), task("two", "src/two.py", dependencies=("one",)))
    board.hand_in(write("src/one.py", "1\n"))

    [first] = elsewhere.queue("there").land_train()
    claim = elsewhere.claim()
    elsewhere.hub.mirror_task(claim.run, claim.task.id, base=claim.base, branch=claim.branch)
    workspace = elsewhere.workspace(claim)
    (workspace.tree / "src/two.py").write_text("2\n")
    board.engine.hand_in(claim, commit=elsewhere.take(claim, workspace))
    [second] = board.queue("here").land_train()

    assert [first.outcome, second.outcome] == [Outcome.LANDED, Outcome.LANDED]
    assert check_history(server, board.branch, board.done()) == []
    assert Hub(server).read_blob(second.commit, "src/one.py") == b"1\n"
    assert not [ref for ref in refs_of(server) if "/attempt/" in ref]
    assert refs_of(board.hub.path).items() >= {branch_ref(board.branch): second.commit}.items()


def test_a_merge_whose_branch_another_host_has_moved_begins_anew(
    board: Board, elsewhere: Board, server: Path
) -> None:
    """While its gates ran: it lands upon what is there now."""
    board.submit(task("one", "src/one.py", acceptance=[("true",)]))
    board.hand_in(write("src/one.py", "1\n"))
    moved = Path(server.parent / "moved")

    def move() -> None:
        if not moved.exists():
            moved.touch()
            mover = Hub.open_or_create(server.parent / "mover" / "repo.git", address=str(server))
            mover.mirror_run(board.run, board.branch)
            tip = str(mover.tip(board.branch))
            tree = mover.git.one_line("rev-parse", f"{tip}^{{tree}}")
            env = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
            by_hand = mover.git.run("commit-tree", tree, "-p", tip, "-m", "by hand", env=env).decode().strip()
            mover.create_refs({branch_ref(board.branch): by_hand})

    [landing] = elsewhere.queue("there", race=move).land_train()

    assert landing.outcome == Outcome.LANDED
    log = Hub(server).git.one_line("log", "--format=%s", branch_ref(board.branch)).splitlines()
    assert len(log) == 3
    assert log[1] == "by hand"


def test_a_fence_raised_between_the_look_and_the_landing_stops_it(board: Board, server: Path) -> None:
    """The server compares the fence in the transaction itself: a hook raises it when the push has begun."""
    board.submit(task("one", "src/one.py"))
    board.hand_in(write("src/one.py", "1\n"))
    fence = f"refs/swarm/fence/{board.branch}"
    token = 'git update-ref "$fence" "$(echo 999 | git hash-object -w --stdin)"'
    raised = f'fence={fence}; unset GIT_QUARANTINE_PATH; grep -q "refs/heads/" && {token}; exit 0'
    hooked(server, "pre-receive", raised)
    before = Hub(server).tip(board.branch)

    [landing] = board.queue().land_train()

    assert landing.outcome == Outcome.STALE
    assert Hub(server).tip(board.branch) == before
    assert Hub(server).fence(board.branch) == 999


def test_an_answer_that_is_lost_is_found_out_about(board: Board, server: Path) -> None:
    """The server did it, and its answer did not come: it is not done a second time, nor called lost."""
    board.submit(task("one", "src/one.py"))
    board.hand_in(write("src/one.py", "1\n"))
    # git's own end of the line dies once the refs have moved.
    hooked(server, "post-receive", 'grep -q "refs/heads/" && kill -9 $PPID; true')

    [landing] = board.queue().land_train()

    assert landing.outcome == Outcome.LANDED
    assert check_history(server, board.branch, board.done()) == []


def test_a_server_that_is_away_is_said_to_be(board: Board, server: Path) -> None:
    """Whatever was begun is taken up again once it is back."""
    board.submit(task("one", "src/one.py"))
    board.hand_in(write("src/one.py", "1\n"))
    queue = board.queue()
    server.rename(server.parent / "away")

    with pytest.raises(HubUnreachableError, match=r"shared\.git") as away:
        queue.land_train()
    (server.parent / "away").rename(server)
    board.engine.reclaim_worker("merger-1")
    [landing] = queue.land_train()

    assert away.value.exit_code == 3
    assert landing.outcome == Outcome.LANDED


def test_a_lock_that_a_killed_fetch_left_is_no_hindrance(here: Hub, there: Hub) -> None:
    """Whoever holds the lock of all ref writers knows that it is stale."""
    base = next(iter(here.refs_under("refs/swarm/base/").values()))
    here.start_branch("swarm/r", base)
    lock = there.path / f"{branch_ref('swarm/r')}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()

    there.mirror_run("r", "swarm/r")

    assert there.tip("swarm/r") == base
    assert not lock.exists()
    assert (there.path / LOCK_NAME).exists()


@pytest.mark.parametrize(
    "address", ["ext::sh -c touch% /tmp/x", "-oProxyCommand=x", "--upload-pack=x", "ftp://h/p", "fd::7"]
)
def test_what_is_no_git_server_is_refused(address: str, tmp_path: Path) -> None:
    """Some of these would have git run a program of somebody's choice."""
    with pytest.raises(ConfigError, match="no address of a git server") as refused:
        Remote(address, tmp_path)

    assert "ssh://" in refused.value.help


@pytest.mark.parametrize(
    "address", ["ssh://[::1]:22/x", "git@host:x/y.git", "/a/b", "../x", "file:///a", "https://h/x"]
)
def test_the_forms_of_an_address(address: str, here: Hub) -> None:
    """Nothing is asked before it has to be."""
    assert str(Remote(address, here.path)) == address


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://t0ken@host/x.git", "https://host/x.git"),
        ("https://me:t0ken@host/x.git", "https://host/x.git"),
        ("ssh://git@host/x.git", "ssh://git@host/x.git"),
        ("git@host:x.git", "git@host:x.git"),
    ],
)
def test_what_people_are_told_to_type_holds_no_token(address: str, url: str, here: Hub) -> None:
    """On the web it may stand as the user's name; by ssh that is no secret, and needed."""
    assert Remote(address, here.path).url == url


def test_a_password_is_never_shown(here: Hub) -> None:
    """Not in an error, and not on the command line of a process either."""
    remote = Remote("http://me:s3cret-word@127.0.0.1:1/x.git", here.path)

    with pytest.raises(HubUnreachableError) as away:
        remote.list()

    assert "s3cret" not in str(away.value)
    assert "s3cret" not in str(remote)


def test_a_server_that_lets_nobody_in_is_said_to(
    here: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the ssh of a user without a key says it."""
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'git@host: Permission denied (publickey).' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    remote = Remote("git@host:x.git", here.path)

    with pytest.raises(HubRefusedError, match="Permission denied") as refused:
        remote.list()

    assert refused.value.exit_code == 4


def test_the_users_configuration_counts_for_the_server_and_nothing_else(
    here: Hub, server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Credentials and rewritten addresses are theirs; so are the hooks of a push, which never run."""
    home = tmp_path / "home"
    (home / "hooks").mkdir(parents=True)
    hook = home / "hooks" / "pre-push"
    hook.write_text(f"#!/bin/sh\ntouch {home}/ran\n")
    hook.chmod(0o755)
    lines = f'[core]\n hooksPath = {home}/hooks\n[url "{server.parent}/"]\n insteadOf = work:\n'
    (home / ".gitconfig").write_text(lines)
    monkeypatch.setenv("HOME", str(home))
    hub = Hub(here.path, address="work:shared.git")
    base = next(iter(hub.refs_under("refs/swarm/base/").values()))

    hub.create_refs({"refs/swarm/x": base})

    assert refs_of(server)["refs/swarm/x"] == base
    assert not (home / "ran").exists()
    assert os.environ["HOME"] == str(home)


@pytest.mark.parametrize("also", ["", "insteadOf"])
def test_a_push_goes_where_a_fetch_comes_from(
    also: str, here: Hub, server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The user's `pushInsteadOf` is for other remotes; an address is rewritten for both, or for none."""
    home, other = tmp_path / "home", tmp_path / "other.git"
    home.mkdir()
    Hub.open_or_create(other)
    lines = f'[url "{other}"]\n pushInsteadOf = work:shared.git\n pushInsteadOf = {server}\n'
    if also:
        lines += f'[url "{server.parent}/"]\n insteadOf = work:\n'
    (home / ".gitconfig").write_text(lines)
    monkeypatch.setenv("HOME", str(home))
    hub = Hub(here.path, address="work:shared.git" if also else str(server))
    base = next(iter(hub.refs_under("refs/swarm/base/").values()))

    hub.create_refs({"refs/swarm/x": base})

    assert refs_of(other) == {}
    assert hub.remote is not None
    assert hub.remote.list() == refs_of(server)
    assert refs_of(server)["refs/swarm/x"] == base


def test_a_remote_of_the_users_is_not_mixed_with_the_hub(
    here: Hub, server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever they call it: nothing is pushed to it, or fetched as it says."""
    home, other = tmp_path / "home", tmp_path / "other.git"
    home.mkdir()
    Hub.open_or_create(other)
    lines = f"url = {other}\n pushurl = {other}\n fetch = +refs/*:refs/stolen/*\n"
    (home / ".gitconfig").write_text("".join(f'[remote "{name}"]\n {lines}' for name in ("hub", "origin")))
    monkeypatch.setenv("HOME", str(home))
    base = next(iter(here.refs_under("refs/swarm/base/").values()))

    Hub(here.path, address=str(server)).create_refs({"refs/swarm/x": base})

    assert refs_of(server)["refs/swarm/x"] == base
    assert refs_of(other) == {}


@pytest.mark.parametrize("form", ["{}", "file://{}", "work:shared.git"])
@pytest.mark.parametrize("own", ["", "hooks-of-ours"])
def test_hooks_of_a_hub_by_path_are_its_own(
    form: str, own: str, here: Hub, server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git runs its other end as the user and here: hooks of the user's configuration stay out of it."""
    said, home, hub_hooks = server.parent / "said", server.parent / "home", server / (own or "hooks")
    said.mkdir()
    for folder, what in ((home, "users"), (hub_hooks, "hubs")):
        folder.mkdir(exist_ok=True)
        for name in ("pre-receive", "update", "post-receive", "reference-transaction"):
            (folder / name).write_text(f"#!/bin/sh\necho {name} >>{said}/{what}\n")
            (folder / name).chmod(0o755)
    if own:
        Hub(server).git.run("config", "core.hooksPath", own)
    lines = f'[core]\n hooksPath = {home}\n[url "{server.parent}/"]\n insteadOf = work:\n'
    (home / ".gitconfig").write_text(lines)
    monkeypatch.setenv("HOME", str(home))
    base = next(iter(here.refs_under("refs/swarm/base/").values()))

    Hub(here.path, address=form.format(server)).create_refs({"refs/swarm/x": base})

    assert refs_of(server)["refs/swarm/x"] == base
    assert not (said / "users").exists()
    assert "post-receive" in (said / "hubs").read_text().split()


@pytest.mark.parametrize(
    "said",
    [
        "ERROR: The key you are authenticating with has been marked as read only.",
        "ERROR: Permission to team/shop.git denied to me.",
        "remote: You are not allowed to push code to this project.",
    ],
)
def test_a_key_that_may_only_read_is_found_out_about(
    said: str, here: Hub, server: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Before anything is pushed, and when it is; as forges say it."""
    ssh = tmp_path / "ssh"
    other_end = f"*receive-pack*) echo '{said}' >&2; exit 1;; *) exec git upload-pack {server};;"
    ssh.write_text(f'#!/bin/sh\ncase "$*" in {other_end} esac\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    hub = Hub(here.path, address="ssh://git@host/x.git")
    assert hub.remote is not None
    assert hub.remote.list()

    with pytest.raises(HubRefusedError) as checked:
        hub.remote.check()
    with pytest.raises(HubRefusedError) as pushed:
        hub.share_base(next(iter(hub.refs_under("refs/swarm/base/").values())))

    assert said in checked.value.message
    assert "not only to read" in checked.value.help
    assert pushed.value.exit_code == 4


def test_a_look_at_a_server_leaves_nothing_there(here: Hub, server: Path) -> None:
    """What it pushes is removed again."""
    before = refs_of(server)
    assert here.remote is not None

    here.remote.check()

    assert refs_of(server) == before


def test_what_git_leaves_running_does_not_hold_the_refs(
    here: Hub, server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A helper that remembers words lives on after the call, with all that it was given."""
    base = next(iter(refs_of(server).values()))
    ssh, left = tmp_path / "ssh", tmp_path / "left"
    stays = f"sleep 60 </dev/null >/dev/null 2>&1 & echo $! >> {left}"
    ssh.write_text(f'#!/bin/sh\n{stays}\nfor last; do :; done\neval "$last"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    hub = Hub.open_or_create(here.path, address=f"ssh://host{server}")

    hub.mirror_run("r", "swarm/r")
    hub.start_branch("swarm/r", base)
    again = Hub(here.path, patience_s=1)

    try:
        again.create_refs({task_ref("done", "r", "t"): base})
    finally:
        for pid in left.read_text().split():
            os.kill(int(pid), signal.SIGKILL)
