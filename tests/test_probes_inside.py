"""The probes that look inside the model in this process: its tokens, its weights, its next token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace as Box
from typing import Any

import numpy
import pytest
import torch

import labkit
from labkit import LabkitError, probes
from labkit.engines import transformers_engine as engine
from labkit.engines.transformers_engine.weights import Layer
from labkit.probes.weights import Weights, bell
from labkit.session import compose
from pocket.drawings import draw_bar_chart

NAMES = Box(decode=lambda ids: f"w{ids[0]}")


@pytest.fixture(scope="module")
def tokenizer() -> Iterator[Any]:
    """Of the twin in NF4, which is in this process meanwhile."""
    engine.stop()
    labkit.start("pocket", engine="transformers", quantization="nf4", progress=False)
    yield engine.current().tokenizer
    engine.stop()


@pytest.mark.engine
def test_tokens_are_what_the_model_gets(tokenizer: Any) -> None:
    talk = compose("Read <b>\nthis, 東é", image=draw_bar_chart({"A": 1, "B": 2}), system="Be brief.")
    found = probes.tokens(tokenizer, talk)
    asked = tokenizer.apply_chat_template(talk, return_dict=True)
    assert found.ids == list(asked["input_ids"]) and len(found) == len(found.ids)
    control = {piece.text for piece in found.pieces if piece.control}
    assert {"<s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[IMG]", "[/INST]"} <= control
    # The row ends in an image break, so runs of [IMG] are one row's.
    rows = str(found).count("12 x [IMG]|")
    assert rows * 12 == sum(piece.text == "[IMG]" for piece in found.pieces)
    words = b"".join(_bytes(piece.text) for piece in found.pieces if not piece.control)
    assert words.decode() == "Be brief.Read <b>\nthis, 東é"


def _bytes(text: str) -> bytes:
    """Of a token's text, which is in hexadecimal where it is a part of a letter."""
    part = re.fullmatch(r"<([0-9A-F]{2}(?: [0-9A-F]{2})*)>", text)
    return bytes.fromhex(part[1]) if part else text.encode()


@pytest.mark.engine
def test_tokens_are_shown_escaped_and_counted(tokenizer: Any) -> None:
    page = probes.tokens(tokenizer, [{"role": "user", "content": "<b>"}])._repr_html_()
    assert "<b>" not in page and "&lt;" in page and "[INST]" in page and "3 of them control tokens" in page


@pytest.mark.engine
def test_a_tool_is_part_of_the_prompt(tokenizer: Any) -> None:
    asked = [{"role": "user", "content": "Hello"}]
    price = {"type": "function", "function": {"name": "price", "parameters": {"type": "object"}}}
    without, offered = probes.tokens(tokenizer, asked), probes.tokens(tokenizer, asked, tools=[price])
    assert "[AVAILABLE_TOOLS]" in str(offered) and "price" in str(offered).replace("|", "")
    assert len(offered) > len(without) and "[AVAILABLE_TOOLS]" not in str(without)


@pytest.mark.engine
def test_the_weights_add_up_to_the_model(tokenizer: Any) -> None:
    squeezed = probes.weights()
    before, after = (sum(both) for both in zip(*squeezed.parts.values(), strict=True))
    model = engine.current().model
    assert before == 2 * model.num_parameters()
    scales = after - engine.current().weights_bytes  # Transformers does not count them
    assert 0.02 < scales / (squeezed.parts["text"][1] + squeezed.parts["vision"][1]) < 0.04
    kept = sum(p.nbytes for p in (model.lm_head.weight, model.get_input_embeddings().weight))
    assert squeezed.parts["embeddings"] == (kept, kept)
    assert "8 text layers" in squeezed._repr_markdown_() and "all" in str(squeezed)
    figure: Any = squeezed.chart()
    dots = [len(line.get_xdata()) for axes in figure.axes for line in axes.lines]
    assert sum(dots) - 2 * 2 == len(squeezed.layers)  # two points make each panel's dashed line


def test_the_real_models_figures_come_from_the_catalog() -> None:
    shown = Weights(
        (Layer("language_model.model.layers.0.mlp.up_proj", 400, 103, 0.1),), {}
    )._repr_markdown_()
    assert "| 44.72 GiB | 13.39 GiB |" in shown and "| 2.50 GiB | 2.50 GiB |" in shown
    assert "by 10.0%" in shown


def test_nf4_changes_numbers_of_a_bell_curve_by_nine_percent() -> None:
    assert 0.090 < bell() < 0.094


def test_the_weights_of_no_model_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_state", engine._State())
    with pytest.raises(LabkitError, match="Transformers has no model loaded"):
        probes.weights()


def test_temperature_is_softmax_of_scores_over_it() -> None:
    scores = torch.tensor([1.0, 3.0, 2.0, -1.0, 0.0, 0.5, 0.25], dtype=torch.bfloat16)
    found = probes.temperature(scores, NAMES)
    assert found.words == ("w1", "w2", "w0", "w5", "w6")
    for each in (0.15, 1.0, 2.0):
        wanted = (scores.double() / each).softmax(-1)[list(found.best)]
        got = found.at(each)
        assert got[:-1] == pytest.approx(wanted.tolist()) and sum(got) == pytest.approx(1)
    assert found.at(0.15)[-1] < found.at(1.0)[-1] < found.at(2.0)[-1]


def test_temperature_is_drawn_up_to_a_hundred_percent() -> None:
    chances = probes.temperature(numpy.array([3.0, 1.0, 0.0]), NAMES, best=2)
    figure: Any = chances.chart()
    tops = [area.get_paths()[0].vertices[:, 1].max() for area in figure.axes[0].collections]
    assert len(tops) == 3 and max(tops) == pytest.approx(100)
    assert "any of the other 1" in str(chances) and "| 0.15 | " in chances._repr_markdown_()


@pytest.mark.parametrize("logits", [[[1.0, 2.0]], 3.0, []])
def test_other_shapes_are_refused(logits: Any) -> None:
    with pytest.raises(LabkitError, match="Scores of one next token are wanted"):
        probes.temperature(logits, NAMES)


@pytest.mark.parametrize("degrees", [0, -1])
def test_a_temperature_is_above_nothing(degrees: float) -> None:
    with pytest.raises(LabkitError, match="must be above 0"):
        probes.temperature([1.0, 2.0], NAMES).at(degrees)
