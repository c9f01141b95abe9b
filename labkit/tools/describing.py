"""What a docstring says: the function's purpose, and a description for each parameter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from inspect import cleandoc
from typing import Any

_HEAD = re.compile(r"(?:Args|Arguments|Parameters|Params)\s*:?\s*$", re.IGNORECASE)
_OTHER = re.compile(r"(?:Returns?|Raises?|Yields?|Examples?|Notes?|Warns?|See Also)\s*:?\s*$", re.IGNORECASE)
_RULE = re.compile(r"-{3,}\s*$")
_SPHINX = re.compile(r":param\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_FIELD = re.compile(r":\w+[^:]*:")


def described(function: Callable[..., Any], names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """(purpose, words for each parameter that has some) from the function's docstring.

    Understood are the styles of Google, NumPy and Sphinx, and plain lines of the form "name: words".
    """
    lines = cleandoc(getattr(function, "__doc__", None) or "").splitlines()
    known, found = set(names), dict[str, list[str]]()
    purpose: list[str] = []
    section, current = "purpose", ""
    for line in lines:
        if _RULE.match(line):
            continue
        if _HEAD.fullmatch(line) or _OTHER.fullmatch(line):
            section, current = ("names" if _HEAD.fullmatch(line) else "other"), ""
            continue
        name, words = _parameter(line, known)
        if name and section != "other":
            current, found[name] = name, [words]
        elif _FIELD.match(line):
            section, current = "other", ""
        elif current and line.startswith((" ", "\t")):
            found[current].append(line.strip())
        elif section == "purpose":
            current = ""
            purpose.append(line)
    return _joined(purpose), {name: text for name, words in found.items() if (text := _joined(words))}


def _parameter(line: str, known: set[str]) -> tuple[str, str]:
    """The parameter that a line begins to describe, with its words; ("", "") if it does not."""
    if match := _SPHINX.match(line.strip()):
        return (match[1], match[2]) if match[1] in known else ("", "")
    head, colon, words = line.strip().partition(":")
    name = head.partition("(")[0].strip().lstrip("*")
    if not colon or name not in known:
        return "", ""
    numpy_style = line.startswith(f"{name} :")  # there the type stands behind the colon
    return name, "" if numpy_style else words.strip()


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())
