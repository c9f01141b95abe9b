"""`labkit logs`"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import click

from labkit.errors import LabkitError

TEXT = {"none": "There is no log yet: no server has been started here. Start one with `labkit up`."}


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on showing what is added, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=40, show_default=True, help="The last lines.")
def logs(follow: bool, lines: int) -> None:
    """Show the log of the server, or of the last one that ran."""
    with open(_newest(), encoding="utf-8", errors="replace") as file:
        for line in deque(file, maxlen=lines):
            click.echo(line, nl=False)
        with suppress(KeyboardInterrupt):
            while follow:
                added = file.read()
                click.echo(added, nl=False)
                if not added:
                    time.sleep(0.3)


def _newest() -> Path:
    from labkit import home

    found = sorted((home.home() / "logs").glob("*.log"))
    if not found:
        raise LabkitError(TEXT["none"])
    return found[-1]
