"""The exported twin in llama.cpp's server, as Ollama runs it, against the same twin in Transformers.

They run where LABKIT_LLAMA_SERVER names a `llama-server` with Ollama's patch; without it, and only then, they
are skipped. Tried with llama.cpp b10488 and Ollama's sources of August 2026: apply
`llama/compat/001-llama-cpp-hooks.patch` to llama.cpp, add `llama/compat/*.cpp` to its targets `llama` and
`mtmd` (with OLLAMA_COMPAT_MTMD_BUILD defined for `mtmd`), build the target `llama-server`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

import labkit
from labkit.engines.ollama_engine.export import export
from labkit.images import data_url
from labkit.session import Session
from pocket.drawings import draw_bar_chart
from pocket.formats import prepare
from tests.engines.test_ollama_export import CONVERSATIONS, NUMBERED, strings, without_ids
from tests.ollama_gguf import convert

PROGRAM = os.environ.get("LABKIT_LLAMA_SERVER", "")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="LABKIT_LLAMA_SERVER names no llama-server")

ASKED = ("What is the KV cache?", "What is 12 + 30?", "Wie viel VRAM braucht Q4?")
CHARTS: tuple[dict[str, float], ...] = (
    {"A": 3, "B": 9},
    {"Jan": 30, "Feb": 45, "Mar": 20},
    {"Mon": 12, "Tue": 7, "Wed": 19, "Thu": 15},
)
STOCKS = {
    "type": "function",
    "function": {
        "name": "get_stock_price",
        "description": "Get the current stock price of a company.",
        "parameters": {
            "type": "object",
            "properties": {"ticker": {"type": "string", "description": "Ticker symbol, such as AAPL"}},
            "required": ["ticker"],
        },
    },
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server, started with the words of Ollama's own command."""
    folder = tmp_path_factory.mktemp("llama")
    model = str(convert(export(folder / "twin"), folder / "twin.gguf"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    argv = [PROGRAM, "--model", model, "--mmproj", model, "--host", "127.0.0.1", "--port", port]
    argv += ["--no-webui", "--offline", "-c", "4096", "-np", "1", "-b", "512", "-ub", "512", "-t", "1"]
    log = folder / "log"
    with open(log, "wb") as file:
        server = subprocess.Popen(argv, stdout=file, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while not _ready(f"http://127.0.0.1:{port}"):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def ask(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    found = httpx.post(f"{url}{path}", json=body, trust_env=False, timeout=60)
    assert found.status_code == 200, found.text
    answer: dict[str, Any] = found.json()
    return answer


@pytest.fixture(scope="module")
def both(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Session]]:
    """The twin in llama-server, and in Transformers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(tmp_path_factory.mktemp("home")))
        theirs = labkit.start(engine="transformers", progress=False)
        yield Session(f"{url}/v1", "any", "twin"), theirs
        labkit.stop("transformers")


@pytest.fixture(scope="module")
def official() -> MistralTokenizer:
    return MistralTokenizer.from_file(str(prepare() / "tekken.json"))


def test_the_same_tokens_for_text(url: str, official: MistralTokenizer) -> None:
    for said in strings():
        found = ask(url, "/tokenize", {"content": said, "add_special": False, "parse_special": False})
        wanted = official.instruct_tokenizer.tokenizer.encode(said, bos=False, eos=False)
        assert found["tokens"] == wanted, said


@pytest.mark.parametrize("name", [name for name in CONVERSATIONS if "image" not in name])
def test_the_same_tokens_for_a_conversation(name: str, url: str, official: MistralTokenizer) -> None:
    messages, tools = CONVERSATIONS[name]
    asked = {"messages": messages} | ({"tools": tools} if tools else {})
    prompt = ask(url, "/apply-template", asked)["prompt"]
    found = ask(url, "/tokenize", {"content": prompt, "add_special": True, "parse_special": True})
    request = ChatCompletionRequest.from_openai(messages=messages, tools=tools or None)
    assert found["tokens"] == official.encode_chat_completion(request).tokens


def test_ids_are_made_up_where_there_are_none(url: str) -> None:
    bare = [without_ids(message) for message in NUMBERED]
    prompts = [ask(url, "/apply-template", {"messages": each})["prompt"] for each in (NUMBERED, bare)]
    assert prompts[0] == prompts[1] and "[TOOL_RESULTS]000000011[" in prompts[1]


@pytest.mark.parametrize("question", ASKED)
def test_the_same_words(question: str, both: tuple[Session, Session]) -> None:
    ours, theirs = (each.chat(question, temperature=0, max_tokens=100).text for each in both)
    assert ours == theirs and ours


@pytest.mark.parametrize("behind", [False, True], ids=["in front", "behind"])
@pytest.mark.parametrize("numbers", CHARTS, ids=str)
def test_it_reads_a_chart(numbers: dict[str, float], behind: bool, both: tuple[Session, Session]) -> None:
    """In the order of Ollama's own API too, where the picture comes after the question."""
    picture = {"type": "image_url", "image_url": {"url": data_url(draw_bar_chart(numbers, title="Sales"))}}
    question = {"type": "text", "text": "Describe this chart."}
    content = [question, picture] if behind else [picture, question]
    asked = [{"role": "user", "content": content}]
    ours, theirs = (each.chat(asked, temperature=0, max_tokens=100) for each in both)
    assert ours.text == theirs.text and all(f"{name} {value}" in ours.text for name, value in numbers.items())
    assert ours.usage.prompt_tokens == theirs.usage.prompt_tokens


def test_it_calls_tools_and_uses_what_they_say(both: tuple[Session, Session]) -> None:
    question = {"role": "user", "content": "What is the current price of AAPL and MSFT?"}
    ours, theirs = (each.chat([question], tools=[STOCKS], temperature=0, max_tokens=200) for each in both)
    called = [(call.name, call.arguments) for call in ours.tool_calls]
    assert called == [(call.name, call.arguments) for call in theirs.tool_calls] and len(called) == 2
    results = [{"role": "tool", "tool_call_id": c.id, "content": '{"price": 123.5}'} for c in ours.tool_calls]
    whole = [question, ours.message, *results]
    for messages in (whole, [without_ids(message) for message in whole]):
        said = both[0].chat(messages, tools=[STOCKS], temperature=0, max_tokens=100).text
        assert said.count("123.5") == 2 and "AAPL" in said and "MSFT" in said
