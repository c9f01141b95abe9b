"""`python -m labkit.engines.ollama_standin --upstream URL`; the upstream's key comes from LABKIT_API_KEY."""

from __future__ import annotations

import errno
import os
import socket
from datetime import UTC, datetime

import click
import uvicorn

from labkit.engines.ollama_standin.app import make_app
from labkit.engines.ollama_standin.models import Faults, Models, full_name


@click.command()
@click.option("--upstream", required=True, help="Address of an OpenAI-compatible API, ending in /v1.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=11434, show_default=True, type=click.IntRange(1, 65535))
@click.option("--pulled", multiple=True, help="A model that is there from the start.")
@click.option("--parallel", default=1, show_default=True, help="Like OLLAMA_NUM_PARALLEL.")
@click.option("--vram-share", default=1.0, show_default=True, help="Below 1: models spill to the CPU.")
@click.option("--pull-breaks-at", type=float, help="The part of a pull after which it breaks off, once.")
def main(
    upstream: str,
    host: str,
    port: int,
    pulled: tuple[str, ...],
    parallel: int,
    vram_share: float,
    pull_breaks_at: float | None,
) -> None:
    """A stand-in for the Ollama server, in front of another one."""
    here = {full_name(name): datetime.now(UTC) for name in pulled}
    models = Models(here, faults=Faults(vram_share, pull_breaks_at))
    app = make_app(upstream, os.environ.get("LABKIT_API_KEY", "EMPTY"), models, parallel=parallel)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            why = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise click.ClickException(f"listen tcp {host}:{port}: bind: {why}") from None
        uvicorn.Server(uvicorn.Config(app, log_level="info")).run(sockets=[listening])


if __name__ == "__main__":
    main(prog_name="python -m labkit.engines.ollama_standin")
