"""The tables of swarm.toml: which there are, and a word on those that nobody reads.

A table that is passed over in silence is a run without its gates. Values are for the readers: `[gate.*]`
for `repo.gates.definitions`, `[approval]` for `repo.gates.guarded`, `[limits]` for `limits`.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from swarm.errors import ConfigError

T = TypeVar("T")

TABLES: Mapping[str, tuple[str, ...]] = {"gate": (), "approval": ("paths", "trusted"), "limits": ()}
"""A table -> its keys; none where whoever writes it names them."""
_LISTED = "the tables are [gate.NAME], [approval] and [limits]"


def parse_toml(text: str) -> dict[str, Any]:  # Any: straight from TOML
    """A document. Raises ValueError: it is none, also where it is nested so deeply that nothing reads it."""
    import tomllib  # noqa: PLC0415  # 3 ms, for whoever has such a file

    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def refuse_unread(document: Mapping[str, object], source: str) -> None:
    """Make sure that there is a reader for each table of a swarm.toml, and for each key in it.

    Raises:
        ConfigError: names the table or the key, and the nearest that there is.
    """
    for name, value in document.items():
        if name not in TABLES:
            if isinstance(value, dict):
                raise _unknown_table(name, source)
            continue
        if not isinstance(value, dict):
            raise ConfigError(f"{source}: {name} must be a table, got {value!r}", hint=_LISTED)
        known = TABLES[name]
        for key in value if known else ():
            if key not in known:
                hint = _nearest(key, known) or f"it has {' and '.join(known)}"
                raise ConfigError(f"{source}: unknown key {name}.{key}", hint=hint)


def settings_in(
    layer: Mapping[str, T], source: str, known: Collection[str], *, may_have_tables: bool
) -> dict[str, T]:
    """One source of settings without its tables.

    Raises:
        ConfigError: it has a setting that there is not, or a table that nobody reads.
    """
    others = {name: value for name, value in layer.items() if name not in known}
    if may_have_tables:
        refuse_unread(others, source)
    for name, value in others.items():
        if name in TABLES and not may_have_tables:
            raise ConfigError(f"{source}: nobody reads {name!r} there", hint=f"put [{name}] into swarm.toml")
        if name not in TABLES:
            raise _unknown_table(name, source) if isinstance(value, dict) else _unknown(name, source, known)
    return {name: value for name, value in layer.items() if name in known}


def _unknown(name: str, source: str, known: Collection[str]) -> ConfigError:
    listed = "`swarm config show` lists every setting"
    hint = " ".join(filter(None, [_nearest(name, [*known, *TABLES]), listed]))
    return ConfigError(f"{source}: unknown setting {name!r}", hint=hint)


def _unknown_table(name: str, source: str) -> ConfigError:
    hint = " ".join(filter(None, [_nearest(name, TABLES), _LISTED]))
    return ConfigError(f"{source}: unknown table [{name}]", hint=hint)


def _nearest(name: str, known: Iterable[str]) -> str:
    """A question after the name that was meant, or nothing where none is near."""
    from difflib import get_close_matches  # noqa: PLC0415  # only a mistake pays for it

    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else ""
