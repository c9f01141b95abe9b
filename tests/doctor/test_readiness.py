"""The checklist of a deployment, on small servers whose doors stand open one by one, and on the live twin."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import labkit
from labkit import home
from labkit.clinic import doors
from labkit.clinic.findings import Finding
from labkit.clinic.readiness import Shown, capacity, judged, per_s, readiness
from labkit.home import Replica, Server
from labkit.planner import per_million
from labkit.probes import Crowd, Speed, Sweep
from labkit.probes.crowd import Question
from labkit.probes.speed import Stream
from labkit.probes.sweep import Ceiling
from tests.fake_openai import serving

KEY, LONGEST = "the-key", 1000


class Deployed:
    """Plays vLLM, or a router with a lock on all of its doors."""

    def __init__(
        self, locked: bool = True, key: bool = True, limit: bool = True, counts: bool = True
    ) -> None:
        self.locked, self.key, self.limit, self.counts = locked, key, limit, counts
        self.app = Starlette(routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])])

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        guarded = self.key and (self.locked or path.startswith("/v1"))
        if guarded and request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        if path == "/metrics":
            return PlainTextResponse("vllm:num_requests_waiting 0.0\n" if self.counts else "")
        if path == "/v1/models":
            return JSONResponse({"data": [{"id": "m", "max_model_len": LONGEST}]})
        if path in ("/v1/chat/completions", "/invocations"):
            return self._chat(await request.json())
        return Response(status_code=404)

    def _chat(self, body: dict[str, Any]) -> Response:
        if self.limit and body.get("max_tokens", 0) > LONGEST:
            return JSONResponse({"error": {"message": "max_tokens is too large"}}, 400)
        call = {"id": "abcdefgh1", "function": {"name": "get_weather", "arguments": "{}"}}
        message = {"content": "Hi", "tool_calls": [call] if "tools" in body else None}
        return JSONResponse({"choices": [{"message": message}]})


@contextmanager
def deployed(replicas: int = 2, behind: Deployed | None = None, **how: bool) -> Iterator[labkit.Session]:
    """A deployment of this home: replicas that are as a bare vLLM, before them what `how` describes."""
    me = psutil.Process()
    with serving(Deployed(**how).app) as front, serving((behind or Deployed(locked=False)).app) as back:
        ports = [int(each.rpartition(":")[2]) for each in (front, back)]
        parts = tuple(Replica(me.pid, me.create_time(), ports[1], "log") for _ in range(replicas))
        parts = parts if replicas > 1 else ()
        server = Server(me.pid, me.create_time(), ports[0], KEY, "m", "pocket", "log", (), True, parts)
        home.write(server)
        yield labkit.Session(server.url, KEY, "m")


def speed(at_once: int, wait: float, seconds: float) -> Speed:
    return Speed(tuple(Stream(64, wait, seconds) for _ in range(at_once)), seconds, 128)


SWEEP = Sweep((speed(1, 0.1, 1), speed(4, 0.2, 1), speed(16, 0.9, 2), speed(64, 2, 4)), Ceiling(None, ""))
SLOW = Sweep(tuple(speed(each, 2, 9) for each in (1, 4, 16)), Ceiling(None, ""))
ASKED = tuple(Question(at, 0.2, 1, "whole", 60) for at in range(20))


def crowd(url: str, **changes: Any) -> Crowd:
    values: dict[str, Any] = {"learners": 30, "pace": 10.0, "seconds": 20.0, "questions": ASKED}
    return Crowd(url, **(values | {"began": 1.0, "struck_s": 8.5} | changes))


def measured(session: labkit.Session, **changes: Any) -> dict[str, Any]:
    """What an owner hands over, all of it right."""
    right = {"sweep": SWEEP, "crowd": crowd(session.url), "enough": True}
    return right | {"dollars": per_million(60, "2x4090")[1]} | changes


ME = psutil.Process()
PART = Replica(ME.pid, ME.create_time(), 9, "log")
SERVER = Server(ME.pid, ME.create_time(), 9, KEY, "m", "pocket", "log", (), True, (PART, PART))


def shown(**changes: Any) -> Shown:
    values: dict[str, Any] = {"sweep": SWEEP, "crowd": crowd(SERVER.url), "enough": True}
    return Shown(**(values | {"dollars": per_million(60, "2x4090")[1]} | changes))


def by_name(found: Sequence[Finding]) -> dict[str, Finding]:
    return {each.name: each for each in found}


def test_a_deployment_that_may_have_users(lab_home: Any) -> None:
    with deployed() as session:
        report = readiness(session, **measured(session))
    found = by_name(report.findings)
    assert report and len(found) >= 11, report
    assert found["behind"].level == "note" and "/invocations" in found["behind"].what
    assert "up to 16 at once: 8.0 questions a second" in found["knee"].what
    assert "0 answers cut, no later question lost, 0.20 s" in found["loss"].what
    assert [each.name for each in report.findings][-3:] == ["loss", "knee", "price"]


def test_what_was_not_measured_does_not_hold(lab_home: Any) -> None:
    with deployed() as session:
        report = readiness(session)
    assert [each.name for each in report.ill] == ["loss", "knee", "price"]
    assert all("not shown yet" in each.what and each.command for each in report.ill)


@pytest.mark.parametrize(
    ("how", "name", "words"),
    [
        ({"locked": False}, "paths", "/invocations compute without the key"),
        ({"locked": False, "key": False}, "key", "/v1/models is open to who has no key (HTTP 200)"),
        ({"limit": False}, "limit", "no limit to a request was found (HTTP 200)"),
        ({"behind": Deployed(counts=False)}, "metrics", "the counts cannot be read"),
        ({"replicas": 1}, "loss", "there is one replica"),
    ],
)
def test_a_deployment_that_may_not(how: dict[str, Any], name: str, words: str, lab_home: Any) -> None:
    with deployed(**how) as session:
        ill = by_name(readiness(session, **measured(session)).ill)
    assert words in ill[name].what and ill.keys() <= {name, "paths", "price"}, ill


SHOWN: list[tuple[dict[str, Any], str, str]] = [
    ({"crowd": crowd("http://127.0.0.1:10/v1")}, "loss", "this class asked http://127.0.0.1:10/v1"),
    ({"began": time.time() + 60}, "loss", "nothing was killed in this class"),
    ({"struck_s": None}, "loss", "not shown yet"),
    ({"questions": ASKED[:12]}, "loss", "only 3 questions came after the loss"),
    ({"questions": (*ASKED, Question(21, None, 1, "lost"))}, "loss", "1 questions were lost after the loss"),
    ({"questions": (*ASKED, Question(1, 1, 61, "cut"))}, "loss", "and 1 hung"),
    ({"sweep": Sweep(SWEEP.speeds[:2], SWEEP.ceiling)}, "knee", "the sweep has 2 sizes"),
    ({"enough": False}, "knee", "you say False, and the sweep says 8.0 questions"),
    ({"learners": 90}, "knee", "you say True, and the sweep says 8.0"),
    ({"sweep": SLOW}, "knee", "you say True, and the sweep says 0.0"),
    ({"dollars": 7.0}, "price", "7.00 dollars for a million tokens is not between"),
    ({"gpu": "H100"}, "price", "The guide names no price for 'H100'"),
]


@pytest.mark.parametrize(("change", "name", "words"), SHOWN, ids=[words for _, _, words in SHOWN])
def test_what_is_handed_over_is_judged(change: dict[str, Any], name: str, words: str) -> None:
    if not change.keys() <= {"sweep", "crowd", "enough", "dollars", "gpu"}:
        change = {"crowd": crowd(SERVER.url, **change)}
    bad = [each for each in judged(SERVER, shown(**change)) if each.level != "well"]
    assert words in by_name(bad)[name].what and all(each.why and each.command for each in bad), bad


def test_not_enough_is_a_good_answer_where_it_is_true() -> None:
    many = by_name(judged(SERVER, shown(enough=False, crowd=crowd(SERVER.url, learners=90))))["knee"]
    none = by_name(judged(SERVER, shown(enough=False, sweep=SLOW)))["knee"]
    assert many.level == none.level == "well"
    assert "it is not enough, and you say so" in many.what and "with a single reader" in none.what


def test_the_knee_is_the_last_before_the_promise_breaks() -> None:
    best = capacity(SWEEP)
    assert best is not None and (best.at_once, per_s(best)) == (16, 8.0)
    assert capacity(SLOW) is None
    back = Sweep((*SLOW.speeds[:1], *SWEEP.speeds), SWEEP.ceiling)
    assert capacity(back) is None, "what comes after the first break does not count"


def test_a_server_that_is_silent_or_elsewhere_proves_nothing(lab_home: Any) -> None:
    session = labkit.Session("http://127.0.0.1:9/v1", KEY, "m")
    assert "was not started from here" in readiness(session).ill[0].what
    me = psutil.Process()
    home.write(Server(me.pid, me.create_time(), 9, KEY, "m", "pocket", "log", ready=True))
    assert {each.name for each in readiness(session).findings} == {"server"}


def test_a_port_that_others_reach_is_an_alarm_where_it_answers() -> None:
    import socket

    with socket.create_server(("0.0.0.0", 0)) as door:
        port, me = door.getsockname()[1], (ME.pid, ME.create_time())
        for answers, level in ((port, "alarm"), (9, "note")):
            server = Server(*me, answers, KEY, "m", "pocket", "log", ready=True)
            (found,) = [each for each in doors._listening(server) if f"port {port}" in each.what]
            assert found.level == level and "listens on 0.0.0.0" in found.what


@pytest.mark.engine
def test_the_key_of_the_real_vllm_guards_v1_and_nothing_else(session: labkit.Session) -> None:
    server = home.read()
    assert server is not None
    found = {each.name: each for each in doors.doors(server)}
    assert found["key"].level == "well" and found["loopback"].level == "well"
    assert found["paths"].level == "wrong" and "/invocations" in found["paths"].what
    assert all(path in found["told"].what for path in ("/metrics", "/health", "/version"))
    assert labkit.readiness(session).ill[0].name == "paths"
