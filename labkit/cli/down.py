"""`labkit down`"""

from __future__ import annotations

import click

TEXT = {"stopped": "Stopped. Its log is kept: `labkit logs`.", "none": "No server was running."}


@click.command()
@click.option("--engine", help="vllm or ollama; by default all that labkit started.")
def down(engine: str | None) -> None:
    """Stop the server and all of its processes."""
    from labkit import running

    click.echo(TEXT["stopped"] if running.stop(engine) else TEXT["none"])
