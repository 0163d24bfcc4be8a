"""A number of seconds on the command line."""

import math

import click


class Seconds(click.ParamType[float]):
    """A finite number of seconds from 0 up; with `most_s`, more than 0 and at most so many."""

    name = "seconds"

    def __init__(self, *, most_s: float | None = None) -> None:
        self._most_s = most_s

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number, or a message that says what was found."""
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = math.nan
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        if self._most_s is None and seconds < 0:
            self.fail(f"{value!r} is less than 0 seconds", param, ctx)
        if self._most_s is not None and not 0 < seconds <= self._most_s:
            self.fail(f"{value!r} is not more than 0 and at most {self._most_s:.0f} seconds", param, ctx)
        return seconds
