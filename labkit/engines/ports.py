"""Ports of this machine, held from the choice until the server has opened its own."""

from __future__ import annotations

import socket
import sys


def hold(port: int) -> socket.socket | None:
    """What keeps `port` of 127.0.0.1 from labkit's other servers until it is closed; None where it is taken.

    vLLM binds its port some ten seconds after its start, listens on it half a minute later, and binds with
    SO_REUSEADDR: until one listens, two get the same port, and the later one dies. So the choice itself is
    made known, by a name that goes with its process. (Linux only: elsewhere nothing is held.)
    """
    held = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            held.bind(f"\0labkit-port-{port}")  # in the kernel's list of names: no file
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return None
    return held


def listens(port: int) -> bool:
    """Whether anything on 127.0.0.1 takes connections at `port`."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0
