"""The `labkit` command: one file a subcommand, each a thin layer over the package.

Exit codes: 0 done; 1 it failed, and a sentence on stderr says why; 2 wrong use; 130 interrupted.
`labkit status` has two more: 3 no server, 4 a server that does not answer (yet).
"""

from __future__ import annotations

import sys
from typing import Any

import click

from labkit.cli.chat import chat
from labkit.cli.doctor import diagnose, doctor
from labkit.cli.down import down
from labkit.cli.export import export
from labkit.cli.logs import logs
from labkit.cli.plan import plan
from labkit.cli.status import status
from labkit.cli.up import up
from labkit.cli.workshop import workshop
from labkit.errors import LabkitError

TEXT = {"interrupted": "Interrupted."}


class _Group(click.Group):
    """Turns what a learner can mend into its sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LabkitError as error:
            click.echo(f"labkit: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo(f"\n{TEXT['interrupted']}", err=True)
            sys.exit(130)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Mistral Small 3.1 on this machine: start it, talk to it, stop it."""


for _command in (up, status, chat, logs, down, plan, export, doctor, diagnose, workshop):
    main.add_command(_command)
