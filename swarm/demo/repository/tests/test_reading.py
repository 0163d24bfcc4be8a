"""How long and how hard a text is to read."""

import unittest

from tally.reading import minutes_to_read, words_per_sentence


class Reading(unittest.TestCase):
    def test_two_hundred_words_take_a_minute(self):
        self.assertEqual(minutes_to_read("word " * 500), 2.5)

    def test_minutes_are_rounded_to_one_tenth(self):
        self.assertEqual(minutes_to_read("word " * 333), 1.7)

    def test_sentences_have_a_mean_length(self):
        self.assertEqual(words_per_sentence("One two three. Four."), 2.0)

    def test_an_empty_text_takes_no_time(self):
        self.assertEqual((minutes_to_read(""), words_per_sentence("")), (0.0, 0.0))
