"""`labkit export`"""

from __future__ import annotations

import shlex

import click

TEXT = {
    "done": "The pocket twin is in {folder}. Where Ollama runs, type:\n  {create}\n  {run}",
}


@click.command()
@click.option("--to", "folder", required=True, type=click.Path(), help="A new or an empty folder.")
def export(folder: str) -> None:
    """Write the pocket twin as a folder that `ollama create` takes."""
    from labkit.engines.ollama_engine.export import POCKET_NAME
    from labkit.engines.ollama_engine.export import export as write

    made = write(folder)
    create = shlex.join(["ollama", "create", POCKET_NAME, "-f", str(made / "Modelfile")])
    click.echo(TEXT["done"].format(folder=made, create=create, run=f"ollama run {POCKET_NAME}"))
