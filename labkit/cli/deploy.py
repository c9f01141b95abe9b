"""`labkit deploy`"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from labkit.errors import LabkitError

TEXT = {
    "bounds": "--most is {most}, and --least is {least}: the most must be the least or more.",
    "stop": "`labkit down` ends it.",
    "written": """{files}
Make the key, then hand both over (KubeRay's operator and JupyterHub's chart must be known to the cluster):
  kubectl create secret generic {secret} --from-literal={item}=$(openssl rand -hex 16)
  kubectl apply -f {service}
  helm upgrade --install hub jupyterhub/jupyterhub -f {values} \\
    --set-string hub.config.SharedPasswordAuthenticator.user_password=$(openssl rand -hex 8)""",
    "no_file": "{path} cannot be written: {why}.",
}


@click.group()
def deploy() -> None:
    """Serve on more than one process or machine: Ray Serve here, or files for Kubernetes."""


def _shared(command: Callable[..., None]) -> Callable[..., None]:
    """The options that both have."""
    for option in (
        click.option("--context", type=click.IntRange(1), default=32768, show_default=True, help="Tokens."),
        click.option("--cards", type=click.IntRange(1), default=1, show_default=True, help="For a replica."),
        click.option("--most", type=click.IntRange(1), default=2, show_default=True, help="Replicas."),
        click.option("--least", type=click.IntRange(1), default=1, show_default=True, help="Replicas."),
        click.argument("variant", default="pocket"),
    ):
        command = option(command)
    return command


@deploy.command()
@_shared
@click.option("--port", type=click.IntRange(1, 65535), help="By default the first free one from 8000.")
@click.option("--timeout", type=float, default=300, show_default=True, help="Seconds to wait.")
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the config, no more.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing unless it fails.")
def ray(
    variant: str,
    least: int,
    most: int,
    cards: int,
    context: int,
    port: int | None,
    timeout: float,
    write: Path | None,
    quiet: bool,
) -> None:
    """Serve VARIANT with Ray Serve LLM, between --least and --most replicas, on this machine.

    With --write, the config goes into a file instead, for `serve deploy` on a cluster of your own.
    """
    from labkit import starting
    from labkit.display import Progress

    _check(least, most)
    show = Progress(not quiet)
    if write:
        from labkit.deploying import serve_config

        _put(write, serve_config(variant, least, most, cards=cards, context=context, port=port or 8000))
        return
    starting.up(
        variant,
        port=port,
        timeout=timeout,
        progress=show,
        cards=cards,
        context=context,
        ray=(least, most),
    )
    if not quiet:
        click.echo(TEXT["stop"])


@deploy.command("kubernetes")
@_shared
@click.option(
    "--to", "folder", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder."
)
@click.option(
    "--image", required=True, help="NAME:TAG with Ray 2.60 and vLLM, as rayproject/ray-llm has them."
)
@click.option("--hub-image", required=True, help="NAME:TAG with the course, for the learners' kernels.")
@click.option("--learners", type=click.IntRange(1), default=30, show_default=True, help="At the same time.")
def on_kubernetes(variant: str, least: int, most: int, folder: Path, **options: Any) -> None:
    """Write a RayService manifest and values for JupyterHub's chart, for VARIANT (W4A16, FP8, BF16)."""
    from labkit.deploying import kubernetes_files
    from labkit.engines.kubernetes import SECRET, SECRET_ITEM

    _check(least, most)
    try:
        service, values = kubernetes_files(variant, folder, least=least, most=most, **options)
    except OSError as error:
        raise LabkitError(TEXT["no_file"].format(path=folder, why=error.strerror)) from None
    names = {"service": service, "values": values, "secret": SECRET, "item": SECRET_ITEM}
    click.echo(TEXT["written"].format(files=f"{service}\n{values}", **names))


def _check(least: int, most: int) -> None:
    if most < least:
        raise LabkitError(TEXT["bounds"].format(most=most, least=least))


def _put(path: Path, content: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise LabkitError(TEXT["no_file"].format(path=path, why=error.strerror)) from None
    click.echo(str(path))
