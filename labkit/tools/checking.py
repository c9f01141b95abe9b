"""A call looked at before it is run: each argument against the tool's schema, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

from labkit.tools.tool import Tool

TEXT = {
    "unknown_tool": "There is no tool of this name.",
    "bad_json": "This is no JSON object.",
    "any": "anything",
    "list": "list of {kind}",
    "or": " or ",
}


@dataclass(frozen=True)
class Argument:
    """One argument of a call, beside what the schema wants. Without a name, the call is wrong as a whole."""

    name: str
    written: str
    """The value as JSON, or as the model wrote it; "" where it is missing."""
    wanted: str
    """The kind of value that the schema names; "" where it knows no such argument."""
    fault: str
    """What is wrong, in words; "" where it fits."""


def checked(tools: Mapping[str, Tool], name: str, raw: str) -> list[Argument]:
    """Every argument of a call, also those that are missing. raw: the arguments as the model wrote them."""
    if name not in tools:
        return [Argument("", raw, "", TEXT["unknown_tool"])]
    try:
        given = json.loads(raw or "{}")
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        return [Argument("", raw, "", TEXT["bad_json"])]
    faults = _faults(tools[name], given)
    wanted = {key: kind(each) for key, each in tools[name].parameters["properties"].items()}
    return [
        Argument(
            key,
            json.dumps(given[key], ensure_ascii=False) if key in given else "",
            wanted.get(key, ""),
            "; ".join(faults.get(key, ())),
        )
        for key in [*given, *(key for key in wanted if key in faults and key not in given)]
    ]


def kind(schema: Mapping[str, Any]) -> str:
    """The kind of value that a schema wants, in a word or three: "string", "list of object", "'a' or 'b'"."""
    if "enum" in schema:
        return TEXT["or"].join(map(repr, schema["enum"]))
    if "const" in schema:
        return repr(schema["const"])
    if "anyOf" in schema:
        return TEXT["or"].join(map(kind, schema["anyOf"]))
    if schema.get("type") == "array":
        return TEXT["list"].format(kind=kind(schema.get("items") or {}))
    return str(schema.get("type") or TEXT["any"])


def _faults(tool: Tool, given: dict[str, Any]) -> dict[str, list[str]]:
    """What pydantic says about each argument, by its name; inside a list or an object with the place."""
    try:
        tool.model.model_validate(given)
    except pydantic.ValidationError as error:
        found: dict[str, list[str]] = {}
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            first, *inner = map(str, each["loc"] or ("",))
            words = f"{'.'.join(inner)}: {each['msg']}" if inner else each["msg"]
            found.setdefault(first, []).append(words)
        return found
    return {}
