"""Asks for the API key at every path of a server: Ray Serve has no lock of its own, vLLM one for some paths.

Their own processes load this by name (ray_serve.py, workshop/gate.py). It needs no other file of labkit, so
that a cluster is given it alone (kubernetes.py).
"""

from __future__ import annotations

import hmac
import os
from typing import Any

OPEN = ("/health", "/-/healthz")
"""What needs no key: whether the server lives."""


class Lock:
    """An ASGI middleware that lets in who brings the key, which it finds in VLLM_API_KEY."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._wanted = f"Bearer {os.environ['VLLM_API_KEY']}".encode()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or answer 401; a websocket is refused."""
        given = dict(scope.get("headers") or ()).get(b"authorization", b"")
        locked = scope["type"] in ("http", "websocket") and scope.get("path") not in OPEN
        if not locked or hmac.compare_digest(given, self._wanted):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            head = {"status": 401, "headers": [(b"content-type", b"application/json")]}
            await send({"type": "http.response.start", **head})
            await send({"type": "http.response.body", "body": b'{"error": {"message": "Unauthorized"}}'})


def lock() -> list[Any]:
    """What Ray Serve's door is told to put before everything else."""
    from starlette.middleware import Middleware

    return [Middleware(Lock)]
