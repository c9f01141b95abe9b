"""`labkit chat`"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.reply import Reply
    from labkit.session import Session

TEXT = {
    "hello": "{model}. Ask away; an empty line or Ctrl-D ends it, Ctrl-C stops an answer.",
    "prompt": "you",
}


@click.command()
@click.argument("question", nargs=-1)
@click.option("--image", "images", multiple=True, type=click.Path(), help="A picture to ask about.")
@click.option("--system", help="A system message.")
@click.option("--temperature", type=float, default=0.15, show_default=True)
@click.option("--max-tokens", type=click.IntRange(1), default=1024, show_default=True)
def chat(question: tuple[str, ...], images: tuple[str, ...], **settings: Any) -> None:
    """Ask QUESTION once, or talk when there is none.

    It talks to the running server, or to the one that LABKIT_URL and LABKIT_API_KEY name.
    """
    from labkit.session import connect

    session = connect()
    if question:
        reply = session.chat(" ".join(question), image=list(images) or None, **settings)
        sys.exit(0 if _show(reply) else 1)
    _talk(session, list(images), settings)


def _talk(session: Session, images: list[str], settings: dict[str, Any]) -> None:
    """Question and answer in turns; pictures go with the first question."""
    from labkit.session import compose

    click.echo(TEXT["hello"].format(model=session.model))
    messages: list[dict[str, Any]] = []
    while question := _ask():
        asked = compose(question, image=images or None)
        try:
            reply = session.chat([*messages, *asked], **settings)
        except LabkitError as error:
            click.echo(f"labkit: {error}", err=True)
            continue
        try:
            _show(reply)
        except KeyboardInterrupt:
            reply.stop()
            click.echo(f"\n{reply.interrupted}", err=True)
        if reply.message["content"]:  # an empty answer would break the turns
            messages += [*asked, reply.message]
            images = []


def _ask() -> str:
    prompt = click.style(TEXT["prompt"], bold=True)
    try:
        return str(click.prompt(prompt, prompt_suffix="> ", default="", show_default=False)).strip()
    except click.Abort:
        click.echo()
        return ""


def _show(reply: Reply) -> bool:
    """Print the reply as it comes. Returns whether it is whole."""
    for piece in reply:
        click.echo(piece, nl=False)
    click.echo("\n".join(["", *map(str, reply.tool_calls)]))
    return reply.interrupted is None
