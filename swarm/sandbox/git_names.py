"""Which names some file system takes for `.git`: one rule, for plans, agents' tools, walks and links."""

import re

HFS_IGNORES = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
"""Code points that are no part of a name on HFS+, so that `.g\u200dit` opens `.git` there."""

_FIRST = frozenset(".gG")
_GIT = re.compile(r"(?:\.git|git~1)[ .]*(?:[:\\].*)?", re.IGNORECASE | re.ASCII | re.DOTALL)


def is_git_name(name: str) -> bool:
    """Some file system takes this component of a path for `.git`, so it must not be written or landed.

    As git's own `is_hfs_dotgit` and `is_ntfs_dotgit`: letter case, the code points that HFS+ ignores, and
    NTFS' trailing dots and spaces, streams and short name; and both at once, which git does not look for.
    """
    if name.isascii() and name[:1] not in _FIRST:
        return False  # nearly every name there is: a walk asks this of each
    return _GIT.fullmatch(HFS_IGNORES.sub("", name)) is not None
