"""A server that loads: watch it until it answers, or say why it ended."""

from __future__ import annotations

import time
from dataclasses import replace

from labkit import home
from labkit.diagnosis import with_cure
from labkit.display import Progress
from labkit.engines import ports, vllm
from labkit.errors import LabkitError
from labkit.home import Server
from labkit.server import end, lives, ping, stage, tail, unanswered

TEXT = {
    "died": "The server ended while it was {stage}: {why}.",
    "log": "The whole log: {log}",
    "no_words": "it said nothing",
    "stopped": "The server was stopped while it was loading. Start it again with labkit.start() "
    "(or `labkit up`).",
    "slow": "The server is not ready after {timeout:.0f} s; it is {stage} and goes on loading. "
    "Call labkit.start() again to wait longer, or see `labkit logs`.",
    "refused": "The server refuses a first request ({why}). The whole log: {log}",
}
PING_S = 30.0
"""So long may a one-token request take."""


def wait(server: Server, deadline: float, timeout: float, show: Progress) -> Server:
    """Watch a loading server until it has answered; remember then that it is ready.

    deadline: by time.monotonic(). timeout: the seconds that were given in all, for the sentence. Raises
    LabkitError for a server that ends, that refuses a first request, or that is not ready by then.
    """
    while time.monotonic() < deadline:
        show.update(stage(server))
        if not all(map(lives, server.parts)):
            raise _died(server)
        if server.replicas:  # one that has long been serving says no more in its log that it listens
            # No question before all listen: a worker that is asked again and again never goes idle, and
            # on two cores it has kept one that starts from its first second for minutes.
            all_listen = all(ports.listens(each.port) for each in server.parts)
            why = unanswered(server, PING_S) if all_listen else "loading"
        else:
            why = ping(server, PING_S) if vllm.listens(tail(server.log)) else "loading"
        if why is None:
            server = replace(server, ready=True)
            home.write(server)
            return server
        if (why or "").startswith("HTTP 4"):
            raise LabkitError(TEXT["refused"].format(why=why, log=server.log))
        time.sleep(0.25)
    raise LabkitError(TEXT["slow"].format(timeout=timeout, stage=stage(server)))


def _died(server: Server) -> LabkitError:
    """Clean up after a server that ended while loading, and say why it did. Replicas that answer stay."""
    dead = next(each for each in server.parts if not lives(each))
    if home.read() is None:  # labkit.stop() in another window
        end(server)
        return LabkitError(TEXT["stopped"])
    if server.replicas and ping(server, PING_S) is None:
        home.write(replace(server, ready=True))
    else:
        end(server)
        home.forget()
    log = tail(dead.log)
    why = vllm.last_words(log) or TEXT["no_words"]
    sentence = TEXT["died"].format(stage=vllm.stage(log), why=why.rstrip("."))
    return LabkitError(f"{with_cure(sentence, log)} {TEXT['log'].format(log=dead.log)}")
