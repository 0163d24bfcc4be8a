"""Words of a text."""

import unittest

from tally.words import unique_words, words


class Words(unittest.TestCase):
    def test_punctuation_parts_words(self):
        self.assertEqual(words("One, two; (three)."), ["One", "two", "three"])

    def test_apostrophes_and_hyphens_do_not(self):
        self.assertEqual(words("It's a well-known fact"), ["It's", "a", "well-known", "fact"])

    def test_letters_of_any_language_count(self):
        self.assertEqual(words("naïve Größe"), ["naïve", "Größe"])

    def test_unique_words_ignore_case(self):
        self.assertEqual(unique_words("The cat and the hat"), {"the", "cat", "and", "hat"})

    def test_nothing_has_no_words(self):
        self.assertEqual(words(" — … "), [])
