"""The `labkit` command: one file a subcommand, each a thin layer over the package.

Exit codes: 0 done; 1 it failed, and a sentence on stderr says why; 2 wrong use; 130 interrupted.
`labkit status` has two more: 3 no server, 4 a server that does not answer (yet).
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from labkit.cli.chat import chat
from labkit.cli.deploy import deploy
from labkit.cli.doctor import diagnose, doctor
from labkit.cli.down import down
from labkit.cli.export import export
from labkit.cli.logs import logs
from labkit.cli.plan import plan
from labkit.cli.status import status
from labkit.cli.up import up
from labkit.cli.workshop import workshop
from labkit.errors import LabkitError

TEXT = {
    "interrupted": "Interrupted.",
    "unexpected": "{kind}: {why}.",
    "unexpected_more": "That should not happen. `labkit doctor` looks at the machine and the servers; "
    "where it finds nothing, please report what LABKIT_TRACEBACK=1 in front of the command shows.",
}


_CLICKS_OWN = (click.ClickException, click.exceptions.Exit, click.Abort)


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
        except Exception as error:
            if isinstance(error, _CLICKS_OWN) or os.environ.get("LABKIT_TRACEBACK"):
                raise
            from labkit.diagnosis import with_cure

            why = TEXT["unexpected"].format(kind=type(error).__name__, why=str(error).rstrip("."))
            click.echo(f"labkit: {with_cure(why, error, TEXT['unexpected_more'])}", err=True)
            sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Mistral Small 3.1 on this machine: start it, talk to it, stop it."""


for _command in (up, status, chat, logs, down, plan, export, doctor, diagnose, deploy, workshop):
    main.add_command(_command)
