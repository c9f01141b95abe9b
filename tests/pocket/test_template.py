"""The recipe's own encoder against mistral-common's: the same tokens for every kind of conversation."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from PIL import Image

from pocket.formats import prepare
from pocket.recipe.evaluate import as_openai
from pocket.recipe.mixture import SKILLS, with_system
from pocket.recipe.sample import TRAIN, Sample, and_then, ask, image, text
from pocket.recipe.template import Template


@pytest.fixture(scope="module")
def tekken() -> Path:
    return prepare() / "tekken.json"


@pytest.fixture(scope="module")
def official(tekken: Path) -> MistralTokenizer:
    return MistralTokenizer.from_file(str(tekken))


def official_tokens(official: MistralTokenizer, sample: Sample) -> list[int]:
    """What vLLM would feed the model: the official encoder, on the OpenAI form of the request."""
    request = ChatCompletionRequest.from_openai(messages=as_openai(sample), tools=sample.tools or None)
    tokens: list[int] = official.encode_chat_completion(request).tokens
    return tokens


@pytest.mark.parametrize("skill", sorted(SKILLS))
def test_same_tokens_as_mistral_common(skill: str, tekken: Path, official: MistralTokenizer) -> None:
    template = Template(tekken)
    rng = random.Random(skill)
    for _ in range(12):
        sample = with_system(SKILLS[skill](rng, TRAIN), rng, TRAIN)
        ours = template.encode(sample)
        last_answer = "".join("01"[known] for known in ours.learned).rindex("01") + 1
        assert ours.tokens[:last_answer] == official_tokens(official, sample)


def test_every_answer_is_learned_where_the_sample_says_so(tekken: Path) -> None:
    template = Template(tekken)
    sample = and_then(*(ask([text(question)], told) for question, told in (("One?", "1"), ("Two?", "2"))))
    encoded = template.encode(sample)
    learned = [t for t, known in zip(encoded.tokens, encoded.learned, strict=True) if known]
    assert learned == [*template.encode_text("1"), 2, *template.encode_text("2"), 2]


def test_a_question_is_not_asked_again_once_it_is_answered() -> None:
    same = [ask([text(question)], "It is red.") for question in ("Which color?", "What color?")]
    assert len(and_then(*same).messages) == 2


def test_only_the_answer_is_learned(tekken: Path) -> None:
    template = Template(tekken)
    sample = Sample(
        [
            {"role": "user", "content": [text("What is this?"), image(Image.new("RGB", (56, 28)))]},
            {"role": "assistant", "content": "Nothing."},
        ]
    )
    encoded = template.encode(sample)
    learned = [t for t, known in zip(encoded.tokens, encoded.learned, strict=True) if known]
    assert template.decode_text(learned[:-1]) == "Nothing." and learned[-1] == 2
    assert encoded.tokens[2:6] == [10, 10, 13, *template.encode_text("What")][:4]


def test_calls_are_learned_without_ids_and_kept_with_them(tekken: Path) -> None:
    template = Template(tekken)
    call = {"id": "abc123DEF", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    calls = {"role": "assistant", "tool_calls": [call]}
    asked: list[dict[str, Any]] = [{"role": "user", "content": "Go."}, calls]
    first = template.encode(Sample(asked))
    assert json.loads(template.decode_text(first.tokens[first.learned.index(True) :])) == [
        {"name": "f", "arguments": {"a": 1}}
    ]
    then = [*asked, {"role": "tool", "tool_call_id": "abc123DEF", "name": "f", "content": "7"}]
    second = template.encode(Sample([*then, {"role": "assistant", "content": "f returned 7."}]))
    assert "abc123DEF" in template.decode_text(second.tokens)
    assert sum(second.learned) == len(template.encode_text("f returned 7.")) + 1
