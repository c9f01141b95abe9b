"""Lesson 02, Serving with vLLM: measure batching, stream, compose a command, read metrics, price it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labkit import planner
from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, Texts, shown
from labkit.probes import Speed

TITLE = "Serving with vLLM"

TEXT = {
    "2.1": Texts(
        title="Eight at once",
        hints=(
            "You need two measurements: one request alone, and eight at once.",
            "`probes.speed(session, streams=...)` measures. Hand over both, as a list: `[one, eight]`.",
            "Let them write long enough that the start does not count: `max_tokens=128` for both. If the "
            "machine was busy with something else, measure again.",
        ),
        correct="Eight streams gave {gain:.1f} times the tokens of one, on the same machine, with the same "
        "weights: they were read once for all eight.",
        not_yet={
            "form": "You handed over {found}. Wanted are two measurements in a list: `[one, eight]`, each "
            "made with `probes.speed(session, streams=...)`.",
            "streams": "These measurements have {found} streams. Wanted is one with `streams=1`, and one "
            "with `streams=8`.",
            "unequal": "The two wrote answers of different lengths, {few} and {many} tokens each, so they do "
            "not compare. Give both the same `max_tokens`.",
            "slow": "Eight streams gave {gain:.1f} times the tokens of one, and 1.5 was wanted. Is the "
            "server busy with something else? Measure both again, with `max_tokens=128`.",
        },
    ),
    "2.2": Texts(
        title="Stream it by hand",
        hints=(
            "With `stream=True`, `client.chat.completions.create(...)` gives no answer but something to loop "
            "over: a chunk for each piece.",
            "The words of a chunk are `chunk.choices[0].delta.content`; they may be None or empty, as in the "
            "first one. Collect the others in a list.",
            "`time.monotonic()` before you ask, at the first piece, and after the loop: two differences.",
        ),
        correct="{pieces} pieces, the first after {first:.2f} s, the last after {all:.2f} s. That is what "
        "`session.chat` and `probes.speed` do inside.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"pieces": [...], "first_s": ..., "all_s": ...}}`: '
            "the pieces of text in their order, and two times in seconds.",
            "pieces": "{found} is no list of texts. Collect `chunk.choices[0].delta.content` of every chunk "
            "that has some.",
            "whole": "There is only {count} piece, so this was not a stream, or the answer was one word "
            "long. Ask with `stream=True` for a sentence, and loop over what comes.",
            "order": "The first piece after {first:.2f} s and all after {all:.2f} s: the first must have "
            "come earlier. Take its time inside the loop, when the first piece is there.",
        },
    ),
    "2.3": Texts(
        title="All the room for words",
        hints=(
            "Nobody sends pictures here, so the vision tower need not be there. The table of flags above "
            "names the one for it.",
            '`labkit.plan("4090", vision=False).find("W4A16", "vllm")` is the row of this recipe: `.source`, '
            "`.flags` and `.longest_context` are in it.",
            "W4A16 comes in Hugging Face's format: the three `mistral` format flags have no place here. The "
            "two for tools have.",
        ),
        correct="{context:,} tokens of context on a 4090, where {before:,} fit with the vision tower. "
        "`--language-model-only` freed the room.",
        not_yet={
            "model": "Your command serves {found}. Wanted is the W4A16 checkpoint, which fits a 4090: "
            '`labkit.plan("4090").find("W4A16", "vllm").source`.',
            "format": "{found} asks for Mistral's own format, and W4A16 is in Hugging Face's. Leave the "
            "three format flags out.",
            "vision": "The vision tower is still loaded. One flag leaves it out: `--language-model-only`.",
            "tools": "Without {missing}, tool calls arrive as text, or not at all. Add it.",
            "context": "`--max-model-len` is {found}. Wanted is more than the {before:,} tokens that fit "
            "with vision, and no more than the {most:,} that fit without.",
        },
    ),
    "2.4": Texts(
        title="Count with the server",
        hints=(
            "Read the metrics, ask something, read them again: `before`, `reply`, `after`.",
            "`probes.metrics(session)` gives a dictionary. A reply streams, so wait for its end before you "
            "read again: `reply.text` does.",
            'Hand over all three: `{"before": before, "reply": reply, "after": after}`.',
        ),
        correct="The reply had {tokens} tokens, and the server's count rose by {rise:.0f}. A dashboard reads "
        "the same page.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"before": ..., "reply": ..., "after": ...}}`.',
            "metrics": "{found} is no reading of the metrics. Make both with `probes.metrics(session)`.",
            "same": "The server's count of tokens rose by {rise:.0f}, and the reply has {tokens}. Wait for "
            "the whole reply (`reply.text`) before you read the second time, and read before you ask.",
        },
    ),
    "2.5": Texts(
        title="What a million tokens cost",
        hints=(
            "How many tokens does your measured speed make in a day of 86,400 seconds?",
            "The price of a day, divided by the tokens of a day, times a million.",
            '`speed.tokens_per_s` is the speed of all streams. Hand over `{"speed": many, "dollars": ...}`, '
            "with the guide's 2 dollars a day.",
        ),
        correct="{dollars:.2f} dollars for a million tokens, with {streams} streams busy all day. Half of "
        "the streams idle, and it is nearly twice as much.",
        not_yet={
            "form": 'You handed over {found}. Wanted is `{{"speed": ..., "dollars": ...}}`: a measurement by '
            "`probes.speed`, and your price.",
            "few": "This was measured with {found}. A server is paid for by the day, so fill it: measure "
            "with 16.",
            "wrong": "At {rate:.0f} tokens a second and 2 dollars a day, {found} is not the price of a "
            "million tokens. A day has 86,400 seconds.",
        },
    ),
}

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
