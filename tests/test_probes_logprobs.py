"""Tokens from the server, and an answer with its chances: a fake that tells them, faults, the live twin."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import labkit
from labkit import LabkitError, probes
from labkit.engines import transformers_engine
from labkit.probes.logprobs import Logprobs, Scored, logprobs, percent, told
from labkit.probes.tokens_of import tokens_of
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving
from tests.misbehaving import Misbehaving
from tests.test_three_engines import anywhere  # noqa: F401

EMOJI = "\N{SLIGHTLY SMILING FACE}"


def score(text: str, chance: float, *others: tuple[str, float]) -> dict[str, Any]:
    """One token as an OpenAI API tells it."""
    named = [_named(*each) for each in ((text, chance), *others)]
    return named[0] | {"top_logprobs": named}


def _named(text: str, chance: float) -> dict[str, Any]:
    return {"token": text, "logprob": math.log(chance), "bytes": list(text.encode())}


SCORES = [score("A", 0.5, ("The", 0.25)), score(" <b>", 0.97), score("\n", 0.04, ("!", 0.9))]


class Scoring(FakeOpenAI):
    """Answers with SCORES, a token a chunk, and splits a text into its bytes at /tokenize."""

    def __init__(self, *, whole: bool = True, pause: threading.Event | None = None) -> None:
        super().__init__()
        self.whole, self.pause = whole, pause
        self.app.routes.append(Route("/tokenize", self.tokenize, methods=["POST"]))

    async def tokenize(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        text = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
        ids, names = [1000 + each for each in text.encode()], [_name(each) for each in text.encode()]
        if "messages" in body:
            ids, names = [3, *ids, 4], ["[INST]", *names, "[/INST]"]
        return JSONResponse({"tokens": ids, "token_strs": names, "count": len(ids)})

    async def _lines(self, text: str, body: dict[str, Any]) -> AsyncIterator[str]:
        assert body["logprobs"] is True
        for each in SCORES:
            choice = {"index": 0, "delta": {"content": each["token"]}, "finish_reason": None}
            choice["logprobs"] = {"content": [each]}
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
            yield f"data: {json.dumps(chunk | {'choices': [choice]})}\n\n"
        if self.whole:
            last = {"index": 0, "delta": {}, "finish_reason": "stop"}
            yield f"data: {json.dumps(chunk | {'choices': [last]})}\n\ndata: [DONE]\n\n"


def _name(byte: int) -> str:
    return chr(byte) if byte < 128 else "\N{REPLACEMENT CHARACTER}"


@pytest.fixture
def scoring() -> Iterator[tuple[Scoring, Session]]:
    fake = Scoring()
    with serving(fake.app) as url:
        yield fake, Session(f"{url}/v1", KEY, MODEL)


def test_entropy_is_that_of_what_was_told_and_a_lower_bound() -> None:
    assert Scored("x", 1.0).entropy == 0.0
    assert Scored("x", 0.5, (("x", 0.5), ("y", 0.5))).entropy == pytest.approx(1.0)
    # A half, a quarter, and a quarter for all others together.
    assert Scored("x", 0.5, (("x", 0.5), ("y", 0.25))).entropy == pytest.approx(1.5)
    true = Scored("a", 0.25, (("a", 0.25), ("b", 0.25), ("c", 0.25), ("d", 0.25))).entropy
    assert true == pytest.approx(2.0) and Scored("a", 0.25, (("a", 0.25), ("b", 0.25))).entropy < true


def test_a_token_that_is_not_among_the_best_is_told_too() -> None:
    token = Scored("rare", 0.01, (("often", 0.9), ("less", 0.05)))
    assert token.ranked == [("often", 0.9), ("less", 0.05), ("rare", 0.01)]
    assert told(token) == "'often' 90.0 %; 'less' 5.0 %; 'rare' 1.0 %"
    assert Scored("often", 0.9, (("often", 0.9),)).ranked == [("often", 0.9)]


@pytest.mark.parametrize(
    ("chance", "step"), [(1.0, 0), (0.9, 0), (0.89, 1), (0.5, 1), (0.49, 2), (0.19, 3), (0.049, 4), (0.0, 4)]
)
def test_the_steps_of_the_scale(chance: float, step: int) -> None:
    assert Scored("x", chance).step == step


def test_percent() -> None:
    assert [percent(each) for each in (1, 0.1234, 0.0004, 0)] == ["100.0 %", "12.3 %", "<0.1 %", "0.0 %"]


def test_an_answer_with_its_chances(scoring: tuple[Scoring, Session]) -> None:
    fake, session = scoring
    seen: list[Scored] = []
    found = logprobs(session, "Hello", best=7, temperature=0.4, max_tokens=9, watch=seen.append)
    assert tuple(seen) == found.tokens and [each.text for each in seen] == ["A", " <b>", "\n"]
    assert [each.chance for each in seen] == pytest.approx([0.5, 0.97, 0.04])
    assert (found.text, found.finish_reason) == ("A <b>\n", "stop")
    asked = fake.asked[-1]
    assert (asked["top_logprobs"], asked["temperature"], asked["max_tokens"]) == (7, 0.4, 9)
    assert [each.text for each in found.least_sure] == ["\n", "A", " <b>"]
    assert "3 tokens: 1 of them at 90 % or more, 1 below 50 %" in str(found)
    assert len(found.chart().axes[0].patches) == 3
    page = found._repr_html_()
    assert (
        "<b>" not in page and "&lt;b&gt;" in page and "underline" in page and "&#x27;The&#x27; 25.0 %" in page
    )


def test_stopped_it_keeps_what_had_come(
    scoring: tuple[Scoring, Session], capsys: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    found = logprobs(scoring[1], "Hello", watch=lambda token: stop.set(), stopping=stop)
    assert [each.text for each in found.tokens] == ["A"] and found.finish_reason is None
    assert capsys.readouterr().err == "" and "Stopped after 1 tokens" in str(found)


def test_an_interrupt_keeps_what_had_come(scoring: tuple[Scoring, Session]) -> None:
    def interrupted(token: Scored) -> None:
        raise KeyboardInterrupt

    found = logprobs(scoring[1], "Hello", watch=interrupted)
    assert found.text == "A" and found.finish_reason is None


def test_a_server_that_hangs_does_not_keep_the_one_who_says_stop() -> None:
    fake, stop = FakeOpenAI(), threading.Event()
    with serving(fake.app) as url:
        began = time.monotonic()
        found = logprobs(
            Session(f"{url}/v1", KEY, MODEL), "wait", watch=lambda token: stop.set(), stopping=stop
        )
        assert time.monotonic() - began < 5 and len(found.tokens) == 1
        fake.let_go.set()


def test_a_server_that_dies_in_mid_answer_is_a_sentence() -> None:
    seen: list[Scored] = []
    with serving(Scoring(whole=False).app) as url, pytest.raises(LabkitError, match="ended too early"):
        logprobs(Session(f"{url}/v1", KEY, MODEL), "Hello", watch=seen.append)
    assert len(seen) == 3


def test_an_engine_without_chances_is_a_sentence(misbehaving: Misbehaving) -> None:
    class Silent(FakeOpenAI):
        def _chunks(self, text: str, logprobs: bool) -> Iterator[dict[str, Any]]:
            return super()._chunks(text, False)

    with serving(Silent().app) as url, pytest.raises(LabkitError, match="sends no probabilities"):
        logprobs(Session(f"{url}/v1", KEY, MODEL), "Hello")
    with pytest.raises(LabkitError, match="out of luck"):
        logprobs(Session(misbehaving.url("fails"), KEY, MODEL), "Hello")


@pytest.mark.parametrize("best", [0, 21, 2.5])
def test_best_has_its_limits(best: Any) -> None:
    with pytest.raises(LabkitError, match="from 1 to 20"):
        logprobs(Session("http://127.0.0.1:9/v1", KEY, MODEL), "Hello", best=best)


def test_no_answer_is_no_line() -> None:
    assert Logprobs(()).line() == "no tokens"


def test_tokens_of_a_text_and_of_a_message(scoring: tuple[Scoring, Session]) -> None:
    fake, session = scoring
    found = tokens_of(session, "a" + EMOJI)
    assert str(found) == "a|<F0>|<9F>|<99>|<82>" and found.ids[0] == 1097
    assert fake.asked[-1]["add_special_tokens"] is False
    asked = tokens_of(session, [{"role": "user", "content": "b"}])
    assert [(each.text, each.control) for each in asked.pieces] == [
        ("[INST]", True),
        ("b", False),
        ("[/INST]", True),
    ]


def test_the_parts_of_letters_are_told_by_what_stands_between_them() -> None:
    half = "\N{REPLACEMENT CHARACTER}"

    class Merged(Scoring):
        """Two letters of three bytes each: the first two of each are one token."""

        async def tokenize(self, request: Request) -> Response:
            return JSONResponse({"tokens": [5000, 1177, 5001, 1172], "token_strs": [half] * 4})

        async def detokenize(self, request: Request) -> Response:
            self.asked.append(await request.json())
            return JSONResponse({"prompt": "東京"})

    fake = Merged()
    fake.app.routes.append(Route("/detokenize", fake.detokenize, methods=["POST"]))
    with serving(fake.app) as url:
        found = tokens_of(Session(f"{url}/v1", KEY, MODEL), "東京")
    assert str(found) == "<E6 9D>|<B1>|<E4 BA>|<AC>"
    assert [each["tokens"] for each in fake.asked] == [[5000, 1177, 5001, 1172]]


def test_a_server_that_does_not_show_tokens_is_a_sentence() -> None:
    with serving(FakeOpenAI().app) as url, pytest.raises(LabkitError, match="does not show the tokens"):
        tokens_of(Session(f"{url}/v1", KEY, MODEL), "Hello")
    with pytest.raises(LabkitError, match="Ollama does not show the tokens"):
        tokens_of(Session("http://127.0.0.1:9/v1", KEY, MODEL, engine="ollama"), "Hello")
    with pytest.raises(LabkitError, match="Nothing answers"):
        tokens_of(Session("http://127.0.0.1:9/v1", KEY, MODEL), "Hello")


@pytest.mark.engine
def test_the_server_splits_as_the_tokenizer_does(session: labkit.Session) -> None:
    text = f"Hello n\u00e9 w\u00f6rld 東京 {EMOJI} [INST]\n 3.14"
    found = tokens_of(session, text)
    assert not any(each.control for each in found.pieces)
    transformers_engine.stop()
    inside = labkit.start("pocket", engine="transformers", progress=False)
    try:
        tokenizer = transformers_engine.current().tokenizer
        assert found == probes.tokens(tokenizer, text) == tokens_of(inside, text)
        talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]
        assert tokens_of(session, talk) == probes.tokens(tokenizer, talk)
    finally:
        transformers_engine.stop()


@pytest.mark.engine
def test_every_engine_tells_the_chances(anywhere: labkit.Session) -> None:  # noqa: F811
    found = logprobs(anywhere, "What is the KV cache?", max_tokens=12, temperature=0)
    said = "".join(each.text for each in found.tokens if each.text != "</s>")
    assert said == found.text and len(found.tokens) >= 5
    for each in found.tokens:
        assert 0 < each.chance <= 1 and len(each.best) == 5
        assert each.chance == pytest.approx(each.best[0][1])  # greedy: the likeliest one was taken
        assert sum(chance for _, chance in each.ranked) <= 1.001
