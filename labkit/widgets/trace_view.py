"""A run of the tool loop as HTML: its time as bars, its steps with each argument checked, its messages.

It needs neither script nor style sheet, so that a saved notebook shows it as well.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.tools import Event, Run, Tool
from labkit.tools.checking import Argument, checked
from labkit.tools.executing import Done
from labkit.tools.trace import TEXT as LOOP
from labkit.widgets.figures import COLOURS

TEXT = {
    "bars": "Time",
    "steps": "Steps",
    "messages": "The conversation: {count} messages",
    "model": "the model",
    "person": "you",
    "seconds": "{seconds:.2f} s",
    "open": "at work …",
    "replied": "The model answered after {seconds:.2f} s.",
    "said": "The model answered after {seconds:.2f} s: “{text}”",
    "called": "It called <code>{name}</code>",
    "fits": "fits",
    "empty": "(no arguments)",
    "result": "Result after {seconds:.3f} s",
    "fault": "Fault ({fault}) after {seconds:.3f} s",
    "waiting": "No result yet.",
    "cut": " (cut: too long)",
    "image": "[image]",
    "round": "Round {number}",
}
HEADS = ("argument", "value", "the schema wants", "check")
_GOOD, _BAD = COLOURS[2], COLOURS[1]
_KINDS = {"model": COLOURS[0], "person": COLOURS[4], "tool": _GOOD, "fault": _BAD}
_LONG = 600
_GRID = "display: grid; grid-template-columns: minmax(80px, 26%) 1fr auto; gap: 3px 12px; align-items: center"
_CELL = "text-align: left; padding: 2px 10px 2px 0; vertical-align: top; overflow-wrap: anywhere;"


@dataclass(frozen=True)
class Bar:
    """One thing that took time. kind: "model", "person", "tool" or "fault"."""

    label: str
    kind: str
    start: float
    """Seconds since the run began."""
    seconds: float
    open: bool = False
    """Whether it still goes on."""


def bars(events: list[Event], now: float | None = None) -> list[Bar]:
    """What took time in a run, in its order. now: seconds since it began, for what still goes on.

    The calls of one answer start together, once the last of them is approved.
    """
    made: list[Bar] = []
    asked: Event | None = None
    waiting: dict[str, Event] = {}
    start = 0.0
    for event in events:
        if event.kind == "asked":
            asked = event
        elif event.kind == "replied" and asked:
            made.append(Bar(TEXT["model"], "model", asked.at, event.at - asked.at))
            asked = None
        elif event.kind == "calls":
            waiting[event.data["id"]], start = event, event.at
        elif event.kind == "approval":
            took = event.data["seconds"]
            made.append(Bar(TEXT["person"], "person", event.at - took, took))
            start = event.at
        elif event.kind in ("result", "fault"):
            call = waiting.pop(event.data["id"])
            kind = "fault" if event.kind == "fault" else "tool"
            made.append(Bar(call.data["name"], kind, start, event.data["seconds"]))
    if now is None or (events and events[-1].kind == "ended"):
        return made
    if asked:
        made.append(Bar(TEXT["model"], "model", asked.at, max(0.0, now - asked.at), open=True))
    names = [each.data["name"] for each in waiting.values()]
    return made + [Bar(name, "tool", start, max(0.0, now - start), open=True) for name in names]


def draw(run: Run, tools: Mapping[str, Tool], now: float | None = None) -> str:
    """The whole run. now: as for `bars`."""
    count = TEXT["messages"].format(count=len(run.messages))
    spoken = "".join(map(_message, run.messages))
    return (
        f"<h4>{TEXT['bars']}</h4>{_drawn(bars(run.events, now))}"
        f"<h4>{TEXT['steps']}</h4>{_steps(run, tools)}"
        f"<details><summary>{count}</summary>{spoken}</details>"
    )


def table(arguments: list[Argument]) -> str:
    """The arguments of a call; what is wrong is marked, by words and by colour."""
    if not arguments:
        return TEXT["empty"]
    head = "".join(f'<th style="{_CELL}">{each}</th>' for each in HEADS)
    rows = "".join(map(_argument, arguments))
    return f'<table style="border-collapse: collapse;"><tr>{head}</tr>{rows}</table>'


def outcome(done: Done) -> str:
    """What came of a call."""
    name = "fault" if done.fault else "result"
    words = TEXT[name].format(seconds=done.seconds, fault=html.escape(done.fault))
    colour = _BAD if done.fault else _GOOD
    cut = TEXT["cut"] if done.cut else ""
    text = f"{words}{cut}: <code>{_short(done.content)}</code>"
    return f'<div style="border-left: 4px solid {colour}; padding-left: 8px; margin: 4px 0;">{text}</div>'


def _drawn(found: list[Bar]) -> str:
    whole = max((each.start + each.seconds for each in found), default=0.0) or 1.0
    rows = []
    for each in found:
        left = 100 * each.start / whole
        wide = min(max(100 * each.seconds / whole, 0.5), 100 - left) if left < 99.5 else 0.5
        left = min(left, 99.5)
        colour = _KINDS[each.kind]
        fill = (
            f"repeating-linear-gradient(45deg, {colour} 0 6px, transparent 6px 10px)" if each.open else colour
        )
        bar = f"margin-left: {left:.2f}%; width: {wide:.2f}%; background: {fill}; height: 12px;"
        took = TEXT["open"] if each.open else TEXT["seconds"].format(seconds=each.seconds)
        rows.append(
            f'<span style="overflow: hidden; text-overflow: ellipsis;">{html.escape(each.label)}</span>'
            f'<span aria-hidden="true"><span style="display: block; border-radius: 2px; {bar}"></span></span>'
            f'<span style="text-align: right;">{took}</span>'
        )
    return f'<div class="labkit-bars" style="{_GRID}">{"".join(rows)}</div>'


def _steps(run: Run, tools: Mapping[str, Tool]) -> str:
    done = {each.call.id: each for each in run.done}
    made, number = [], 0
    for event in run.events:
        if event.round != number:
            number = event.round
            made.append(f'<p style="margin: 8px 0 2px;"><b>{TEXT["round"].format(number=number)}</b></p>')
        made.append(_step(event, tools, done))
    return "".join(made)


def _step(event: Event, tools: Mapping[str, Tool], done: Mapping[str, Done]) -> str:
    if event.kind in ("asked", "result", "fault"):  # the bars show the first, the call's own step the others
        return ""
    if event.kind == "calls":
        called = TEXT["called"].format(name=_short(event.data["name"]))
        arguments = table(checked(tools, event.data["name"], event.data["raw"]))
        came = outcome(done[event.data["id"]]) if event.data["id"] in done else f"<p>{TEXT['waiting']}</p>"
        return f'<div style="margin: 6px 0 6px 12px;">{called}{arguments}{came}</div>'
    if event.kind == "replied":
        text = _short(event.data["text"])
        words = TEXT["said" if text else "replied"].format(seconds=event.data["seconds"], text=text)
        return f"<div>{words}</div>"
    return f"<div>{_short(LOOP[event.kind])}: {_short(event.words)}</div>"


def _argument(each: Argument) -> str:
    colour = _BAD if each.fault else _GOOD
    check = html.escape(each.fault) if each.fault else TEXT["fits"]
    cells = [f"<code>{_short(each.name)}</code>" if each.name else "", f"<code>{_short(each.written)}</code>"]
    cells += [_short(each.wanted), f'<span style="border-bottom: 2px solid {colour};">{check}</span>']
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _message(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if not isinstance(content, str):
        parts = [each.get("text", TEXT["image"]) for each in content]
        content = " ".join(map(str, parts))
    calls = [each["function"] for each in message.get("tool_calls") or ()]
    lines = [content] if content else []
    lines += [f"{each['name']} {each['arguments']}" for each in calls]
    text = "<br>".join(f"<code>{_short(each)}</code>" for each in lines)
    return f'<p style="margin: 3px 0;"><b>{html.escape(str(message.get("role")))}</b> {text}</p>'


def _short(text: str) -> str:
    return html.escape(text if len(text) <= _LONG else text[:_LONG] + "…")
