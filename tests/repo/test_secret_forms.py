"""The forms of tokens by service, and what only begins like one. Each is joined: this file is judged too."""

import pytest

from swarm.repo.gates.secrets import kinds_of_secret

MIXED = "aB3dE5fG7h" * 10
HEX = "0a1b2c3d4e5f6789" * 4
SLACK = "https://hooks.slack.com/"

TOKENS = {
    "npm": ("npm_", MIXED[:36]),
    "npmrc": ("//registry.npmjs.org/:_authToken=", "npm_", MIXED[:36]),
    "hugging face": ("hf_", "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"),
    "hugging face, longer": ("hf_", MIXED[:40]),
    "hugging face, organisation": ("api_org_", MIXED[:34]),
    "docker": ("dckr_pat_", MIXED[:20], "_-", MIXED[:5]),
    "docker, organisation": ("dckr_oat_", MIXED[:32]),
    "gitlab": ("glpat-", MIXED[:20]),
    "pypi": ("pypi-", "AgEIcHlwaS5vcmc", MIXED[:90]),
    "slack bot": ("xoxb-", "123456789012-", "123456789012-", MIXED[:24]),
    "slack user": ("xoxp-", "123456789012-", "123456789012-", HEX[:32]),
    "slack app": ("xapp-", "1-A0123456789-", "1234567890123-", HEX),
    "slack, that expires": ("xoxe.xoxp-", "1-", MIXED),
    "slack webhook": (SLACK, "services/T012ABCDEF/", "B012ABCDEF/", MIXED[:24]),
    "slack workflow": (SLACK, "workflows/T012ABCDEF/", "A012ABCDEF/1234567890/", MIXED[:24]),
    "slack trigger": (SLACK, "triggers/E012ABCDEF/", "1234567890123/", MIXED[:32]),
    "anthropic": ("sk-ant-", "api03-", MIXED[:93], "AA"),
    "stripe": ("sk_", "live_", MIXED[:24]),
    "stripe, longer": ("sk_", "live_", "51", MIXED[:97]),
    "stripe, restricted": ("rk_", "live_", MIXED[:24]),
    "google": ("AI", "za", MIXED[:35]),
    "sendgrid": ("SG.", MIXED[:22], ".", MIXED[:43]),
    "databricks": ("dapi", HEX[:32]),
    "databricks, numbered": ("dapi", HEX[:32], "-2"),
}  # fmt: skip


@pytest.mark.parametrize("parts", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("around", ["{}", "token = '{}'", "TOKEN={} # ours", '"token":"{}",', "Bearer {};"])
def test_a_token_is_known_by_its_form(parts: tuple[str, ...], around: str) -> None:
    """However it is written down."""
    assert list(kinds_of_secret(around.format("".join(parts))))


LIKE_ONE = {
    "npm, stand-in": ("npm_", "x" * 36),
    "npm, a setting": ("npm_", "config_user_agent_and_more_words_of_it_are_no_token"),
    "npm, in a word": ("my", "npm_", MIXED[:36]),
    "npm, too long": ("npm_", MIXED[:37]),
    "hugging face, a name": ("hf_", "hub_download_from_pretrained_model_and_more"),
    "hugging face, stand-in": ("hf_", "X" * 34),
    "docker, stand-in": ("dckr_pat_", "x" * 27),
    "databricks, a word": ("dapi", "a" * 32),
    "databricks, a hash": ("dapi", HEX[:40]),
    "slack workflow, documented": (SLACK, "workflows/T00000000/", "A00000000/000/", "X" * 24),
    "slack app, documented": ("xapp-", "1-A0123456789-", "your-token"),
}  # fmt: skip


@pytest.mark.parametrize("parts", LIKE_ONE.values(), ids=LIKE_ONE.keys())
def test_what_begins_like_a_token_is_none(parts: tuple[str, ...]) -> None:
    """Names, hashes, and what documents have in a token's place."""
    assert list(kinds_of_secret(f"x = '{''.join(parts)}'")) == []
