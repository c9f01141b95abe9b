"""The doors of a running deployment: which paths ask for the key, and who can reach its ports."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import httpx
import psutil

from labkit.clinic.findings import Finding
from labkit.engines import process
from labkit.home import Server

TEXT = {
    "key": "/v1 asks for the key, and takes no other",
    "key_bad": "{path} is open to who has {whose} key (HTTP {status})",
    "none": "no",
    "wrong": "a wrong",
    "key_why": "Whoever finds the address uses your GPU.",
    "key_command": "VLLM_API_KEY=... vllm serve ...",
    "paths": "no other path computes without the key either",
    "paths_bad": "{paths} compute without the key",
    "paths_why": "vLLM's key guards /v1 and little else: the same model answers at /invocations.",
    "paths_command": "labkit up --replicas 2",
    "tells": "{paths} can be read without the key",
    "tells_why": "They tell what runs here and how busy it is, and compute nothing.",
    "behind": "behind the router, {path} computes without the key (port {ports})",
    "behind_why": "Only who has an account on this machine reaches it.",
    "loopback": "all {count} ports listen on 127.0.0.1 alone",
    "outside": "port {port} listens on {address}",
    "inner": "port {port}, which its processes use among themselves, listens on {address}",
    "inner_why": "The engine chose it, and no key guards it. Let the firewall or the renter hand no port on "
    "that you do not name.",
    "outside_why": "Others reach it past the key, and what they send travels unencrypted.",
    "outside_command": "start it with --host 127.0.0.1; let others in by ssh -L, or by a web server with TLS",
}
COMPUTES = ("/invocations", "/generative_scoring", "/tokenize", "/detokenize")
"""Paths outside /v1 at which vLLM 0.32 computes; its key does not guard them."""
TELLS = ("/metrics", "/health", "/version", "/openapi.json")
"""Paths at which it tells about itself."""
_CLOSED = (401, 403, 404, 405)
_ASK_S = 10.0


def doors(server: Server) -> Iterator[Finding]:
    """All findings about the ways in."""
    yield from _key(server)
    yield from _paths(server)
    yield from _listening(server)


def opens(url: str, path: str, key: str | None = None, method: str = "POST") -> int | None:
    """The HTTP status with which `path` of the server at `url` opens to this key, None where it is closed.

    A path that finds fault with the request itself (HTTP 400, 422) has let it in.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1} if method == "POST" else None
    try:
        with httpx.Client(trust_env=False, timeout=_ASK_S, headers=headers) as client:
            status = client.request(method, f"{url.removesuffix('/v1')}{path}", json=body).status_code
    except httpx.HTTPError:
        return None
    return None if status in _CLOSED else status


def _key(server: Server) -> Iterator[Finding]:
    for key, whose in ((None, "none"), ("a-guess", "wrong")):
        for path, method in (("/v1/models", "GET"), ("/v1/chat/completions", "POST")):
            if (status := opens(server.url, path, key, method)) is not None:
                what = TEXT["key_bad"].format(path=path, whose=TEXT[whose], status=status)
                yield Finding("key", "alarm", what, TEXT["key_why"], TEXT["key_command"])
                return
    yield Finding("key", "well", TEXT["key"])


def _paths(server: Server) -> Iterator[Finding]:
    if found := [path for path in COMPUTES if opens(server.url, path) is not None]:
        what = TEXT["paths_bad"].format(paths=", ".join(found))
        yield Finding("paths", "wrong", what, TEXT["paths_why"], TEXT["paths_command"])
    else:
        yield Finding("paths", "well", TEXT["paths"])
    if told := [path for path in TELLS if opens(server.url, path, method="GET") is not None]:
        yield Finding("told", "note", TEXT["tells"].format(paths=", ".join(told)), TEXT["tells_why"])
    if ports := [str(each.port) for each in server.replicas if opens(each.url, COMPUTES[0]) is not None]:
        what = TEXT["behind"].format(path=COMPUTES[0], ports=", ".join(ports))
        yield Finding("behind", "note", what, TEXT["behind_why"])


def _listening(server: Server) -> Iterator[Finding]:
    """Every port of its processes, those that they use among themselves too."""
    ports: dict[int, str] = {}
    for part in server.parts:
        for each in process.family(part.pid, part.create_time):
            try:
                sockets = each.net_connections("tcp")
            except psutil.Error:
                continue
            ports |= {one.laddr.port: one.laddr.ip for one in sockets if one.status == psutil.CONN_LISTEN}
    outside = {port: address for port, address in ports.items() if not ip_address(address).is_loopback}
    answering = {part.port for part in server.parts}
    for port, address in sorted(outside.items()):
        what = TEXT["outside" if port in answering else "inner"].format(port=port, address=address)
        if port in answering:
            yield Finding("loopback", "alarm", what, TEXT["outside_why"], TEXT["outside_command"])
        else:
            yield Finding("loopback", "note", what, TEXT["inner_why"])
    if not outside:
        yield Finding("loopback", "well", TEXT["loopback"].format(count=len(ports)))
