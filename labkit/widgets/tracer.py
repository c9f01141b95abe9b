"""Widget: the tool loop, step by step; a call can be approved, changed, run again and gone on from."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Button, Checkbox, Dropdown, Layout, Textarea, VBox

from labkit.reply import ToolCall
from labkit.session import compose
from labkit.tools import Event, Loop, Run, Tool, toolbox
from labkit.tools.checking import checked
from labkit.tools.executing import Done, Limits, execute
from labkit.tools.shares import calculate_portfolio_value, get_stock_price
from labkit.widgets import trace_view
from labkit.widgets.approval import Approval
from labkit.widgets.frame import TEXT as FRAME
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import Stream, row

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "title": "Tool tracer",
    "prompt": "Question",
    "first": "I own 10 NVDA and 5 MSFT. Get the prices first and then the value of the portfolio.",
    "run": "Run",
    "run_tip": "Ask the model, and run the tools that it calls",
    "stop": "Stop",
    "stop_tip": "End this run at its next step",
    "each": "Ask me before every call",
    "runs": "Shown run",
    "run_name": "{number}: {words}",
    "replayed": "run {of}, with {name} changed",
    "answer": "The model's words, as they come",
    "replay": "<b>Replay a step:</b> choose a call, change its arguments, run the tool again.",
    "call": "Call",
    "call_name": "{number}: {call}",
    "arguments": "Arguments",
    "again": "Run the tool again",
    "again_tip": "Call the tool with the arguments as they stand in the box",
    "go_on": "Go on from there",
    "go_on_tip": "Hand the model the new result instead of the old, and let it go on",
    "no_question": "Write a question first.",
    "no_call": "There is no call to replay: run a question that needs a tool.",
    "first_redo": "Run the tool again first, then the model can go on from its result.",
    "running": "It runs.",
    "stopping": "It ends at its next step; a tool that has begun is left to end.",
    "asked": "The model asks for your permission: Allow or Refuse.",
    "ended": "{why} {total}",
    "redone": "The tool has answered. “Go on from there” hands this to the model.",
    "redone_fault": "The call came to nothing, and the words above say why. The model may read that as well: "
    "“Go on from there”.",
}
TOOL_SECONDS = 20.0
_RUN_SECONDS = 600.0  # the person's own thinking counts, too
_CHARACTERS = 4000
_SHOWN = 60
_QUIET_S = 0.25


class Tracer(Instrument):
    """The loop of `session.run`, made visible.

    tools: functions, or what `labkit.tools.tool` makes of them; by default the guide's two. wait_seconds: how
    long it waits for Allow or Refuse. tool_seconds: how long a tool may take.
    """

    TITLE = TEXT["title"]

    def __init__(
        self,
        session: Session,
        tools: Sequence[Tool | Callable[..., Any]] | None = None,
        *,
        wait_seconds: float = 60.0,
        tool_seconds: float = TOOL_SECONDS,
    ) -> None:
        self.session, self.tool_seconds = session, tool_seconds
        self.tools = toolbox(tools if tools is not None else [get_stock_price, calculate_portfolio_value])
        self._own_tools = tools is not None
        self.runs: list[Run] = []
        """Every run so far; a run that goes on from a changed call is one more."""
        self.redone: Done | None = None
        """What came of the changed call, until the call or its arguments are changed again."""
        self._since = 0.0
        wide = Layout(width="100%")
        self.prompt = Textarea(TEXT["first"], description=TEXT["prompt"], rows=2, layout=wide)
        self.start = Button(description=TEXT["run"], tooltip=TEXT["run_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.each = Checkbox(False, description=TEXT["each"], indent=False, layout=Layout(width="auto"))
        self.approval = Approval(wait_seconds)
        self.which = Dropdown(options=[], description=TEXT["runs"], layout=Layout(width="100%"))
        self.answer = Stream(TEXT["answer"])
        self.view = HTML()
        self.call = Dropdown(options=[], description=TEXT["call"], layout=wide)
        self.arguments = Textarea("", description=TEXT["arguments"], rows=3, layout=wide)
        self.check, self.result = HTML(), HTML()
        self.again = Button(description=TEXT["again"], tooltip=TEXT["again_tip"], layout=Layout(width="auto"))
        self.go_on = Button(description=TEXT["go_on"], tooltip=TEXT["go_on_tip"], layout=Layout(width="auto"))
        buttons = row(self.again, self.go_on)
        parts = [HTML(TEXT["replay"]), self.call, self.arguments, self.check, buttons, self.result]
        self.replay = VBox(parts)
        controls = row(self.start, self.halt, self.each)
        super().__init__(
            self.prompt, controls, self.approval, self.which, self.answer, self.view, self.replay
        )
        self.start.on_click(lambda _: self.begin(self._ask, start=self.start, stop=self.halt))
        self.again.on_click(lambda _: self.begin(self._redo, start=self.again, stop=self.halt))
        self.go_on.on_click(lambda _: self.begin(self._continue, start=self.go_on, stop=self.halt))
        self.halt.on_click(self.stop)
        self.which.observe(lambda _: self._show(), "value")
        self.call.observe(lambda _: self._choose(), "value")
        self.arguments.observe(lambda _: self._look(), "value")
        self.prompt.observe(self.refresh, "value")
        self._show()
        self.refresh()

    @property
    def run(self) -> Run | None:
        """The run that is shown."""
        return None if self.which.value is None else self.runs[self.which.value]

    def stop(self, *_: Any) -> None:
        super().stop()
        if self.busy:
            self.tell(TEXT["stopping"])

    def samples(self) -> Mapping[str, str]:
        names = ", ".join(self.tools)
        bring = "" if self._own_tools else f"from labkit.tools.shares import {names}\n"
        ask = f"run = session.run({self.prompt.value!r}, tools=[{names}])\nrun"
        return {"Python": f"import labkit\n{bring}\nsession = labkit.connect()\n{ask}"}

    def still_html(self) -> str:
        return self.view.value

    def still_text(self) -> str:
        return str(self.run) if self.run else ""

    def _ask(self) -> None:
        question = self.prompt.value.strip()
        if not question:
            return self.tell(TEXT["no_question"], "fault")
        self._trace(compose(question), " ".join(question.split())[:_SHOWN])

    def _redo(self) -> None:
        """Run the chosen call again, with the arguments of the box."""
        old, raw = self._chosen(), self.arguments.value
        if old is None:
            return self.tell(TEXT["no_call"], "fault")
        call = ToolCall(old.call.name, _parsed(raw), old.call.id, raw)
        limits = Limits(self.tool_seconds, _CHARACTERS)
        self.tell(TEXT["running"])
        try:
            [done] = execute([call], self._offered(), limits, self._approve)
        except KeyboardInterrupt:
            return self.tell(FRAME["stopped"])
        self.redone, self.result.value = done, trace_view.outcome(done)
        self.tell(TEXT["redone_fault" if done.fault else "redone"], "fault" if done.fault else "note")

    def _continue(self) -> None:
        """Let the model go on from the changed call."""
        if self.run is None or self.redone is None:
            return self.tell(TEXT["first_redo"], "fault")
        of = self.which.value + 1
        name = TEXT["replayed"].format(of=of, name=self.redone.call.name)
        self._trace(self.run.changed(self.redone), name)

    def _trace(self, messages: list[dict[str, Any]], name: str) -> None:
        """One run of the loop, shown as it goes."""
        tools, drawn_at = self._offered(), 0.0

        def show(now: float) -> None:
            nonlocal drawn_at
            self.view.value, drawn_at = trace_view.draw(loop.run, tools, now), time.monotonic()

        def watch(event: Event) -> None:
            if event.kind in ("asked", "calls") and self.stopping.is_set():
                raise KeyboardInterrupt
            if event.kind == "asked":
                self._say("")
            show(event.at)

        def hear(piece: str) -> None:
            if self.stopping.is_set():
                raise KeyboardInterrupt
            self.answer.add(piece)
            if time.monotonic() - drawn_at >= _QUIET_S:
                show(time.monotonic() - since)

        self.tell(TEXT["running"])
        since = time.monotonic()
        hooks: dict[str, Any] = {"approve": self._approve, "watch": watch, "hear": hear}
        limits: dict[str, Any] = {"seconds": _RUN_SECONDS, "tool_seconds": self.tool_seconds}
        loop = Loop(self.session, messages, list(tools.values()), **hooks, **limits)
        try:
            self.runs.append(loop.go())
        finally:
            self.answer.end()
        label = TEXT["run_name"].format(number=len(self.runs), words=name)
        self.which.options = [*self.which.options, (label, len(self.runs) - 1)]
        self.which.value = len(self.runs) - 1
        self._show()
        why = loop.run.events[-1].words
        kind = "note" if loop.run.ended in ("answered", "stopped") else "fault"
        self.tell(TEXT["ended"].format(why=why, total=loop.run.total), kind)

    def _offered(self) -> dict[str, Tool]:
        if not self.each.value:
            return self.tools
        return {name: replace(tool, approval=True) for name, tool in self.tools.items()}

    def _approve(self, call: ToolCall) -> bool | str:
        self.tell(TEXT["asked"])
        said = self.approval.ask(call, self.stopping)
        self.tell(TEXT["running"])
        return said

    def _show(self) -> None:
        """The chosen run, and its calls to replay."""
        run = self.run
        self.which.layout.display = "" if len(self.runs) > 1 else "none"
        self.replay.layout.display = "" if run and run.done else "none"
        if run is None:
            return
        self._say(run.text)
        self.view.value = trace_view.draw(run, self.tools)
        labels = [TEXT["call_name"].format(number=n, call=each.call) for n, each in enumerate(run.done, 1)]
        self.call.options = [(label[:_SHOWN], index) for index, label in enumerate(labels)]
        self.call.index = 0 if labels else None
        self._choose()
        self.refresh()

    def _chosen(self) -> Done | None:
        return None if self.run is None or self.call.value is None else self.run.done[self.call.value]

    def _choose(self) -> None:
        done = self._chosen()
        self.arguments.value = done.call.raw if done else ""
        self._look()

    def _look(self) -> None:
        """Check the arguments as they stand in the box."""
        done = self._chosen()
        self.redone, self.result.value = None, ""
        found = checked(self.tools, done.call.name, self.arguments.value) if done else []
        self.check.value = trace_view.table(found) if done else ""

    def _say(self, text: str) -> None:
        self.answer.end()
        self.answer.clear()
        self.answer.add(text)
        self.answer.end()


def _parsed(raw: str) -> dict[str, Any]:
    """The arguments, {} where they are no JSON object."""
    try:
        found = json.loads(raw or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
