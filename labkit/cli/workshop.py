"""`labkit workshop`: a class on one machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

TEXT = {
    "open": "Open at {url}",
    "board": "Your board: {url}/services/board/  (sign in as {teacher})",
    "teacher": "{teacher}'s password: {password}",
    "shared": "The class's password: {password}",
    "own": "Everybody's own password is in {path}",
    "names": "Names: {first} to {last}",
    "tunnel": "From a laptop, first: {tunnel}",
    "down": "Closed; {count} processes have ended. The learners' files stay in {homes}. The model's "
    "server goes on: `labkit down` ends it.",
    "removed": "{count} system users are removed.",
    "nothing": "No workshop was open.",
    "disk": "Only {free:.1f} GiB of disk are free where the learners' files lie ({homes}).",
    "file": "{path} cannot be read: {why}",
}


_LOW_GIB = 5.0


@click.group()
def workshop() -> None:
    """A class on this machine: JupyterHub, one model for all, a board for the instructor."""


@workshop.command()
@click.option("--learners", type=click.IntRange(1, 500), help="So many: learner01, learner02, ...")
@click.option("--names", type=click.Path(path_type=Path), help="A file with a name on each line instead.")
@click.option(
    "--sign-in", type=click.Choice(["own", "shared"]), help="A password each (root only, the default there)."
)
@click.option("--port", type=click.IntRange(1024, 65000), default=8100, show_default=True)
@click.option("--homes", help="The learners' homes; on a rented machine, a folder on the disk that is kept.")
@click.option("--model", help="What to serve, as for `labkit up`; by default what runs, or the twin.")
@click.option("--idle", type=click.IntRange(1), default=60, show_default=True, help="Minutes until culled.")
def up(
    learners: int | None,
    names: Path | None,
    sign_in: str | None,
    port: int,
    homes: str | None,
    model: str | None,
    idle: int,
) -> None:
    """Open a workshop; without --learners or --names, bring back the last one, kernels and all."""
    from labkit.display import Progress
    from labkit.workshop import opening, room

    wanted = None
    if learners or names:
        who = _read_names(names) if names else room.numbered(learners or 0)
        wanted = opening.describe(who, sign_in, port, homes, idle * 60)  # type: ignore[arg-type]
    opened = opening.up(wanted, Progress(), model)
    for line in _said(opened):
        click.echo(line)


@workshop.command()
@click.option("--remove-users", is_flag=True, help="Remove the class's system users as well; homes stay.")
def down(remove_users: bool) -> None:
    """Stop everything of the workshop. Files, users, keys and passwords stay."""
    from labkit.workshop import opening, people, room

    here, count = room.read(), opening.down()
    told = TEXT["down"].format(count=count, homes=here.homes) if here and count else TEXT["nothing"]
    click.echo(told)
    if remove_users and here and here.separate:
        click.echo(TEXT["removed"].format(count=people.remove(here)))


@workshop.command()
def status() -> None:
    """Say how it is. Exit code 0: open and well; 4: not."""
    from labkit.workshop import opening

    well, said = opening.status()
    click.echo(said)
    sys.exit(0 if well else 4)


@workshop.command()
@click.option("--learners", type=click.IntRange(1, 500), default=30, show_default=True)
@click.option("--context", type=int, default=8192, show_default=True, help="Tokens for each learner.")
@click.option("--gpu", help='A card by its name ("4090", "2x4090", "H100"). By default, what is here.')
@click.option("--count", type=int, help="How many cards.")
def plan(learners: int, context: int, gpu: str | None, count: int | None) -> None:
    """Say what a class needs: which recipe holds it, and how much machine."""
    from labkit.workshop.planning import class_plan

    click.echo(str(class_plan(learners, context, gpu, count)))


@workshop.command()
def check() -> None:
    """The evening before: disk, memory, ports, proxy, server, every sign-in. Exit code 1: to mend."""
    from labkit.workshop.checking import check as look

    found = look()
    click.echo(str(found))
    sys.exit(0 if found else 1)


@workshop.command()
@click.argument("folder", type=click.Path(path_type=Path))
def pack(folder: Path) -> None:
    """Fill FOLDER so that a room without a network can set itself up from it."""
    from labkit.display import Progress
    from labkit.workshop.packing import pack as fill

    click.echo(str(fill(folder, Progress())))


def _read_names(path: Path) -> tuple[str, ...]:
    from labkit.errors import LabkitError

    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise LabkitError(TEXT["file"].format(path=path, why=error)) from None
    return tuple(line.strip() for line in lines if line.strip())


def _said(opened: object) -> list[str]:
    from labkit.hardware import machine
    from labkit.remote import tunnel
    from labkit.workshop import room
    from labkit.workshop.opening import Opened

    assert isinstance(opened, Opened)
    here = opened.room
    lines = [TEXT["open"].format(url=here.url)]
    lines.append(TEXT["names"].format(first=here.learners[0], last=here.learners[-1]))
    if opened.passwords:
        lines.append(TEXT["own"].format(path=room.state() / "passwords.json"))
        teacher = opened.passwords[room.TEACHER]
    else:
        lines.append(TEXT["shared"].format(password=opened.secrets.learner_password))
        teacher = opened.secrets.teacher_password
    lines.append(TEXT["teacher"].format(teacher=room.TEACHER, password=teacher))
    lines.append(TEXT["board"].format(url=here.url, teacher=room.TEACHER))
    lines.append(TEXT["tunnel"].format(tunnel=tunnel(here.port)))
    if (free := machine(Path(here.homes)).disk_free_gib) < _LOW_GIB:
        lines.append(TEXT["disk"].format(free=free, homes=here.homes))
    return [*lines, "", here.isolation]
