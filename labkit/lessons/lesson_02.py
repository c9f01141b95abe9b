"""Lesson 02, Serving with vLLM: measure batching, stream, compose a command, read metrics, price it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit import planner
from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, shown
from labkit.lessons.texts_02 import TEXT
from labkit.probes import Speed

TITLE = "Serving with vLLM"

_GAIN = 1.5
_DOLLARS_A_DAY = 2.0
_SECONDS_A_DAY = 86_400
_FORMAT_FLAGS = ("--tokenizer-mode", "--config-format", "--load-format")


class EightAtOnce(Exercise):
    """2.1: eight streams give at least 1.5 times the tokens of one."""

    id = "2.1"
    texts = TEXT[id]
    code = """\
from labkit import probes

one = probes.speed(session, streams=1)
eight = probes.speed(session, streams=8)
check("2.1", [one, eight])
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: two measurements."""
        pair = list(answer) if isinstance(answer, list | tuple) else [answer]
        if len(pair) != 2 or not all(isinstance(each, Speed) for each in pair):
            return self.not_yet("form", found=shown(answer))
        one, many = sorted(pair, key=lambda each: len(each.streams))
        counts = (len(one.streams), len(many.streams))
        if counts[0] != 1 or counts[1] < 8:
            return self.not_yet("streams", found=f"{counts[0]} and {counts[1]}")
        few, each = one.tokens, many.tokens / counts[1]
        if not 0.8 < few / each < 1.25:
            return self.not_yet("unequal", few=few, many=round(each))
        gain = many.tokens_per_s / one.tokens_per_s
        return self.correct(gain=gain) if gain >= _GAIN else self.not_yet("slow", gain=gain)


class StreamByHand(Exercise):
    """2.2: the pieces of a streamed answer, and when the first and the last came."""

    id = "2.2"
    texts = TEXT[id]
    code = """\
import time

pieces, first_s, began = [], None, time.monotonic()
stream = session.client.chat.completions.create(
    model=session.model,
    messages=[{"role": "user", "content": "What is the KV cache?"}],
    temperature=0.15,
    stream=True,
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        first_s = first_s or time.monotonic() - began
        pieces.append(chunk.choices[0].delta.content)
all_s = time.monotonic() - began
check("2.2", {"pieces": pieces, "first_s": first_s, "all_s": all_s})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"pieces": list of str, "first_s": seconds, "all_s": seconds}."""
        if not _has(answer, "pieces", "first_s", "all_s"):
            return self.not_yet("form", found=shown(answer))
        pieces = answer["pieces"]
        if not (isinstance(pieces, list) and all(isinstance(each, str) for each in pieces)):
            return self.not_yet("pieces", found=shown(pieces))
        pieces = [each for each in pieces if each]
        if len(pieces) < 2:
            return self.not_yet("whole", count=len(pieces))
        first = grading.number(answer["first_s"], 0, 600, "s")
        last = grading.number(answer["all_s"], 0, 600, "s")
        if first >= last:
            return self.not_yet("order", first=first, all=last)
        return self.correct(pieces=len(pieces), first=first, all=last)


class AllForWords(Exercise):
    """2.3: a text-only command for W4A16 on a 4090, with the context that this makes room for."""

    id = "2.3"
    texts = TEXT[id]
    code = """\
import labkit

row = labkit.plan("4090", vision=False).find("W4A16", "vllm")
command = ["vllm", "serve", row.source, *row.flags.split()]
command += ["--max-model-len", str(row.longest_context)]
command += ["--tool-call-parser", "mistral", "--enable-auto-tool-choice"]
check("2.3", command)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the command, a list of strings or a labkit Command."""
        words = getattr(answer, "argv", answer)
        flags = grading.flags(words)
        row = planner.plan("4090", vision=False).find("W4A16", "vllm")
        before = planner.plan("4090").find("W4A16", "vllm").longest_context
        if row.source not in words:
            return self.not_yet("model", found=shown(" ".join(list(words)[:3])))
        if wrong := [flag for flag in _FORMAT_FLAGS if flags.get(flag) == "mistral"]:
            return self.not_yet("format", found=shown(wrong[0]))
        if "--language-model-only" not in flags:
            return self.not_yet("vision")
        needed = {"--tool-call-parser": "mistral", "--enable-auto-tool-choice": None}
        if missing := [flag for flag, value in needed.items() if flag not in flags or flags[flag] != value]:
            return self.not_yet("tools", missing=" ".join([missing[0], needed[missing[0]] or ""]).strip())
        length = flags.get("--max-model-len")
        context = int(length) if length and length.isdecimal() else 0
        if not before < context <= row.longest_context:
            return self.not_yet("context", found=shown(length), before=before, most=row.longest_context)
        return self.correct(context=context, before=before)


class CountWithTheServer(Exercise):
    """2.4: the server's own count rises by what a reply says that it has."""

    id = "2.4"
    texts = TEXT[id]
    code = """\
from labkit import probes

before = probes.metrics(session)
reply = session.chat("What is a token?")
reply.text
after = probes.metrics(session)
check("2.4", {"before": before, "reply": reply, "after": after})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"before": metrics, "reply": reply, "after": metrics}."""
        if not _has(answer, "before", "reply", "after"):
            return self.not_yet("form", found=shown(answer))
        for reading in (answer["before"], answer["after"]):
            if not _has(reading, "generation_tokens"):
                return self.not_yet("metrics", found=shown(reading))
        grading.reply(answer["reply"])
        tokens = answer["reply"].usage.completion_tokens
        rise = answer["after"]["generation_tokens"] - answer["before"]["generation_tokens"]
        # Others may use the server as well, so more is right too.
        return self.correct(tokens=tokens, rise=rise) if rise >= tokens else self._same(rise, tokens)

    def _same(self, rise: float, tokens: int) -> Outcome:
        return self.not_yet("same", rise=rise, tokens=tokens)


class PriceOfAMillion(Exercise):
    """2.5: from a measured speed and a price a day to dollars for a million tokens."""

    id = "2.5"
    texts = TEXT[id]
    code = """\
from labkit import probes

many = probes.speed(session, streams=16)
tokens_a_day = many.tokens_per_s * 86_400
dollars = 2 / tokens_a_day * 1_000_000
check("2.5", {"speed": many, "dollars": dollars})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"speed": Speed, "dollars": number}."""
        if not _has(answer, "speed", "dollars") or not isinstance(answer["speed"], Speed):
            return self.not_yet("form", found=shown(answer))
        speed = answer["speed"]
        if len(speed.streams) < 8:
            return self.not_yet(
                "few", found="1 stream" if len(speed.streams) == 1 else f"{len(speed.streams)} streams"
            )
        dollars = grading.number(answer["dollars"], 0, 1_000_000, "dollars")
        right = _DOLLARS_A_DAY / (speed.tokens_per_s * _SECONDS_A_DAY) * 1e6
        if abs(dollars - right) > 0.05 * right:
            return self.not_yet("wrong", rate=speed.tokens_per_s, found=shown(f"{dollars:.4g}"))
        return self.correct(dollars=dollars, streams=len(speed.streams))


def _has(answer: Any, *names: str) -> bool:
    return isinstance(answer, Mapping) and all(name in answer for name in names)


EXERCISES: tuple[Exercise, ...] = (
    EightAtOnce(),
    StreamByHand(),
    AllForWords(),
    CountWithTheServer(),
    PriceOfAMillion(),
)
