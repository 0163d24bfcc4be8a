"""What looks like a secret: the forms in which services issue theirs.

There is no guessing by entropy: hashes are no secrets, and a gate that cries wolf is turned off.
"""

import math
import re
import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_LONGEST = 20_000
"""Characters of a line that are looked at; minified files are searched in pieces that overlap."""
_OVERLAP = 5_000
"""A token that carries data, such as a JWT, is recognised only as a whole."""
_SHORTEST = re.compile(r"[ -~]{10}")
"""No form is shorter, or of other letters; few lines of a binary file hold as much."""
_USER = r"[^\s/:@'\"<>{}$`()\[\]]{0,100}"
_CHOSEN = r"(?=[^\s/@]{0,200}[0-9])(?=[^\s/@]{0,200}[A-Za-z])[^\s/@'\"<>{}$`,()\[\]]{10,200}"
_STAND_IN = (
    r"(?i:your|my|the|some|test|dummy|fake|super|secret|change|me|pass|word|wd|pwd|token|key|here|example"
    r"|placeholder|user|name|admin|x|[0-9_.-]){1,60}"
)
_NOWHERE = (
    r"(?i:localhost|127\.|\[::1\]|(?:[a-z0-9-]{1,63}\.){0,8}example\."
    r"|[a-z0-9.-]{1,200}\.(?:example|test|invalid|local)\b)"
)
_MIXED = r"(?=[a-z0-9_-]{0,60}[A-Z])(?=[A-Z0-9_-]{0,60}[a-z])"
_OURS = {
    "Anthropic API key": re.compile(r"\bsk-ant-[a-z]{1,20}\d\d-[A-Za-z0-9_-]{20}"),
    "GitHub fine-grained token": re.compile(r"\bgithub_pat_[A-Za-z0-9_]{50}"),
    "Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    # What stands in for one is of a single kind of letters: `npm_xxxx…`.
    "npm token": re.compile(rf"\bnpm_{_MIXED}[A-Za-z0-9]{{36}}(?![A-Za-z0-9_])"),
    "Hugging Face token": re.compile(rf"\b(?:hf|api_org)_{_MIXED}[A-Za-z0-9]{{34,60}}(?![A-Za-z0-9_])"),
    "Docker Hub token": re.compile(rf"\bdckr_[po]at_{_MIXED}[A-Za-z0-9_-]{{27,64}}(?![A-Za-z0-9_-])"),
    "Databricks token": re.compile(
        r"\bdapi(?=[a-f]{0,31}[0-9])(?=[0-9]{0,31}[a-f])[0-9a-f]{32}(?:-\d)?(?![A-Za-z0-9_-])"
    ),
    "Slack app token": re.compile(r"\bxapp-\d-[A-Z0-9]{8,20}-\d{8,20}-[a-z0-9]{20}"),
    "Slack token that expires": re.compile(r"\bxoxe(?:\.xox[bp])?-\d-[A-Za-z0-9]{40}"),
    "Slack webhook": re.compile(
        rf"\bhooks\.slack\.com/(?:workflows|triggers)/[ET][A-Z0-9]{{6,20}}/(?:[A-Z0-9]{{6,20}}/)?[0-9]{{6,25}}/{_MIXED}[A-Za-z0-9]{{20}}"
    ),
    # As `~/.aws/credentials` has it: the library knows it in quotes only. Amazon's own examples say so, and
    # what stands in for one has not all three kinds of letters.
    "AWS secret access key": re.compile(
        r"(?i:\b(?:aws_?)?secret_?access_?key|\baws_?secret_?key)[\"']?\s*(?::=|=>|[=:])\s*[\"']?"
        r"(?![A-Za-z0-9/+]{0,33}EXAMPLE)(?=[a-z0-9/+]{0,39}[A-Z])(?=[A-Z0-9/+]{0,39}[a-z])(?=[A-Za-z/+]{0,39}[0-9])"
        r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
    ),
    # Of those in documents and tests hardly any has digits and letters, ten of them, that are no words for
    # a password, and a host of its own. A database at a bare name is one of a test's or a compose file's.
    "password in a URL": re.compile(
        rf"(?i:\b(?:(?P<web>https?)|[a-z][a-z0-9+.-]{{1,20}}))://{_USER}:(?!{_STAND_IN}@){_CHOSEN}@(?!{_NOWHERE})"
        r"(?:[A-Za-z0-9-]{1,63}\.[A-Za-z0-9]|\[[0-9a-fA-F:.]+\]|(?(web)[A-Za-z0-9-]{1,63}(?![^/:?#\s'\"])|(?!)))"
    ),
}
"""Forms that the library lacks."""


def kinds_of_secret(line: str, *, until_s: float = math.inf) -> list[str]:
    """The kinds of secret that a line of text seems to hold.

    Raises:
        TimeoutError: it took longer than until then, a reading of `time.monotonic`.
    """
    found = dict[str, None]()
    for start in range(0, len(line), _LONGEST - _OVERLAP) if _SHORTEST.search(line) else ():
        if time.monotonic() > until_s:
            raise TimeoutError
        found |= dict.fromkeys(_kinds_in(line[start : start + _LONGEST]))
    return list(found)


def _kinds_in(piece: str) -> Iterator[str]:
    yield from (kind for kind, form in _OURS.items() if form.search(piece))
    for plugin in _plugins():
        if any(True for _ in plugin.analyze_string(piece)):
            yield str(plugin.secret_type)


@cache
def _plugins() -> "tuple[BasePlugin, ...]":
    """detect-secrets' own forms, asked one by one: its filters obey comments in the text that is judged."""
    from detect_secrets.plugins.artifactory import ArtifactoryDetector  # noqa: PLC0415  # 0.3 s
    from detect_secrets.plugins.aws import AWSKeyDetector  # noqa: PLC0415
    from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector  # noqa: PLC0415
    from detect_secrets.plugins.discord import DiscordBotTokenDetector  # noqa: PLC0415
    from detect_secrets.plugins.github_token import GitHubTokenDetector  # noqa: PLC0415
    from detect_secrets.plugins.gitlab_token import GitLabTokenDetector  # noqa: PLC0415
    from detect_secrets.plugins.jwt import JwtTokenDetector  # noqa: PLC0415
    from detect_secrets.plugins.mailchimp import MailchimpDetector  # noqa: PLC0415
    from detect_secrets.plugins.npm import NpmDetector  # noqa: PLC0415
    from detect_secrets.plugins.openai import OpenAIDetector  # noqa: PLC0415
    from detect_secrets.plugins.private_key import PrivateKeyDetector  # noqa: PLC0415
    from detect_secrets.plugins.pypi_token import PypiTokenDetector  # noqa: PLC0415
    from detect_secrets.plugins.sendgrid import SendGridDetector  # noqa: PLC0415
    from detect_secrets.plugins.slack import SlackDetector  # noqa: PLC0415
    from detect_secrets.plugins.square_oauth import SquareOAuthDetector  # noqa: PLC0415
    from detect_secrets.plugins.stripe import StripeDetector  # noqa: PLC0415
    from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector  # noqa: PLC0415
    from detect_secrets.plugins.twilio import TwilioKeyDetector  # noqa: PLC0415

    return (
        ArtifactoryDetector(),
        AWSKeyDetector(),
        AzureStorageKeyDetector(),
        DiscordBotTokenDetector(),
        GitHubTokenDetector(),
        GitLabTokenDetector(),
        JwtTokenDetector(),
        MailchimpDetector(),
        NpmDetector(),
        OpenAIDetector(),
        PrivateKeyDetector(),
        PypiTokenDetector(),
        SendGridDetector(),
        SlackDetector(),
        SquareOAuthDetector(),
        StripeDetector(),
        TelegramBotTokenDetector(),
        TwilioKeyDetector(),
    )
