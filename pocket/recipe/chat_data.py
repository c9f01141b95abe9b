"""The words of the chat skills, read once from the YAML files beside this one."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pocket.recipe.pictures import Wordings
from pocket.recipe.sample import TEST, TRAIN, held_out

HERE = Path(__file__).parent


@cache
def data(name: str) -> Any:
    """The content of `<name>.yaml`."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load((HERE / f"{name}.yaml").read_text("utf-8"), Loader=loader)


@cache
def wordings(name: str) -> Wordings:
    """The ways to ask one thing, from chat_wordings.yaml."""
    return Wordings(*data("chat_wordings")[name])


def any_wording(name: str, rng: random.Random, **slots: object) -> str:
    """A way to ask, of those of the exam or the others: for questions whose numbers are held out instead."""
    return wordings(name).pick(rng, TEST if rng.random() < 1 / 7 else TRAIN, **slots)


def unseen(
    rng: random.Random, split: str, sign: str, a: tuple[int, int], b: tuple[int, int]
) -> tuple[int, int]:
    """Two numbers from these ranges, both ends in, for a sum that only this split has.

    sign: "+", "x", or "-" (the first number is then not the smaller one).
    """
    while True:
        x, y = rng.randint(*a), rng.randint(*b)
        if held_out(f"{x} {sign} {y}") == (split == TEST) and (sign != "-" or x >= y):
            return x, y
