"""What many tests share: a home of their own, and one real server for all that need a live model."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import labkit
from labkit import starting
from labkit.display import Progress
from tests.misbehaving import Misbehaving


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "engine: needs the real vLLM server (about a minute to start, once)")


class Notes(Progress):
    """Keeps what a learner would be told."""

    def __init__(self) -> None:
        super().__init__(on=False)
        self.stages: list[str] = []
        self.notes: list[str] = []

    def update(self, words: str) -> None:
        self.stages.append(words)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def lab_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty LABKIT_HOME; no server is known in it."""
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LABKIT_URL", raising=False)
    monkeypatch.delenv("LABKIT_API_KEY", raising=False)
    monkeypatch.delenv("LABKIT_OLLAMA", raising=False)
    return tmp_path / "home"


@pytest.fixture
def misbehaving() -> Iterator[Misbehaving]:
    server = Misbehaving()
    yield server
    server.close()


@pytest.fixture(scope="session")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Notes, int]]:
    """The real server, started while its usual port is taken: its home, what was said, the taken port."""
    home, said = tmp_path_factory.mktemp("labkit_home"), Notes()
    with pytest.MonkeyPatch.context() as patch, socket.socket() as squatter:
        patch.setenv("LABKIT_HOME", str(home))
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        patch.setattr(starting, "FIRST_PORT", port)
        patch.setattr(starting, "LAST_PORT", port + 50)
        starting.up(progress=said)
    yield home, said, port
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(home))
        labkit.stop()


@pytest.fixture
def session(first_start: tuple[Path, Notes, int], monkeypatch: pytest.MonkeyPatch) -> labkit.Session:
    """A session on the one real server, which is started again if a test before has killed it."""
    monkeypatch.setenv("LABKIT_HOME", str(first_start[0]))
    return labkit.start(progress=False)
