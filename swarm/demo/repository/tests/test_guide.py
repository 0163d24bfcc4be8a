"""The guide explains what tally finds."""

import unittest
from dataclasses import fields
from pathlib import Path

from tally.model import Analysis

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "guide.md").read_text(encoding="utf-8")


class Guide(unittest.TestCase):
    def test_every_field_of_an_analysis_is_explained(self):
        for field in fields(Analysis):
            with self.subTest(field=field.name):
                self.assertIn(f"`{field.name}`", GUIDE)

    def test_it_shows_how_to_call_tally(self):
        self.assertIn("python3 -m tally", GUIDE)
