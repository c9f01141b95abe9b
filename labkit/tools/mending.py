"""What a model wrote, made fit to be sent back, so that no request fails for the faults of an answer."""

from __future__ import annotations

import re
import secrets
import string
from typing import Any

_ALPHABET = string.ascii_letters + string.digits
_ID = re.compile(r"[A-Za-z0-9]{9}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def new_id() -> str:
    """Nine letters or digits: Mistral's template takes no other id."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(9))


def call_id(given: str, taken: set[str]) -> str:
    """`given` if it is nine letters or digits and not in `taken`; a new one otherwise."""
    while not _ID.fullmatch(given) or given in taken:
        given = new_id()
    return given


def name(given: str) -> str:
    """A function's name that the template takes."""
    if _NAME.fullmatch(given):
        return given
    return re.sub(r"[^A-Za-z0-9_-]+", "_", given)[:64].strip("_") or "unnamed"


def text(given: str) -> str:
    """Text that can be sent as UTF-8: half of a letter, as a cut string may have, becomes "?"."""
    return given.encode(errors="replace").decode()


def history(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Earlier messages with ids that Mistral's template takes; a result keeps the id of its call."""
    renamed: dict[str, str] = {}

    def mended(given: Any) -> str:
        return renamed.setdefault(str(given), call_id(str(given), set()))

    made = []
    for message in messages:
        message = dict(message)
        if message.get("tool_calls"):
            message["tool_calls"] = [{**call, "id": mended(call.get("id"))} for call in message["tool_calls"]]
        if message.get("role") == "tool":
            message["tool_call_id"] = mended(message.get("tool_call_id"))
        made.append(message)
    return made
