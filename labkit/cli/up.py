"""`labkit up`"""

from __future__ import annotations

from typing import Any

import click

from labkit.errors import LabkitError

TEXT = {
    "twice": "Name the variant once.",
    "vllm_only": "{option} is a word of vLLM's. Leave it out with {engine}.",
    "inside": "Transformers runs inside a Python program and ends with it: no server stays. "
    "Use it in a notebook: labkit.start({variant!r}, engine='transformers').",
}


@click.command()
@click.argument("variant", required=False)
@click.option("--variant", "named", help="The same as VARIANT.")
@click.option("--engine", default="auto", show_default=True, help="vllm or ollama.")
@click.option("--port", type=click.IntRange(1, 65535), help="vLLM: by default the first free one from 8000.")
@click.option("--replicas", type=click.IntRange(1), help="vLLM: equal servers behind one address.")
@click.option("--cards", type=click.IntRange(1), help="vLLM: GPUs that share each layer.")
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds to wait.")
@click.option("--flag", "flags", multiple=True, help="vLLM: one more word for its command.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing unless it fails.")
def up(
    variant: str | None,
    named: str | None,
    engine: str,
    port: int | None,
    replicas: int | None,
    cards: int | None,
    timeout: float,
    flags: tuple[str, ...],
    quiet: bool,
) -> None:
    """Start the server, or find it running.

    VARIANT is "pocket" (the rehearsal twin; also where none is named), a variant of the catalog (Q4_K_M,
    W4A16, FP8, BF16), a Hugging Face name, an Ollama tag or a folder.
    """
    from labkit import running
    from labkit.display import Progress

    if variant and named:
        raise click.UsageError(TEXT["twice"])
    variant = variant or named or "pocket"
    name = running.choose(variant, engine)
    if name == "transformers":
        raise LabkitError(TEXT["inside"].format(variant=variant))
    options: dict[str, Any] = {}
    given = {"port": port, "replicas": replicas, "cards": cards, "flag": flags}
    for option, value in given.items():
        if value:
            if name != "vllm":
                raise LabkitError(TEXT["vllm_only"].format(option=f"--{option}", engine=name))
            options["extra_flags" if option == "flag" else option] = value
    show = Progress(not quiet)
    try:
        found = running.start(variant, name, show=show, timeout=timeout, **options)
    finally:
        show.close()
    if found.note and not quiet:
        click.echo(found.note)
