"""Headings of a document."""

import unittest

from tally.headings import headings
from tally.model import Heading


class Headings(unittest.TestCase):
    def test_each_level_is_found(self):
        self.assertEqual(headings("# One\ntext\n### Three ###"), [Heading(1, "One"), Heading(3, "Three")])

    def test_a_hash_without_a_space_is_no_heading(self):
        self.assertEqual(headings("#hashtag\n####### seven"), [])

    def test_fenced_code_holds_no_headings(self):
        self.assertEqual(headings("```\n# a comment\n```\n# Real"), [Heading(1, "Real")])

    def test_markup_in_a_title_is_left_out(self):
        self.assertEqual(headings("## The `run` **verb**"), [Heading(2, "The run verb")])
