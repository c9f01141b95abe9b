"""How the text of a request becomes tokens, as the session's own server splits it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from labkit.errors import LabkitError
from labkit.probes.tokens import Piece, Tokens, tokens
from labkit.refusals import explained

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "none": "{who} does not show the tokens of a text: it has no such address. vLLM has one (/tokenize), and "
    "Transformers has its tokenizer in this process.",
    "ollama": "Ollama",
    "server": "The server at {url}",
    "part": "<part of {text}>",
}
CONTROL = 1000
"""Tekken's numbers below this are control tokens; the next 256 are the single bytes, in their order."""
_HALF = "\N{REPLACEMENT CHARACTER}"


def tokens_of(session: Session, messages: str | list[dict[str, Any]], *, tools: Sequence[Any] = ()) -> Tokens:
    """A conversation in the model's chat template, or a plain text without it.

    messages: OpenAI messages, or a text. vLLM is asked at `/tokenize`; Transformers' tokenizer is taken as it
    lies in this process. Ollama has nothing of the kind (ollama/ollama#3582). Raises LabkitError there, and
    where the server refuses. For the tokens of an image use `probes.tokens`.
    """
    if session.engine == "transformers":
        from labkit.engines import transformers_engine

        return tokens(transformers_engine.current().tokenizer, messages, tools=tools)
    if session.engine == "ollama":
        raise LabkitError(TEXT["none"].format(who=TEXT["ollama"]))
    if isinstance(messages, str):
        asked: dict[str, Any] = {"prompt": messages, "add_special_tokens": False}
    else:
        asked = {"messages": messages} | ({"tools": list(tools)} if tools else {})
    found = _ask(session, "/tokenize", asked | {"return_token_strs": True})
    named = list(zip(found["tokens"], found["token_strs"], strict=True))
    return Tokens(tuple(_pieces(session, named)))


def _ask(session: Session, path: str, body: dict[str, Any]) -> Any:
    """The server's answer at a path beside /v1."""
    import openai

    url = session.url.removesuffix("/v1") + path
    client = session.client.with_options(max_retries=0)
    with explained(session):
        try:
            return client.post(url, cast_to=object, body={"model": session.model} | body)
        except openai.NotFoundError:
            who = TEXT["server"].format(url=session.url)
            raise LabkitError(TEXT["none"].format(who=who)) from None


def _pieces(session: Session, named: list[tuple[int, str]]) -> Iterator[Piece]:
    known: dict[tuple[int, ...], list[str]] = {}
    for broken, group in groupby(named, lambda each: each[0] >= CONTROL and _HALF in each[1]):
        if not broken:
            yield from (Piece(id, text, id < CONTROL) for id, text in group)
            continue
        ids = tuple(id for id, _ in group)
        if ids not in known:
            known[ids] = _parts(session, ids)
        yield from (Piece(id, text, False) for id, text in zip(ids, known[ids], strict=True))


def _parts(session: Session, ids: tuple[int, ...]) -> list[str]:
    """The texts of neighbouring tokens that hold parts of letters. The server gives such parts no name."""
    own = [bytes([id - CONTROL]) if id < CONTROL + 256 else None for id in ids]
    if None not in own:
        return [_hex(each or b"") for each in own]
    whole = str(_ask(session, "/detokenize", {"tokens": list(ids)})["prompt"])
    # Between the single bytes, whose values are known, lie those that are not: the text says what they hold.
    pattern = b"".join(re.escape(each) if each else b"(.+?)" for each in own)
    found = re.fullmatch(pattern, whole.encode(), re.DOTALL)
    if not found or b"(.+?)(.+?)" in pattern:
        return [_hex(each) if each else TEXT["part"].format(text=whole) for each in own]
    between = iter(found.groups())
    return [_hex(each or next(between)) for each in own]


def _hex(raw: bytes) -> str:
    """As `probes.tokens` writes it: a letter where it is whole, otherwise its bytes."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"<{raw.hex(' ').upper()}>"
