"""Our code on Ollama's API, with the real client, against the stand-in; the last test on the twin."""

from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import labkit
from labkit import home
from labkit.engines import ollama_engine as engine
from labkit.engines import process
from labkit.engines.ollama_engine import models, serving
from labkit.engines.ollama_standin import Faults, Models, make_app
from labkit.errors import LabkitError
from labkit.session import Session
from tests.conftest import Notes
from tests.fake_openai import KEY, FakeOpenAI
from tests.fake_openai import serving as running_app
from tests.misbehaving import Misbehaving

TAG = "mistral-small3.1"
Q4 = f"{TAG}:24b-instruct-2503-q4_K_M"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def standin(stack: ExitStack, *pulled: str, **more: Any) -> str:
    """The address of a stand-in in front of the fake upstream."""
    upstream = stack.enter_context(running_app(FakeOpenAI().app))
    here = {f"{name}:latest" if ":" not in name else name: datetime.now(UTC) for name in pulled}
    return stack.enter_context(
        running_app(make_app(f"{upstream}/v1", KEY, Models(here, pull_s=0.05, **more)))
    )


def start(variant: str, host: str, show: Notes | None = None) -> Session:
    found = engine.start(variant, show=show or Notes(), timeout=20, host=host)
    return Session(found.url, found.api_key, found.model, engine=found.engine)


def test_a_variant_is_pulled_loaded_and_answers(lab_home: Path, stack: ExitStack) -> None:
    host, show = standin(stack), Notes()
    session = start("Q4_K_M", host, show)
    assert session.model == Q4 and session.chat("hello").text == "You said hello."
    assert any("pulling" in line and "%" in line and "GB" in line for line in show.stages)
    assert show.notes[-1].endswith(f"{Q4} answers at {host}/v1")
    again = Notes()
    start(Q4, host, again)
    assert not any("pulling" in line for line in again.stages)


def test_a_pull_that_breaks_off_goes_on(
    lab_home: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.time, "sleep", lambda seconds: None)
    host, show = standin(stack, faults=Faults(pull_breaks_at=0.4)), Notes()
    models.pull(TAG, host, show)
    assert any("broke off" in line and "goes on where it stopped" in line for line in show.notes)
    assert TAG in engine.names(host)


def test_a_pull_that_breaks_off_again_and_again(
    lab_home: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_TRIES", 1)
    host = standin(stack, faults=Faults(pull_breaks_at=0.4))
    with pytest.raises(LabkitError, match=r"broke off: .*What has come is kept"):
        models.pull(TAG, host, Notes())


def test_a_tag_that_is_nowhere(lab_home: Path, stack: ExitStack) -> None:
    with pytest.raises(LabkitError, match="has no model mistral-large9"):
        start("mistral-large9", standin(stack))


def test_what_is_loaded_and_where(lab_home: Path, stack: ExitStack) -> None:
    host = standin(stack, TAG, faults=Faults(vram_share=0.48))
    start(TAG, host)
    (row,) = engine.ps(host)
    assert row.name.startswith(TAG) and row.processor == "52%/48% CPU/GPU" and row.context == 4096
    assert {"vision", "tools"} <= set(engine.show(TAG, host)["capabilities"])
    engine.unload(TAG, host)
    assert engine.ps(host) == []


def test_a_stranger_on_the_port(lab_home: Path, misbehaving: Misbehaving) -> None:
    host = misbehaving.url("page").removesuffix("/page/v1")
    with pytest.raises(LabkitError, match="is not Ollama"):
        start(TAG, host)


def nobody() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_tests_and_ci_stay_with_the_standin_where_ollama_is_installed(
    lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", nobody())
    monkeypatch.setattr(serving.shutil, "which", lambda name: f"{tmp_path}/no-such-{name}")
    with pytest.raises(LabkitError, match=r"cannot be started here: .*no-such-ollama"):
        start(TAG, "")
    monkeypatch.setenv("LABKIT_OLLAMA", "stand-in")
    with pytest.raises(LabkitError, match="Ollama is not installed here"):
        start(TAG, "")


def test_no_ollama_and_nobody_behind(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.shutil, "which", lambda name: None)
    monkeypatch.setenv("OLLAMA_HOST", nobody())
    with pytest.raises(
        LabkitError, match=r"not installed here.*curl -fsSL https://ollama.com/install.sh \| sh"
    ):
        engine.start(TAG, show=Notes(), timeout=5)
    assert engine.status().state == "none" and not engine.stop() and engine.logs() == ""
    with pytest.raises(LabkitError, match="No Ollama server answers"):
        engine.ps(serving.default_host())


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("0.0.0.0:9", "http://127.0.0.1:9"),
        ("gpu.example", "http://gpu.example:11434"),
        ("https://gpu.example", "https://gpu.example:443"),
    ],
)
def test_what_ollama_host_means(said: str, meant: str) -> None:
    assert serving.address(said) == meant


def program(folder: Path, body: str) -> None:
    """A program named `ollama`, first on the path."""
    folder.mkdir()
    path = folder / "ollama"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_server_that_ends_while_it_starts(
    lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(
        tmp_path / "bin", "echo 'Error: listen tcp 127.0.0.1:11434: bind: address already in use'; exit 1"
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setenv("OLLAMA_HOST", nobody())
    with pytest.raises(
        LabkitError, match=r"ended while it started: Error: listen tcp .* address already in use"
    ):
        engine.start(TAG, show=Notes(), timeout=5)
    assert serving.read() is None


def test_the_stand_in_is_started_found_again_and_stopped(
    lab_home: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.shutil, "which", lambda name: None)
    monkeypatch.setenv("OLLAMA_HOST", nobody())
    upstream = stack.enter_context(running_app(FakeOpenAI().app))
    behind = serving.Upstream(f"{upstream}/v1", KEY, "fake-model")
    found = engine.start("pocket", show=Notes(), timeout=20, upstream=lambda: behind)
    own = serving.read()
    assert own and "stand-in" in found.note and "fake-model" in found.note
    assert Session(found.url, found.api_key, found.model).chat("hello").text == "You said hello."
    assert "stand-in" in engine.status().message and "stand-in" in engine.logs()
    asked = iter([behind])
    again = engine.start("pocket", show=Notes(), timeout=20, upstream=lambda: next(asked))
    assert (again.url, again.note) == (found.url, found.note)
    assert next(asked, None) is None  # the one behind it may have died, so it was asked for
    with running_app(FakeOpenAI().app) as elsewhere:
        moved = serving.Upstream(f"{elsewhere}/v1", KEY, "fake-model")
        after = engine.start("pocket", show=Notes(), timeout=20, upstream=lambda: moved)
        assert after.url == found.url and not process.alive(own.pid, own.create_time)
        assert (new := serving.read()) and new.behind == moved.url
    assert engine.stop() and not process.alive(new.pid, new.create_time) and not engine.stop()


def test_a_server_that_hangs_is_told_and_started_again(
    lab_home: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.shutil, "which", lambda name: None)
    with socket.socket() as deaf:  # takes connections and says nothing
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        host = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        pid, born = process.spawn(("sleep", "60"), {}, lab_home.parent / "log", lab_home.parent)
        home.write_json("ollama.json", asdict(serving.Own(pid, born, host, str(lab_home.parent / "log"))))
        found = engine.status(0.2)
        assert found.state == "broken" and "does not answer" in found.message and found.pid == pid
        upstream = stack.enter_context(running_app(FakeOpenAI().app))
        behind = serving.Upstream(f"{upstream}/v1", KEY, "fake-model")
        try:
            again = engine.start("pocket", show=Notes(), timeout=20, upstream=lambda: behind)
            assert host not in again.url and not process.alive(pid, born)
            assert engine.status().state == "ready"
        finally:
            engine.stop()


@pytest.mark.engine
def test_on_the_twin(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.shutil, "which", lambda name: None)
    monkeypatch.setenv("OLLAMA_HOST", nobody())
    try:
        other = labkit.start(engine="ollama", progress=False)
        assert "stand-in" in other.note and "stand-in" in other._repr_markdown_()
        said = [each.chat("What is the KV cache?", temperature=0).text for each in (session, other)]
        assert said[0] == said[1] and other.count("Hi") == session.count("Hi")
    finally:
        engine.stop()
