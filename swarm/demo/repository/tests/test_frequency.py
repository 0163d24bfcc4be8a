"""The words that matter."""

import unittest

from tally.frequency import common_words


class Frequency(unittest.TestCase):
    def test_the_commonest_come_first_and_ties_by_the_alphabet(self):
        self.assertEqual(common_words("cat hat cat bat", 3), (("cat", 2), ("bat", 1), ("hat", 1)))

    def test_small_words_do_not_count(self):
        self.assertEqual(common_words("the cat and the hat of a cat", 1), (("cat", 2),))

    def test_case_does_not_matter(self):
        self.assertEqual(common_words("Cat cat CAT", 5), (("cat", 3),))
