"""Replicas behind a router: with processes that play them, then with two real vLLM servers of the twin."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from click.testing import CliRunner

import labkit
from labkit import LabkitError, home, loading, starting
from labkit.cli import main
from labkit.clinic import checks_servers
from labkit.engines import ports, process, router, vllm
from labkit.engines.recipe import Command, Recipe
from labkit.home import Replica, Server
from labkit.lessons import solution
from labkit.probes.metrics import metrics, metrics_each
from labkit.server import told
from tests.conftest import Notes

PLAYED = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self, body):
        key = os.environ.get("VLLM_API_KEY")
        if self.path.startswith("/v1") and key and self.headers["authorization"] != f"Bearer {key}":
            self.send_error(401)
            return
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(b"vllm:generation_tokens_total 3.0\\nvllm:kv_cache_usage_perc 0.25\\n")
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(json.dumps({"choices": [{"message": {"content": sys.argv[1]}}]}).encode())

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("Application startup complete", flush=True)
server.serve_forever()
"""
"""Plays an engine, which says its port, and a router as well."""


def play(port: int, *_: object) -> Command:
    return Command((sys.executable, "-c", PLAYED, str(port)))


@pytest.fixture
def played(routed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is real."""
    monkeypatch.setattr(router, "command", play)


@pytest.fixture
def routed(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The router is real, the engines are played."""
    monkeypatch.setattr(vllm, "command", lambda recipe, port: play(port))
    monkeypatch.setattr(vllm, "build", lambda: "cpu")
    monkeypatch.setattr(starting, "FIRST_PORT", 18100)
    monkeypatch.setattr(starting, "LAST_PORT", 18190)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    yield
    labkit.stop()


def up(folder: Path, notes: Notes | None = None, **options: Any) -> Server:
    return starting.up(str(folder), progress=notes, **options)


def kill(part: Server | Replica) -> None:
    os.kill(part.pid, signal.SIGKILL)
    while process.alive(part.pid, part.create_time):
        time.sleep(0.02)


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """The pid and the birth of each process that is started from now on."""
    began: list[tuple[int, float]] = []
    spawn = process.spawn

    def noted(*args: Any) -> tuple[int, float]:
        began.append(spawn(*args))
        return began[-1]

    monkeypatch.setattr(process, "spawn", noted)
    return began


def test_two_and_a_router_with_ports_and_logs_of_their_own(played: None, tmp_path: Path) -> None:
    server = up(tmp_path, replicas=2)
    assert home.read() == server and server.ready and server.flags == ("replicas=2",)
    assert len({each.port for each in server.parts}) == len({each.log for each in server.parts}) == 3
    assert labkit.status().message.endswith("2 of 2 replicas answer.")
    assert up(tmp_path) == up(tmp_path, replicas=2) == server, "a second start attaches, with or without"
    with pytest.raises(LabkitError, match=r"other flags \(replicas=2\)"):
        up(tmp_path, replicas=2, extra_flags=("--seed", "1"))
    said = CliRunner().invoke(main, ["logs", "--replica", "2"])
    assert said.output == "Application startup complete\n"
    assert "There is no replica 3 here" in CliRunner().invoke(main, ["logs", "--replica", "3"]).output
    assert labkit.stop() and not any(process.family(each.pid, each.create_time) for each in server.parts)


def test_a_dead_replica_is_said_and_started_again_by_a_command(
    played: None, tmp_path: Path, notes: Notes
) -> None:
    server = up(tmp_path, replicas=2)
    dead = server.replicas[1]
    with open(server.replicas[0].log, "a") as log:
        log.writelines(["INFO: 200 OK\n"] * 9000)  # it has long been serving
    kill(dead)
    status = labkit.status()
    assert (status.state, status.answering, status.replicas) == ("ready", 1, 2)
    sentence = f"1 of 2 replicas answers: replica 2 (port {dead.port}) is gone. Start it again with"
    assert sentence in status.message and "`labkit up --replicas 2`" in status.message
    assert up(tmp_path, notes) == server and sentence in notes.notes[0], "a plain start takes what there is"
    mended = up(tmp_path, notes, replicas=2)
    assert notes.notes[2] == f"Starting it again: replica 2 (port {dead.port}) is gone."
    assert mended.replicas[0] == server.replicas[0] and mended.replicas[1].pid != dead.pid
    assert mended.replicas[1].port == dead.port and mended.pid == server.pid, "the router stays"
    assert labkit.status().answering == 2


def test_no_question_is_asked_before_all_of_them_listen(
    played: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A living replica's worker that never goes idle has kept the starting one from its core for minutes."""
    kill(up(tmp_path, replicas=2).replicas[1])
    asked, real = list[bool](), loading.unanswered

    def noted(server: Server, ping_s: float) -> str | None:
        asked.append(all(ports.listens(each.port) for each in server.parts))
        return real(server, ping_s)

    monkeypatch.setattr(loading, "unanswered", noted)
    assert up(tmp_path, replicas=2).ready
    assert asked and all(asked)


def says(server: Server, key: str | None = None) -> tuple[int, str]:
    """The status, and the port of the replica that has answered."""
    reply = httpx.post(
        f"{server.url}/chat/completions",
        json={"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        headers={"Authorization": f"Bearer {server.key if key is None else key}"},
        timeout=20,
        trust_env=False,
    )
    return reply.status_code, reply.json()["choices"][0]["message"]["content"] if reply.is_success else ""


def test_the_real_router_spreads_and_locks(routed: None, tmp_path: Path) -> None:
    server = up(tmp_path, replicas=2)
    ports = {str(each.port) for each in server.replicas}
    assert {says(server) for _ in range(6)} == {(200, port) for port in ports}
    assert says(server, "wrong") == (401, "")
    root = server.url.removesuffix("/v1")
    for path in ("/workers", "/list_workers", "/health", "/metrics", "/v1/models"):
        assert httpx.get(root + path, trust_env=False).status_code == 401, path
    for path in ("/add_worker", "/remove_worker"):
        asked = httpx.post(root + path, params={"url": server.replicas[0].url[:-3]}, trust_env=False)
        assert asked.status_code == 401, path
    assert {says(server)[1] for _ in range(6)} == ports, "none was removed"
    every: list[Any] = psutil.net_connections("tcp")
    ours = {each.laddr.ip for each in every if each.pid == server.pid and each.status == psutil.CONN_LISTEN}
    assert ours == {"127.0.0.1"} and server.key not in Path(server.log).read_text()


def workers(server: Server) -> list[dict[str, Any]]:
    """What the router thinks of its replicas."""
    lock = {"Authorization": f"Bearer {server.key}"}
    reply = httpx.get(f"{server.url.removesuffix('/v1')}/workers", headers=lock, trust_env=False)
    found: list[dict[str, Any]] = reply.json()["workers"]
    return found


def test_the_real_router_goes_on_without_a_replica_and_takes_it_back(routed: None, tmp_path: Path) -> None:
    server = up(tmp_path, replicas=2)
    lost, left = server.replicas
    kill(lost)
    assert [says(server) for _ in range(10)] == [(200, str(left.port))] * 10
    assert labkit.status().answering == 1
    deadline = time.monotonic() + 20
    while all(each["is_healthy"] for each in workers(server)):
        assert time.monotonic() < deadline, "two looks, two seconds apart"
        time.sleep(0.1)
    up(tmp_path, replicas=2)
    assert all(each["is_healthy"] for each in workers(server)), "up waits for the router's next look"
    while {says(server)[1] for _ in range(4)} != {str(lost.port), str(left.port)}:
        assert time.monotonic() < deadline, "the router looks every two seconds"
        time.sleep(0.5)


def test_the_doctor_knows_a_dead_replica_from_a_dead_service(played: None, tmp_path: Path) -> None:
    server = up(tmp_path, replicas=2)
    assert any("all of its 2 replicas answer" in each.what for each in checks_servers.own())
    kill(server.replicas[0])
    found = [each for each in checks_servers.own() if each.name == "server"]
    assert found[0].level == "well" and "answers at" in found[0].what, "the service lives"
    assert found[1].level == "wrong" and "replica 1" in found[1].what and "is gone" in found[1].what
    assert found[1].command == "labkit up --replicas 2"
    kill(server)
    (gone,) = checks_servers.own()
    assert gone.level == "wrong" and gone.command == "labkit up"


def test_metrics_are_of_all_replicas_together(played: None, tmp_path: Path) -> None:
    server = up(tmp_path, replicas=2)
    session = labkit.connect()
    one = {"generation_tokens": 3.0, "kv_cache_usage_perc": 0.25}
    assert metrics(session) == {"generation_tokens": 6.0, "kv_cache_usage_perc": 0.25}
    assert metrics_each(session) == {1: one, 2: one}
    kill(server.replicas[0])
    assert metrics(session)["generation_tokens"] == 3.0, "one that is gone counts no more"
    assert metrics_each(session) == {2: one}
    kill(server.replicas[1])
    with pytest.raises(LabkitError, match="nothing answers"):
        metrics(session)


def test_a_dead_router_alone_is_started_again(played: None, tmp_path: Path, notes: Notes) -> None:
    server = up(tmp_path, replicas=2)
    kill(server)
    mended = up(tmp_path, notes)
    assert mended.replicas == server.replicas and mended.pid != server.pid and mended.url == server.url
    assert "The router before the replicas is gone" in notes.notes[0]


@pytest.mark.parametrize("also", [0, 1], ids=["the router and one", "all replicas"])
def test_what_cannot_be_mended_is_started_anew(also: int, played: None, tmp_path: Path, notes: Notes) -> None:
    server = up(tmp_path, replicas=2)
    for each in (server.replicas[1], (server, server.replicas[0])[also]):
        kill(each)
    new = up(tmp_path, notes, replicas=2)
    assert {each.pid for each in new.parts}.isdisjoint({each.pid for each in server.parts})
    assert new.url == server.url, "old sessions work on"
    assert not any(process.family(each.pid, each.create_time) for each in server.parts)


def test_a_replica_that_dies_while_loading_takes_the_others_along(
    played: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails, loads = "raise ValueError('No available memory')", "import time; time.sleep(60)"

    def command(recipe: Recipe, port: int) -> Command:
        return Command((sys.executable, "-c", fails if recipe.cores == (1,) else loads))

    monkeypatch.setattr(vllm, "command", command)
    monkeypatch.setattr(router, "command", lambda *_: Command((sys.executable, "-c", loads)))
    began = watched(monkeypatch)
    with pytest.raises(LabkitError, match=r"No available memory\. The whole log: .*replica-2\.log"):
        up(tmp_path, replicas=2)
    assert home.read() is None and len(began) == 3 and not any(process.alive(*each) for each in began)


def test_a_state_that_cannot_be_written_leaves_no_process(
    played: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = watched(monkeypatch)

    def full(server: Server) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(home, "write", full)
    with pytest.raises(LabkitError, match="The disk is full"):
        up(tmp_path, replicas=2)
    assert len(began) == 3 and not any(process.alive(*each) for each in began)


def test_a_replica_that_is_mute_is_told_from_one_that_is_gone() -> None:
    parts = tuple(Replica(number, 1.0, 8000 + number, "/log") for number in (1, 2, 3))
    server = Server(9, 1.0, 8000, "k", "m", "pocket", "/log", replicas=parts)
    said = told(server, {1: "nothing came within 5 s", 3: "is gone"})
    assert said.startswith(" 1 of 3 replicas answers: replica 1 (port 8001) gives no answer (nothing came")
    assert "replica 3 (port 8003) is gone." in said


def test_a_state_with_replicas_is_read_as_it_was_written(lab_home: Path) -> None:
    server = Server(9, 1.0, 8000, "k", "m", "pocket", "/log", replicas=(Replica(1, 1.0, 8001, "/a"),))
    home.write(server)
    assert home.read() == server and server.engines == server.replicas
    assert replace(server, replicas=()).engines == (replace(server, replicas=()),)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[labkit.Session]:
    """Two real servers, a core each, behind the real router."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABKIT_HOME", str(tmp_path_factory.mktemp("replicas")))
        patch.setattr(starting, "FIRST_PORT", 18200)
        patch.setattr(starting, "LAST_PORT", 18290)
        yield labkit.start(replicas=2, progress=False)
        labkit.stop()


@pytest.fixture
def both(pair: labkit.Session, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = home.read()
    assert server is not None
    return server


pytestmark = [pytest.mark.timeout(600)]
two_cores = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="two replicas need two cores")


@pytest.mark.engine
@two_cores
def test_two_real_servers_share_the_requests_behind_one_lock(both: Server, pair: labkit.Session) -> None:
    listening = {
        each.laddr
        for part in both.parts
        for child in process.family(part.pid, part.create_time)
        for each in child.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr.port in {one.port for one in both.parts}
    }
    assert len(listening) == 3 and {each.ip for each in listening} == {"127.0.0.1"}
    root = pair.url.removesuffix("/v1")
    for path in ("/v1/models", "/workers", "/health", "/metrics"):
        assert httpx.get(root + path, trust_env=False).status_code == 401, path
    stolen = httpx.post(f"{root}/add_worker", params={"url": "http://127.0.0.1:1"}, trust_env=False)
    assert stolen.status_code == 401
    assert pair.api_key not in Path(both.log).read_text()

    before = [_generated(each) for each in both.replicas]
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda _: pair.chat("Hello", temperature=0, max_tokens=8).text, range(8)))
    assert len(set(texts)) == 1 and texts[0], "both say the same"
    after = [_generated(each) for each in both.replicas]
    assert all(late > early for early, late in zip(before, after, strict=True)), "both have worked"
    assert metrics(pair)["generation_tokens"] == sum(after)


def _generated(replica: Replica) -> float:
    return metrics(labkit.Session(replica.url, "", "", engine="vllm"))["generation_tokens"]


@pytest.mark.engine
@two_cores
@pytest.mark.parametrize("id", ["7.3", "7.5"])
def test_the_capstones_solutions_lose_the_router_and_a_replica(
    id: str, both: Server, pair: labkit.Session
) -> None:
    outcome = solution(id).run(pair)
    assert outcome, outcome
    assert labkit.status().answering == 2, "and bring it back"


@pytest.mark.engine
@two_cores
def test_all_requests_after_a_replica_was_killed_are_answered(both: Server, pair: labkit.Session) -> None:
    ends = [time.monotonic() + 6] * 4
    done: list[str] = []

    def ask(end: float) -> None:
        while time.monotonic() < end:
            done.append(pair.chat("Hello", max_tokens=4).text)

    kill(both.replicas[0])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, ends))
    assert len(done) >= 8 and all(done), "the router asks the living one"
    status = labkit.status()
    assert (status.state, status.answering) == ("ready", 1) and "1 of 2 replicas answers" in status.message
    assert labkit.stop()
    assert not any(process.family(each.pid, each.create_time) for each in both.parts)
