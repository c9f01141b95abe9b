"""Transformers in process, with the real twin: a plain openai client and a session take it for a server."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import PIL.Image
import pytest
import torch

import labkit
from labkit.engines import transformers_engine as engine
from labkit.engines.contract import Endpoint
from labkit.engines.transformers_engine import answering, loading
from labkit.errors import LabkitError
from labkit.session import Session
from pocket.drawings import draw_bar_chart
from tests.conftest import Notes

REAL = "mistralai/Mistral-Small-3.1-24B-Instruct-2503"
QUESTION = "What is the KV cache?"
ASKED: list[Any] = [{"role": "user", "content": QUESTION}]
PRICE: list[Any] = [{"role": "user", "content": "What is the current price of AAPL?"}]
LONG: dict[str, Any] = {"max_tokens": 3000, "extra_body": {"ignore_eos": True}}


def tool(name: str, description: str) -> Any:
    ticker = {"type": "object", "properties": {"ticker": {"type": "string"}}, "required": ["ticker"]}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": ticker},
    }


TOOLS: list[Any] = [
    tool("get_stock_price", "Get the current stock price of a company."),
    tool("get_news", "Get news about a company."),
]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """What the tests compute by themselves should be as quick as the engine on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    yield engine.start("pocket", show=Notes(), timeout=60)
    engine.stop()


@pytest.fixture
def session(endpoint: Endpoint) -> Session:
    """Loaded again if a test before has stopped it."""
    found = engine.start("pocket", show=Notes(), timeout=60)
    return Session(found.url, found.api_key, found.model, engine=found.engine, transport=found.transport)


@pytest.fixture
def client(session: Session, endpoint: Endpoint) -> openai.OpenAI:
    """Made from nothing but the endpoint."""
    http = httpx2.Client(transport=endpoint.transport)
    return openai.OpenAI(base_url=endpoint.url, api_key="any", http_client=http, max_retries=0)


@pytest.mark.engine
def test_it_is_a_session_like_any_other(session: Session) -> None:
    assert labkit.start(engine="transformers", progress=False).model == session.model == loading.POCKET_NAME
    assert session.client.models.list().data[0].id == session.model
    reply = session.chat(QUESTION, temperature=0)
    pieces = list(reply)
    assert len(pieces) > 5 and "".join(pieces) == reply.text and "keys and values" in reply.text
    assert reply.finish_reason == "stop" and reply.usage.completion_tokens == len(pieces) + 1
    assert session.count(QUESTION) == reply.usage.prompt_tokens
    warm = session.chat(QUESTION, temperature=0)
    assert warm.first_token_s is not None and warm.first_token_s < warm.seconds / 2


@pytest.mark.engine
def test_an_answer_is_what_generate_makes(session: Session, client: openai.OpenAI) -> None:
    loaded = engine.current()
    inputs = loaded.tokenizer.apply_chat_template(ASKED, return_tensors="pt", return_dict=True)
    made = loaded.model.generate(**inputs, max_new_tokens=100, do_sample=False)[
        0, inputs["input_ids"].shape[1] :
    ]
    told = loaded.tokenizer.decode(made, skip_special_tokens=True)
    whole = client.chat.completions.create(model=session.model, messages=ASKED, temperature=0)
    assert whole.choices[0].message.content == told == session.chat(QUESTION, temperature=0).text
    assert whole.object == "chat.completion" and whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (
        inputs["input_ids"].shape[1],
        len(made),
    )


@pytest.mark.engine
def test_it_sees_one_picture_and_two_of_different_sizes(session: Session) -> None:
    chart = draw_bar_chart({"Mon": 12, "Tue": 7, "Wed": 19}, title="Visitors")
    text = session.chat("Describe this chart.", image=chart, temperature=0).text
    assert all(word in text for word in ("Visitors", "Mon 12", "Tue 7", "Wed 19"))
    plain, tall = session.count("Compare."), PIL.Image.new("RGB", (100, 300), "red")
    one, other = (session.count("Compare.", image=image) - plain for image in (chart, tall))
    assert session.count("Compare.", image=[tall, chart]) == plain + one + other > plain + 50


@pytest.mark.engine
def test_it_calls_and_states_the_result(session: Session, client: openai.OpenAI) -> None:
    reply = session.chat(PRICE, tools=TOOLS, temperature=0)
    (call,) = reply.tool_calls
    assert (call.name, call.arguments) == ("get_stock_price", {"ticker": "AAPL"})
    assert reply.finish_reason == "tool_calls" and reply.text == "" and len(call.id) == 9
    whole = client.chat.completions.create(model=session.model, messages=PRICE, tools=TOOLS, temperature=0)
    message = whole.choices[0].message
    assert message.content is None and message.tool_calls and whole.choices[0].finish_reason == "tool_calls"
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"price": 212.5}'}
    last = session.chat([*PRICE, message.model_dump(), result], tools=TOOLS, temperature=0)
    assert "212.5" in last.text and not last.tool_calls


@pytest.mark.engine
@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("none", None),
        ("required", "get_stock_price"),
        ({"type": "function", "function": {"name": "get_news"}}, "get_news"),
    ],
)
def test_a_request_may_insist_on_a_call(choice: Any, name: str | None, session: Session) -> None:
    calls = session.chat(PRICE, tools=TOOLS, tool_choice=choice, temperature=0).tool_calls
    assert [(each.name, each.arguments) for each in calls] == ([(name, {"ticker": "AAPL"})] if name else [])


@pytest.mark.engine
def test_an_answer_is_cut_and_stopped(session: Session) -> None:
    cut = session.chat(QUESTION, temperature=0, max_tokens=3)
    assert cut.finish_reason == "length" and cut.usage.completion_tokens == 3
    whole = session.chat(QUESTION, temperature=0).text
    words = " ".join(whole.split()[4:6])  # of several tokens: the first must not slip out
    stopped = session.chat(QUESTION, temperature=0, stop=[words])
    assert stopped.text == whole[: whole.index(words)] and stopped.finish_reason == "stop"


@pytest.mark.engine
def test_a_seed_brings_the_same_answer_again(session: Session) -> None:
    answers = [session.chat(QUESTION, temperature=1.5, seed=7, max_tokens=20).text for _ in range(2)]
    assert answers[0] == answers[1] != session.chat(QUESTION, temperature=0, max_tokens=20).text


@pytest.mark.engine
def test_log_probabilities_are_the_models_own(session: Session, client: openai.OpenAI) -> None:
    """Whatever the temperature, they are those of the scores before it."""
    loaded = engine.current()
    inputs = loaded.tokenizer.apply_chat_template(ASKED, return_tensors="pt", return_dict=True)
    with torch.no_grad():
        row = loaded.model(**inputs).logits[0, -1].float().log_softmax(-1)
    values, ids = row.topk(3)
    asked: dict[str, Any] = {"model": session.model, "messages": ASKED, "temperature": 0.15, "max_tokens": 2}
    whole = client.chat.completions.create(**asked, logprobs=True, top_logprobs=3)
    assert whole.choices[0].logprobs and whole.choices[0].logprobs.content
    first = whole.choices[0].logprobs.content[0]
    assert [each.token for each in first.top_logprobs] == [loaded.tokenizer.decode([i]) for i in ids.tolist()]
    told = [each.logprob for each in first.top_logprobs]
    assert told == pytest.approx(values.tolist(), abs=0.1)  # bfloat16, another shape of the same product
    stream = client.chat.completions.create(**asked, logprobs=True, stream=True)
    scores = [chunk.choices[0].logprobs for chunk in stream if chunk.choices and chunk.choices[0].logprobs]
    assert sum(len(each.content or []) for each in scores) == 2


@pytest.mark.engine
@pytest.mark.parametrize("read", [0, 1])
def test_who_stops_frees_the_model_for_the_next(read: int, session: Session) -> None:
    reply = session.chat("Hello", **LONG)
    for _ in zip(range(read), reply, strict=False):
        pass
    reply.stop()
    since = time.monotonic()
    assert session.chat(QUESTION, temperature=0, max_tokens=2).text
    assert time.monotonic() - since < 10  # 3000 tokens take over half a minute


@pytest.mark.engine
def test_a_reply_that_nobody_holds_ends(session: Session) -> None:
    session.chat("Hello", **LONG)
    since = time.monotonic()
    assert session.chat(QUESTION, temperature=0, max_tokens=2).text and time.monotonic() - since < 10


@pytest.mark.engine
def test_the_second_request_waits_for_the_first(session: Session) -> None:
    told: list[str] = []
    asks = [
        threading.Thread(target=lambda: told.append(session.chat(QUESTION, temperature=0).text))
        for _ in range(3)
    ]
    for ask in asks:
        ask.start()
    for ask in asks:
        ask.join(60)
    assert len(told) == 3 and len(set(told)) == 1


@pytest.mark.engine
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"temperature": 7}, "temperature must be a number from 0 to 2, and it is 7"),
        ({"max_tokens": 10**6}, "may add 1,000,000; the model's context is 131,072"),
        ({"n": 2}, "one answer a request"),
        ({"response_format": {"type": "json_object"}}, "no response_format"),
        ({"tool_choice": "required"}, "tool_choice must be"),
        ({"messages": [{"role": "user"}]}, "each with a role and a content"),
        ({"messages": []}, "a list of at least one"),
        ({"messages": [{"role": "assistant", "content": "Hello"}]}, "The last message must be"),
        ({"messages": [{"role": "boss", "content": "Hello"}]}, "Unknown message role: boss"),
    ],
)
def test_what_is_wrong_is_a_400_in_a_sentence(
    options: dict[str, Any], sentence: str, client: openai.OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError, match=sentence) as caught:
        client.chat.completions.create(**{"model": loading.POCKET_NAME, "messages": ASKED, **options})
    assert isinstance(caught.value.body, dict)
    assert caught.value.body.keys() == {"message", "type", "param", "code"}


@pytest.mark.engine
def test_an_unknown_model_is_a_404(session: Session, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="The model `gpt-x` does not exist"):
        client.chat.completions.create(model="gpt-x", messages=ASKED)
    other = Session(session.url, "k", "gpt-x", transport=session._transport)
    with pytest.raises(LabkitError, match=r"does not know the model 'gpt-x'. It serves: mistral-small3\.1-"):
        other.chat("Hello")
    assert client.models.retrieve(session.model).id == session.model
    with pytest.raises(openai.NotFoundError, match="There is no POST /v1/embeddings in this engine"):
        client.embeddings.create(model=session.model, input="x")


@pytest.mark.engine
@pytest.mark.parametrize("stream", [True, False])
def test_a_failure_in_the_model_is_told(
    stream: bool, session: Session, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**inputs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(engine.current().model, "generate", full)
    if stream:
        reply = session.chat(QUESTION)
        assert "not enough memory for this request" in (reply.interrupted or "")
    else:
        with pytest.raises(openai.InternalServerError, match="not enough memory for this request"):
            client.chat.completions.create(model=session.model, messages=ASKED)
    assert "CUDA out of memory" in engine.logs()


@pytest.mark.engine
def test_one_model_at_a_time(session: Session) -> None:
    model = engine.current().model
    notes = Notes()
    engine.start("pocket", show=notes, timeout=60)
    assert engine.current().model is model and notes.notes == [
        "Found it loaded: mistral-small3.1-pocket answers in this process"
    ]
    assert engine.status().state == "ready" and "loaded mistral-small3.1-pocket" in engine.logs()
    for variant, quantization in (("NF4", None), ("pocket", "nf4")):
        with pytest.raises(LabkitError, match=r"is loaded in this process. Free its memory first"):
            engine.start(variant, show=Notes(), timeout=60, quantization=quantization)
    with pytest.raises(LabkitError, match="is loaded in full, so there is nothing to compare"):
        engine.weights_report()


@pytest.mark.engine
def test_stop_ends_the_running_answer_and_start_brings_the_session_back(session: Session) -> None:
    reply = session.chat("Hello", **LONG)
    next(iter(reply))
    assert engine.stop() and not engine.stop() and engine.status().state == "none"
    assert "This model was stopped" in (reply.interrupted or "")
    with pytest.raises(LabkitError, match="Transformers has no model loaded"):
        session.chat("Hello")
    engine.start("pocket", show=Notes(), timeout=60)
    assert session.chat(QUESTION, temperature=0, max_tokens=2).text


@pytest.mark.engine
def test_nf4_is_smaller_and_still_knows(session: Session) -> None:
    full = engine.status().memory_gib
    engine.stop()
    notes = Notes()
    found = engine.start("pocket", show=notes, timeout=60, quantization="nf4")
    small = engine.status()
    assert full and small.memory_gib and small.memory_gib < 0.5 * full and "(NF4)" in small.message
    assert "loading the weights and squeezing them to 4 bits" in notes.stages
    layers = engine.weights_report(found)
    assert len(layers) == 8 * 7 + 6 * 7 + 3 and len({layer.name for layer in layers}) == len(layers)
    assert all(0.05 < layer.error < 0.15 for layer in layers)
    assert all(3.8 < layer.bytes_before / layer.bytes_after < 3.9 for layer in layers)
    told = session.chat(QUESTION, temperature=0).text
    assert "keys and values" in told and session.chat(QUESTION, temperature=0).text == told
    for before, after in zip(layers, engine.weights_report(found), strict=True):  # see weights._as_loaded
        assert before[:3] == after[:3] and before.error == pytest.approx(after.error, abs=0.002)
    engine.stop()


def test_it_can_be_asked_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_state", engine._State())
    assert engine.status().state == "none" and engine.logs() == "" and not engine.stop()
    with pytest.raises(LabkitError, match="Transformers has no model loaded"):
        engine.weights_report()


@pytest.mark.parametrize(
    ("variant", "quantization", "sentence"),
    [
        ("./nowhere", None, "There is no folder nowhere"),
        ("pocket", "int3", "There is no quantization 'int3'"),
    ],
)
def test_bad_names_before_anything_is_loaded(variant: str, quantization: str | None, sentence: str) -> None:
    with pytest.raises(LabkitError, match=sentence):
        loading.resolve(variant, quantization)


def test_variants_of_the_catalog() -> None:
    small, full = loading.resolve("NF4"), loading.resolve("BF16")
    assert (small.source, small.quantization, small.needs_gpu) == (REAL, "nf4", True)
    assert (full.source, full.quantization, full.needs_gpu) == (REAL, None, True)
    assert 13e9 < (small.weights_bytes or 0) < 15e9 < 47e9 < (full.weights_bytes or 0)
    assert loading.resolve("BF16", "nf4") == small


def test_a_machine_without_a_gpu_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LabkitError, match=r"\(NF4\) needs an NVIDIA GPU with 13\.\d GiB free"):
        loading.load(loading.resolve("NF4"), Notes(), print)


def test_no_room_is_said_before_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda card: (20 * 2**30, 24 * 2**30))
    with pytest.raises(
        LabkitError, match=r"needs 44\.8 GiB for its weights, and 40\.0 GiB are free on the GPU"
    ):
        loading.load(loading.resolve("BF16"), Notes(), print)


@pytest.mark.parametrize("missing", ["bitsandbytes", "accelerate", "transformers"])
def test_a_missing_package_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(LabkitError, match=rf"needs the package {missing}, .* Install it with: ./setup\.sh"):
        loading.load(loading.resolve("pocket", "nf4"), Notes(), print)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(LabkitError, match=r"Transformers cannot load .*Check the name"):
        loading.load(loading.resolve(str(tmp_path)), Notes(), told.append)
    assert told


@pytest.mark.parametrize("text", ["no JSON", "{}", "[]", "[1]", '[{"arguments": {}}]', '[{"name": "f", "arg'])
def test_what_is_no_list_of_calls_stays_text(text: str) -> None:
    assert answering.calls(text) is None


@pytest.mark.parametrize(("given", "kept"), [("abcDEF123", True), ("call_1", False), (7, False)])
def test_an_id_that_the_template_refuses_is_replaced(given: Any, kept: bool) -> None:
    (call,) = answering.calls(json.dumps([{"name": "f", "arguments": {"ü": 1}, "id": given}])) or []
    assert (call["id"] == given) is kept and len(call["id"]) == 9 and call["id"].isalnum()
    assert call["function"] == {"name": "f", "arguments": '{"ü": 1}'}


@pytest.mark.parametrize(
    ("pieces", "words", "said", "hit"),
    [
        (["One", " #", "##", " two"], ("###",), ["One", " ", "", ""], True),
        (["One", " #", "x"], ("###",), ["One", " ", "#x"], False),
        (["ab", "c"], ("bcd",), ["a", "bc"], False),
        (["x b a"], ("a", "b"), ["x "], True),
    ],
)
def test_no_part_of_a_stop_word_slips_out(
    pieces: list[str], words: tuple[str, ...], said: list[str], hit: bool
) -> None:
    stops = answering.Stops(words)
    told = [stops.feed(piece) for piece in pieces[:-1]]
    assert [*told, stops.feed(pieces[-1]) + stops.rest("")] == said and stops.hit is hit
