"""Plan text to plain values, strictly: UTF-8, real JSON, no key twice, a place named for each fault."""

import json
import re
from collections import Counter

from swarm.errors import PlanError, Problem

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = 80
_FOUND = 10  # of what stands at a fault: enough to find it, too little to leak a file given by mistake
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*+"|(NaN|-?Infinity)')


class _ConstantError(ValueError):
    """A number that Python's parser would take and JSON does not have."""


def read_json(text: str | bytes, *, source: str) -> tuple[object, list[Problem]]:
    """Parse a JSON document; with it what JSON allows and a plan does not: each key that is given twice.

    Raises:
        PlanError: with the line and column of the fault.
    """
    if isinstance(text, bytes):
        text = _decoded(text, source)
    repeated: list[tuple[dict[str, object], str]] = []

    def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
        value = dict(pairs)
        if len(value) < len(pairs):
            times = Counter(key for key, _ in pairs)
            repeated.extend((value, key) for key in value if times[key] > 1)
        return value

    try:
        document: object = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise _malformed(source, f"not JSON: {error.msg}", text, error.pos) from None
    except RecursionError:
        raise PlanError(f"{source}: not a plan: nested too deeply") from None
    except _ConstantError as error:
        raise _malformed(source, f"not JSON: {error}", text, _first_constant(text)) from None
    except ValueError as error:  # a number of thousands of digits
        raise PlanError(f"{source}: not JSON: {error}") from None
    return document, _repeated_keys(document, repeated) if repeated else []


def problems_error(source: str, problems: list[Problem]) -> PlanError:
    """One error for all that is wrong, in the order of the document."""
    ordered = sorted(dict.fromkeys(problems), key=lambda problem: _natural(problem.path))
    count = f"{len(ordered)} problems" if len(ordered) > 1 else f"1 problem: {ordered[0]}"
    return PlanError(f"{source}: {count}", ordered, hint="`swarm schema plan` prints what a plan may hold")


def path_of(root: str, parts: tuple[int | str, ...]) -> str:
    """The JSON path below `root`, such as `$.tasks[3].files[0]`."""
    path = root
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            is_plain = len(part) <= _SHOWN and _PLAIN_KEY.fullmatch(part)
            path += f".{part}" if is_plain else f"[{shown(part)}]"
    return path


def shown(value: object) -> str:
    """The value as an error names it: on one line, and not longer than a person reads."""
    if isinstance(value, str):
        text = repr(value) if value.isprintable() else ascii(value)
    else:
        text = json.dumps(value, ensure_ascii=False, default=repr)
        text = text if text.isprintable() else json.dumps(value, default=repr)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _decoded(raw: bytes, source: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PlanError(
            f"{source}: line {line}: not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}"
        ) from None


def _malformed(source: str, fault: str, text: str, position: int) -> PlanError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    found = shown(text[position : position + _FOUND]) if position < len(text) else "the end"
    if not text.strip():
        return PlanError(f"{source}: the plan is empty", hint="give a JSON array of tasks")
    return PlanError(f"{source}: line {line} column {column}: {fault}, found {found}")


def _refuse_constant(name: str) -> object:
    raise _ConstantError(f"{name} is not a JSON number")


def _first_constant(text: str) -> int:
    """Where the first NaN or Infinity stands that is not in a string; all before it is sound JSON."""
    return next(found.start() for found in _STRING_OR_CONSTANT.finditer(text) if found[1])


def _repeated_keys(document: object, repeated: list[tuple[dict[str, object], str]]) -> list[Problem]:
    """Where the objects with repeated keys are; one that was itself overwritten has no place left."""
    wanted: dict[int, list[str]] = {}
    for holder, key in repeated:
        wanted.setdefault(id(holder), []).append(key)
    problems: list[Problem] = []
    pending: list[tuple[object, tuple[int | str, ...]]] = [(document, ())]
    while pending:
        value, parts = pending.pop()
        problems += [
            Problem(path_of("$", (*parts, key)), f"key {shown(key)} is given more than once")
            for key in wanted.pop(id(value), ())
        ]
        if isinstance(value, dict):
            pending.extend((inner, (*parts, key)) for key, inner in value.items())
        elif isinstance(value, list):
            pending.extend((inner, (*parts, index)) for index, inner in enumerate(value))
    lost = [key for keys in wanted.values() for key in keys]
    return problems + [Problem("$", f"key {shown(key)} is given more than once") for key in lost]


def _natural(path: str) -> list[tuple[int, int | str]]:
    return [(1, int(part)) if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", path)]
