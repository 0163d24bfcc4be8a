"""The JSON in a model's answer, whatever the model has put around it."""

import re

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


def json_in(answer: str) -> str:
    """The JSON of an answer that wraps it in a fence or in words, as models without structured output do.

    It may still be none: whoever parses it finds out.
    """
    text = answer.strip()
    if text.startswith(("{", "[")):
        return text
    fenced = _FENCED.search(text)
    if fenced:
        return fenced[1]
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else text
