"""The git server that the hosts of a project share: where each ref is moved first, and read from anew.

A host's own hub is a mirror of it. One push moves all refs of a transaction or none, each with the value
that it must have had as its lease; what `verify` asks for is compared with what the server says in the
same push. Nothing here waits or tries again: whoever calls knows what it holds meanwhile.
"""

import copy
import hashlib
import re
import secrets
import socket
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from swarm.errors import HubDeclinedError, HubRefusedError, HubUnreachableError
from swarm.repo.git.command import Answer, Git
from swarm.repo.git.limited import ask_within
from swarm.repo.hub.address import parse_address
from swarm.repo.hub.push_answers import MOST_LINES, is_broken, is_locked, is_refusal, why_declined
from swarm.repo.hub.refs import RefChange
from swarm.settings import online_environment

NAME = f"swarm-hub-{secrets.token_hex(8)}"
"""What git calls it: nobody has a remote of that name, whose addresses git would mix with ours."""

PATIENT_SSH = "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4"
"""Asks nobody anything, and gives a server up that says nothing for a minute."""
_OPTIONS = {
    "http.lowSpeedLimit": "1",  # bytes a second
    "http.lowSpeedTime": "60",
    "push.gpgSign": "false",
    "protocol.version": "2",
}

LIMIT_S = 300.0
"""How long one call may take."""

_FETCH = ("fetch", "--quiet", "--no-tags", "--prune", "--no-write-fetch-head", "--no-auto-maintenance")
_PUSH = ("push", "--atomic", "--porcelain", "--no-verify", "--no-follow-tags")
_RECEIVE_PACK = (
    'own() { git -c core.hooksPath="$(git -C "$1" config --local --includes --type=path core.hooksPath'
    ' 2>/dev/null || echo hooks)" receive-pack "$1"; }; own'
)
"""The other end of a push to a hub by path, with its own hooks, not those of the user's configuration."""
_REJECTED = 1
"""How `git push` ends when the server answered, and took nothing."""

_GENERAL = ("Please make sure you have the correct access rights", "and the repository exists.")
_PROBES = "refs/swarm/probe/"
_WEB_LOGIN = re.compile(r"^(https?://)[^/]*@")
MAY_PUSH = "whoever comes from here must be let in to push, not only to read"
MUST_TAKE = (
    "let it take pushes of branches `swarm/*` and of refs below refs/swarm/ from here, or name another hub;"
    " no task is charged, and work goes on by itself then"
)


class Remote:
    """A git server, as seen from the mirror of one host.

    Args:
        address: in one of the `FORMS` of `parse_address`.
        mirror: the git folder of this host's hub.
        limit_s: how long one call may take; whether a push that took longer was done is unknown.
        ssh_command: what ssh is asked by, as `core.sshCommand` of the user's repository; empty: as the user's
            own configuration or environment has it.

    Raises:
        ConfigError: the address has none of the forms.
    """

    def __init__(
        self, address: str, mirror: Path, *, limit_s: float = LIMIT_S, ssh_command: str = ""
    ) -> None:
        self.limit_s = limit_s
        self._address = parse_address(address)
        self._mirror = mirror
        git = Git.at(mirror, environment=online_environment())
        # Of a remote that has an address for pushes, git leaves `pushInsteadOf` out.
        places = ((f"remote.{NAME}.{name}", self._address.url) for name in ("url", "pushurl"))
        settings = [*_OPTIONS.items(), *places]
        if not ssh_command and "GIT_SSH" not in online_environment():  # which git asks last
            ssh_command = "" if git.ask("config", "core.sshCommand").succeeded else PATIENT_SSH
        settings += [("core.sshCommand", ssh_command)] if ssh_command else []
        for name, helper in self._address.settings().items():
            settings += [(name, ""), (name, helper)]  # nothing before it is asked
        # By the environment: what is on a command line, or in a file, more people can read.
        self._git = git.with_environment(_as_environment(settings))

    def __str__(self) -> str:
        return self._address.shown

    @property
    def url(self) -> str:
        """As a person may give it to git, for which it asks then: a token may stand as the user's name."""
        return _WEB_LOGIN.sub(r"\1", self._address.url)

    def within(self, limit_s: float) -> "Remote":
        """The same, for whoever has less time."""
        hurried = copy.copy(self)
        hurried.limit_s = min(self.limit_s, limit_s)
        return hurried

    def list(self, patterns: Sequence[str] = ()) -> dict[str, str]:
        """The refs there that match -> their object ids.

        Raises:
            HubUnreachableError: it could not be asked.
        """
        answer = self._ask("ls-remote", "--quiet", "--refs", NAME, *patterns)
        if not answer.succeeded:
            raise self._away(answer)
        lines = answer.stdout.decode().splitlines()
        return {ref: oid for oid, _, ref in (line.partition("\t") for line in lines)}

    def check(self) -> None:
        """See that it answers, and takes a push: a ref that nobody needs, which is removed again.

        No dry run: a server lets its hooks see none.

        Raises:
            HubUnreachableError: it does not answer, let us in, or take it.
        """
        there = self.list(["HEAD", f"{self._probes}*"])
        if left := [RefChange("delete", ref, old=oid) for ref, oid in there.items() if ref != "HEAD"]:
            self.push(left)  # of who was killed here, or from before it took deletions
        blob = self._git.run("hash-object", "-w", "--stdin", stdin=b"may this be pushed?\n").decode().strip()
        probe = f"{self._probes}{secrets.token_hex(8)}"
        self.push([RefChange("create", probe, new=blob)])
        self.push([RefChange("delete", probe, old=blob)])

    @cached_property
    def _probes(self) -> str:
        """Where those of this mirror are: others may be looking, too."""
        place = f"{socket.gethostname()}:{self._mirror}".encode()
        return f"{_PROBES}{hashlib.sha256(place).hexdigest()[:12]}-"

    def fetch(self, patterns: Iterable[str]) -> None:
        """Make the mirror's refs that match what they are there, with their objects; others vanish.

        A pattern is a ref's name whose end may be `*`. The caller holds the lock of the mirror's refs.

        Raises:
            HubUnreachableError: it could not be asked, or broke off.
        """
        specs = [f"+{pattern}:{pattern}" for pattern in patterns]
        answer = self._ask(*_FETCH, "--no-recurse-submodules", NAME, *specs)
        if not answer.succeeded:
            raise self._away(answer)

    def push(self, changes: Sequence[RefChange]) -> Answer:
        """Make all of these changes there, or none. An answer that was lost is found out about.

        Returns the answer of a server that has taken them, or that has compared refs and found others.

        Raises:
            HubDeclinedError: it was reached, and does not want them; nothing was done.
            HubUnreachableError: it did not answer; everything or nothing may have been done.
        """
        leases = [option for change in changes for option in change.lease()]
        answer = self._push(*leases, NAME, *(change.refspec() for change in changes))
        if answer.succeeded:
            return answer
        if answer.exit_code != _REJECTED and is_refusal(answer.stderr.decode("utf-8", "replace")):
            raise self._away(answer, is_push=True)  # even if there is nothing to do
        there = self.list([change.ref for change in changes])
        if all(change.holds_in(there) for change in changes):
            return Answer(0, answer.stdout, answer.stderr)
        rest = [change for change in changes if not (change.verb == "delete" and change.ref not in there)]
        if len(rest) < len(changes):
            # Somebody else has deleted some of them already; git takes that for an error.
            return self.push(rest)
        if answer.exit_code != _REJECTED or is_locked(answer):
            raise self._away(answer, is_push=True)
        if is_broken(answer):
            raise self._away(answer, is_push=True)
        if why := why_declined(answer):
            raise HubDeclinedError(f"hub {self} declined a push: {self._address.mask(why)}", hint=MUST_TAKE)
        return Answer(answer.exit_code, answer.stdout, self._masked_bytes(answer))

    def _push(self, *arguments: str) -> Answer:
        other_end = [f"--receive-pack={_RECEIVE_PACK}"] if self._is_path else []
        return self._ask(*_PUSH, "--no-recurse-submodules", *other_end, *arguments)

    @cached_property
    def _is_path(self) -> bool:
        """Once `insteadOf` has been applied: git itself runs the other end then, here and as us."""
        address = self._git.one_line("ls-remote", "--get-url", NAME)
        return address.startswith("file://") or ":" not in address.partition("/")[0]

    def _ask(self, *arguments: str) -> Answer:
        # No git that goes there has the lock of the mirror's refs: what it starts, such as a helper that
        # remembers words for a quarter of an hour, would hold it for as long. Of what one that outlives us
        # still writes to the mirror, the leases of the next push tell.
        with self._address.lend_login() as (env, login_fds):
            answer = ask_within(self.limit_s, self._git, arguments, env=env, keep_fds=login_fds)
        if answer is None:
            raise HubUnreachableError(
                f"hub {self}: `git {arguments[0]}` had not ended after {self.limit_s:g} s, and was stopped",
                hint="if that is too short for what there is to bring, raise hub_timeout_s",
            )
        return answer

    def _away(self, answer: Answer, *, is_push: bool = False) -> HubUnreachableError:
        text = self._address.mask(answer.stderr.decode("utf-8", "replace"))
        lines = [line.strip() for line in text.strip().splitlines() if line and line not in _GENERAL]
        said = (
            f"hub {self}: {'; '.join(lines[:MOST_LINES]) or f'git ended with exit code {answer.exit_code}'}"
        )
        if is_refusal(text):
            return HubRefusedError(said, hint=MAY_PUSH if is_push else "")
        return HubUnreachableError(said)

    def _masked_bytes(self, answer: Answer) -> bytes:
        """What git said to programs, which has the reasons, before what it said to people."""
        rejected = [line for line in answer.stdout.splitlines() if line.startswith(b"!")]
        said = b"\n".join([*rejected, answer.stderr])
        return self._address.mask(said.decode("utf-8", "replace")).encode()


def _as_environment(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Settings of git's, as it reads them from its environment."""
    made = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        made |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return made
