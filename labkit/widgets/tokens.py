"""Widget: how a text becomes tokens, and how sure the model was of each token of its answer."""

from __future__ import annotations

import html
import json
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ipywidgets import HTML, Button, Checkbox, FloatSlider, IntSlider, Layout, Textarea

from labkit import probes
from labkit.errors import LabkitError
from labkit.probes.logprobs import Logprobs, Scored
from labkit.widgets.figures import figure
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row
from labkit.widgets.scored import ScoredText, legend

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "title": "Tokens and probabilities",
    "text": "Your text",
    "first": "Mistral reads tokens, not letters: 東京, [INST], 3.1415 🙂",
    "chat": "as a message, in the chat template",
    "cut": "The first {shown:,} of {all:,} tokens are shown.",
    "counted": "It says no more than a count: {n:,} tokens as a message, template included.",
    "prompt": "Question",
    "asked": "Tell me something about GPUs.",
    "temperature": "Temperature",
    "best": "Alternatives",
    "ask": "Ask",
    "ask_tip": "Ask the model, and see the chance of each token as it comes",
    "stop": "Stop",
    "stop_tip": "End this answer",
    "figure": "Entropy along the answer: 0 bits where one token has it all, 1 bit for a coin.",
    "x": "token of the answer",
    "y": "entropy, bits (at least)",
    "hover": "%{customdata}<br>%{y:.2f} bits<extra></extra>",
    "asking": "It answers.",
    "empty": "Write a question first.",
    "no_tokens": "The answer has no tokens.",
    "stopped": "{line}.",
    "done": "{line}. The chances are the model's own, before the temperature changes them; the entropy "
    "counts all tokens that are not listed as one, so it is a lower bound.",
    "long": " ... (the rest of your text)",
}
_SHOWN = 400
"""Tokens of a text that are drawn: a book would stop the page."""
_DRAW_S = 0.3
_CODE = 2000
_LABKIT = """\
from labkit import probes

tokens = probes.tokens_of(session, {text})
answer = probes.logprobs(session, {prompt}, best={best}, temperature={temperature:g})
answer.chart()"""
_OPENAI = """\
import math

stream = session.client.chat.completions.create(
    model=session.model,
    messages=[{{"role": "user", "content": {prompt}}}],
    temperature={temperature:g},
    max_tokens={max_tokens},
    logprobs=True,
    top_logprobs={best},
    stream=True,
)
for chunk in stream:
    scores = chunk.choices[0].logprobs
    for token in scores.content if scores else []:
        others = [(each.token, math.exp(each.logprob)) for each in token.top_logprobs]
        print(repr(token.token), math.exp(token.logprob), others)"""


class Tokens(Instrument):
    """Two views: the tokens of a text as the model gets them, and an answer with the chance of each token."""

    TITLE = TEXT["title"]

    def __init__(self, session: Session, *, max_tokens: int = 128) -> None:
        import plotly.graph_objects as go

        self.session, self.max_tokens = session, max_tokens
        self.split: probes.Tokens | None = None
        """The tokens of the text; None where the engine does not tell them."""
        self.answer: Logprobs | None = None
        """The last answer."""
        self._come: list[Scored] = []
        self._drawn_at = 0.0
        self._typing = threading.Lock()
        self._typed = False
        self._splitter: threading.Thread | None = None
        wide = Layout(width="100%")
        self.text = Textarea(TEXT["first"], description=TEXT["text"], rows=2, layout=wide)
        self.chat = Checkbox(True, description=TEXT["chat"], indent=False, layout=Layout(width="auto"))
        self.chips = HTML(layout=Layout(max_height="300px", overflow="auto"))
        self.prompt = Textarea(TEXT["asked"], description=TEXT["prompt"], rows=2, layout=wide)
        grow = {
            "style": {"description_width": "initial"},
            "layout": Layout(flex="1 1 240px", max_width="330px"),
        }
        self.temperature = FloatSlider(0.15, min=0, max=2, step=0.05, description=TEXT["temperature"], **grow)
        self.best = IntSlider(5, min=1, max=20, description=TEXT["best"], **grow)
        self.ask = Button(description=TEXT["ask"], tooltip=TEXT["ask_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.scored = ScoredText()
        self.figure = figure(go.Bar(hovertemplate=TEXT["hover"]), x=TEXT["x"], y=TEXT["y"], height=200)
        self.figure.update_xaxes(range=(0.4, 20.6)).update_yaxes(range=(0, 2), rangemode="tozero")
        super().__init__(
            self.text,
            self.chat,
            self.chips,
            self.prompt,
            row(self.temperature, self.best, row(self.ask, self.halt)),
            HTML(legend()),
            self.scored,
            HTML(f'<div class="labkit-small" style="line-height: 1.4;">{TEXT["figure"]}</div>'),
            self.figure,
        )
        self.ask.on_click(lambda _: self.begin(self._ask, start=self.ask, stop=self.halt))
        self.halt.on_click(self.stop)
        for each in (self.text, self.chat):
            each.observe(self._type, "value")
        for each in (self.prompt, self.temperature, self.best):
            each.observe(self.refresh, "value")
        self._type()

    def samples(self) -> Mapping[str, str]:
        text, prompt = _code(self.text.value), _code(self.prompt.value)
        text = f'[{{"role": "user", "content": {text}}}]' if self.chat.value else text
        asked = {
            "text": text,
            "prompt": prompt,
            "best": self.best.value,
            "temperature": self.temperature.value,
            "max_tokens": self.max_tokens,
        }
        return {"labkit": _LABKIT.format(**asked), "OpenAI's client": _OPENAI.format(**asked)}

    def wait(self, seconds: float = 120) -> None:
        super().wait(seconds)
        if splitter := self._splitter:
            splitter.join(seconds)

    def still_text(self) -> str:
        return str(self.answer or self.split or "")

    def still_html(self) -> str:
        answer = self.answer._repr_html_() if self.answer else ""
        return self.chips.value + answer

    def _type(self, *_: object) -> None:
        """Split the text in the background; what is typed meanwhile is split once, afterwards."""
        with self._typing:
            self._typed = True
            if self._splitter is None:
                self._splitter = threading.Thread(target=self._keep_splitting, daemon=True)
                self._splitter.start()

    def _keep_splitting(self) -> None:
        while True:
            with self._typing:
                if not self._typed:
                    self._splitter = None
                    return
                self._typed = False
            self.attempt(self._split)

    def _split(self) -> None:
        text = self.text.value
        try:
            self.split = probes.tokens_of(self.session, _message(text) if self.chat.value else text)
            self.chips.value = _chips(self.split)
        except LabkitError as error:
            self.split = None
            self.chips.value = html.escape(str(error))
            if self.session.engine == "ollama":
                self.chips.value += f" {TEXT['counted'].format(n=self.session.count(text))}"

    def _ask(self) -> None:
        prompt = self.prompt.value
        if not prompt.strip():
            self.tell(TEXT["empty"])
            return
        self._come, self.answer = [], None
        self.scored.clear()
        self._draw()
        self.tell(TEXT["asking"])
        try:
            self.answer = probes.logprobs(
                self.session,
                prompt,
                best=self.best.value,
                temperature=self.temperature.value,
                max_tokens=self.max_tokens,
                watch=self._watch,
                stopping=self.stopping,
            )
        finally:  # what had come before a fault stays, too
            self.answer = self.answer or (Logprobs(tuple(self._come)) if self._come else None)
            self.scored.end()
            self._draw()
        line = self.answer.line() if self.answer and self._come else TEXT["no_tokens"].rstrip(".")
        self.tell(TEXT["stopped" if self.stopping.is_set() else "done"].format(line=line))

    def _watch(self, token: Scored) -> None:
        self._come.append(token)
        self.scored.add(token)
        if time.monotonic() - self._drawn_at >= _DRAW_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn_at = time.monotonic()
        (bars,) = self.figure.data
        with self.figure.batch_update():
            if self._come:
                self.figure.update_xaxes(autorange=True).update_yaxes(autorange=True)
            bars.x = list(range(1, len(self._come) + 1))
            bars.y = [each.entropy for each in self._come]
            bars.customdata = [html.escape(repr(each.text)) for each in self._come]


def _message(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _chips(split: probes.Tokens) -> str:
    if len(split) <= _SHOWN:
        return split._repr_html_()
    cut = TEXT["cut"].format(shown=_SHOWN, all=len(split))
    return f"{probes.Tokens(split.pieces[:_SHOWN])._repr_html_()}<p>{cut}</p>"


def _code(text: str) -> str:
    """A text as Python has it; a very long one is cut."""
    return json.dumps(text if len(text) <= _CODE else text[:_CODE] + TEXT["long"], ensure_ascii=False)
