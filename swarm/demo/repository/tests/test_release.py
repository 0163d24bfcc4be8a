"""What is released."""

import re
import unittest
from pathlib import Path

from tally import __version__, analyse

CHANGES = (Path(__file__).resolve().parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")


class Release(unittest.TestCase):
    def test_the_newest_change_is_this_version(self):
        self.assertEqual(re.findall(r"^## (.+)$", CHANGES, re.MULTILINE)[0], __version__)

    def test_the_package_offers_its_main_function(self):
        self.assertEqual(analyse("One word.").words, 2)
