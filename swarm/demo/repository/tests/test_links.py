"""Links of a document."""

import unittest

from tally.links import links
from tally.model import Link


class Links(unittest.TestCase):
    def test_links_and_images_come_in_order(self):
        self.assertEqual(
            links("[a](x.md) then ![b](y.png)"), [Link("a", "x.md"), Link("b", "y.png", is_image=True)]
        )

    def test_references_are_resolved(self):
        self.assertEqual(links("see [the site][home]\n\n[home]: https://example.org"), [Link("the site", "https://example.org")])

    def test_bare_addresses_are_links(self):
        self.assertEqual(links("<https://example.org>"), [Link("https://example.org", "https://example.org")])

    def test_fenced_code_holds_no_links(self):
        self.assertEqual(links("```\n[a](b)\n```"), [])
