"""JSON schemas as pydantic writes them, made plain: what a model need not read costs tokens, and confuses."""

from __future__ import annotations

from typing import Any

_INSIDE_ONE = ("items", "additionalProperties", "not", "propertyNames", "contains")
_INSIDE_MANY = ("anyOf", "allOf", "oneOf", "prefixItems")
_FIRST = ("type", "description", "properties", "items", "enum", "required")
_NULL = {"type": "null"}


def plain(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema without titles and references, and with "or null" left out where null is the default.

    A type that contains itself keeps its reference, since it cannot be written out.
    """
    definitions: dict[str, Any] = schema.get("$defs", {})
    body = {key: value for key, value in schema.items() if key != "$defs"}
    kept: set[str] = set()
    made: dict[str, Any] = _plain(body, definitions, (), kept)
    if kept:
        made["$defs"] = {name: _plain(definitions[name], definitions, (name,), kept) for name in sorted(kept)}
    return made


def _plain(node: Any, definitions: dict[str, Any], inside: tuple[str, ...], kept: set[str]) -> Any:
    if not isinstance(node, dict):
        return node
    name = str(node.get("$ref", "")).removeprefix("#/$defs/")
    if name in definitions:
        if name in inside:
            kept.add(name)
            return {"$ref": f"#/$defs/{name}"}
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _plain({**definitions[name], **beside}, definitions, (*inside, name), kept)
    made = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
    for key in _INSIDE_ONE:
        if key in made:
            made[key] = _plain(made[key], definitions, inside, kept)
    for key in _INSIDE_MANY:
        if key in made:
            made[key] = [_plain(each, definitions, inside, kept) for each in made[key]]
    if "properties" in made:
        inner = made["properties"].items()
        made["properties"] = {key: _plain(value, definitions, inside, kept) for key, value in inner}
    return _in_order(_without_null(made))


def _in_order(node: dict[str, Any]) -> dict[str, Any]:
    """The keys as a person writes them, and as models have seen them most."""
    return {key: node[key] for key in _FIRST if key in node} | node


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    """ "A text or null, by default null" is the same to a caller as "a text that may be left out"."""
    if "default" not in node or node["default"] is not None:
        return node
    rest = {key: value for key, value in node.items() if key not in ("default", "anyOf")}
    others = [each for each in node.get("anyOf", ()) if each != _NULL]
    if len(others) == 1:
        return {**others[0], **rest}
    return {"anyOf": others, **rest} if others else rest
