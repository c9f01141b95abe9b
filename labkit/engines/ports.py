"""Ports of this machine, held from the choice until the server has opened its own."""

from __future__ import annotations

import socket


def hold(port: int) -> socket.socket | None:
    """A socket that keeps `port` of 127.0.0.1 from others until it is closed; None where the port is taken.

    vLLM opens its port some ten seconds after its start, with SO_REUSEPORT: two that start at once would both
    get the same one, and the kernel would deal their requests out by chance. This socket lets vLLM in beside
    it, since it has SO_REUSEPORT too, and is seen by whoever tries the port meanwhile. It never listens.
    """
    held = socket.socket()
    # Without SO_REUSEADDR the port of a server that has just ended is taken for a minute; with it, whoever
    # tries the port next would not see us.
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        held.close()
        return None
    return held
