"""The function library: `lua/*.lua` assembled into one text, loaded where it is missing, called by name.

The library's name and its functions' names carry the hash of its text, so two versions of swarm can
use one server at the same time. Nothing is decoded here.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from swarm.engine.store import Reply, Store
from swarm.errors import StoreReplyError
from swarm.keys import PARTS, Keys
from swarm.states import ALIVE_MS, TERMINAL

FRAGMENTS = (
    "_clock",
    "_call",
    "_writes",
    "_epoch",
    "_durations",
    "_events",
    "_left",
    "_runs",
    "_queue",
    "_skills",
    "_controls",
    "_locks",
    "_lots",
    "_turn",
    "_tasks",
    "_history",
    "_work",
    "_cancel",
    "_attempts",
    "_undoom",
    "_skip",
    "_forget",
    "_expand",
    "_deadlines",
    "_unserved",
    "_claim",
    "_answers",
    "_held",
    "_settle",
    "_short",
    "_short_claim",
    "_begin",
)
"""Shared local functions, in the order in which each needs the ones before it."""

FOLDER = Path(__file__).parent / "lua"

_HASH = "@HASH@"


class Library:
    """One version of the scripts, for one project on one connection.

    Args:
        lua: Lua texts to use instead of the shipped ones, by name: for tests.
    """

    def __init__(self, store: Store, project: str, *, lua: Mapping[str, str] | None = None) -> None:
        self._store = store
        self._prefix = Keys(project).prefix
        self._lua = tuple(sorted((lua or {}).items()))

    def call(self, verb: str, *args: str | int) -> list[Reply]:
        """Run one script and return its answer in words, undecoded; loads the library where it is missing.

        Raises:
            StoreUnreachableError: no reply; whether the script took effect is unknown.
            StoreReplyError: the server refused the call; nothing changed.
        """
        # Assembled on the first call: a command that only reads starts sooner.
        digest, text = assemble(self._lua)
        command = ("FCALL", f"{verb}_{digest}", 1, self._prefix, *args)
        try:
            reply = self._store.call(*command)
        except StoreReplyError as error:
            if "function not found" not in error.message.lower():
                raise
            self._load(text)
            reply = self._store.call(*command)
        assert isinstance(reply, list), reply  # noqa: S101  # every script answers in words
        return reply

    def stream(self, verb: str, calls: Iterable[tuple[str | int, ...]]) -> list[list[Reply]]:
        """Run one script many times without a wait in between; the library must be loaded (`call` does)."""
        digest, _ = assemble(self._lua)
        head = ("FCALL", f"{verb}_{digest}", 1, self._prefix)
        replies = self._store.pipeline((*head, *args) for args in calls)
        return [reply for reply in replies if isinstance(reply, list)]

    def _load(self, text: str) -> None:
        try:
            self._store.call("FUNCTION", "LOAD", text)
        except StoreReplyError as error:
            # Another process was faster.
            if "already exists" not in error.message:
                raise


@cache
def assemble(replaced: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
    """The hash and the text of the library; `replaced` are (name, Lua text) to use instead of the shipped."""
    instead = dict(replaced)
    parts = ", ".join(f"{name} = '{text}'" for name, text in PARTS.items())
    terminal = ", ".join(f"{state} = true" for state in sorted(TERMINAL))
    sources = [f"local PARTS, IS_TERMINAL, ALIVE_MS = {{{parts}}}, {{{terminal}}}, {ALIVE_MS}\n"]
    sources.extend(instead.get(name) or read_script(name) for name in FRAGMENTS)
    sources.extend(_function(verb, instead.get(verb) or read_script(verb)) for verb in verbs())
    body = f"#!lua name=swarm_{_HASH}\n" + "\n".join(sources)
    digest = hashlib.sha256(body.encode()).hexdigest()[:12]
    return digest, body.replace(_HASH, digest)


def verbs() -> list[str]:
    """The names of all scripts, in order."""
    names = (path.stem for path in FOLDER.glob("*.lua"))
    return sorted(name for name in names if not name.startswith("_"))


def read_script(name: str) -> str:
    """The text of one Lua file."""
    return (FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def _function(verb: str, text: str) -> str:
    flags = re.search(r"^-- Flags: (.+)$", text, re.MULTILINE)
    listed = ", ".join(f"'{flag.strip()}'" for flag in flags[1].split(",")) if flags else ""
    return (
        f"redis.register_function{{function_name = '{verb}_{_HASH}', flags = {{{listed}}}, "
        f"callback = function(keys, args)\nbegin(keys, args)\n{text}end}}\n"
    )
