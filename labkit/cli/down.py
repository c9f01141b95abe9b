"""`labkit down`"""

from __future__ import annotations

import click

TEXT = {"stopped": "Stopped. Its log is kept: `labkit logs`.", "none": "No server was running."}


@click.command()
def down() -> None:
    """Stop the server and all of its processes."""
    from labkit import server

    click.echo(TEXT["stopped"] if server.stop() else TEXT["none"])
