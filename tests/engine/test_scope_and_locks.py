"""The lock table and the check on the diff agree on what a scope is."""

from hypothesis import example, given
from hypothesis import strategies as st

from swarm.engine.locks import compile_locks
from swarm.plan.model import TaskSpec
from swarm.plan.scope import WriteScope

NAMES = st.sampled_from(["a", "b.d", "c.py", ".d", "Makefile", "e f"])
ESCAPED = st.sampled_from([r"\[x]", r"a\*b", r"\[x].py", r"\!y"])
GLOBS = st.sampled_from(["*", "**", "*.py", "b.*", "[a-c]"])
PATTERNS = st.builds(
    lambda parts, end: "/".join(parts) + end,
    st.lists(NAMES | GLOBS | ESCAPED, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
LITERALS = st.sampled_from(["[x]", "a*b", "[x].py", "!y"])
PATHS = st.lists(NAMES | LITERALS, min_size=1, max_size=4).map("/".join)


@given(PATTERNS, PATHS)
@example("b.d", "b.d/c.py")
@example("b.d/", "b.d/c.py")
@example("a", "a/b.d/c.py")
@example(r"a/\[x].py", "a/[x].py")
@example(r"\[x]", "[x]/c.py")
@example(r"a\*b/", "a*b")
def test_every_path_that_a_scope_covers_is_locked(pattern: str, path: str) -> None:
    """Two tasks that may write the same path can never run at once."""
    task = TaskSpec(id="t", description="t", files=(pattern,))

    covered = WriteScope([pattern]).covers(path)
    locked = any(
        entry.node == f"{path}/" or (entry.is_wide and f"{path}/".startswith(entry.node))
        for entry in compile_locks(task)
    )

    assert locked or not covered


def test_a_folder_with_an_extension_is_meant_by_its_slash() -> None:
    """`conf.d` is a file and `conf.d/` is everything below it, for the diff as for the locks."""
    assert not WriteScope(["conf.d"]).covers("conf.d/site.conf")
    assert WriteScope(["conf.d/"]).covers("conf.d/site.conf")
    assert WriteScope(["conf"]).covers("conf/site.conf")


def test_a_path_with_escaped_wildcards_locks_itself_alone() -> None:
    """What widens a scope is spelled so, and must not lock out everybody else; a glob stays wide."""
    task = TaskSpec(id="t", description="t", files=(r"\[id].tsx", r"pages/\[id]", r"lib/\[a]/*.py"))

    assert [entry.path for entry in compile_locks(task)] == ["[id].tsx", "lib/[a]/", "pages/[id]/"]
