"""Values in words: states, durations, and text that others wrote."""

import pytest
from counted_calls import calls_of
from hypothesis import given
from hypothesis import strategies as st

from swarm.observe.wording import COLOURS, FAILURES, SHAPES, cells, duration, money, one_line, printable
from swarm.states import FailureKind, TaskState


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0s"),
        (0, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.6, "1m00s"),
        (133, "2m13s"),
        (3600, "1h00m"),
        (3 * 86400 + 4 * 3600, "3d04h"),
    ],
)
def test_durations_grow_coarser_as_they_grow_longer(seconds: float, words: str) -> None:
    """Two units at most, so that columns stay narrow."""
    assert duration(seconds) == words


def test_every_state_and_failure_has_its_words() -> None:
    """A new state cannot reach a screen without shape and colour."""
    assert set(SHAPES) == set(TaskState)
    assert set(TaskState) <= set(COLOURS)
    assert set(FAILURES) == set(FailureKind)
    assert len(set(SHAPES.values())) == len(SHAPES)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPpayload\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("over\rwrite\x08", "overwrite"),
        ("\x9b31mC1", "31mC1"),
        ("abc\u202edef\u2066", "abcdef"),
        ("\ud800lone", "lone"),
    ],
)
def test_text_of_others_cannot_steer_the_terminal(written: str, shown: str) -> None:
    """Escapes with their payload, control and direction characters are gone; the words stay."""
    assert printable(written) == shown


def test_a_long_line_is_cut_by_cells() -> None:
    """Wide letters count twice, so columns stay aligned."""
    assert one_line("漢字漢字", 5) == "漢字…"
    assert cells("漢字…") == 5
    assert one_line("short", 5) == "short"
    assert one_line("a\nb   c") == "a b c"


@given(st.text("ab 漢e\u0301→", max_size=30), st.integers(1, 12))
def test_a_cut_line_is_as_long_as_fits(text: str, width: int) -> None:
    """Nothing that would fit with the ellipsis is left out."""
    whole, shown = one_line(text), one_line(text, width)

    assert cells(shown) <= width
    if shown != whole:
        kept = shown.removesuffix("…")
        assert whole.startswith(kept)
        more = whole[: len(kept) + 1]
        assert cells(more) > width - 1 or more.endswith(" ")


def test_a_chain_of_thousands_is_cut_at_once() -> None:
    """Each letter is measured once or twice, not once for each that is left out."""
    chain = " → ".join(f"t{n}" for n in range(2_000))

    assert calls_of(lambda: one_line(chain, 80)) < 10 * len(chain)


def test_money_keeps_the_cents_of_cents() -> None:
    """A task may cost a hundredth of a cent, and nothing costs nothing."""
    assert (money(0), money(100), money(1_234_500)) == ("$0", "$0.0001", "$1.2345")
