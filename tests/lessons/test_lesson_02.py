"""Lesson 02's exercises against right, wrong, empty and raising answers."""

from __future__ import annotations

from types import SimpleNamespace as Box
from typing import Any

import labkit
from labkit.engines import vllm
from labkit.engines.recipe import recipe_for_variant
from labkit.lessons import BLANK, solution
from labkit.lessons.lesson_02 import EXERCISES
from labkit.probes import Speed
from labkit.probes.speed import Stream
from labkit.reply import Reply
from tests.lessons.graded import Graded
from tests.lessons.saved import Broken, Saved, saved

BY_ID = {each.id: each for each in EXERCISES}
ROW = labkit.plan("4090", vision=False).find("W4A16", "vllm")
BEFORE = labkit.plan("4090").find("W4A16", "vllm").longest_context


def speed(streams: int, seconds: float, tokens: int = 128) -> Speed:
    return Speed(tuple(Stream(tokens, 0.1, seconds) for _ in range(streams)), seconds, 64)


def streamed(**change: Any) -> dict[str, Any]:
    return {"pieces": ["The", " KV", " cache."], "first_s": 0.1, "all_s": 0.3} | change


def command(*more: str, without: str = "", length: int = ROW.longest_context) -> list[str]:
    words = ["vllm", "serve", ROW.source, "--language-model-only", "--max-model-len", str(length)]
    words += ["--tool-call-parser=mistral", "--enable-auto-tool-choice", *more]
    return [word for word in words if not without or not word.startswith(without)]


def counted(rise: float = 16, tokens: int = 16, **change: Any) -> dict[str, Any]:
    delta = Box(content="A token.", tool_calls=None)
    chunk = Box(
        choices=[Box(delta=delta, finish_reason="stop")], usage=Box(completion_tokens=tokens, prompt_tokens=9)
    )
    readings = {"before": {"generation_tokens": 100.0}, "after": {"generation_tokens": 100.0 + rise}}
    return readings | {"reply": Reply(Saved(chunk), 0.0)} | change


FULL = speed(16, 4.0)  # 512 tokens/s: 2 / (512 * 86400) * 1e6 = 0.0452 dollars

RIGHT: dict[str, list[Any]] = {
    "2.1": [[speed(1, 1.0), speed(8, 4.0)], (speed(16, 4.0), speed(1, 1.0)), [speed(1, 1.5), speed(8, 8.0)]],
    "2.2": [streamed(), streamed(pieces=["", "Yes", "."], first_s=0)],
    "2.3": [
        command(),
        tuple(command(length=BEFORE + 16)),
        command("--tokenizer-mode", "auto"),
        vllm.serve(recipe_for_variant("W4A16", vision=False, context=ROW.longest_context)),
    ],
    "2.4": [counted(), counted(rise=40)],
    "2.5": [{"speed": FULL, "dollars": 0.0452}, {"speed": FULL, "dollars": 0.044}],
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "2.1": [
        (speed(8, 1.0), "two measurements"),
        ([1.0, 8.0], "two measurements"),
        ([speed(1, 1.0), speed(4, 1.0)], "1 and 4 streams"),
        ([speed(8, 1.0), speed(8, 1.0)], "8 and 8 streams"),
        ([speed(1, 1.0), speed(8, 1.0, tokens=32)], "different lengths, 128 and 32"),
        ([speed(1, 1.0), speed(8, 7.0)], "gave 1.1 times"),
    ],
    "2.2": [
        (["The", " KV"], "Wanted is `{"),
        (streamed(pieces="The KV cache."), "no list of texts"),
        (streamed(pieces=[None, "x"]), "no list of texts"),
        (streamed(pieces=["The KV cache."]), "only 1 piece"),
        (streamed(pieces=["", "The KV cache."]), "only 1 piece"),
        (streamed(first_s=0.3), "must have come earlier"),
        (streamed(first_s=None), "A number was wanted"),
    ],
    "2.3": [
        ("vllm serve", "list of strings"),
        (["vllm", "serve", "mistralai/Mistral-Small-3.1-24B-Instruct-2503"], "W4A16 checkpoint"),
        (command("--tokenizer-mode", "mistral"), "`--tokenizer-mode`"),
        (command("--load-format=mistral"), "`--load-format`"),
        (command(without="--language"), "still loaded"),
        (command(without="--tool"), "Without --tool-call-parser mistral"),
        (command(without="--enable"), "Without --enable-auto-tool-choice"),
        (command(length=BEFORE), f"more than the {BEFORE:,}"),
        (command(length=65536), f"no more than the {ROW.longest_context:,}"),
        (command(without="--max"), "`--max-model-len` is `None`"),
    ],
    "2.4": [
        (saved("A token."), "Wanted is `{"),
        (counted(before=12), "no reading"),
        (counted(after={}), "no reading"),
        (counted(rise=3), "rose by 3, and the reply has 16"),
        (counted(reply="A token."), "A reply was wanted"),
    ],
    "2.5": [
        (0.0452, "Wanted is `{"),
        ({"speed": 512, "dollars": 0.0452}, "Wanted is `{"),
        ({"speed": speed(1, 1.0), "dollars": 0.18}, "measured with 1 stream"),
        ({"speed": FULL, "dollars": 45.2}, "`45.2` is not the price"),
        ({"speed": FULL, "dollars": "4 cents"}, "A number was wanted"),
    ],
}
EMPTY: dict[str, list[Any]] = {
    "2.1": [BLANK, None, [], [BLANK, speed(8, 1.0)]],
    "2.2": [BLANK, None, {}, streamed(pieces=BLANK)],
    "2.3": [BLANK, None, [], ["vllm", BLANK]],
    "2.4": [BLANK, None, {}, counted(after=BLANK)],
    "2.5": [BLANK, None, "", {"speed": FULL, "dollars": BLANK}],
}
RAISING: dict[str, list[Any]] = {
    "2.1": [Broken()],
    "2.2": [Broken(), streamed(pieces=Broken())],
    "2.3": [Broken()],
    "2.4": [Broken(), counted(reply=Broken())],
    "2.5": [Broken(), {"speed": Broken(), "dollars": 1}],
}


class TestLesson02(Graded):
    exercises = EXERCISES
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING


def test_the_solution_without_a_server_is_right() -> None:
    assert solution("2.3").run(session=None)
