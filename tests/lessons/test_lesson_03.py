"""Lesson 03's exercises against right, wrong, empty and raising answers; its solutions and traps, live."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace as Box
from typing import Any

import numpy
import pytest
import torch

import labkit
from labkit import probes
from labkit.engines import transformers_engine as engine
from labkit.engines.transformers_engine.weights import Layer
from labkit.lessons import BLANK, Kind
from labkit.lessons.desk import grade
from labkit.lessons.lesson_03 import EXERCISES
from labkit.probes import Weights
from tests.lessons.graded import Graded
from tests.lessons.saved import Broken

BY_ID = {each.id: each for each in EXERCISES}
# 128,000 weights: 4.127 bits each in two layers, and a tenth as many that stay in 16.
SQUEEZED = Weights(
    (
        Layer("language_model.model.layers.0.mlp.up_proj", 128_000, 33_016, 0.1),
        Layer("vision_tower.transformer.layers.0.feed_forward.up_proj", 128_000, 33_016, 0.1),
    ),
    {"model.language_model.embed_tokens.weight": 25_600},
)
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
IDS = [1, 17, 100, 18, 3, 200, 4]


def weighed(bits: Any) -> dict[str, Any]:
    return {"weights": SQUEEZED, "bits": bits}


def loaded(*squeezed: str) -> Any:
    """Something like a model, with these layers in 4 bits."""
    small, plain = type("Linear4bit", (), {}), type("Linear", (), {})
    modules = [
        ("model.language_model.layers.0.mlp.up_proj", plain()),
        *((name, small()) for name in squeezed),
    ]
    return Box(named_modules=lambda: modules)


class Tokenizer:
    """Knows the conversation above, and three control tokens."""

    names = ("[INST]", "[SYSTEM_PROMPT]")

    def convert_tokens_to_ids(self, name: str) -> int:
        return {"[INST]": 3, "[SYSTEM_PROMPT]": 17}[name]

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        assert not add_special_tokens
        return [ord(letter) for letter in text]

    def decode(self, ids: list[int]) -> str:
        return f"<{ids[0]}>"

    def apply_chat_template(self, messages: Any, return_dict: bool) -> dict[str, list[int]]:
        assert messages == TALK and return_dict
        return {"input_ids": IDS}


def by_hand(ids: Any, **change: Any) -> dict[str, Any]:
    return {"messages": TALK, "ids": ids, "tokenizer": Tokenizer()} | change


def drawn(temperature: Any, logits: Any = (2.0, 0.0, 0.0, 0.0)) -> dict[str, Any]:
    """Of four tokens. The first has a half at 2 / ln 3 = 1.82."""
    return {"logits": numpy.array(logits), "temperature": temperature}


TEXT = "model.language_model.layers.0.self_attn.q_proj"
EYE = "model.vision_tower.transformer.layers.0.attention.q_proj"
RIGHT: dict[str, list[Any]] = {
    "3.1": [weighed(4.127), weighed(4.12), weighed(numpy.float64(4.13))],
    "3.2": [loaded(TEXT), loaded(TEXT, TEXT)],
    "3.3": [by_hand(IDS), by_hand(tuple(IDS)), by_hand(torch.tensor([IDS]))],
    "3.4": [drawn(1.82), drawn(1.75), drawn(1.82) | {"logits": [2.0, 0.0, 0.0, 0.0]}],
}
WRONG: dict[str, list[tuple[Any, str]]] = {
    "3.1": [
        (4.127, "Wanted is `{"),
        ({"weights": [1, 2], "bits": 4.127}, "Wanted is `{"),
        (weighed(4), "share of the scales comes on top"),
        (weighed(5.207), "`5.21` is the mean over all weights"),
        (weighed(0.258), "256,000 bytes at 16 bits a weight have become 66,032"),
        (weighed("4.127"), "A number was wanted"),
    ],
    "3.2": [
        ("vision_tower", "is no model"),
        (loaded(), "Nothing is squeezed"),
        (loaded(TEXT, EYE), f"`{EYE}` is squeezed"),
        (loaded(TEXT, "model.multi_modal_projector.linear_1"), "is squeezed"),
        (loaded(TEXT, "lm_head"), "The output layer is squeezed"),
        (loaded("model.something.else"), "None of the text's layers"),
    ],
    "3.3": [
        (IDS, "Wanted is `{"),
        (by_hand(IDS, messages=TALK[1:]), "Wanted are two messages"),
        (by_hand("<s>[INST]"), "no list of whole numbers"),
        (by_hand([1, 17.0]), "no list of whole numbers"),
        (by_hand([1, 91, 73]), "`[INST]` is 6 tokens"),
        (by_hand([1, 17, 100, 18, 200, 3, 4]), "Token 5 is `<200>` in yours, and `<3>` in the template"),
        (by_hand(IDS[:-1]), "Token 7 is `nothing` in yours, and `<4>`"),
        (by_hand([*IDS, 2]), "Token 8 is `<2>` in yours, and `nothing`"),
    ],
    "3.4": [
        (1.82, "Wanted is `{"),
        (drawn(1.0, [[2.0, 0.0]]), "have the shape `(1, 2)`"),
        (drawn(1.0, [2.0, 2.0, 0.0]), "share the first place"),
        (drawn(1.0), "comes 71% of the time. Go higher"),
        (drawn(5), "comes 33% of the time. Go lower"),
        (drawn(0), "is not between"),
        (drawn("1.8"), "A number was wanted"),
    ],
}
EMPTY: dict[str, list[Any]] = {
    "3.1": [BLANK, None, {}, weighed(BLANK)],
    "3.2": [BLANK, BLANK(1), None, ""],
    "3.3": [BLANK, None, {}, by_hand(BLANK), by_hand([1, BLANK])],
    "3.4": [BLANK, None, {}, drawn(BLANK)],
}
RAISING: dict[str, list[Any]] = {
    "3.1": [Broken(), {"weights": Broken(), "bits": 4.127}],
    "3.2": [Broken()],
    "3.3": [Broken(), by_hand(IDS, messages=[Broken()])],
    "3.4": [Broken(), drawn(1.82) | {"logits": Broken()}],
}


class TestLesson03(Graded):
    exercises = EXERCISES
    right, wrong, empty, raising = RIGHT, WRONG, EMPTY, RAISING


@pytest.fixture(scope="module")
def live() -> Iterator[labkit.Session]:
    """The lesson's session: the twin in NF4, in this process."""
    engine.stop()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield labkit.start("pocket", engine="transformers", quantization="nf4", progress=False)
    torch.set_num_threads(threads)
    engine.stop()


@pytest.mark.engine
@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["vision_tower", "multi_modal_projector", "lm_head"], "it is part of the eyes"),
        (["model.vision_tower", "model.multi_modal_projector"], 'Add `"lm_head"`'),
    ],
)
def test_the_traps_of_the_names(names: list[str], sentence: str, live: labkit.Session) -> None:
    right = '["model.vision_tower", "model.multi_modal_projector", "lm_head"]'
    assert right in BY_ID["3.2"].code
    tried: dict[str, Any] = {"check": lambda id, answer: grade(BY_ID[id], answer)}
    lines = BY_ID["3.2"].code.replace(right, repr(names)).replace("check(", "outcome = check(")
    exec(lines, tried)
    assert tried["outcome"].kind is Kind.NOT_YET and sentence in tried["outcome"].sentence


@pytest.mark.engine
def test_a_template_typed_as_text_is_none_as_the_lesson_shows(live: labkit.Session) -> None:
    tokenizer = engine.current().tokenizer
    typed = probes.tokens(tokenizer, "<s>[INST]What is NF4?[/INST]")
    right = probes.tokens(tokenizer, [{"role": "user", "content": "What is NF4?"}])
    assert not any(piece.control for piece in typed.pieces)
    assert [piece.text for piece in right.pieces if piece.control] == ["<s>", "[INST]", "[/INST]"]
