"""What tally finds in a document."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading: level 1 to 6, and its title without markup."""

    level: int
    title: str


@dataclass(frozen=True)
class Link:
    """A link or an image: the text a reader sees, and where it leads."""

    text: str
    target: str
    is_image: bool = False


@dataclass(frozen=True)
class Analysis:
    """Everything tally says about one document."""

    words: int
    unique_words: int
    sentences: int
    minutes: float  # to read it, at 200 words a minute
    common: tuple[tuple[str, int], ...]  # words that matter and how often, the commonest first
    headings: tuple[Heading, ...]
    links: tuple[Link, ...]
