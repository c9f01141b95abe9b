"""Lesson 06, Troubleshooting: the first error, three drills, a conversation to mend, a fault to halve."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labkit import catalog
from labkit.clinic import drills
from labkit.clinic.pile import Pile
from labkit.diagnosis import diagnose
from labkit.errors import LabkitError
from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, shown
from labkit.lessons.texts_06 import TEXT

TITLE = "Troubleshooting"

BROKEN: list[dict[str, Any]] = [
    {"role": "user", "content": "What is the weather in Paris?"},
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "clear", "degrees": 21}'},
    {"role": "assistant", "content": "Let me see."},
]
"""A conversation that the server refuses for two reasons."""


class FirstError(Exercise):
    """6.1: the line of a log that names the cause."""

    id = "6.1"
    texts = TEXT[id]
    code = """\
import labkit

with labkit.drill("context-too-long", progress=False) as drill:
    drill.look()
    log = drill.log

line = [each for each in log.splitlines() if "ValueError:" in each][0]
check("6.1", {"log": log, "line": line})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"log": the whole log, "line": one line of it}."""
        if not isinstance(answer, Mapping):
            return self.not_yet("form", found=shown(answer))
        log, line = answer.get("log"), answer.get("line")
        if not isinstance(log, str) or not isinstance(line, str) or not line.strip():
            return self.not_yet("form", found=shown(answer))
        line = line.strip()
        if "\n" in line:
            return self.not_yet("many", lines=line.count("\n") + 1)
        if line not in log:
            return self.not_yet("elsewhere", line=shown(line))
        cause, wanted = diagnose(line).cause, diagnose(log).cause
        if cause is None or wanted is None:
            return self.not_yet("nothing", line=shown(line))
        if cause.name != wanted.name:
            return self.not_yet("envelope", line=shown(line))
        return self.correct(title=cause.title)


class Three(Exercise):
    """6.2: the causes of three drills."""

    id = "6.2"
    texts = TEXT[id]
    code = """\
import labkit

mine = {}
for name in ("base-url", "nobody-there", "other-service"):
    with labkit.drill(name, progress=False) as drill:
        mine[name] = drill.diagnosis().cause.name
check("6.2", mine)
"""
    _DRILLS = ("base-url", "nobody-there", "other-service")

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {name of a drill: its cause}."""
        if not isinstance(answer, Mapping) or set(answer) != set(self._DRILLS):
            return self.not_yet("form", found=shown(answer))
        for name in self._DRILLS:
            played, chosen = drills.known()[name], answer[name]
            if chosen not in played.choices:
                choices = ", ".join(played.choices)
                return self.not_yet("choice", found=shown(chosen), drill=name, choices=choices)
            if chosen != played.symptom:
                why = catalog.symptoms()[chosen].cause
                return self.not_yet(
                    "wrong", drill=name, found=shown(chosen), why=re.sub(r"\{\w+\}", "…", why)
                )
        return self.correct()


class Mended(Exercise):
    """6.3: a conversation that the server takes again."""

    id = "6.3"
    texts = TEXT[id]
    code = """\
from copy import deepcopy

from labkit.lessons.lesson_06 import BROKEN

mended = deepcopy(BROKEN)[:-1]
mended[1]["tool_calls"][0]["id"] = mended[2]["tool_call_id"] = "a1B2c3D4e"
check("6.3", mended)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the messages."""
        if not isinstance(answer, list) or not all(isinstance(each, Mapping) for each in answer):
            return self.not_yet("form", found=shown(answer))
        text = str(answer)
        for kept in (BROKEN[0]["content"], "get_weather", BROKEN[2]["content"]):
            if kept not in text:
                return self.not_yet("lost", content=shown(kept))
        called = [call["id"] for each in answer for call in each.get("tool_calls") or ()]
        given = [each["tool_call_id"] for each in answer if each.get("role") == "tool"]
        if wrong := [id for id in called if not re.fullmatch(r"[A-Za-z0-9]{9}", str(id))]:
            return self.not_yet("id", id=shown(wrong[0]))
        if strange := [id for id in given if id not in called]:
            return self.not_yet("unmatched", id=shown(strange[0]))
        if answer[-1].get("role") == "assistant":
            return self.not_yet("last")
        if session is not None:
            try:
                session.chat([dict(each) for each in answer], max_tokens=8).text  # noqa: B018
            except LabkitError as error:
                return self.not_yet("refused", why=error)
        return self.correct()


class Halved(Exercise):
    """6.4: one bad turn of sixteen, in five requests at most."""

    id = "6.4"
    texts = TEXT[id]
    code = """\
from labkit.clinic.pile import Pile

pile = Pile(session)
low, high = 0, len(pile)
while high - low > 1:
    middle = (low + high) // 2
    if pile.works(range(low, middle)):
        low = middle
    else:
        high = middle
check("6.4", {"pile": pile, "bad": low})
"""
    _MOST = 5

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"pile": the Pile, "bad": a number}."""
        if not isinstance(answer, Mapping) or not isinstance(answer.get("pile"), Pile):
            return self.not_yet("form", found=shown(answer))
        pile = answer["pile"]
        bad = int(grading.number(answer.get("bad"), 0, len(pile) - 1, "turns"))
        if not pile.tries:
            return self.not_yet("guessed")
        if not pile.is_bad(bad):
            return self.not_yet("wrong", bad=bad)
        if pile.tries > self._MOST:
            return self.not_yet("many", bad=bad, tries=pile.tries)
        return self.correct(bad=bad, tries=pile.tries)


EXERCISES: tuple[Exercise, ...] = (FirstError(), Three(), Mended(), Halved())
