"""All code compiles, and every test of what has been written so far passes.

    python3 -m unittest checks.written

A test module that cannot be imported because its subject is not there yet is left out; any other
failure to import it is an error.
"""

import importlib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Sources(unittest.TestCase):
    def test_every_file_compiles(self):
        for path in sorted(ROOT.rglob("*.py")):
            with self.subTest(path=str(path.relative_to(ROOT))):
                compile(path.read_text(encoding="utf-8"), str(path), "exec")


def load_tests(loader, tests, pattern):
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        try:
            module = importlib.import_module(f"tests.{path.stem}")
        except (ImportError, FileNotFoundError) as error:
            if not is_unwritten(error):
                raise
        else:
            tests.addTests(loader.loadTestsFromModule(module))
    return tests


def is_unwritten(error):
    """The import failed for want of something in `tally`, or of a document."""
    if isinstance(error, FileNotFoundError):
        return True
    return (error.name or "").partition(".")[0] == "tally"
