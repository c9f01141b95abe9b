from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from labkit.engines.lock import Lock, lock
from tests.fake_openai import serving


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "sesame")


def test_every_path_wants_the_key_but_health() -> None:
    def inside(request: Request) -> PlainTextResponse:
        return PlainTextResponse("inside")

    app = Starlette(routes=[Route("/{path:path}", inside, methods=["GET", "POST"])], middleware=lock())
    with serving(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        for path in ("/v1/models", "/invocations", "/metrics", "/tokenize", "/", "/health/", "//health"):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "sesame"}):
                assert http.post(path, headers=headers).status_code == 401, (path, headers)
            opened = http.post(path, headers={"Authorization": "Bearer sesame"})
            assert (opened.status_code, opened.text) == (200, "inside")
        assert http.get("/health").text == http.get("/-/healthz").text == "inside"


def test_a_websocket_wants_it_too_and_the_start_of_the_server_does_not() -> None:
    passed, said = list[str](), list[dict[str, Any]]()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    door = Lock(app)
    asyncio.run(door({"type": "websocket", "path": "/v1/realtime", "headers": []}, None, send))
    assert not passed and said[0]["type"] == "websocket.close"
    asyncio.run(door({"type": "lifespan"}, None, send))
    assert passed == ["lifespan"]
