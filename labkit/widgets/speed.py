"""Widget: from one reader to many: tokens a second, the wait for the first token, the time for each more."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Button, Dropdown, Layout, SelectionSlider, VBox

from labkit import catalog
from labkit.probes.quoted import Quoted, quoted
from labkit.probes.speed import FORMULAS
from labkit.probes.sweep import TEXT as NAMED
from labkit.probes.sweep import Ceiling, Sweep, sweep
from labkit.widgets.figures import COLOURS, figure
from labkit.widgets.frame import TEXT as FRAME
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row

if TYPE_CHECKING:
    from plotly.graph_objects import FigureWidget

    from labkit.session import Session

TEXT = {
    "title": "Speed",
    "streams": "At once, up to",
    "prompt": "Question, tokens",
    "answer": "Answer, tokens",
    "gpu": "GPU of the server",
    "gpu_tip": "For the ceiling; only where the server runs on another machine than this",
    "here": "this machine's",
    "start": "Measure",
    "start_tip": "Ask one question, then 2 at once, 4 at once and so on, and time the answers",
    "stop": "Stop",
    "stop_tip": "Give up what is still to be measured",
    "quote": "Quote with vllm bench serve",
    "quote_tip": "Let vLLM's own load generator measure the largest number at once: for figures to be quoted",
    "running": "{at_once} at once: {done} of {requests} answers are there.",
    "loading": "vllm bench serve is loading (about 10 s); then it asks {requests} questions, "
    "{at_once} at once.",
    "done": "{many} at once gave {gain:.1f} times the tokens of {few}; half of them waited {late:.0f} ms for "
    "the first token, instead of {soon:.0f} ms. {ceiling}",
    "one": "{rate:.0f} tokens a second. {ceiling}",
    "half": "half (p50)",
    "most": "95 % (p95)",
    "measured": "measured",
    "now": "now",
    "bench": "vllm bench serve",
    "formulas": "How the numbers are reckoned",
    "quoted": "To be quoted",
    "head": "<th>at once</th><th>tokens/s</th><th>ceiling</th><th>TTFT p50, ms</th><th>p95</th>"
    "<th>TPOT p50, ms</th><th>p95</th>",
}
_STREAMS = (1, 2, 4, 8, 16, 32, 64)
_LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
_QUOTED_ROUNDS = 4
_PERCENTS = (50, 95)


class Speed(Instrument):
    """Three figures that fill while it is measured, the numbers, and a measurement that can be quoted."""

    TITLE = TEXT["title"]

    def __init__(self, session: Session) -> None:
        self.session = session
        self.sweep = Sweep((), Ceiling(None, ""))
        """What was measured so far."""
        self.quoted: Quoted | None = None
        """The last result of `vllm bench serve`."""
        wide: dict[str, Any] = {
            "style": {"description_width": "initial"},
            "layout": Layout(flex="1 1 240px", max_width="330px"),
        }
        self.streams = SelectionSlider(options=_STREAMS, value=16, description=TEXT["streams"], **wide)
        self.prompt = SelectionSlider(options=_LENGTHS, value=128, description=TEXT["prompt"], **wide)
        self.answer = SelectionSlider(options=_LENGTHS, value=64, description=TEXT["answer"], **wide)
        self.gpu = Dropdown(
            options=[(TEXT["here"], ""), *((each, each) for each in catalog.gpus())],
            description=TEXT["gpu"],
            tooltip=TEXT["gpu_tip"],
            **wide,
        )
        self.start = Button(description=TEXT["start"], tooltip=TEXT["start_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.quote = Button(description=TEXT["quote"], tooltip=TEXT["quote_tip"], layout=Layout(width="auto"))
        self.rate, self.first, self.each = _rate(), _waits("first", 2), _waits("each", 3)
        self.table, self.result = HTML(layout=Layout(width="100%")), HTML(layout=Layout(width="100%"))
        super().__init__(
            row(self.streams, self.prompt, self.answer, self.gpu),
            row(self.start, self.halt, self.quote),
            row(*map(_framed, (self.rate, self.first, self.each))),
            self.table,
            self.result,
            HTML(_formulas()),
        )
        self.start.on_click(lambda _: self.begin(self._measure, start=self.start, stop=self.halt))
        self.quote.on_click(lambda _: self.begin(self._quote, start=self.quote, stop=self.halt))
        self.halt.on_click(self.stop)
        for control in (self.streams, self.prompt, self.answer, self.gpu):
            control.observe(self.refresh, "value")

    @property
    def chosen(self) -> tuple[int, ...]:
        """The numbers of streams that will be measured."""
        return tuple(each for each in _STREAMS if each <= self.streams.value)

    def samples(self) -> Mapping[str, str]:
        lengths = f"prompt_tokens={self.prompt.value}, max_tokens={self.answer.value}"
        gpu = f", gpu={self.gpu.value!r}" if self.gpu.value else ""
        most, asked = self.streams.value, self.streams.value * _QUOTED_ROUNDS
        lines = [
            "from labkit import probes\n",
            f"found = probes.sweep(session, streams={self.chosen!r}, {lengths}{gpu})",
            "found.chart()\n",
            "# To be quoted:",
            f"probes.quoted(session, streams={most}, requests={asked}, {lengths})",
        ]
        shell = {TEXT["bench"]: str(self.quoted.command)} if self.quoted else {}
        return {"Python": "\n".join(lines)} | shell

    def still_text(self) -> str:
        return "\n".join([str(self.sweep)] * bool(self.sweep.speeds) + [str(self.quoted)] * bool(self.quoted))

    def still_html(self) -> str:
        if not self.still_text():
            return ""
        why = f"<p>{html.escape(self.sweep.ceiling.why)}</p>"
        return self.table.value + why + self.result.value + _formulas()

    def _measure(self) -> None:
        self._show(Sweep((), Ceiling(None, "")))
        try:
            found = sweep(
                self.session,
                streams=self.chosen,
                prompt_tokens=self.prompt.value,
                max_tokens=self.answer.value,
                gpu=self.gpu.value or None,
                watch=self._show,
                stopping=self.stopping,
            )
        finally:
            self._show(Sweep(self.sweep.speeds, self.sweep.ceiling))
        self.tell(FRAME["stopped"] if self.stopping.is_set() else self._sentence(found))

    def _quote(self) -> None:
        asked = {"streams": self.streams.value, "requests": self.streams.value * _QUOTED_ROUNDS}
        self.tell(TEXT["loading"].format(at_once=asked["streams"], requests=asked["requests"]))
        lengths = {"prompt_tokens": self.prompt.value, "max_tokens": self.answer.value}
        try:
            self.quoted = quoted(self.session, **asked, **lengths, stopping=self.stopping)
        except KeyboardInterrupt:
            self.tell(FRAME["stopped"])
            return
        self.result.value = (
            f"<p><b>{TEXT['quoted']}</b>: {html.escape(str(self.quoted))}</p>"
            f'<pre tabindex="0" style="white-space: pre-wrap; overflow-wrap: anywhere;">'
            f"{html.escape(str(self.quoted.command))}</pre>"
        )
        self._show(self.sweep)
        self.tell(str(self.quoted))

    def _sentence(self, found: Sweep) -> str:
        few, many = found.speeds[0], found.speeds[-1]
        if few is many:
            return TEXT["one"].format(rate=few.tokens_per_s, ceiling=found.ceiling.why)
        return TEXT["done"].format(
            many=many.at_once,
            few=few.at_once,
            gain=many.tokens_per_s / few.tokens_per_s,
            late=1000 * many.first_token_s,
            soon=1000 * few.first_token_s,
            ceiling=found.ceiling.why,
        )

    def _show(self, found: Sweep) -> None:
        now, growing = found.now, found.now is not None and found.speeds == self.sweep.speeds
        self.sweep = found
        if now is not None:
            self.tell(TEXT["running"].format(at_once=now.at_once, done=now.done, requests=now.requests))
        at_once = [each.at_once for each in found.speeds]
        drawn = [*at_once, *([now.at_once] if now else [])]
        quoted = [self.quoted] if self.quoted else []
        known = found.ceiling.tokens_per_s is not None
        said = [each.at_once for each in quoted]
        self._draw(
            self.rate,
            (at_once, [each.tokens_per_s for each in found.speeds]),
            (drawn, list(map(found.ceiling.at, drawn))) if known else ([], []),
            ([now.at_once], [now.tokens_per_s]) if now else ([], []),
            (said, [each.tokens_per_s for each in quoted]),
        )
        if growing:
            return  # nothing else has changed
        waits = [(at_once, list(map(_ms, found.first_token(percent)))) for percent in _PERCENTS]
        self._draw(self.first, *waits, (said, [one.first_token.p50 for one in quoted]))
        steps = [(at_once, list(map(_ms, found.per_token(percent)))) for percent in _PERCENTS]
        self._draw(self.each, *steps, (said, [one.per_token.p50 for one in quoted]))
        self.table.value = _table(found) if found.speeds else ""

    def _draw(self, plot: FigureWidget, *lines: tuple[list[int], list[Any]]) -> None:
        with plot.batch_update():
            for trace, (x, y) in zip(plot.data, lines, strict=True):
                trace.x, trace.y = x, y


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def _panel(y: str, *traces: Any) -> FigureWidget:
    """A figure over the numbers of streams."""
    axis = {"type": "log", "tickvals": _STREAMS, "range": (-0.08, math.log10(_STREAMS[-1]) + 0.08)}
    found = figure(*traces, x=NAMED["axis"], y=y, height=300)
    found.update_xaxes(**axis).update_yaxes(rangemode="tozero")
    return found


def _rate() -> FigureWidget:
    import plotly.graph_objects as go

    return _panel(
        NAMED["rate"],
        go.Scatter(name=TEXT["measured"], mode="lines+markers", line={"color": COLOURS[0]}),
        go.Scatter(name=NAMED["ceiling"], mode="lines+markers", line={"color": COLOURS[1], "dash": "dash"}),
        go.Scatter(name=TEXT["now"], mode="markers", marker=_mark("circle-open", COLOURS[0])),
        go.Scatter(name=TEXT["bench"], mode="markers", marker=_mark("star", COLOURS[4])),
    )


def _waits(key: str, colour: int) -> FigureWidget:
    import plotly.graph_objects as go

    half = {"color": COLOURS[colour]}
    return _panel(
        NAMED[key],
        go.Scatter(name=TEXT["half"], mode="lines+markers", line=half),
        go.Scatter(name=TEXT["most"], mode="lines+markers", line=half | {"dash": "dot"}),
        go.Scatter(name=TEXT["bench"], mode="markers", marker=_mark("star", COLOURS[4])),
    )


def _mark(symbol: str, colour: str) -> dict[str, Any]:
    return {"symbol": symbol, "color": colour, "size": 12}


def _framed(plot: FigureWidget) -> VBox:
    box = VBox([plot])
    box.add_class("labkit-grow")
    return box


def _table(found: Sweep) -> str:
    rows = []
    for each in found.speeds:
        waits = [f"{1000 * each.first_token(percent):.0f}" for percent in _PERCENTS]
        steps = [_ms(each.per_token(percent)) for percent in _PERCENTS]
        cells = [str(each.at_once), f"{each.tokens_per_s:.0f}", found.ceiling.beside(each), *waits]
        cells += ["-" if step is None else f"{step:.1f}" for step in steps]
        rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table><tr>{TEXT['head']}</tr>{''.join(rows)}</table>"


def _formulas() -> str:
    lines = [
        f"<li><b>{html.escape(name)}</b>: {html.escape(words)}.</li>" for name, words in FORMULAS.items()
    ]
    return f"<details><summary>{TEXT['formulas']}</summary><ul>{''.join(lines)}</ul></details>"
