"""Markdown without its markup."""

import unittest

from tally.plain import plain_text


class PlainText(unittest.TestCase):
    def test_emphasis_and_code_lose_their_marks(self):
        self.assertEqual(plain_text("a **bold** and *slanted* `word`"), "a bold and slanted word")

    def test_headings_and_lists_lose_their_marks(self):
        self.assertEqual(plain_text("## Title\n\n- one\n* two\n1. three"), "Title\n\none\ntwo\nthree")

    def test_links_keep_their_text_and_images_nothing(self):
        self.assertEqual(plain_text("see [the guide](guide.md)![logo](logo.png)."), "see the guide.")

    def test_fenced_code_is_left_out(self):
        self.assertEqual(plain_text("before\n```python\nx = 1\n```\nafter"), "before\nafter")
