"""Lesson 01, Ollama quickstart: choose a quantization, measure, send a picture, make room."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from labkit import planner
from labkit.engines.ollama_engine.models import tag_of
from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, Texts, shown

TITLE = "Ollama quickstart"

TEXT = {
    "1.1": Texts(
        title="A quantization for each card",
        hints=(
            "The best one is the largest that fits: fewer bits cost quality, so take no fewer than you must.",
            '`labkit.plan("L40S")` tells for each recipe whether 32,768 tokens fit. You need the rows of '
            "Ollama.",
            "Each of the three goes to one card, and the smallest card takes the fewest bits.",
        ),
        correct="{choice}. More memory, more bits; with less, a smaller number of bits is what makes it fit.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"RTX 3090": ..., "L40S": ..., "H100": ...}}`, '
            "a quantization for each.",
            "unknown": "{found} is none of the table's quantizations. There are: {known}.",
            "large": "{found} does not fit on the {card} with 32,768 tokens: {why}.",
            "small": "{found} fits on the {card}, and so does one with more bits. Take that.",
        },
    ),
    "1.2": Texts(
        title="Tokens a second, from the last record",
        hints=(
            "`eval_count` is how many tokens were written, `eval_duration` how long that took.",
            "The durations are in nanoseconds: a second has 1,000,000,000 of them.",
            "`answer.eval_count / (answer.eval_duration / 1e9)` is the speed. Hand it over with the answer.",
        ),
        correct="{rate:.0f} tokens a second while it wrote, by the server's own clock.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"answer": ..., "tokens_per_s": ...}}`.',
            "native": "{found} has no `eval_duration`. Ask the native API, `client.chat(...)`, without "
            "`stream=True`; `/v1` sends no durations.",
            "short": "Only {count} tokens were written, too few to time. Ask for something longer.",
            "total": "`total_duration` counts loading and reading too. Take `eval_duration`.",
            "wrong": "{count} tokens in {duration:,} nanoseconds are not {found} tokens a second.",
        },
    ),
    "1.3": Texts(
        title="The picture itself",
        hints=(
            "JSON holds text, and a picture is bytes. Python's module `base64` writes bytes as text.",
            'To bytes: `file = io.BytesIO()`, `picture.save(file, "PNG")`, `file.getvalue()`.',
            "The text goes into the message's `images`, with nothing in front. Post the body with "
            "`httpx.post(..., json=body, timeout=60)`; the answer is `response.json()`.",
        ),
        correct="{size:,} bytes of picture as {letters:,} letters of JSON, and the model says: {said}",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"body": ..., "answer": ...}}`: what you sent, and '
            "the JSON that came back.",
            "none": 'There is no picture in the body. It belongs into the message: `{{"role": "user", '
            '"content": ..., "images": [...]}}`.',
            "path": "{found} is no base64, and the server does not open files: send what is in the file.",
            "uri": "{found} is a data URI, as `/v1` wants it. Here, leave out all up to the comma.",
            "bytes": "What `images` holds is base64, but of no PNG, JPEG or WebP. Encode the file's bytes.",
            "silent": "The answer holds no words: {found}.",
        },
    ),
    "1.4": Texts(
        title="Room for a document, for an hour",
        hints=(
            "Both go with a request: the context in its options, the time beside them.",
            '`client.chat(..., options={"num_ctx": ...}, keep_alive=...)`; a time is `"1h"` or `"90m"`.',
            "What is loaded now is what the last request asked for. Ask once, then hand over `client.ps()`.",
        ),
        correct="{context:,} tokens of room, held for {minutes:.0f} minutes. On the real model that is "
        "{gib:.1f} GiB of KV cache, taken whether you use it or not.",
        not_yet={
            "form": "{found} is no list of loaded models. Hand over `client.ps()`.",
            "none": "Nothing is loaded. Ask the model something first; `keep_alive=0` unloads it.",
            "small": "The context is {context:,} tokens, and 16,384 are wanted: `num_ctx` in the options.",
            "soon": "It goes in {minutes:.0f} minutes, and an hour is wanted: `keep_alive`.",
        },
    ),
}

_VARIANTS = ("Q4_K_M", "Q8_0", "fp16")
_CARDS = ("RTX 3090", "L40S", "H100")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF")
_CONTEXT = 16_384
_SHORTEST = timedelta(minutes=50)
_KIB_A_TOKEN = 160  # of Mistral Small 3.1: 40 layers x 2 x 8 heads x 128 x 2 bytes


class OnEachCard(Exercise):
    """1.1: the largest of Ollama's quantizations that fits each of three cards."""

    id = "1.1"
    texts = TEXT[id]
    code = """\
check("1.1", {"RTX 3090": "Q4_K_M", "L40S": "Q8_0", "H100": "fp16"})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: card to variant ("Q8_0") or whole tag."""
        if not _has(answer, *_CARDS):
            return self.not_yet("form", found=shown(answer))
        variant_of = {name: each for each in _VARIANTS for name in (each.lower(), tag_of(each).lower())}
        for card in _CARDS:
            said = answer[card]
            variant = variant_of.get(str(said).strip().lower())
            if variant is None:
                return self.not_yet("unknown", found=shown(said), known=", ".join(_VARIANTS))
            rows = {each: planner.plan(card).find(each, "ollama") for each in _VARIANTS}
            if why := rows[variant].why:
                return self.not_yet("large", found=shown(said), card=card, why=why)
            if variant != [each for each in _VARIANTS if rows[each].fits][-1]:
                return self.not_yet("small", found=shown(said), card=card)
        return self.correct(choice=", ".join(f"{answer[card]} on the {card}" for card in _CARDS))


class TokensASecond(Exercise):
    """1.2: from the counts and durations of a native answer to a speed."""

    id = "1.2"
    texts = TEXT[id]
    code = """\
import ollama

client = ollama.Client(host=session.url.removesuffix("/v1"))
question = {"role": "user", "content": "Write a Python decorator for rate limiting."}
answer = client.chat(session.model, [question], options={"temperature": 0.15})
check("1.2", {"answer": answer, "tokens_per_s": answer.eval_count / (answer.eval_duration / 1e9)})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"answer": a native response, "tokens_per_s": number}."""
        if not _has(answer, "answer", "tokens_per_s"):
            return self.not_yet("form", found=shown(answer))
        count, writing, total = (
            _of(answer["answer"], name) for name in ("eval_count", "eval_duration", "total_duration")
        )
        if not (count and writing and total):
            return self.not_yet("native", found=shown(answer["answer"]))
        if count < 10:
            return self.not_yet("short", count=count)
        said = grading.number(answer["tokens_per_s"], 0, float("inf"))
        rate = count / writing * 1e9
        if abs(said - rate) <= 0.05 * rate:
            return self.correct(rate=rate)
        if abs(said - count / total * 1e9) <= 0.05 * count / total * 1e9:
            return self.not_yet("total")
        return self.not_yet("wrong", count=count, duration=writing, found=shown(f"{said:.4g}"))


class PictureItself(Exercise):
    """1.3: a request to `/api/chat` with a picture as bare base64, and its answer."""

    id = "1.3"
    texts = TEXT[id]
    code = """\
import base64
import io

import httpx
from pocket.drawings import draw_bar_chart

file = io.BytesIO()
draw_bar_chart({"Mon": 12, "Tue": 7, "Wed": 19}, title="Visitors").save(file, "PNG")
picture = base64.b64encode(file.getvalue()).decode()
message = {"role": "user", "content": "Describe this chart.", "images": [picture]}
body = {"model": session.model, "messages": [message], "stream": False, "options": {"temperature": 0.15}}
response = httpx.post(session.url.removesuffix("/v1") + "/api/chat", json=body, timeout=60)
check("1.3", {"body": body, "answer": response.json()})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"body": what was sent, "answer": the JSON that came back}."""
        if not (_has(answer, "body", "answer") and isinstance(answer["body"], Mapping)):
            return self.not_yet("form", found=shown(answer))
        messages = answer["body"].get("messages") or []
        images = [image for message in messages for image in message.get("images") or []]
        if not images:
            return self.not_yet("none")
        for image in images:
            if wrong := _unfit(image):
                return self.not_yet(wrong, found=shown(image, 40))
        said = _of(_of(answer["answer"], "message"), "content") or ""
        if not said.strip():
            return self.not_yet("silent", found=shown(answer["answer"], 120))
        size = sum(len(base64.b64decode(image)) for image in images)
        return self.correct(size=size, letters=sum(map(len, images)), said=shown(said, 90))


class RoomForAnHour(Exercise):
    """1.4: a model is loaded with 16,384 tokens of context, for about an hour."""

    id = "1.4"
    texts = TEXT[id]
    code = """\
import ollama

client = ollama.Client(host=session.url.removesuffix("/v1"))
question = {"role": "user", "content": "What is the KV cache?"}
client.chat(session.model, [question], options={"num_ctx": 16_384}, keep_alive="1h")
check("1.4", client.ps())
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: what `client.ps()` gives."""
        rows = getattr(answer, "models", None)
        if rows is None:
            return self.not_yet("form", found=shown(answer))
        if not rows:
            return self.not_yet("none")
        row = max(rows, key=lambda each: each.context_length or 0)
        context, left = row.context_length or 0, row.expires_at - datetime.now(UTC)
        if context < _CONTEXT:
            return self.not_yet("small", context=context)
        minutes = left.total_seconds() / 60
        if left < _SHORTEST:
            return self.not_yet("soon", minutes=minutes)
        return self.correct(context=context, minutes=minutes, gib=context * _KIB_A_TOKEN / 2**20)


def _unfit(image: Any) -> str:
    """Which sentence is for an `images` entry that is not bare base64 of a picture; "" for one that is."""
    text = str(image)
    if text.startswith("data:"):
        return "uri"
    try:
        return "" if base64.b64decode(text, validate=True).startswith(_PICTURES) else "bytes"
    except binascii.Error:
        return "path"


def _of(answer: Any, name: str) -> Any:
    """A field of a response, whether it is the client's or plain JSON."""
    return answer.get(name) if isinstance(answer, Mapping) else getattr(answer, name, None)


def _has(answer: Any, *names: str) -> bool:
    return isinstance(answer, Mapping) and all(name in answer for name in names)


EXERCISES: tuple[Exercise, ...] = (OnEachCard(), TokensASecond(), PictureItself(), RoomForAnHour())
