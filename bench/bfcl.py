"""The Berkeley function-calling cases, asked of the connected model: `python -m bench.bfcl --limit 50`.

Python's 400 "simple" cases (one tool on offer) and 200 "multiple" ones (two to four), greedily, judged as
the leaderboard's own checker does. They come with the package bfcl-eval (Apache-2.0) and are read from where
it is installed. It pins old releases of what the course needs: `./setup.sh test` installs it without them.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pydantic

import labkit
from labkit.errors import LabkitError
from labkit.probes import wilson
from labkit.probes.call_cases import Call
from labkit.tools import Tool

TEXT = {
    "missing": "The cases are not installed. `./setup.sh test` brings them.",
    "head": "| kind | right | of | share | 95 % interval |\n|---|---:|---:|---:|---|",
    "row": "| {kind} | {right} | {n} | {share:.1%} | {low:.1%} to {high:.1%} |",
}
KINDS = ("simple_python", "multiple")
_PLAIN: dict[str, Any] = {"string": str, "integer": int, "float": float, "boolean": bool, "any": Any}
_LOOSE = re.compile(r"[ ,./\-_*^]")


@dataclass(frozen=True)
class Case:
    """A question, its tools, and what counts as right."""

    id: str
    question: str
    tools: tuple[Tool, ...]
    truth: dict[str, dict[str, list[Any]]]
    """The one right call: its name, and all right values of each argument; "" says it may be left out."""


def cases(kind: str) -> Iterator[Case]:
    """All cases of a kind. Raises LabkitError where the package is not installed."""
    found = find_spec("bfcl_eval")
    if found is None or not found.submodule_search_locations:
        raise LabkitError(TEXT["missing"])
    data, name = Path(found.submodule_search_locations[0]) / "data", f"BFCL_v4_{kind}.json"
    truths = {each["id"]: each["ground_truth"][0] for each in _lines(data / "possible_answer" / name)}
    for each in _lines(data / name):
        tools = tuple(map(as_tool, each["function"]))
        yield Case(each["id"], each["question"][0][0]["content"], tools, truths[each["id"]])


def as_tool(document: dict[str, Any]) -> Tool:
    """A tool of theirs as one of ours. It only says that it was called."""
    model = _model(document["name"], document["parameters"])
    return Tool(safe(document["name"]), document["description"], lambda **_: "called", False, model)


def safe(name: str) -> str:
    """Their names have dots, which OpenAI's do not."""
    return name.replace(".", "_")


def right(calls: Sequence[Call], truth: dict[str, dict[str, list[Any]]]) -> bool:
    """Whether there is just one call, the right one, with right values, and none left out that must be."""
    ((name, wanted),) = truth.items()
    if len(calls) != 1 or calls[0][0] != safe(name):
        return False
    return _all_fit(calls[0][1], wanted)


def _all_fit(given: dict[str, Any], wanted: dict[str, list[Any]]) -> bool:
    if any(key not in wanted for key in given):
        return False
    return all(_fits(given[key], right) if key in given else "" in right for key, right in wanted.items())


def _fits(value: Any, allowed: list[Any]) -> bool:
    """Whether the value is one of the allowed. A dict inside has a list of right values for each key."""
    return any(_same(value, each) for each in allowed)


def _same(value: Any, one: Any) -> bool:
    if isinstance(value, str) and isinstance(one, str):
        return _LOOSE.sub("", value).lower() == _LOOSE.sub("", one).lower()
    if isinstance(value, dict) and isinstance(one, dict):
        return _all_fit(value, one)
    if isinstance(value, list) and isinstance(one, list):
        return len(value) == len(one) and all(map(_same, value, one))
    return bool(value == one) and isinstance(value, bool) == isinstance(one, bool)


def _model(name: str, schema: dict[str, Any]) -> type[pydantic.BaseModel]:
    fields: dict[str, Any] = {}
    for number, (key, each) in enumerate(schema.get("properties", {}).items()):
        hint, needed = _hint(key, each), key in schema.get("required", ())
        described = {"alias": key, "description": each.get("description")}
        fields[f"p{number}"] = (
            (hint, pydantic.Field(..., **described))
            if needed
            else (hint | None, pydantic.Field(None, **described))
        )
    return pydantic.create_model(name, __config__=pydantic.ConfigDict(extra="forbid"), **fields)


def _hint(name: str, schema: dict[str, Any]) -> Any:
    """Their type as one of Python's."""
    kind = schema["type"]
    if kind in ("array", "tuple"):
        return list[_hint(name, schema["items"])] if "items" in schema else list  # type: ignore[misc]
    if kind == "dict":
        return _model(name, schema) if schema.get("properties") else dict[str, Any]
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    return _PLAIN[kind]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def main() -> None:
    """Ask, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=400, help="so many cases of each kind (default: all)")
    parser.add_argument("--json", type=Path, help="write the scores here too")
    args = parser.parse_args()
    session, scores = labkit.connect(), []
    print(f"{session.model}\n\n{TEXT['head']}")
    for kind in KINDS:
        chosen = list(cases(kind))[: args.limit]
        good = 0
        for case in chosen:
            schemas = [each.schema for each in case.tools]
            reply = session.chat(case.question, tools=schemas, temperature=0, max_tokens=400)
            good += right([(call.name, call.arguments) for call in reply.tool_calls], case.truth)
        low, high = wilson(good, len(chosen))
        numbers = {"right": good, "n": len(chosen), "share": good / len(chosen), "low": low, "high": high}
        scores.append({"kind": kind} | numbers)
        print(TEXT["row"].format(**scores[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"model": session.model, "scores": scores}, indent=1))


if __name__ == "__main__":
    main()
