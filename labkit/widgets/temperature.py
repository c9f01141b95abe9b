"""Widget: one prompt at several temperatures, and how far the answers drift apart."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Button, IntSlider, Layout, Text, Textarea, ToggleButtons

from labkit import probes
from labkit.errors import LabkitError
from labkit.probes.drift import TEMPERATURES, Drift, Row, Sample, difference
from labkit.probes.drift import TEXT as NAMED
from labkit.widgets.figures import COLOURS, figure
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "title": "Temperature",
    "prompt": "Question",
    "first": "Tell me something about GPUs.",
    "temperatures": "Temperatures",
    "n": "Answers each",
    "long": "Max. tokens",
    "run": "Run",
    "run_tip": "Ask the same at every temperature, several times",
    "stop": "Stop",
    "stop_tip": "Give up the answers that are still to come",
    "figure": "How much the answers differ: each from the greedy one, and those of one temperature from one "
    "another.",
    "hover": "%{customdata}<extra></extra>",
    "read": "Answers at",
    "at": "at {temperature:g}",
    "times": "{count} of {n}, {away:.0%} other words than the greedy one",
    "greedy": "{count} of {n}, the greedy answer itself",
    "alone": "{count} of {n}",
    "running": "{done} of {all} answers are there.",
    "numbers": "Write the temperatures as numbers with commas between, such as 0, 0.15, 1; this is not one: "
    "{word!r}.",
    "many": "{count} temperatures are too many; {most} at most.",
    "empty": "Write a question first.",
    "marked": "Underlined: not in the greedy answer.",
    "cut": " …",
}
_MOST = 12
_CODE = 2000
_LONG = 1500
_LABKIT = """\
from labkit import probes

found = probes.drift(
    session,
    {prompt},
    temperatures=[{temperatures}],
    n={n},
    max_tokens={long},
)
found.chart()"""
_OPENAI = """\
for temperature in [{temperatures}]:
    for _ in range({n}):
        answer = session.client.chat.completions.create(
            model=session.model,
            messages=[{{"role": "user", "content": {prompt}}}],
            temperature=temperature,
            max_tokens={long},
        )
        print(temperature, answer.choices[0].message.content)"""
_SPREAD = 0.012
"""Dots of one temperature stand beside each other, so that equal ones are seen."""


class Temperature(Instrument):
    """A dot for each answer as it comes, the answers to read, and why 0.15."""

    TITLE = TEXT["title"]

    def __init__(self, session: Session, *, streams: int = 4) -> None:
        import plotly.graph_objects as go

        self.session, self.streams = session, streams
        self.drift = Drift(())
        """What is there so far."""
        wide = Layout(width="100%")
        given = ", ".join(f"{each:g}" for each in TEMPERATURES)
        self.prompt = Textarea(TEXT["first"], description=TEXT["prompt"], rows=2, layout=wide)
        grow = {
            "style": {"description_width": "initial"},
            "layout": Layout(flex="1 1 240px", max_width="330px"),
        }
        self.temperatures = Text(given, description=TEXT["temperatures"], **grow)
        self.n = IntSlider(5, min=1, max=20, description=TEXT["n"], **grow)
        self.long = IntSlider(48, min=8, max=256, step=8, description=TEXT["long"], **grow)
        self.start = Button(description=TEXT["run"], tooltip=TEXT["run_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        dots = go.Scatter(
            name=NAMED["one"],
            mode="markers",
            marker={"size": 9, "color": COLOURS[5], "line": {"color": COLOURS[0], "width": 1}},
            hovertemplate=TEXT["hover"],
        )
        line = go.Scatter(
            name=NAMED["pairs"],
            mode="lines+markers",
            marker={"symbol": "diamond", "size": 10, "color": COLOURS[1]},
            line={"color": COLOURS[1]},
        )
        self.figure = figure(line, dots, x=NAMED["axis"], y=NAMED["apart"], height=300)
        self.figure.update_yaxes(range=(-0.06, 1.06)).update_xaxes(**_axis(TEMPERATURES))
        self.table = HTML(layout=Layout(width="100%"))
        self.which = ToggleButtons(options=[], description=TEXT["read"], style={"button_width": "auto"})
        self.which.layout.display = "none"
        self.answers = HTML()
        """The answers at the temperature that is chosen."""
        super().__init__(
            self.prompt,
            row(self.temperatures, self.n, self.long, row(self.start, self.halt)),
            HTML(f'<div class="labkit-small" style="line-height: 1.4;">{TEXT["figure"]}</div>'),
            self.figure,
            self.table,
            self.which,
            self.answers,
        )
        self.start.on_click(lambda _: self.begin(self._run, start=self.start, stop=self.halt))
        self.halt.on_click(self.stop)
        self.which.observe(lambda _: self._read(), "value")
        for each in (self.prompt, self.temperatures, self.n, self.long):
            each.observe(self.refresh, "value")

    def chosen(self) -> list[float]:
        """The temperatures of the box, 0 among them, the lowest first. Raises LabkitError."""
        words = [each.strip() for each in self.temperatures.value.split(",") if each.strip()]
        found = {0.0}
        for each in words:
            try:
                found.add(float(each))
            except ValueError:
                raise LabkitError(TEXT["numbers"].format(word=each)) from None
        if len(found) > _MOST:
            raise LabkitError(TEXT["many"].format(count=len(found), most=_MOST))
        return sorted(found)

    def samples(self) -> Mapping[str, str]:
        text = self.prompt.value
        prompt = json.dumps(text if len(text) <= _CODE else text[:_CODE] + TEXT["cut"], ensure_ascii=False)
        try:
            temperatures = ", ".join(f"{each:g}" for each in self.chosen())
        except LabkitError:
            temperatures = "0, 0.15"
        asked = {"prompt": prompt, "temperatures": temperatures, "n": self.n.value, "long": self.long.value}
        return {"labkit": _LABKIT.format(**asked), "OpenAI's client": _OPENAI.format(**asked)}

    def still_text(self) -> str:
        return str(self.drift) if self.drift.samples else ""

    def still_html(self) -> str:
        if not self.drift.samples:
            return ""
        parts = [
            f"<h4>{TEXT['at'].format(temperature=each.temperature)}</h4>{_page(each)}"
            for each in self.drift.rows
        ]
        return self.drift._repr_html_() + "".join(parts)

    def _run(self) -> None:
        if not self.prompt.value.strip():
            self.tell(TEXT["empty"])
            return
        temperatures = self.chosen()
        count = len(temperatures) * self.n.value
        self.drift = Drift(())
        self._show(temperatures)
        self.tell(TEXT["running"].format(done=0, all=count))

        def watch(sample: Sample) -> None:
            self.drift = Drift((*self.drift.samples, sample), count)
            self._show(temperatures)
            self.tell(TEXT["running"].format(done=len(self.drift.samples), all=count))

        self.drift = probes.drift(
            self.session,
            self.prompt.value,
            temperatures=temperatures,
            n=self.n.value,
            streams=self.streams,
            max_tokens=self.long.value,
            watch=watch,
            stopping=self.stopping,
        )
        self._show(temperatures)
        self.tell(self.drift.stopped or self.drift.why())

    def _show(self, temperatures: list[float]) -> None:
        options = [(f"{each:g}", each) for each in temperatures]
        if list(self.which.options) != options:
            self.which.options, self.which.index = options, 0
            self.which.layout.display = ""
        self._draw(temperatures)
        self.table.value = self.drift.table() if self.drift.samples else ""
        self._read()

    def _read(self) -> None:
        rows = [each for each in self.drift.rows if each.temperature == self.which.value]
        self.answers.value = "".join(map(_page, rows))

    def _draw(self, temperatures: list[float]) -> None:
        line, dots = self.figure.data
        rows, spread = self.drift.rows, _SPREAD * max(*temperatures, 0.5)
        placed = [
            (each.temperature + spread * (number - (len(each.away) - 1) / 2), away, answer)
            for each in rows
            for number, (away, answer) in enumerate(zip(each.away, each.answers, strict=False))
        ]
        with self.figure.batch_update():
            self.figure.update_xaxes(**_axis(temperatures))
            dots.x, dots.y = [each[0] for each in placed], [each[1] for each in placed]
            dots.customdata = [html.escape(_short(each[2], 80)) for each in placed]
            pairs = [each for each in rows if each.apart is not None]
            line.x, line.y = [each.temperature for each in pairs], [each.apart for each in pairs]


def _axis(temperatures: Sequence[float]) -> dict[str, Any]:
    hottest = max(*temperatures, 0.5)
    return {"tickvals": list(temperatures), "range": (-0.08 * hottest, 1.08 * hottest)}


def _page(of: Row) -> str:
    """The different answers of one temperature, the commonest first."""
    parts = []
    for answer, count in of.counted:
        if of.greedy is None:
            head = TEXT["alone"].format(count=count, n=len(of.answers))
        elif answer == of.greedy:
            head = TEXT["greedy"].format(count=count, n=len(of.answers))
        else:
            away = difference(of.greedy, answer)
            head = TEXT["times"].format(count=count, n=len(of.answers), away=away)
        words = _marked(of.greedy, _short(answer, _LONG))
        parts.append(f'<p style="margin: 0 0 8px;"><small>{head}</small><br>{words}</p>')
    note = f"<small>{TEXT['marked']}</small>" if any(of.away) else ""
    return f'<div style="line-height: 1.4; overflow-wrap: anywhere;">{"".join(parts)}{note}</div>'


def _marked(greedy: str | None, answer: str) -> str:
    """The answer with the words underlined that the greedy one has not."""
    words = answer.split()
    if greedy is None:
        return html.escape(answer)
    matches = SequenceMatcher(None, greedy.split(), words, autojunk=False).get_matching_blocks()
    common = {place for match in matches for place in range(match.b, match.b + match.size)}
    shown = [
        html.escape(each) if at in common else f"<u>{html.escape(each)}</u>" for at, each in enumerate(words)
    ]
    return " ".join(shown).replace("</u> <u>", " ")


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + TEXT["cut"]
