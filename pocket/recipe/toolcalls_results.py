"""What tools give back, and the one sentence that states it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from typing import Any

from pocket.recipe.toolcalls_families import Tool, fill
from pocket.recipe.toolcalls_names import identifier, value_text
from pocket.recipe.toolcalls_values import PHRASES, WORDS, Value, code, draw, number, said

FAILED = "the tool {name} failed: {error}"
RETURNED = "{name} returned {values}"
KEYS = [
    "status",
    "value",
    "result",
    "name",
    "count",
    "total",
    "level",
    "score",
    "size",
    "code",
    "state",
    "title",
    "length",
    "color",
    "ok",
    "id",
]


@dataclass(frozen=True)
class Result:
    """content: the tool message; clause: the same as words; fixed: its first letter stays as it is."""

    content: str
    clause: str
    fixed: bool


@cache
def _fields(spec: str) -> tuple[bool, list[tuple[str, list[str]]]]:
    bare = spec.startswith("bare ")
    pairs = (part.strip().split("=") for part in spec.removeprefix("bare ").split(";"))
    return bare, [(name, kind.split()) for name, kind in pairs]


def _json(value: Any, rng: random.Random) -> str:
    if isinstance(value, str) and rng.random() < 0.7:
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":") if rng.random() < 0.15 else None)


def flat(value: Any) -> str:
    """Any JSON value as words: {"price": 1.5, "at": {"city": "Rome"}} is "price 1.5, at city Rome"."""
    return ", ".join(_leaves(value, ""))


def _leaves(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [leaf for key, inner in value.items() for leaf in _leaves(inner, f"{path}{key} ")]
    if isinstance(value, list):
        return [path + ", ".join(said(v) for v in value)]
    return [path + said(value)]


def _leaf(rng: random.Random, made_up_tool: bool) -> Any:
    style = rng.random()
    if style < 0.4:
        return number(0, rng.choice((9, 99, 9999)), rng)
    if style < 0.5:
        return rng.random() < 0.5
    if style < 0.57:
        return [number(0, 99, rng) for _ in range(rng.randint(2, 3))]
    if made_up_tool:
        return "".join(c for c in value_text(rng) if c not in '"\\') or code(rng)
    return rng.choice(
        (rng.choice(WORDS["word"]), rng.choice(WORDS["city"]), code(rng), rng.choice(("ok", "done", "saved")))
    )


def _stated_keys(tool: Tool) -> set[str]:
    return {name for spec, _ in tool.family.say for name, _ in _fields(spec)[1]} if tool.family else set()


def _any(tool: Tool, rng: random.Random, most: int) -> Any:
    """A result of no family: never one that a family's own sentence could state."""
    made_up_tool = tool.family is None
    taken = _stated_keys(tool)
    if not taken and rng.random() < 0.35:
        return _leaf(rng, made_up_tool)
    keys = dict.fromkeys(
        identifier(rng)
        if made_up_tool and rng.random() < 0.7
        else rng.choice([k for k in KEYS if k not in taken])
        for _ in range(rng.randint(1, most))
    )
    value = {key: _leaf(rng, made_up_tool) for key in keys}
    if rng.random() < 0.12:
        value = {rng.choice(("data", "answer", "info", "output")): value}
    return value


def _stated(tool: Tool, values: dict[str, Value], rng: random.Random, split: str) -> Result:
    assert tool.family
    spec, clause = rng.choice(tool.family.say)
    bare, fields = _fields(spec)
    found = {
        name: values[kind[1]][0] if kind[0] == "same" else draw(kind, rng, split)[0] for name, kind in fields
    }
    words = {key: (value, said(value)) for key, (value, _) in values.items()}
    words |= {key: (value, said(value)) for key, value in found.items()}
    content: Any = next(iter(found.values())) if bare else found
    if not bare and rng.random() < 0.25:
        content = {tool.slots[key].name: values[key][0] for key in list(values)[:1]} | content
    return Result(_json(content, rng), fill(clause, words, rng), clause.startswith("{"))


def error_text(tool: Tool, values: dict[str, Value], rng: random.Random) -> str:
    key = rng.choice(list(values)) if values else ""
    name = tool.slots[key].name if key else "input"
    value = values[key][0] if key else "input"
    template = str(rng.choice(PHRASES["errors"]))
    if not isinstance(value, (str, int, float)):
        template = template.replace("{v}", "input")
    return template.format(k=name, v=said(value), n=rng.randint(1, 599))


def result(
    tool: Tool, values: dict[str, Value], rng: random.Random, split: str, errors: float = 0.12, most: int = 3
) -> Result:
    """A result of a call: an error, what the family's sentence states, or any values (`most` at most)."""
    if rng.random() < errors:
        error = error_text(tool, values, rng)
        return Result(_json({"error": error}, rng), FAILED.format(name=tool.name, error=error), False)
    if tool.family and tool.family.say and rng.random() < 0.85:
        return _stated(tool, values, rng, split)
    value = _any(tool, rng, most)
    return Result(_json(value, rng), RETURNED.format(name=tool.name, values=flat(value)), True)


def sentence(results: list[Result]) -> str:
    """One sentence for all results, in their order."""
    clauses = [r.clause for r in results]
    text = " and ".join((", ".join(clauses[:-1]), clauses[-1])) if len(clauses) > 1 else clauses[0]
    return (text if results[0].fixed else text[0].upper() + text[1:]) + "."
