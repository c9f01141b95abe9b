"""The words of the chat skills, read once from the YAML files beside this one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pocket.recipe.pictures import Wordings

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
