"""The twin into Ollama, with the real client, against the stand-in; and what else the stand-in answers."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest
from click.testing import CliRunner

import labkit
from labkit import running
from labkit.cli import main
from labkit.engines import ollama_engine as engine
from labkit.engines.ollama_engine.export import PARAMETERS, POCKET_NAME
from labkit.engines.ollama_standin import Models, make_app
from labkit.errors import LabkitError
from labkit.session import Session
from tests.conftest import Notes
from tests.fake_openai import KEY, FakeOpenAI, serving

NAME = "mistral-small3.1"
NO_EMBEDDINGS = "This server does not support embeddings. Start it with `--embeddings`"


class Bench:
    """A stand-in in front of a fake upstream."""

    def __init__(self, stack: ExitStack) -> None:
        self.fake = FakeOpenAI()
        self.models = Models({f"{NAME}:latest": datetime.now(UTC)})
        self.upstream = f"{stack.enter_context(serving(self.fake.app))}/v1"
        self.url = stack.enter_context(serving(make_app(self.upstream, KEY, self.models)))
        self.client = ollama.Client(self.url, trust_env=False)
        inside = openai.DefaultHttpxClient(trust_env=False)
        self.v1 = openai.OpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=0, http_client=inside)

    def send(self, folder: Path) -> dict[str, str]:
        return {path.name: self.client.create_blob(path) for path in folder.iterdir()}

    def status(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        found = httpx.request(method, f"{self.url}{path}", trust_env=False, **more)
        return found.status_code, found.json().get("error", "") if found.content else ""


@pytest.fixture
def bench() -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The smallest folder that Ollama takes."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text('{"architectures": ["Mistral3ForConditionalGeneration"]}')
    (made / "tokenizer.json").write_text("{}")
    (made / "tokenizer_config.json").write_text('{"chat_template": "{% if tools %}"}')
    (made / "model.safetensors").write_bytes(bytes(9_000_000))
    return made


def test_the_twin_goes_in_and_answers(lab_home: Path, bench: Bench) -> None:
    show = Notes()
    found = engine.start("pocket", show=show, timeout=20, host=bench.url)
    assert found.model == POCKET_NAME and found.note == ""
    assert Session(found.url, found.api_key, found.model).chat("hello").text == "You said hello."
    assert "sending tokenizer.json to Ollama" in show.stages and "converting model" in show.stages
    assert bench.client.show(POCKET_NAME).capabilities == ["completion", "vision", "tools"]
    assert (lab_home / "ollama-pocket" / "Modelfile").exists()
    again = Notes()
    engine.start("pocket", show=again, timeout=20, host=bench.url)
    assert not any("sending" in line for line in again.stages)
    modelfile = lab_home / "ollama-pocket" / "Modelfile"
    modelfile.write_text(modelfile.read_text().replace("made from ", "made from 0"))  # of older weights
    engine.start("pocket", show=again, timeout=20, host=bench.url)
    assert any("sending" in line for line in again.stages)


def test_where_ollama_is_installed_it_is_started_and_the_twin_goes_in(
    lab_home: Path, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program `ollama` here is a script in front of the stand-in, with no model in it."""
    program = tmp_path / "bin" / "ollama"
    program.parent.mkdir()
    standin = f"{sys.executable} -m labkit.engines.ollama_standin --upstream {bench.upstream}"
    program.write_text(f'#!/bin/sh\n[ "$1" = serve ] && exec {standin} --port "${{OLLAMA_HOST##*:}}"\n')
    program.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("LABKIT_API_KEY", KEY)
    try:
        session = labkit.start("pocket", engine="ollama", progress=False)
        assert session.model == POCKET_NAME and session.note == ""
        assert session.chat("hello").text == "You said hello."
        up = CliRunner().invoke(main, ["up", "--engine", "ollama"])
        assert up.exit_code == 0 and up.output.splitlines()[-1].startswith("Ready after")
        assert running.status("ollama").state == "ready"
    finally:
        assert engine.stop()


def test_what_is_sent(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    whole = ollama.Client.create

    def create(self: ollama.Client, model: str, **more: Any) -> Any:
        asked.update(more)
        return whole(self, model, **more)

    monkeypatch.setattr(ollama.Client, "create", create)
    (folder / "Modelfile").write_text("FROM .")
    engine.create("mine", folder, bench.url, Notes())
    digests = {
        path.name: f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in folder.iterdir()
        if path.name != "Modelfile"
    }
    assert asked == {"files": digests, "parameters": PARAMETERS, "stream": True}
    assert "mine" in engine.names(bench.url)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "write /models/blobs/x: no space left on device",
            "Ollama's disk is full: there is no room for mine",
        ),
        ("unknown tokenizer format", "Ollama says: unknown tokenizer format."),
    ],
)
def test_a_refusal_is_one_sentence(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    def create_blob(self: ollama.Client, path: Path) -> str:
        raise ollama.ResponseError(json.dumps({"error": said}), 500)

    monkeypatch.setattr(ollama.Client, "create_blob", create_blob)
    with pytest.raises(LabkitError) as caught:
        engine.create("mine", folder, bench.url, Notes())
    assert str(caught.value).startswith(told)


def test_a_server_that_is_gone(folder: Path) -> None:
    with pytest.raises(LabkitError, match=r"No Ollama server answers at http://127\.0\.0\.1:9"):
        engine.create("mine", folder, "http://127.0.0.1:9", Notes())


def test_blobs(bench: Bench) -> None:
    digest = f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    path = f"/api/blobs/{digest}"
    assert bench.status("HEAD", path)[0] == 404
    got = f'digest mismatch, expected "{digest}", got "sha256:{hashlib.sha256(b"other").hexdigest()}"'
    assert bench.status("POST", path, content=b"other") == (400, got)
    assert bench.status("POST", path, content=b"hello") == (201, "")
    assert bench.status("POST", path, content=b"hello") == (200, "")
    assert bench.status("HEAD", path)[0] == 200
    assert bench.status("POST", "/api/blobs/sha256:x", content=b"hello") == (400, "invalid digest format")


def test_records_of_a_create(bench: Bench, folder: Path) -> None:
    files = bench.send(folder)
    records = [each.status for each in bench.client.create("mine", files=files, stream=True)]
    assert records == ["converting model", "writing manifest", "success"]
    assert bench.client.create("mine2", files=files).status == "success"
    assert bench.client.create("mine3", from_="mine").status == "success"
    names = [each.model for each in bench.client.list().models]
    assert names == [f"{NAME}:latest", "mine:latest", "mine2:latest", "mine3:latest"]
    assert bench.client.chat("mine3", [{"role": "user", "content": "hello"}]).done


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("config.json", None, 500, "open config.json: no such file or directory"),
        ("config.json", '{"architectures": ["X"]}', 500, 'unsupported architecture "X"'),
        ("config.json", "{", 500, "parse config.json: "),
        ("tokenizer.json", None, 500, "unknown tokenizer format"),
        ("model.safetensors", None, 400, "unknown type"),
    ],
)
def test_a_folder_that_ollama_does_not_take(
    bench: Bench, folder: Path, name: str, content: str | None, status: int, said: str
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ollama.ResponseError, match=said) as caught:
        bench.client.create("mine", files=bench.send(folder))
    assert caught.value.status_code == status and "mine:latest" not in bench.models.pulled
    with pytest.raises(ollama.ResponseError, match=said):
        list(bench.client.create("mine", files=bench.send(folder), stream=True))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "invalid model name"),
        ({"model": "a b", "files": {}}, 400, "invalid model name"),
        ({"model": "x"}, 400, "neither 'from' or 'files' was specified"),
        ({"model": "x", "files": {}}, 400, "unknown type"),
        ({"model": "x", "from": "nobody", "stream": False}, 500, "pull model manifest: file does not exist"),
        (
            {"model": "x", "files": {"model.safetensors": "sha256:" + 64 * "0"}},
            500,
            "no such file or directory",
        ),
    ],
)
def test_a_create_that_cannot_be(bench: Bench, body: dict[str, Any], status: int, said: str) -> None:
    found, words = bench.status("POST", "/api/create", json=body)
    assert found == status and said in words


def test_without_tools_in_its_template_it_calls_none(bench: Bench, folder: Path) -> None:
    (folder / "tokenizer_config.json").unlink()
    bench.client.create("plain", files=bench.send(folder))
    assert bench.client.show("plain").capabilities == ["completion", "vision"]
    tool = {"type": "function", "function": {"name": "x", "parameters": {"type": "object"}}}
    with pytest.raises(ollama.ResponseError, match="does not support tools"):
        bench.client.chat("plain", [{"role": "user", "content": "hello"}], tools=[tool])
    bench.client.delete("plain")
    assert bench.models.made == {}


def test_embeddings_are_refused_as_ollama_does_it(bench: Bench) -> None:
    with pytest.raises(ollama.ResponseError) as caught:
        bench.client.embed(NAME, "hello")
    assert (caught.value.status_code, caught.value.error) == (501, NO_EMBEDDINGS)
    with pytest.raises(openai.APIStatusError, match="does not support embeddings") as told:
        bench.v1.embeddings.create(model=NAME, input="hello")
    assert told.value.status_code == 501
    with pytest.raises(ollama.ResponseError, match="model 'nobody' not found"):
        bench.client.embed("nobody", "hello")


def test_completions(bench: Bench) -> None:
    found = bench.v1.completions.create(model=NAME, prompt="hello", max_tokens=5, stop="x")
    assert (found.object, found.model) == ("text_completion", NAME)
    assert (found.choices[0].text, found.choices[0].finish_reason) == ("You said hello.", "stop")
    assert found.usage and (found.usage.prompt_tokens, found.usage.completion_tokens) == (7, 3)
    (asked,) = bench.fake.asked
    assert asked["messages"] == [{"role": "user", "content": "hello"}]  # through the chat template
    assert (asked["temperature"], asked["top_p"], asked["max_tokens"], asked["stop"]) == (1, 1, 5, ["x"])
    bench.v1.completions.create(model=NAME, prompt="hello", temperature=0)
    assert bench.fake.asked[-1]["temperature"] == 0


def test_completions_stream(bench: Bench) -> None:
    ask: dict[str, Any] = {"model": NAME, "prompt": "long", "stream": True}
    pieces = list(bench.v1.completions.create(**ask, stream_options={"include_usage": True}))
    assert "".join(each.choices[0].text for each in pieces[:-1]) == "You said long."
    assert pieces[-2].choices[0].finish_reason == "length" and pieces[-1].choices == []
    assert pieces[-1].usage and pieces[-1].usage.total_tokens == 10
    assert all(each.usage is None for each in bench.v1.completions.create(**ask))


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"prompt": ["a", "b"]}, 400, "cannot unmarshal array"),
        ({"prompt": "a", "suffix": "b"}, 400, "does not support insert"),
        ({"prompt": "a", "model": "nobody"}, 404, "model 'nobody' not found"),
    ],
)
def test_completions_that_cannot_be(bench: Bench, more: dict[str, Any], status: int, said: str) -> None:
    with pytest.raises(openai.APIStatusError, match=said) as caught:
        bench.v1.completions.create(**({"model": NAME} | more))
    assert caught.value.status_code == status


def test_an_empty_completion_only_loads(bench: Bench) -> None:
    assert bench.v1.completions.create(model=NAME, prompt="").choices[0].finish_reason == "load"
    assert bench.fake.asked == [] and len(bench.client.ps().models) == 1
