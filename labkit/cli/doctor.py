"""`labkit doctor` and `labkit diagnose`"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from labkit.errors import LabkitError

TEXT = {
    "written": "Written to {path}, without secrets: you can share it.",
    "no_file": "{path} cannot be written: {why}.",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, for programs.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file as well.")
def doctor(as_json: bool, report: Path | None) -> None:
    """Look at this machine, its packages and its servers: what is wrong, and what mends it.

    Exit code 0: all is well; 1: something is to be mended. Keys and tokens are left out of what it prints.
    """
    from labkit.clinic import doctor as examine

    found = examine()
    text = found.as_json() if as_json else str(found)
    click.echo(text)
    if report:
        try:
            report.write_text(text + "\n", "utf-8")
        except OSError as error:
            raise LabkitError(TEXT["no_file"].format(path=report, why=error.strerror)) from None
        click.echo(TEXT["written"].format(path=report), err=True)
    sys.exit(0 if found else 1)


@click.command()
@click.argument("log", required=False, type=click.Path(path_type=Path))
def diagnose(log: Path | None) -> None:
    """Say the cause of an error: of a LOG, or of what is piped in (labkit logs | labkit diagnose).

    Exit code 0: a known cause; 1: none.
    """
    from labkit import diagnosis

    found = diagnosis.diagnose(log or sys.stdin.read())
    click.echo(str(found))
    sys.exit(0 if found else 1)
