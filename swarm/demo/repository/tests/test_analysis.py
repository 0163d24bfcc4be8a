"""Everything about one document."""

import unittest

from tally.analysis import analyse
from tests.sample import ANALYSIS, TEXT


class WholeAnalysis(unittest.TestCase):
    def test_a_document_is_analysed_in_full(self):
        self.assertEqual(analyse(TEXT), ANALYSIS)

    def test_an_empty_document_has_nothing(self):
        empty = analyse("")
        self.assertEqual((empty.words, empty.sentences, empty.minutes, empty.common), (0, 0, 0.0, ()))
