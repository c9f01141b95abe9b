from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

import labkit
from labkit import LabkitError, home
from labkit import session as module
from labkit.home import Server
from labkit.session import Session, compose
from tests.misbehaving import Misbehaving

PICTURE = "data:image/png;base64,AAAA"
CHUNK = {"type": "image_url", "image_url": {"url": PICTURE}}


def nobody() -> str:
    """An address that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def test_the_key_is_hidden() -> None:
    session = Session("http://127.0.0.1:1/v1", "very-secret-key", "m")
    assert "very-secret" not in repr(session) + session._repr_markdown_() and "…key" in repr(session)


def test_messages_are_composed() -> None:
    question = {"role": "user", "content": "hi"}
    assert compose("hi") == compose([question]) == [question]
    assert compose("hi", system="Be kind.") == [{"role": "system", "content": "Be kind."}, question]
    seen = [CHUNK, {"type": "text", "text": "hi"}]
    assert compose("hi", image=PICTURE)[0]["content"] == seen
    assert compose("hi", image=[PICTURE, PICTURE])[0]["content"] == [CHUNK, *seen]
    before = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, question]
    assert compose(before, image=PICTURE)[-1]["content"] == seen and question["content"] == "hi"


def test_nobody_there() -> None:
    with pytest.raises(LabkitError, match=r"Nothing answers at .*labkit up"):
        Session(nobody(), "k", "m").chat("hi")


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("hangs", "did not answer in time.*labkit status"),
        ("wrong", "There is no chat at .* should end in /v1"),
        ("fails", r"failed \(HTTP 500\): out of luck\. `labkit logs`"),
    ],
)
def test_a_server_that_misbehaves(
    fault: str, sentence: str, misbehaving: Misbehaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SILENCE_S", 0.5)
    with pytest.raises(LabkitError, match=sentence):
        Session(misbehaving.url(fault), "k", "m").chat("hi")


@pytest.mark.parametrize(("fault", "sentence"), [("cut", "ended too early"), ("error", "EngineCore died")])
def test_a_stream_that_breaks_keeps_its_text(fault: str, sentence: str, misbehaving: Misbehaving) -> None:
    reply = Session(misbehaving.url(fault), "k", "m").chat("hi")
    assert sentence in (reply.interrupted or "") and reply.text == "Hel"


def test_a_proxy_does_not_get_in_the_way(misbehaving: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", nobody())
    monkeypatch.setenv("http_proxy", nobody())
    assert Session(misbehaving.url("cut"), "k", "m").chat("hi").text == "Hel"


def test_connect_without_a_server(lab_home: Path) -> None:
    with pytest.raises(LabkitError, match="No server is running, and LABKIT_URL is not set"):
        labkit.connect()


def test_connect_takes_the_environment(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKIT_URL", "http://127.0.0.1:11434/")
    monkeypatch.setenv("LABKIT_API_KEY", "k")
    session = labkit.connect(model="mistral-small3.1")
    assert (session.url, session.api_key, session.model) == (
        "http://127.0.0.1:11434/v1",
        "k",
        "mistral-small3.1",
    )


def test_connect_finds_the_running_server(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.write(
        Server(os.getpid(), psutil.Process().create_time(), 8003, "k", "m", "pocket", "/log", ready=True)
    )
    session = labkit.connect()
    assert (session.url, session.api_key, session.model) == ("http://127.0.0.1:8003/v1", "k", "m")
    monkeypatch.setenv("LABKIT_API_KEY", "of another server")
    assert labkit.connect("http://127.0.0.1:8003", model="x").api_key == "k"


def test_connect_needs_a_model_to_be_served(lab_home: Path, misbehaving: Misbehaving) -> None:
    with pytest.raises(LabkitError, match="There is no chat at"):
        labkit.connect(misbehaving.url("wrong"))


def test_a_web_page_is_no_model(misbehaving: Misbehaving) -> None:
    url = misbehaving.url("page")
    with pytest.raises(LabkitError, match="no OpenAI API"):
        labkit.connect(url)
    with pytest.raises(LabkitError, match="no OpenAI API"):
        Session(url, "k", "m").chat("hi")


def test_a_server_that_counts_nothing(misbehaving: Misbehaving) -> None:
    with pytest.raises(LabkitError, match="does not say how many tokens"):
        Session(misbehaving.url("cut"), "k", "m").count("hi")
