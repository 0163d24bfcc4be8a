"""Each mutant of `make mutants` breaks something that is still there, and names tests that are."""

import runpy

import pytest
from shipped_files import ROOT

MUTANTS = runpy.run_path(str(ROOT / "benchmarks" / "mutants.py"))["MUTANTS"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_finds_what_it_breaks(mutant: object) -> None:
    """Each text once: a rule that was written anew takes its mutant along."""
    edits, tests = mutant.edits, mutant.tests  # type: ignore[attr-defined]

    found = {text: (ROOT / file).read_text(encoding="utf-8").count(text) for file, text, _ in edits}

    assert found == dict.fromkeys(found, 1)
    assert [test for test in tests if not (ROOT / test).exists()] == []
