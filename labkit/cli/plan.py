"""`labkit plan`"""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--gpu", help='A card by its name ("4090", "2x4090", "H100"). By default, what is here.')
@click.option("--count", type=int, help="How many cards.")
@click.option("--context", type=int, default=32768, show_default=True, help="Tokens for each user.")
@click.option("--users", type=int, default=1, show_default=True, help="Users at the same time.")
@click.option("--images", type=int, default=0, show_default=True, help="Images in a request.")
@click.option(
    "--text-only", is_flag=True, help="Without the vision tower, where the engine can leave it out."
)
@click.option("--price", type=float, help="US dollars a day for the whole machine.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, for programs.")
def plan(
    gpu: str | None,
    count: int | None,
    context: int,
    users: int,
    images: int,
    text_only: bool,
    price: float | None,
    as_json: bool,
) -> None:
    """Say what fits: each recipe's memory, its speed at most, its price."""
    from labkit import planner

    found = planner.plan(gpu, count, context, users, images, not text_only, price)
    click.echo(json.dumps(found.to_dict(), indent=2) if as_json else str(found))
