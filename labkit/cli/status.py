"""`labkit status`"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

_EXIT = {"ready": 0, "none": 3, "loading": 4, "broken": 4}


@click.command()
@click.option("--engine", help="vllm, ollama or transformers; by default the one that runs.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, for programs.")
def status(engine: str | None, as_json: bool) -> None:
    """Say how the server is.

    Exit code 0: it answers; 3: there is none; 4: it does not answer (yet).
    """
    from labkit import running

    found = running.status(engine)
    click.echo(json.dumps(asdict(found), indent=2) if as_json else found.message)
    if not as_json and found.log:
        click.echo(f"log: {found.log}")
    sys.exit(_EXIT[found.state])
