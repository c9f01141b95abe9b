"""A conversation as the model gets it: token by token, the control tokens of its template included."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

TEXT = {
    "count": "{n:,} tokens, {control:,} of them control tokens",
    "times": "{n} x {text}",
    "id": "token {id}",
}

_CHIP = (
    "display:inline-block;margin:1px;padding:0 3px;border-radius:3px;white-space:pre;line-height:1.3;"
    "text-align:center;font-family:monospace;font-size:13px;vertical-align:top;"
)
_CONTROL = "background:#0072B2;color:#fff;"
_TINTS = ("background:rgba(230,159,0,0.28);", "background:rgba(0,158,115,0.22);")
_ID = "font-size:9px;opacity:0.75;"


@dataclass(frozen=True)
class Piece:
    """One token."""

    id: int
    text: str
    """What it stands for; a part of a letter is written as its bytes, `<E6 9D>`."""
    control: bool
    """Whether it is one of the tokens that no text can become, such as `[INST]`."""


@dataclass(frozen=True)
class Tokens:
    """The tokens in their order. A notebook shows them in colour, with their numbers."""

    pieces: tuple[Piece, ...]

    @property
    def ids(self) -> list[int]:
        """The numbers alone, as the model takes them."""
        return [piece.id for piece in self.pieces]

    def __len__(self) -> int:
        return len(self.pieces)

    def __str__(self) -> str:
        return "|".join(text for text, _ in self._runs())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        chips, tint = [], 0
        for text, piece in self._runs():
            style = _CONTROL if piece.control else _TINTS[tint % 2]
            tint += not piece.control
            words = html.escape(text.replace("\n", "⏎\n").rstrip("\n"))
            title = html.escape(TEXT["id"].format(id=piece.id))
            chips.append(
                f'<span style="{_CHIP}{style}" title="{title}">{words}'
                f'<br><span style="{_ID}">{piece.id}</span></span>'
            )
        count = TEXT["count"].format(n=len(self), control=sum(piece.control for piece in self.pieces))
        return f"<div>{''.join(chips)}</div><p><small>{count}</small></p>"

    def _runs(self) -> list[tuple[str, Piece]]:
        """Each token with its text; control tokens that repeat, as those of an image do, are told once."""
        runs: list[tuple[str, Piece]] = []
        for piece, group in groupby(self.pieces):
            same = list(group)
            if piece.control and len(same) > 1:
                runs.append((TEXT["times"].format(text=piece.text, n=len(same)), piece))
            else:
                runs += [(piece.text, piece) for _ in same]
        return runs


def tokens(tokenizer: Any, messages: Sequence[Any] | str, *, tools: Sequence[Any] | None = None) -> Tokens:
    """A conversation in the model's chat template, or a plain text without it.

    tokenizer: Transformers' own for this model, with mistral-common behind it. messages: OpenAI messages,
    images included, or a text. What the tokenizer refuses it says itself, in its own error.
    """
    if isinstance(messages, str):
        ids = tokenizer.encode(messages, add_special_tokens=False)
    else:
        given = list(tools) if tools else None
        ids = tokenizer.apply_chat_template(
            list(messages), tools=given, add_generation_prompt=True, return_dict=True
        )["input_ids"]
    control = set(tokenizer.all_special_ids)
    tekken = tokenizer.tokenizer.instruct_tokenizer.tokenizer
    return Tokens(tuple(_piece(int(each), control, tekken) for each in ids))


def _piece(id: int, control: set[int], tekken: Any) -> Piece:
    if id in control:
        return Piece(id, tekken.id_to_piece(id), True)
    raw: bytes = tekken.id_to_byte_piece(id)
    try:
        return Piece(id, raw.decode(), False)
    except UnicodeDecodeError:
        return Piece(id, f"<{raw.hex(' ').upper()}>", False)
