"""The command line."""

import io
import json
import tempfile
import unittest
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tally.cli import main
from tests.sample import TEXT


class Cli(unittest.TestCase):
    def run_tally(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = main(list(arguments))
        return code, out.getvalue(), err.getvalue()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "bread.md"
        self.file.write_text(TEXT, encoding="utf-8")

    def test_text_is_the_default(self):
        code, out, _ = self.run_tally(str(self.file))
        self.assertEqual((code, out.splitlines()[0]), (0, "words      22 (17 different)"))

    def test_json_is_an_option(self):
        code, out, _ = self.run_tally("--json", str(self.file))
        self.assertEqual((code, json.loads(out)["sentences"]), (0, 8))

    def test_a_file_that_is_not_there_is_an_error(self):
        code, out, err = self.run_tally("missing.md")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("missing.md", err)
