"""Asks for the API key at the door of Ray Serve, which has no lock of its own; and keeps Ray on this machine.

Ray's own processes load this by name (see ray_serve.py and ray_runner.py).
"""

from __future__ import annotations

import hmac
import os
from typing import Any

HERE = "127.0.0.1"


class Lock:
    """An ASGI middleware that lets in who brings the key, as vLLM does. Health is open to all."""

    def __init__(self, app: Any, key: str) -> None:
        self._app = app
        self._wanted = f"Bearer {key}".encode()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, or answer 401."""
        given = dict(scope.get("headers") or ()).get(b"authorization", b"")
        locked = scope["type"] == "http" and scope.get("path") != "/-/healthz"
        if locked and not hmac.compare_digest(given, self._wanted):
            head = {"status": 401, "headers": [(b"content-type", b"application/json")]}
            await send({"type": "http.response.start", **head})
            await send({"type": "http.response.body", "body": b'{"error": {"message": "Unauthorized"}}'})
            return
        await self._app(scope, receive, send)


def lock() -> list[Any]:
    """What Ray Serve's door is told to put before everything else."""
    from starlette.middleware import Middleware

    return [Middleware(Lock, key=os.environ["VLLM_API_KEY"])]


def head_stays_here() -> None:
    """Ray takes 127.0.0.1 for a slip and puts the machine's own address, with its ports, in its place."""
    from ray._private import services

    services.resolve_ip_for_localhost = lambda host: host
    services.get_node_ip_address = lambda *_, **__: HERE


def worker_stays_here() -> None:
    """A replica opens a port for its neighbours, on all addresses; here they are all on this machine."""
    from ray.serve._private import replica

    opened = replica.add_port_to_grpc_server
    replica.add_port_to_grpc_server = lambda server, address: opened(server, address.replace("[::]", HERE))
