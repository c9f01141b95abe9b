"""`labkit up`"""

from __future__ import annotations

import click


@click.command()
@click.argument("model", default="pocket")
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free one from 8000.")
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds to wait.")
@click.option("--flag", "flags", multiple=True, help="One more word for the engine's command.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing unless it fails.")
def up(model: str, port: int | None, timeout: float, flags: tuple[str, ...], quiet: bool) -> None:
    """Start the server, or find it running.

    MODEL is "pocket" (the rehearsal twin), a Hugging Face name or a folder.
    """
    from labkit import starting
    from labkit.display import Progress

    starting.up(model, port=port, timeout=timeout, progress=Progress(not quiet), extra_flags=flags)
