from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labkit import lent
from labkit.errors import LabkitError
from labkit.workshop.gate import OPEN, PASSED, Gate
from labkit.workshop.room import Turns
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving

TURNS = Turns(slots=2, most=1, queue=1)


@pytest.fixture
def upstream() -> FakeOpenAI:
    return FakeOpenAI()


@pytest.fixture
def gate(upstream: FakeOpenAI) -> Iterator[str]:
    with serving(upstream.app) as behind:
        made = Gate(f"{behind}/v1", KEY, {"key-a": "ann", "key-b": "bob"}, TURNS)
        with serving(made.app) as url:
            yield f"{url}/v1"
        upstream.let_go.set()


def client(url: str, key: str) -> Any:
    inside = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, http_client=inside)


def ask(url: str, key: str, text: str) -> str:
    messages = [{"role": "user", "content": text}]
    stream = client(url, key).chat.completions.create(model=MODEL, messages=messages, stream=True)
    return "".join(each.choices[0].delta.content or "" for each in stream if each.choices)


def test_a_learners_key_opens_it_and_the_servers_own_does_not(gate: str) -> None:
    assert ask(gate, "key-a", "hello") == "You said hello."
    for key in (KEY, "nobody", "lab-"):
        answer = httpx.get(f"{gate}/models", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        assert answer.status_code == 401 and "nobody's in the class" in answer.json()["error"]["message"]


def test_the_servers_own_errors_come_through(gate: str) -> None:
    with pytest.raises(openai.BadRequestError, match="the upstream's own words"):
        ask(gate, "key-a", "refuse")


CLOSED = [
    *(("GET", path) for path in ("/server_info", "/is_sleeping", "/load", "/docs", "/openapi.json", "/")),
    *(
        ("POST", path)
        for path in ("/pause", "/sleep", "/reset_prefix_cache", "/collective_rpc", "/invocations")
    ),
    *(
        ("POST", path)
        for path in ("/inference/v1/generate", "/scale_elastic_ep", "/abort_requests", "/health")
    ),
    *(("POST", path) for path in ("/v1/load_lora_adapter", "/v1/messages", "/v1/chat/completions/batch")),
    *(("POST", path) for path in ("//v1/chat/completions", "/v1/models/%2e%2e/%2e%2e/pause", "/tokenize/")),
    *((method, "/v1/chat/completions") for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")),
]
"""What vLLM has besides, some of it behind no key; and ways of writing that could slip by."""


def test_only_what_the_course_uses_reaches_the_server() -> None:
    seen: list[tuple[str, str, str | None]] = []

    async def note(request: Request) -> Response:
        seen.append((request.method, request.url.path, request.headers.get("authorization")))
        return JSONResponse({})

    every = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    with serving(Starlette(routes=[Route("/{path:path}", note, methods=every)])) as behind:
        made = Gate(f"{behind}/v1", KEY, {"key-a": "ann"}, TURNS)
        with serving(made.app) as url, httpx.Client(base_url=url, trust_env=False) as http:

            def status(method: str, path: str, **headers: str) -> int:
                return http.request(method, path, headers=headers).status_code

            for method, path in CLOSED:
                assert status(method, path) == 401, (method, path)
                assert status(method, path, Authorization="Bearer key-a") == 404, (method, path)
            for method, path in PASSED:
                assert status(method, path) == status(method, path, Authorization=f"Bearer {KEY}") == 401
            assert not seen
            for method, path in PASSED:
                assert status(method, path, Authorization="Bearer key-a") == 200, (method, path)
            assert {each[:2] for each in seen} == PASSED and {each[2] for each in seen} == {f"Bearer {KEY}"}
            assert {("GET", "/health")} == OPEN and status("GET", "/health") == 200


def test_an_answer_streams_through_as_it_comes(gate: str, upstream: FakeOpenAI) -> None:
    messages = [{"role": "user", "content": "wait"}]
    stream = client(gate, "key-a").chat.completions.create(model=MODEL, messages=messages, stream=True)
    pieces = iter(stream)
    assert any(next(pieces).choices[0].delta.content == "You" for _ in range(3))
    assert not upstream.let_go.is_set()
    upstream.let_go.set()
    assert sum(1 for _ in pieces) >= 2


def test_too_many_at_once_wait_then_are_refused_and_others_are_not(gate: str, upstream: FakeOpenAI) -> None:
    threads = [threading.Thread(target=ask, args=(gate, "key-a", "wait")) for _ in range(2)]
    for each in threads:
        each.start()
    until = time.monotonic() + 5
    while upstream.running < 1 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    with pytest.raises(openai.RateLimitError, match="1 of your requests wait already"):
        ask(gate, "key-a", "hello")
    assert ask(gate, "key-b", "hello") == "You said hello."
    upstream.let_go.set()
    for each in threads:
        each.join(5)
    assert upstream.most == 2 and ask(gate, "key-a", "again") == "You said again."


def test_who_hangs_up_frees_the_slot_here_and_at_the_server(gate: str, upstream: FakeOpenAI) -> None:
    messages = [{"role": "user", "content": "wait"}]
    stream = client(gate, "key-a").chat.completions.create(model=MODEL, messages=messages, stream=True)
    next(iter(stream))
    stream.close()
    assert ask(gate, "key-a", "hello") == "You said hello."
    until = time.monotonic() + 5
    while upstream.running and time.monotonic() < until:
        time.sleep(0.01)
    assert upstream.running == 0


def test_who_gives_up_before_an_answer_keeps_no_turn_and_no_place_in_the_queue() -> None:
    """Half of a flood is interrupted cells: what nobody waits for must not be worked off."""
    at_work: list[int] = []

    async def slow(request: Request) -> Response:
        at_work.append(1)
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        at_work.pop()
        return Response()

    app = Starlette(routes=[Route("/v1/completions", slow, methods=["POST"])])
    with serving(app) as behind:
        made = Gate(f"{behind}/v1", KEY, {"key-a": "ann"}, Turns(slots=9, most=1, queue=9))
        with serving(made.app) as url:

            def give_up() -> None:
                with pytest.raises(httpx.ReadTimeout):
                    headers = {"Authorization": "Bearer key-a"}
                    where = f"{url}/v1/completions"
                    httpx.post(where, headers=headers, json={}, timeout=0.5, trust_env=False)

            with ThreadPoolExecutor(3) as pool:
                asked = [pool.submit(give_up) for _ in range(3)]
                until = time.monotonic() + 5
                while made.turnstile.waiting("ann") < 2 and time.monotonic() < until:
                    time.sleep(0.01)
                assert at_work and made.turnstile.waiting("ann") == 2
                for each in asked:
                    each.result()
            until = time.monotonic() + 5
            while (at_work or made.turnstile.running.total()) and time.monotonic() < until:
                time.sleep(0.01)
            assert not at_work and not made.turnstile.running.total() and not made.turnstile.waiting("ann")


def test_a_learners_first_request_ranks_before_anothers_tenth(upstream: FakeOpenAI) -> None:
    names = {"key-a": "ann", "key-b": "bob"}
    with serving(upstream.app) as behind:
        made = Gate(f"{behind}/v1", KEY, names, Turns(slots=9, most=5), priority=True)
        with serving(made.app) as url:
            threads = [threading.Thread(target=ask, args=(f"{url}/v1", "key-a", "wait")) for _ in range(3)]
            for each in threads:
                each.start()
            until = time.monotonic() + 5
            while upstream.running < 3 and time.monotonic() < until:
                time.sleep(0.01)
            ask(f"{url}/v1", "key-b", "hello")
            upstream.let_go.set()
            for each in threads:
                each.join(5)
    assert sorted(each["priority"] for each in upstream.asked[:3]) == [0, 1, 2]
    assert upstream.asked[3]["priority"] == 0


def test_a_server_that_is_gone_is_a_sentence() -> None:
    made = Gate("http://127.0.0.1:9/v1", KEY, {"key-a": "ann"}, TURNS)
    with serving(made.app) as url:
        answer = httpx.get(f"{url}/v1/models", headers={"Authorization": "Bearer key-a"}, trust_env=False)
    assert answer.status_code == 503 and "does not answer" in answer.json()["error"]["message"]


def test_a_notebook_attaches_to_what_is_lent(gate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import labkit

    monkeypatch.setenv("LABKIT_URL", gate)
    monkeypatch.setenv("LABKIT_API_KEY", "key-a")
    session = labkit.start(progress=False)
    assert (session.model, session.url, session.note) == (MODEL, gate, lent.TEXT["note"])
    assert session.chat("hello", temperature=0).text == "You said hello."
    assert labkit.status().state == "ready"
    with pytest.raises(LabkitError, match="shares one server"):
        labkit.start(vision=False, progress=False)
    monkeypatch.setenv("LABKIT_API_KEY", "wrong")
    with pytest.raises(LabkitError, match="refuses your key"):
        labkit.start(progress=False)
    monkeypatch.setenv("LABKIT_URL", "http://127.0.0.1:9")
    with pytest.raises(LabkitError, match="Tell your instructor"):
        labkit.start(progress=False)
