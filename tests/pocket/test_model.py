"""The recipe's plain model, Transformers and vLLM: the same weights must give the same probabilities."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import labkit
from labkit.engines import cuda_leftovers
from pocket.formats import prepare
from pocket.recipe import shapes
from pocket.recipe.evaluate import as_openai
from pocket.recipe.mixture import Packer
from pocket.recipe.model import Twin, dense_masks
from pocket.recipe.sample import TEST, Sample, ask
from pocket.recipe.template import Template

QUESTION = ask("What is the KV cache?", "")
PICTURE = Sample([*shapes.SKILLS["shapes"](random.Random(3), TEST).messages[:-1], QUESTION.answer])
CASES = pytest.mark.parametrize("sample", [QUESTION, PICTURE], ids=["text", "picture"])


@pytest.fixture(scope="module")
def folder() -> Path:
    return prepare()


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Any:
    """The twin in Transformers, in float32."""
    cuda_leftovers.install()
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def logits(model: Any, folder: Path, sample: Sample, answer: list[int]) -> torch.Tensor:
    """Transformers' logits (len(answer), vocabulary) for each token of an answer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer.apply_chat_template(as_openai(sample), return_tensors="pt", return_dict=True)
    start = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([answer])], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.no_grad():
        out: torch.Tensor = model(**inputs).logits[0, start - 1 : start - 1 + len(answer)]
    return out


@CASES
def test_recipe_and_transformers_agree(theirs: Any, folder: Path, sample: Sample) -> None:
    template = Template(folder / "tekken.json")
    told = Sample([*sample.messages[:-1], {"role": "assistant", "content": "The KV cache"}])
    encoded = template.encode(told)
    packer = Packer(rows=1, length=512, patches=768, answers=64)
    assert packer.add(template.encode(ask("Hello", "Hello!")), 0)  # a neighbour that must not be seen
    before = 64 - packer.answers_free
    assert packer.add(encoded, 0)
    batch = packer.batch()
    model = Twin(json.loads((folder / "config.json").read_text())).eval()
    weights: dict[str, torch.Tensor] = {}
    for shard in folder.glob("model-*.safetensors"):
        weights |= load_file(shard)
    model.load_state_dict({k: v.float() for k, v in weights.items()})
    answer = [t for t, learned in zip(encoded.tokens, encoded.learned, strict=True) if learned]
    with torch.no_grad():
        ours = model(batch, *dense_masks(batch))[before : before + len(answer)]
    assert torch.allclose(ours, logits(theirs, folder, sample, answer), atol=2e-3)


@pytest.mark.engine
@CASES
def test_transformers_and_vllm_agree(
    theirs: Any, folder: Path, sample: Sample, session: labkit.Session
) -> None:
    """vLLM reads the Mistral format in bfloat16, Transformers the Hugging Face one in float32."""
    messages: Any = as_openai(sample)
    reply = session.client.chat.completions.create(
        model=session.model, messages=messages, temperature=0, max_tokens=12, logprobs=True, top_logprobs=1
    ).choices[0]
    assert reply.logprobs and reply.logprobs.content
    said = reply.logprobs.content[: -1 if reply.finish_reason == "stop" else None]  # without </s>
    answer = Template(folder / "tekken.json").encode_text("".join(t.token for t in said))
    assert len(answer) == len(said) > 3
    known = logits(theirs, folder, sample, answer).log_softmax(-1)
    for place, (token, heard) in enumerate(zip(answer, said, strict=True)):
        assert int(known[place].argmax()) == token
        assert float(known[place, token]) == pytest.approx(heard.logprob, abs=0.1)
