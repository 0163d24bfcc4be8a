"""An analysis for people."""

import unittest

from tally.render import as_text
from tests.sample import ANALYSIS


class AsText(unittest.TestCase):
    def test_each_number_has_a_line_of_its_own(self):
        self.assertEqual(
            as_text(ANALYSIS),
            "words      22 (17 different)\n"
            "sentences  8\n"
            "reading    0.1 minutes\n"
            "common     bread 4, needs 2, time 2, flour 1, good 1\n"
            "outline    Bread / How\n"
            "links      1\n",
        )
