"""Sentences of a text."""

import unittest

from tally.sentences import sentences


class Sentences(unittest.TestCase):
    def test_full_stops_questions_and_calls_end_sentences(self):
        self.assertEqual(sentences("It works. Does it? Yes!"), ["It works.", "Does it?", "Yes!"])

    def test_an_abbreviation_or_a_number_does_not(self):
        self.assertEqual(sentences("See e.g. page 3.5 for more. Then stop."), ["See e.g. page 3.5 for more.", "Then stop."])

    def test_an_empty_line_ends_a_sentence_too(self):
        self.assertEqual(sentences("A title\n\nA sentence\nover two lines."), ["A title", "A sentence over two lines."])
