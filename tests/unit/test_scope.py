"""Write scopes: what a pattern covers, which patterns are refused, and when two overlap."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from overlapping import overlap
from pathspec import GitIgnoreSpec

from swarm.plan.scope import (
    PatternError,
    WriteScope,
    is_glob,
    literal_pattern,
    literal_prefix,
    normalise_pattern,
)

NAMES = st.text(alphabet="ab.", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
GLOB_NAMES = st.one_of(
    NAMES, st.text(alphabet="ab*?", min_size=1, max_size=3), st.just("**"), st.just("[ab]")
)
PATTERNS = (
    st.lists(GLOB_NAMES, min_size=1, max_size=4)
    .map("/".join)
    .filter(lambda text: ".." not in text.split("/"))
)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("src/app.py", "src/app.py"),
        ("./src//app.py", "src/app.py"),
        ("src/", "src"),
        ("src/./lib/", "src/lib"),
        (".", "**"),
        ("./", "**"),
        ("-rf", "-rf"),
        ("$(touch pwned)", "$(touch pwned)"),
        (".github/workflows", ".github/workflows"),
        (".gitignore", ".gitignore"),
        ("naïve/日本.txt", "naïve/日本.txt"),
        (r"pages/\[id\].tsx", r"pages/\[id\].tsx"),
    ],
)
def test_a_pattern_has_one_spelling(text: str, normal: str) -> None:
    """Spellings that mean the same path become equal; odd but harmless names stay as they are."""
    assert normalise_pattern(text) == normal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("/etc/passwd", "absolute"),
        ("C:/Windows", "absolute"),
        ("../secret", "`..`"),
        ("src/../../secret", "`..`"),
        ("src/a\0b", "control character U+0000"),
        ("src/a\nb", "control character U+000A"),
        ("src/\x1b[31m", "control character U+001B"),
        ("src/\u202egpj.exe", "invisible character U+202E"),
        ("src/\u2066a", "invisible character U+2066"),
        ("src/\ud800", "lone surrogate"),
        (".git/hooks/pre-commit", "git's own folder"),
        ("vendor/.GIT/config", "git's own folder"),
        (".git ", "trailing space"),
        (".git./config", "git's own folder"),
        (".g\u200dit/config", "git's own folder"),
        ("GIT~1/config", "git's own folder"),
        (".git::$INDEX_ALLOCATION", "git's own folder"),
        ("!src/app.py", "negated"),
        ("src\\app.py", "backslash"),
        ("a[b", "without `]`"),
        ("[[:alpha:]]", "character class"),
        ("a" * 256, "name longer than 255 bytes"),
        ("é" * 128, "name longer than 255 bytes"),
        ("a/" * 2049 + "b", "path longer than 4096 bytes"),
    ],
)
def test_an_unusable_pattern_is_refused_with_its_reason(text: str, reason: str) -> None:
    """A scope never reaches outside the repository, into git's folder, or through characters that deceive."""
    with pytest.raises(PatternError) as caught:
        normalise_pattern(text)

    assert reason in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "path", "is_covered"),
    [
        ("src", "src/deep/app.py", True),
        ("src", "src", True),
        ("src", "srcs/app.py", False),
        ("app.py", "src/app.py", False),
        ("*.py", "src/app.py", False),
        ("**/*.py", "app.py", True),
        ("**/*.py", "src/deep/app.py", True),
        ("src/*.py", "src/deep/app.py", False),
        ("src/*", "src/deep/app.py", True),
        ("src/**", "src", False),
        ("components/Button/*.tsx", "components/Button/Icon.tsx", True),
        ("components/Button/*.tsx", "components/button/Icon.tsx", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b/c", True),
        ("pages/[id].tsx", "pages/[id].tsx", True),
        ("pages/[id].tsx", "pages/i.tsx", True),
        (r"pages/\[id\].tsx", "pages/[id].tsx", True),
        (r"pages/\[id\].tsx", "pages/i.tsx", False),
        ("[^a].txt", "b.txt", True),
        ("[^a].txt", "a.txt", False),
        ("**", "src/app.py", True),
        ("**", ".git/config", False),
        ("**", "vendor/.Git/config", False),
        ("**", "../outside", False),
        ("**", "/etc/passwd", False),
        ("**", "src//app.py", False),
        ("**", "src/a\nb", False),
        ("**", "with space.txt ", True),
    ],
)
def test_a_scope_covers_as_git_matches(pattern: str, path: str, *, is_covered: bool) -> None:
    """Anchored at the top, case kept, folders whole; never git's own folder or a path outside."""
    assert WriteScope([pattern]).covers(path) is is_covered


def test_an_empty_scope_covers_nothing() -> None:
    """A task without files may not write."""
    assert not WriteScope([]).covers("anything")


@given(pattern=PATTERNS, path=PATHS)
@example(pattern="**/a/**/b", path="a/a/b")
@example(pattern="a/**", path="a")
def test_globs_match_as_the_reference_does(pattern: str, path: str) -> None:
    """The linear matcher agrees with pathspec, apart from the path spelled like the pattern."""
    normal = normalise_pattern(pattern)
    reference = GitIgnoreSpec.from_lines(["/" + normal]).match_file(path)

    assert WriteScope([pattern]).covers(path) == (
        reference or path == normal or path.startswith(normal + "/")
    )


@pytest.mark.timeout(30)
def test_a_hostile_glob_costs_no_more_than_a_friendly_one() -> None:
    """Many stars against a long name take no time to speak of: nothing backtracks."""
    scope = WriteScope(["*a" * 100 + "*b", "**/" * 200 + "c"])

    covered = scope.covers("a" * 255) or scope.covers("a/" * 1000 + "b")

    assert not covered


@given(first=PATTERNS, second=PATTERNS, path=PATHS)
@example(first="a/*.b", second="a", path="a/a.b")
def test_patterns_that_cover_one_path_overlap(first: str, second: str, path: str) -> None:
    """Saying "no overlap" is a promise; saying "overlap" may be caution."""
    both = WriteScope([first]).covers(path) and WriteScope([second]).covers(path)

    assert overlap(normalise_pattern(first), normalise_pattern(second)) or not both


@given(first=PATHS, second=PATHS)
def test_overlap_of_plain_paths_is_exact(first: str, second: str) -> None:
    """Without wildcards two paths overlap just when one is, or holds, the other."""
    one, other = first.split("/"), second.split("/")
    depth = min(len(one), len(other))

    assert overlap(first, second) == (one[:depth] == other[:depth])


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("src/*.py", "src"),
        ("**", ""),
        ("*.py", ""),
        ("src/a.py", "src/a.py"),
        (r"p/\[id\].tsx", "p/[id].tsx"),
    ],
)
def test_the_literal_prefix_is_what_gets_locked(pattern: str, prefix: str) -> None:
    """A glob counts as the folder it begins in; a plain path as itself."""
    assert literal_prefix(pattern) == prefix
    assert is_glob(pattern) == (prefix != "src/a.py" and "id" not in prefix)


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("src/a b.py", "src/a b.py"),
        ("pages/[id].tsx", r"pages/\[id].tsx"),
        ("what?.txt", r"what\?.txt"),
        ("a*b/**", r"a\*b/\*\*"),
        ("!x/!y", r"\!x/!y"),
        ("#x", "#x"),
        (":(top)x", ":(top)x"),
        ("'q\"", "'q\""),
    ],
)
def test_a_path_has_a_pattern_of_its_own(path: str, pattern: str) -> None:
    """It covers the path as it is spelled, and nothing beside it."""
    assert literal_pattern(path) == pattern
    assert WriteScope([pattern]).covers(path)
    assert literal_prefix(pattern) == path


@pytest.mark.parametrize("path", ["a\\b", r"a\#b", " x", "x ", ".git/x", ".swarm", "x\ny", "C:/x"])
def test_some_paths_have_no_pattern(path: str) -> None:
    """No scope can name them, so none is widened by them."""
    with pytest.raises(PatternError):
        literal_pattern(path)
