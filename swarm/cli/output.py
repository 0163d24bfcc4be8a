"""Writing to people and to programs: stdout is data, stderr is progress."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from swarm.observe.wording import COLOURS, SHAPES, cells

JSON_HELP = "Print JSON and nothing else on stdout."
json_option = click.option("--json", "as_json", is_flag=True, help=JSON_HELP)


def emit(data: object, as_json: bool, render: Callable[[], str]) -> None:
    """Print the result once: `data` as JSON, or the text that `render` makes for a person."""
    click.echo(to_json(data) if as_json else render())


def say(text: str) -> None:
    """Tell a person how it is going, on stderr."""
    click.echo(text, err=True)


def to_json(data: object, *, indent: int | None = 2) -> str:
    """JSON of plain values, records, paths and sets; NDJSON lines with `indent=None`."""
    import json

    return json.dumps(_plain(data), indent=indent, ensure_ascii=False)


def _plain(value: object) -> object:
    fields = _fields(value)
    if fields is not None:
        return {str(name): _plain(item) for name, item in fields.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value) if isinstance(value, Path) else value


def _fields(value: object) -> Mapping[Any, object] | None:
    """What becomes a JSON object: mappings and records."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple):
        return value._asdict() if hasattr(value, "_asdict") else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def state_word(state: str, *, styled: bool = True) -> str:
    """A state as shape and word, coloured where the terminal allows it."""
    text = f"{SHAPES[state]} {state}" if state in SHAPES else state
    return click.style(text, fg=COLOURS.get(state)) if styled else text


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Aligned columns under capital heads; the columns numbered in `right` align right."""
    plain = [[click.unstyle(cell) for cell in row] for row in rows]
    widths = [max(cells(line[i]) for line in [list(heads), *plain]) for i in range(len(heads))]
    lines = [_line([click.style(head, bold=True) for head in heads], list(heads), widths, right)]
    lines += [_line(row, bare, widths, right) for row, bare in zip(rows, plain, strict=True)]
    return "\n".join(lines)


def _line(shown: Sequence[str], bare: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    parts: list[str] = []
    for i, (text, plain) in enumerate(zip(shown, bare, strict=True)):
        gap = " " * (widths[i] - cells(plain))
        parts.append(gap + text if i in right else text + gap)
    return "  ".join(parts).rstrip()


def pairs(values: Mapping[str, Any]) -> str:
    """`name  value` lines, the values aligned."""
    width = max((cells(name) for name in values), default=0)
    return "\n".join(
        f"{click.style(name, bold=True)}{' ' * (width - cells(name))}  {value}"
        for name, value in values.items()
    )
