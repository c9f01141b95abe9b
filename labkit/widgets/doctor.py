"""Widget: the doctor. Choose a symptom, paste a message, or have the machine looked at; cures on request."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ipywidgets import HTML, Button, Dropdown, Layout, Textarea, VBox

from labkit import catalog
from labkit.clinic import cures, doctor
from labkit.clinic.secrets import without_secrets
from labkit.diagnosis import Cause, diagnose
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import Stream, row

TEXT = {
    "title": "Doctor",
    "look": "Look around",
    "look_tip": "Check the machine, the packages and the servers",
    "looking": "Looking at the machine, the packages and the servers …",
    "choose": "symptom",
    "message": "message",
    "choose_first": "choose one",
    "paste": "or paste an error, or the end of a log",
    "diagnose": "Diagnose",
    "diagnose_tip": "Find the cause in the pasted text",
    "empty": "Paste a text first.",
    "none": "No known cause is named in this text. Read its first error, and try Look around.",
    "found": "{title}",
    "seen": "Seen: {line}",
    "sample": "It looks like this: {sample}",
    "cure": "Run: {command}",
    "cure_tip": "Asks before it runs",
    "ask": "This will run on this machine: `{command}`. Run it?",
    "yes": "Yes, run it",
    "no": "No",
    "not_run": "Not run.",
    "running": "Running `{command}` …",
    "done": "Done: `{command}` ended well. Look around again.",
    "failed": "`{command}` ended with exit code {code}. What it said stands above.",
    "stopped": "Stopped: `{command}`.",
    "stop": "Stop",
    "stop_tip": "End the command",
    "output": "What the command says",
}
_MARKS = {"well": "✓", "note": "·", "wrong": "✗", "alarm": "‼"}


@dataclass(frozen=True)
class Advice:
    """One row: what was found, why, and what mends it. command may be run only where `runs`."""

    what: str
    why: str = ""
    fix: str = ""
    command: str = ""
    runs: bool = False
    mark: str = _MARKS["wrong"]


class Doctor(Instrument):
    """Symptoms to choose from or a text to paste; what is found, with a button that runs the cure."""

    TITLE = TEXT["title"]

    def __init__(self) -> None:
        self.advice: tuple[Advice, ...] = ()
        """What stands there now."""
        self.asked: str | None = None
        """The command that waits for a yes."""
        self.look = Button(description=TEXT["look"], tooltip=TEXT["look_tip"], button_style="primary")
        options = [(TEXT["choose_first"], "")]
        options += sorted((each.title, name) for name, each in catalog.symptoms().items())
        self.symptom = Dropdown(options=options, description=TEXT["choose"], layout=Layout(width="auto"))
        self.text = Textarea(
            description=TEXT["message"], placeholder=TEXT["paste"], rows=4, layout=Layout(width="auto")
        )
        self.read = Button(description=TEXT["diagnose"], tooltip=TEXT["diagnose_tip"])
        self.rows = VBox()
        self.yes = Button(description=TEXT["yes"], button_style="warning")
        self.no = Button(description=TEXT["no"])
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.question = row(self.yes, self.no)
        self.question.layout.display = "none"
        self.output = Stream(TEXT["output"])
        self.symptom.add_class("labkit-grow")
        super().__init__(
            row(self.look, self.symptom),
            self.text,
            row(self.read, self.halt),
            self.rows,
            self.question,
            self.output,
        )
        self.look.on_click(lambda _: self.begin(self._look, start=self.look))
        self.read.on_click(lambda _: self.attempt(self._diagnose))
        self.symptom.observe(lambda change: self.attempt(self._chosen), "value")
        self.yes.on_click(lambda _: self.begin(self._cure, start=self.yes, stop=self.halt))
        self.no.on_click(self._refused)
        self.halt.on_click(self.stop)
        self.text.observe(self.refresh, "value")

    def samples(self) -> Mapping[str, str]:
        text = self.text.value.strip().splitlines()
        said = repr(without_secrets(text[0])) if text else "error"
        return {
            "Python": f"import labkit\n\nlabkit.doctor()\nlabkit.diagnose({said})",
            "shell": "labkit doctor\nlabkit logs | labkit diagnose",
        }

    def still_text(self) -> str:
        return "; ".join(f"{each.mark} {each.what}" for each in self.advice)

    def still_html(self) -> str:
        return "".join(map(_as_html, self.advice))

    def _look(self) -> None:
        self.tell(TEXT["looking"])
        report = doctor()
        self._show(
            Advice(each.what, each.why, "", each.command, each.runs, _MARKS[each.level])
            for each in report.findings
        )
        self.tell(report.summary, "note" if report else "fault")

    def _diagnose(self) -> None:
        if not self.text.value.strip():
            self.tell(TEXT["empty"])
            return
        found = diagnose(self.text.value)
        self._show(_of(each, TEXT["seen"].format(line=each.line)) for each in found.causes)
        self.tell(TEXT["found"].format(title=found.causes[0].title) if found else TEXT["none"])

    def _chosen(self) -> None:
        if not self.symptom.value:
            return
        symptom = catalog.symptoms()[self.symptom.value]
        cause = diagnose(symptom.sample).cause
        if cause is not None:
            self._show([_of(cause, TEXT["sample"].format(sample=symptom.sample))])
            self.tell(symptom.title)

    def _show(self, advice: Iterable[Advice]) -> None:
        self._close_question()
        self.advice = tuple(advice)
        self.rows.children = [row(HTML(_as_html(each)), *self._button(each)) for each in self.advice]

    def _button(self, advice: Advice) -> list[Button]:
        if not advice.runs:
            return []
        label = TEXT["cure"].format(command=advice.command)
        button = Button(description=label, tooltip=TEXT["cure_tip"], layout=Layout(width="auto"))
        button.on_click(self._asking(advice.command))
        return [button]

    def _asking(self, command: str) -> Callable[[Button], None]:
        def ask(_: Button) -> None:
            if self.busy:
                return
            self.asked = command
            self.question.layout.display = ""
            self.tell(TEXT["ask"].format(command=command))

        return ask

    def _refused(self, _: Button) -> None:
        self._close_question()
        self.tell(TEXT["not_run"])

    def _cure(self) -> None:
        command = self.asked
        self._close_question()
        if command is None:
            return
        self.tell(TEXT["running"].format(command=command))
        self.output.clear()
        try:
            code = cures.run(command, self.output.add, self.stopping)
        finally:
            self.output.end()
        kind = "stopped" if code == cures.STOPPED else "failed" if code else "done"
        self.tell(TEXT[kind].format(command=command, code=code), "note" if kind == "done" else "fault")

    def _close_question(self) -> None:
        self.asked = None
        self.question.layout.display = "none"


def _of(cause: Cause, evidence: str) -> Advice:
    runs = cause.symptom.runs
    return Advice(f"{cause.title}. {evidence}", cause.cause, cause.fix, cause.command, runs)


def _as_html(advice: Advice) -> str:
    what, why, fix, command = (
        html.escape(without_secrets(each)) for each in (advice.what, advice.why, advice.fix, advice.command)
    )
    lines = [f"{advice.mark} <b>{what}</b>", why, fix, command and f"<code>{command}</code>"]
    lines = [re.sub(r"`([^`]+)`", r"<code>\1</code>", each) for each in lines if each]
    return f"<p>{'<br>'.join(lines)}</p>"
