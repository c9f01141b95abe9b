"""What a command's flags do, word by word, from labkit/catalog/flags.yaml."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

from labkit import catalog
from labkit.engines.recipe import Command

TEXT = {
    "head": "| flag | value | what it does | without it |\n|---|---|---|---|",
    "unknown": "`vllm serve --help={name}` tells.",
    "unknown_without": "vLLM's own default counts.",
}


class Flag(BaseModel):
    """What catalog/flags.yaml says of one flag or environment variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    does: str
    without: str


class Explained(NamedTuple):
    """One flag of a command. `value` is "" for a flag that takes none."""

    flag: str
    value: str
    does: str
    without: str


class Explanation(list[Explained]):
    """A command's flags in their order; a notebook shows them as a table."""

    def _repr_markdown_(self) -> str:
        return "\n".join([TEXT["head"], *map(_line, self)])


@cache
def known() -> Mapping[str, Flag]:
    """Every flag that the catalog explains, by its name."""
    return TypeAdapter(dict[str, Flag]).validate_python(catalog.load("flags"))


def explain(command: Command | Sequence[str] | str) -> Explanation:
    """What each flag of a command of vLLM's does, and what happens without it.

    command: a `Command` (its environment variables are explained too), a list of words, or a line of shell.
    Words that belong to no flag (`vllm serve MODEL`) are passed over.
    """
    if isinstance(command, Command):
        variables, words = list(command.env), list(command.argv)
    else:
        variables, words = [], shlex.split(command) if isinstance(command, str) else list(command)
    return Explanation(_explained(*pair) for pair in [*_pairs(words), *variables])


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    """Flags with their values. In `docker run ... IMAGE MODEL ...` only what follows the image is vLLM's."""
    pairs: list[tuple[str, str]] = []
    if words[:2] == ["docker", "run"]:
        image = next((at for at, word in enumerate(words) if "vllm-openai" in word), len(words))
        words = words[image:]
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        if not word.startswith("--"):
            continue
        name, equals, value = word.partition("=")
        pairs.append((name, value if equals or following.startswith("--") else following))
    return pairs


def _explained(name: str, value: str) -> Explained:
    found = known().get(name)
    if found:
        return Explained(name, value, found.does, found.without)
    return Explained(
        name, value, TEXT["unknown"].format(name=name.removeprefix("--")), TEXT["unknown_without"]
    )


def _line(row: Explained) -> str:
    value = f"`{row.value}`".replace("|", "\\|") if row.value else ""
    return f"| `{row.flag}` | {value} | {row.does} | {row.without} |"
