"""An analysis for programs."""

import json
import unittest

from tally.render import as_json
from tests.sample import ANALYSIS


class AsJson(unittest.TestCase):
    def test_every_field_is_there(self):
        document = json.loads(as_json(ANALYSIS))
        self.assertEqual(document["words"], 22)
        self.assertEqual(document["headings"][1], {"level": 2, "title": "How"})
        self.assertEqual(document["links"], [{"text": "the recipe", "target": "recipe.md", "is_image": False}])

    def test_the_same_analysis_gives_the_same_text(self):
        self.assertEqual(as_json(ANALYSIS), as_json(ANALYSIS))
        self.assertTrue(as_json(ANALYSIS).endswith("}\n"))
