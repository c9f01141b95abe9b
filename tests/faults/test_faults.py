"""Faults on a live session that no other file stages: each ends in a sentence, and the session goes on.

Where the others of the twenty are:
- tests/test_session.py: connection refused, another service, a client timeout, an error after HTTP 200
- tests/test_live.py: killed in mid-stream, a kernel restarted, two kernels
- tests/doctor/test_drills.py: a prompt over the context (the drill prompt-too-long)
- tests/test_starting.py: a dead engine behind a living port, a full disk, corrupt weights
- tests/engines/test_process.py: orphans, a clock that jumps
- tests/test_hardware.py and tests/doctor/test_doctor.py: no /dev/shm
- tests/setup/test_setup.py: a disk full in a download, SIGTERM, Ctrl-C at every stage of ./setup.sh
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

import labkit
from labkit import LabkitError, home, starting
from labkit.home import Server
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving


@pytest.fixture
def fake() -> Iterator[tuple[FakeOpenAI, str]]:
    """A server that answers, and its address."""
    behind = FakeOpenAI()
    with serving(behind.app) as url:
        yield behind, f"{url}/v1"


def test_a_full_queue(fake: tuple[FakeOpenAI, str]) -> None:
    """503 is told, and the next question is answered."""
    behind, url = fake
    live = Session(url, KEY, MODEL)
    behind.script = iter([Answer(status=503), Answer(text="Here")])
    with pytest.raises(LabkitError, match=r"failed \(HTTP 503\): the script's own words\. `labkit logs`"):
        live.chat("Hello")
    assert live.chat("Hello").text == "Here"


def test_a_rotated_key(lab_home: Path, fake: tuple[FakeOpenAI, str]) -> None:
    """The old session is told how to get the new key, and labkit.connect() has it."""
    _, url = fake
    me = psutil.Process()
    port = urlsplit(url).port or 0
    home.write(Server(me.pid, me.create_time(), port, KEY, MODEL, "pocket", "/log", ready=True))
    old = Session(url, "yesterday's", "")
    with pytest.raises(LabkitError, match=r"refuses this API key\. labkit\.connect\(\) takes the right one"):
        labkit.connect(url.replace("127.0.0.1", "localhost"), api_key=old.api_key)
    assert labkit.connect().chat("Hello").text == "You said Hello."


class Tunnel:
    """A port that leads to another one, as ssh -L does, until it is dropped."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self) -> None:
        for each in (self.listener, *self.ends):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
            finally:
                each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.to))
            self.ends += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while piece := source.recv(4096):
                target.sendall(piece)
        except OSError:
            pass


@contextmanager
def _tunnel(url: str) -> Iterator[Tunnel]:
    made = Tunnel(urlsplit(url).port or 0)
    yield made
    made.drop()


def test_a_tunnel_that_drops(fake: tuple[FakeOpenAI, str]) -> None:
    """What had come is kept; the next question says that nobody is there; a new tunnel, and all is well."""
    behind, url = fake
    with _tunnel(url) as tunnel:
        live = Session(f"http://127.0.0.1:{tunnel.port}/v1", KEY, MODEL)
        reply = live.chat("wait")
        pieces = reply.pieces()
        assert next(pieces) == "You"
        tunnel.drop()
        assert list(pieces) == []
        assert "went away in mid-answer; what had come is kept" in (reply.interrupted or "")
        assert reply.text == "You"
        with pytest.raises(LabkitError, match="Nothing answers at"):
            live.chat("Hello")
    behind.let_go.set()
    with _tunnel(url) as tunnel:
        assert Session(f"http://127.0.0.1:{tunnel.port}/v1", KEY, MODEL).chat("Hi").text == "You said Hi."


def test_a_read_only_home(lab_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be written down: it is told with the way out, and no server is left that nobody knows."""

    def read_only(path: object, *_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def servers() -> set[int]:
        return {each.pid for each in psutil.Process().children() if "api_server" in " ".join(each.cmdline())}

    before = servers()  # the one that other tests share
    monkeypatch.setattr(home.os, "open", read_only)
    (tmp_path / "model").mkdir()
    with pytest.raises(LabkitError, match=r"Read-only file system.*LABKIT_HOME=/tmp/labkit"):
        starting.up(str(tmp_path / "model"))
    assert home.read() is None
    assert servers() <= before
