"""vLLM's own router (`vllm-router`): its command, which puts one address before several equal servers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from labkit.engines.recipe import Command

POLICY = "round_robin"
HEALTH_S = 2
"""Seconds between two looks at each server. With vllm-router's own 60, every second question would go to a
dead one for minutes, and be asked again elsewhere."""
TRIES = 5
"""Of one request, if nothing has come. A server that has failed once less in a row is left out for a while,
so that no request spends all of its tries on a dead one: with vllm-router's own 10, some did, when several
came at once."""

_GUARDED = Path(__file__).parent / "guarded_router.py"


def command(port: int, counts_port: int, urls: Sequence[str], host: str = "127.0.0.1") -> Command:
    """The command that answers on `host`:`port` for the servers at `urls` (each ending in /v1). Pure.

    counts_port: where its own counts are, for this machine only. (It cannot be told to keep none.) The router
    hands the API key of each request on, and the server behind it decides; what the router answers by itself
    is guarded too (see guarded_router.py). No key is in the command, nor in its environment.
    """
    argv = [sys.executable, "-P", str(_GUARDED), "--host", host, "--port", str(port)]
    argv += ["--prometheus-host", "127.0.0.1", "--prometheus-port", str(counts_port)]
    argv += ["--policy", POLICY, "--worker-startup-check-interval", "1"]
    argv += ["--health-check-interval-secs", str(HEALTH_S), "--health-failure-threshold", "2"]
    argv += ["--health-success-threshold", "1", "--cb-timeout-duration-secs", "5"]
    argv += ["--retry-max-retries", str(TRIES), "--cb-failure-threshold", str(TRIES - 1)]
    argv += ["--worker-urls", *(url.removesuffix("/v1") for url in urls)]
    return Command(tuple(argv), (("DO_NOT_TRACK", "1"),))


def environment(composed: Command) -> dict[str, str]:
    """The environment of the router's process: the present one and the command's."""
    return {**os.environ, **dict(composed.env)}
