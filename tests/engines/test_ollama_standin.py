"""The stand-in with the real `ollama` and `openai` clients; the last two tests on the twin."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest

from labkit import Session
from labkit.engines.ollama_standin import NOTE, VERSION, Faults, Models, make_app
from labkit.engines.ollama_standin.models import LIBRARY, duration
from labkit.engines.ollama_standin.translate import ApiError
from labkit.images import data_url
from pocket import WEIGHTS
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving

NAME = "mistral-small3.1"
FULL = f"{NAME}:latest"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def here(**more: Any) -> Models:
    return Models({FULL: datetime.now(UTC)}, pull_s=0.02, **more)


def say(words: str, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": words, **more}]


@dataclass
class Bench:
    """A fake upstream, a stand-in in front of it, and clients of the stand-in."""

    fake: FakeOpenAI
    url: str

    @property
    def client(self) -> ollama.Client:
        return ollama.Client(self.url, trust_env=False)

    def post(self, path: str, body: Any) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, trust_env=False)

    def v1(self) -> openai.OpenAI:
        inside = openai.DefaultHttpxClient(trust_env=False)
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=0, http_client=inside)


class Benches:
    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack

    def __call__(self, models: Models | None = None, *, key: str = KEY, **more: int) -> Bench:
        fake = FakeOpenAI()
        upstream = self.stack.enter_context(serving(fake.app))
        app = make_app(f"{upstream}/v1", key, models or here(), **more)
        self.stack.callback(fake.let_go.set)
        return Bench(fake, self.stack.enter_context(serving(app)))


@pytest.fixture
def benches() -> Iterator[Benches]:
    with ExitStack() as stack:
        yield Benches(stack)


@pytest.fixture
def bench(benches: Benches) -> Bench:
    return benches()


def test_it_says_that_it_is_a_standin(bench: Bench) -> None:
    answer = httpx.get(f"{bench.url}/api/version", trust_env=False)
    assert answer.json() == {"version": VERSION, "labkit": NOTE} and "standin" in VERSION
    for path in ("/", "/api/tags", "/v1/models", "/nowhere"):
        assert httpx.get(f"{bench.url}{path}", trust_env=False).headers["X-Labkit-Standin"] == NOTE
    assert bench.post("/api/push", {"model": "x"}).status_code == 501


def test_chat_in_one_piece(bench: Bench) -> None:
    answer = bench.client.chat(NAME, say("hello"))
    assert answer.message.content == "You said hello." and answer.model == NAME
    assert (answer.done, answer.done_reason) == (True, "stop")
    assert (answer.prompt_eval_count, answer.eval_count) == (7, 3)
    parts = (answer.load_duration, answer.prompt_eval_duration, answer.eval_duration)
    assert answer.total_duration == sum(part or 0 for part in parts) > 100_000
    assert bench.fake.asked[0]["model"] == MODEL and "temperature" not in bench.fake.asked[0]


def test_chat_streams_as_ndjson_unless_told_otherwise(bench: Bench) -> None:
    answer = bench.post("/api/chat", {"model": NAME, "messages": say("hello")})
    assert answer.headers["content-type"] == "application/x-ndjson" and len(answer.text.splitlines()) == 4
    pieces = list(bench.client.chat(NAME, say("long"), stream=True))
    assert [each.message.content for each in pieces] == ["You", " said ", "long.", ""]
    assert [each.done for each in pieces] == [False, False, False, True]
    assert pieces[-1].done_reason == "length" and pieces[0].eval_count is None


def test_the_first_piece_comes_before_the_last_is_made(bench: Bench) -> None:
    stream = bench.client.chat(NAME, say("wait"), stream=True)
    assert next(iter(stream)).message.content == "You"
    bench.fake.let_go.set()


def test_a_client_that_goes_away_frees_the_server(bench: Bench) -> None:
    body = {"model": NAME, "messages": say("wait")}
    with httpx.stream("POST", f"{bench.url}/api/chat", json=body, trust_env=False) as answer:
        lines = answer.iter_lines()  # a generator that nobody keeps closes the answer
        next(lines)
        assert bench.fake.running == 1
    assert bench.client.chat(NAME, say("hello")).done
    deadline = time.monotonic() + 10
    while bench.fake.running and time.monotonic() < deadline:
        time.sleep(0.01)
    assert bench.fake.running == 0


def test_options_are_passed_on(bench: Bench) -> None:
    options = {"temperature": 0.15, "top_p": 0.9, "seed": 1, "stop": ["x"], "num_predict": 5, "num_ctx": 9000}
    bench.client.chat(NAME, say("hello"), options=options)
    bench.client.chat(NAME, say("hello"), options={"num_predict": -1})
    passed = {"temperature": 0.15, "top_p": 0.9, "seed": 1, "stop": ["x"], "max_tokens": 5}
    standard = {"model", "messages", "stream", "stream_options"}
    first, second = ({k: v for k, v in each.items() if k not in standard} for each in bench.fake.asked)
    assert (first, second) == (passed, {})
    assert bench.client.ps().models[0].context_length == 4096


def test_format(bench: Bench) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    bench.client.chat(NAME, say("hello"), format="json")
    bench.client.chat(NAME, say("hello"), format=schema)
    first, second = (each["response_format"] for each in bench.fake.asked)
    assert first == {"type": "json_object"} and second["json_schema"]["schema"] == schema
    refused = bench.post("/api/chat", {"model": NAME, "messages": say("hello"), "format": "yaml"})
    assert 'expected "json" or a valid JSON Schema object' in refused.json()["error"]


def test_a_tool_call_and_its_result(bench: Bench) -> None:
    asked = say("tool")
    for stream in (False, True):
        answer: Any = bench.client.chat(NAME, asked, tools=[TOOL], stream=stream)
        message = (next(iter(answer)) if stream else answer).message
        (call,) = message.tool_calls
        assert (call.function.name, call.function.arguments) == ("weather", {"city": "Bonn"})
    result = {"role": "tool", "tool_name": "weather", "content": "rain"}
    bench.client.chat(NAME, [*asked, message, result], tools=[TOOL])
    assert bench.fake.asked[0]["tools"] == [TOOL]
    _, said, returned = bench.fake.asked[-1]["messages"]
    assert said["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Bonn"}'}
    assert returned["tool_call_id"] == said["tool_calls"][0]["id"] and len(returned["tool_call_id"]) == 9


def test_results_of_two_calls_find_their_call_by_name(bench: Bench) -> None:
    calls: list[Any] = [{"function": {"name": name, "arguments": {}}} for name in ("one", "two")]
    results = [{"role": "tool", "tool_name": name, "content": name} for name in ("two", "one")]
    bench.client.chat(NAME, [*say("hi"), {"role": "assistant", "tool_calls": calls}, *results, *say("so?")])
    _, said, *returned, _ = bench.fake.asked[-1]["messages"]
    ids = {each["function"]["name"]: each["id"] for each in said["tool_calls"]}
    assert [each["tool_call_id"] for each in returned] == [ids["two"], ids["one"]] and ids["one"] != ids[
        "two"
    ]


def test_broken_arguments_are_an_error(bench: Bench) -> None:
    with pytest.raises(ollama.ResponseError, match="error parsing tool call: raw=") as error:
        bench.client.chat(NAME, say("bad tool"), tools=[TOOL])
    assert error.value.status_code == 500


def test_images_are_bare_base64(bench: Bench) -> None:
    bench.client.chat(NAME, say("look", images=[PNG]))
    image, text = bench.fake.asked[0]["messages"][0]["content"]
    assert image["image_url"]["url"] == f"data:image/png;base64,{PNG}" and text["text"] == "look"


@pytest.mark.parametrize(
    ("image", "byte"),
    [(f"data:image/png;base64,{PNG}", 4), ("/tmp/picture.png", 12), (PNG[:-2], len(PNG) - len(PNG) % 4 - 4)],
)
def test_any_other_image_is_a_400(bench: Bench, image: str, byte: int) -> None:
    answer = bench.post("/api/chat", {"model": NAME, "messages": say("look", images=[image])})
    assert answer.status_code == 400
    assert answer.json() == {"error": f"illegal base64 data at input byte {byte}"}
    assert bench.fake.asked == []


def test_logprobs(bench: Bench) -> None:
    answer = bench.client.chat(NAME, say("hello"), logprobs=True, top_logprobs=2)
    assert [each.logprob for each in answer.logprobs or []] == [-0.5]
    assert bench.fake.asked[0]["top_logprobs"] == 2


def test_generate(bench: Bench) -> None:
    answer = bench.client.generate(NAME, "hello", system="Be brief.", images=[PNG])
    assert answer.response == "You said hello." and (answer.done_reason, answer.eval_count) == ("stop", 3)
    system, user = bench.fake.asked[0]["messages"]
    assert system == {"role": "system", "content": "Be brief."} and user["content"][0]["type"] == "image_url"
    pieces = [each.response for each in bench.client.generate(NAME, "hello", stream=True)]
    assert pieces == ["You", " said ", "hello.", ""]


def test_load_ps_and_unload(bench: Bench) -> None:
    assert bench.client.ps().models == []
    loaded = bench.client.chat(NAME, [], keep_alive="10m", options={"num_ctx": 8192})
    assert (loaded.message.content, loaded.done_reason) == ("", "load")
    (model,) = bench.client.ps().models
    size = sum(shard.stat().st_size for shard in WEIGHTS.glob("*.safetensors"))
    assert (model.name, model.context_length, model.size, model.size_vram) == (FULL, 8192, size, size)
    assert model.expires_at is not None
    assert timedelta(minutes=9.8) < model.expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    assert bench.client.generate(NAME, keep_alive=0).done_reason == "unload"
    assert bench.client.ps().models == [] and bench.fake.asked == []


def test_what_has_expired_is_gone(bench: Bench) -> None:
    bench.client.chat(NAME, [], keep_alive="100ms")
    assert len(bench.client.ps().models) == 1
    time.sleep(0.15)
    assert bench.client.ps().models == []


def test_a_spilled_model(benches: Benches) -> None:
    client = benches(here(faults=Faults(vram_share=0.4))).client
    client.chat(NAME, [])
    (model,) = client.ps().models
    assert model.size_vram is not None and model.size is not None
    assert model.size_vram / model.size == pytest.approx(0.4, abs=0.001)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25), ("0", 0), (0, 0), (90, 90), (2.5, 2.5)],
)
def test_durations(written: Any, seconds: float) -> None:
    assert duration(written) == timedelta(seconds=seconds)


def test_below_zero_is_for_ever_and_nonsense_an_error() -> None:
    assert duration(-1) == duration("-1m") > timedelta(days=100_000)
    with pytest.raises(ApiError, match='time: invalid duration "soon"'):
        duration("soon")


def test_a_pull(benches: Benches) -> None:
    client = benches(Models(pull_s=0.02)).client
    assert client.list().models == []
    records = list(client.pull(NAME, stream=True))
    shards = sorted(WEIGHTS.glob("*.safetensors"))
    progress = [each for each in records if each.digest]
    ends = [each for each in progress if each.completed == each.total]
    assert [each.total for each in ends] == [shard.stat().st_size for shard in shards]
    assert all(each.status == f"pulling {(each.digest or '')[7:19]}" for each in progress)
    words = [each.status for each in records if not each.digest]
    assert words == ["pulling manifest", "verifying sha256 digest", "writing manifest", "success"]
    assert [each.model for each in client.list().models] == [FULL]
    assert client.pull(LIBRARY[2]).status == "success" and len(client.list().models) == 2


def test_an_error_in_a_pull_comes_inside_a_200(bench: Bench) -> None:
    answer = bench.post("/api/pull", {"model": "mistral-huge"})
    words = '{"status": "pulling manifest"}\n{"error": "pull model manifest: file does not exist"}\n'
    assert (answer.status_code, answer.text) == (200, words)
    with pytest.raises(ollama.ResponseError, match="file does not exist") as error:
        bench.client.pull("mistral-huge")
    assert error.value.status_code == 500


def test_a_pull_that_breaks_off_goes_on_where_it_was(benches: Benches) -> None:
    client = benches(Models(pull_s=0.02, faults=Faults(pull_breaks_at=0.4))).client
    first: dict[str, int] = {}
    with pytest.raises(ollama.ResponseError, match="unexpected EOF"):
        for each in client.pull(NAME, stream=True):
            if each.digest:
                first[each.digest] = each.completed or 0
    total = sum(shard.stat().st_size for shard in WEIGHTS.glob("*.safetensors"))
    assert 0.4 <= sum(first.values()) / total < 0.5
    assert client.list().models == []
    second: dict[str, int] = {}
    for each in client.pull(NAME, stream=True):
        if each.digest:
            second.setdefault(each.digest, each.completed or 0)
    assert {digest: second[digest] for digest in first} == first and len(client.list().models) == 1


def test_show(bench: Bench) -> None:
    shown = bench.client.show(NAME)
    assert shown.capabilities == ["completion", "vision", "tools"]
    assert shown.details is not None and shown.details.quantization_level == "BF16"
    assert shown.modelinfo is not None and shown.modelinfo["mistral3.context_length"] == 131072
    assert 20e6 < shown.modelinfo["general.parameter_count"] < 30e6


def test_delete(bench: Bench) -> None:
    bench.client.chat(NAME, [])
    assert bench.client.delete(NAME).status == "success"
    assert bench.client.list().models == bench.client.ps().models == []


@pytest.mark.parametrize("verb", ["chat", "generate", "show", "delete"])
def test_a_model_that_is_not_there(bench: Bench, verb: str) -> None:
    with pytest.raises(ollama.ResponseError) as error:
        getattr(bench.client, verb)("x")
    assert (error.value.error, error.value.status_code) == ("model 'x' not found", 404)


def test_a_model_without_tools_or_vision(benches: Benches) -> None:
    client = benches(here(capabilities=("completion",))).client
    with pytest.raises(ollama.ResponseError) as error:
        client.chat(NAME, say("hello"), tools=[TOOL])
    words = f"registry.ollama.ai/library/{FULL} does not support tools"
    assert (error.value.error, error.value.status_code) == (words, 400)
    with pytest.raises(ollama.ResponseError, match="image input is not supported") as error:
        client.chat(NAME, say("look", images=[PNG]))
    assert error.value.status_code == 500


def test_one_at_a_time_and_busy(benches: Benches) -> None:
    bench = benches(queue=1)
    waiting = [threading.Thread(target=bench.client.chat, args=(NAME, say("wait"))) for _ in range(2)]
    for each in waiting:
        each.start()
    time.sleep(0.5)
    with pytest.raises(ollama.ResponseError) as error:
        bench.client.chat(NAME, say("hello"))
    words = "server busy, please try again.  maximum pending requests exceeded"
    assert (error.value.error, error.value.status_code) == (words, 503)
    bench.fake.let_go.set()
    for each in waiting:
        each.join()
    assert bench.fake.most == 1 and bench.client.chat(NAME, say("hello")).done


def test_several_at_once_where_allowed(benches: Benches) -> None:
    bench = benches(parallel=2)
    waiting = [threading.Thread(target=bench.client.chat, args=(NAME, say("wait"))) for _ in range(2)]
    for each in waiting:
        each.start()
    time.sleep(0.5)
    assert bench.fake.running == 2
    bench.fake.let_go.set()
    for each in waiting:
        each.join()


@pytest.mark.parametrize(
    "body",
    ["text", {"messages": "x"}, {"model": NAME, "messages": [1]}, {"model": "", "messages": []}],
)
def test_a_wrong_body_is_a_400(bench: Bench, body: Any) -> None:
    assert bench.post("/api/chat", body).status_code == 400


def test_trouble_upstream_is_told(benches: Benches) -> None:
    bench = benches()
    with pytest.raises(ollama.ResponseError, match="the upstream's own words") as error:
        bench.client.chat(NAME, say("refuse"))
    assert error.value.status_code == 400
    with pytest.raises(ollama.ResponseError, match="broke off"):
        list(bench.client.chat(NAME, say("cut"), stream=True))
    with pytest.raises(ollama.ResponseError, match="refuses the key"):
        benches(key="wrong").client.chat(NAME, say("hello"))


def test_no_upstream_at_all() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with serving(make_app(gone, KEY, here())) as url:
            with pytest.raises(ollama.ResponseError, match="does not answer: is it running") as error:
                ollama.Client(url, trust_env=False).chat(NAME, say("hello"))
            assert error.value.status_code == 500


def test_v1(bench: Bench) -> None:
    client = bench.v1()
    assert [each.id for each in client.models.list()] == [FULL]
    ask: Any = {"model": NAME, "messages": say("hello"), "tool_choice": "none", "tools": [TOOL]}
    answer = client.chat.completions.create(**ask, extra_body={"num_ctx": 1, "keep_alive": 0})
    assert (answer.choices[0].message.content, answer.model) == ("You said hello.", NAME)
    sent = bench.fake.asked[0]
    assert sent["temperature"] == 1.0 and not {"tool_choice", "num_ctx", "keep_alive"} & sent.keys()
    stream = client.chat.completions.create(
        model=NAME, messages=ask["messages"], temperature=0.15, stream=True
    )
    assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == "You said hello."
    assert bench.fake.asked[1]["temperature"] == 0.15
    assert len(bench.client.ps().models) == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://somewhere/a.png", "image URLs are not currently supported, please use base64 encoded data"),
        (PNG, "invalid image input"),
    ],
)
def test_v1_takes_data_urls_only(bench: Bench, url: str, words: str) -> None:
    def ask(url: str) -> Any:
        parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": url}}]
        messages: Any = [{"role": "user", "content": parts[::-1]}]
        return bench.v1().chat.completions.create(model=NAME, messages=messages)

    with pytest.raises(openai.BadRequestError, match=words):
        ask(url)
    assert ask(f"data:image/png;base64,{PNG}").choices[0].message.content == "You said look."


def test_v1_errors_have_the_envelope(bench: Bench) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        bench.v1().chat.completions.create(model="x", messages=[{"role": "user", "content": "hello"}])
    assert isinstance(error.value.body, dict)
    assert (error.value.body["message"], error.value.body["type"]) == (
        "model 'x' not found",
        "not_found_error",
    )


def test_the_command_says_that_a_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "labkit.engines.ollama_standin",
            "--upstream",
            "http://127.0.0.1:1/v1",
        ]
        done = subprocess.run([*command, "--port", str(port)], capture_output=True, text=True, timeout=60)
    words = f"Error: listen tcp 127.0.0.1:{port}: bind: address already in use\n"
    assert (done.returncode, done.stderr) == (1, words)


@pytest.fixture
def twin(session: Session) -> Iterator[ollama.Client]:
    with serving(make_app(session.url, session.api_key, here())) as url:
        yield ollama.Client(url, trust_env=False)


@pytest.mark.engine
def test_the_twin_answers_in_words_and_sees(twin: ollama.Client, tmp_path: Path) -> None:
    import PIL.Image

    pieces = list(
        twin.chat(NAME, say("Hello"), stream=True, options={"num_predict": 40, "temperature": 0.15})
    )
    assert "".join(each.message.content or "" for each in pieces).strip()
    text_tokens = twin.chat(NAME, say("What colour is this?"), options={"num_predict": 1}).prompt_eval_count
    bare = data_url(PIL.Image.new("RGB", (224, 224), "red")).split(",")[1]
    seen = twin.chat(NAME, say("What colour is this?", images=[bare]), options={"num_predict": 20})
    assert seen.message.content and (seen.prompt_eval_count or 0) > (text_tokens or 0) + 50


@pytest.mark.engine
def test_the_twin_calls_a_tool(twin: ollama.Client) -> None:
    asked = say("What is the weather in Paris?")
    answer = twin.chat(NAME, asked, tools=[TOOL], options={"temperature": 0})
    (call,) = answer.message.tool_calls or []
    assert call.function.name == "weather" and set(call.function.arguments) == {"city"}
    result = {"role": "tool", "tool_name": "weather", "content": '{"sky": "rain"}'}
    closing = twin.chat(NAME, [*asked, answer.message, result], tools=[TOOL], options={"temperature": 0})
    assert closing.message.content
