"""Mends a torn append-only file before its server reads it.

A server that finds the end of its file torn inside a transaction drops what it read of it, but leaves the
open MULTI in the file (Redis 7.0, `loadSingleAppendOnlyFile`). What is written next follows it, and the start
after that runs the half transaction too. The server's own checker cuts the file before the MULTI.
"""

import re
import subprocess
from pathlib import Path

MANIFEST = Path("appendonlydir", "appendonly.aof.manifest")
LIMIT_S = 600.0
_LINE = re.compile(r"file \S+ seq \d+ type [bhi]")
_NAMES = "redis-check-aof valkey-check-aof"
"""A server that is started under a name with its checker's in it is its checker."""


def mend_append_only_file(binary: str, folder: Path) -> bool:
    """Cut what a power cut left of a last transaction; whether the file is sound now, or there is none.

    What cannot be mended is left as it is: the server says what is wrong with it.
    """
    manifest = folder / MANIFEST
    if not manifest.exists():
        return True
    lines = manifest.read_text(encoding="utf-8", errors="replace").splitlines()
    if not all(map(_LINE.match, lines)):
        return False  # the checker would take it for a file of the old kind, and cut it down to nothing
    checked = subprocess.run(
        [_NAMES, "--fix", str(manifest)],
        executable=binary,
        input=b"y\n",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=LIMIT_S,
        check=False,
    )
    return checked.returncode == 0
