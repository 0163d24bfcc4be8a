"""The documents describe what there is, and their links lead somewhere."""

import re

from shipped_files import LUA, ROOT, name_of

from swarm.keys import PARTS


def test_the_documents_describe_every_key() -> None:
    """docs/redis.md, which the README points to, is the data model: no key is missing, none is invented."""
    text = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z]+:?)", text, re.MULTILINE))
    named = set(re.findall(r"swarm:\{P\}:([a-z]+:?)", readme))

    assert documented == set(PARTS.values())
    assert named
    assert named <= set(PARTS.values())


def test_the_documents_describe_every_event() -> None:
    """Whoever follows `swarm events` finds each kind in docs/redis.md."""
    text = (ROOT / "docs" / "redis.md").read_text(encoding="utf-8")
    emitted = {
        kind for path in LUA for kind in re.findall(r"emit\('(\w+)'", path.read_text(encoding="utf-8"))
    }

    assert emitted
    assert [kind for kind in sorted(emitted) if f"`{kind}`" not in text] == []


def test_every_test_that_the_documents_name_exists() -> None:
    """docs/reliability.md and docs/files.md claim nothing that is not tested under the name they give."""
    pages = [ROOT / "docs" / name for name in ("reliability.md", "files.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    existing = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert set(re.findall(r"`(test_\w+)`", text)) - existing == set()


def test_links_between_the_documents_lead_somewhere() -> None:
    """Every relative link in a Markdown file names a file that is here."""
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")]
    broken = [
        f"{name_of(document)}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]

    assert documents
    assert broken == []
