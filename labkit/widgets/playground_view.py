"""What the playground is made of: a column of settings, an answer as it comes, a turn as plain HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

from ipywidgets import HTML, BoundedIntText, Button, FloatSlider, Textarea, VBox

from labkit.widgets.conversation import Answer, Settings, Turn
from labkit.widgets.parts import Stream, row

TEXT = {
    "temperature": "Temperature",
    "top_p": "Top-p",
    "max_tokens": "Max tokens",
    "a": "Setting A",
    "b": "Setting B",
    "edit": "Edit question {number}",
    "edit_tip": "Ask this one otherwise; the conversation goes on from there",
    "you": "You",
    "model": "Answer",
    "asked": "You: {text}",
    "answered": "{name}: {text} ({numbers})",
}
COLUMNS = (TEXT["a"], TEXT["b"])
_MOST_TOKENS = 131072


def text_box(label: str, hint: str, rows: int) -> Textarea:
    """A box for text as wide as the widget; its value changes once it is left, not with each key."""
    box = Textarea(description=label, placeholder=hint, rows=rows, continuous_update=False)
    box.layout.width, box.style.description_width = "auto", "8em"
    return box


class Column:
    """The controls of one setting, under its name."""

    def __init__(self, name: str, settings: Settings | None = None) -> None:
        start = settings or Settings()
        self.name = HTML(f"<b>{html.escape(name)}</b>")
        self.temperature = FloatSlider(
            description=TEXT["temperature"], value=start.temperature, min=0, max=1.5, step=0.05
        )
        self.top_p = FloatSlider(description=TEXT["top_p"], value=start.top_p, min=0.05, max=1, step=0.05)
        self.max_tokens = BoundedIntText(
            description=TEXT["max_tokens"], value=start.max_tokens, min=1, max=_MOST_TOKENS
        )
        self.max_tokens.layout.width = "170px"
        self.controls = (self.temperature, self.top_p, self.max_tokens)
        for each in self.controls:
            each.style.description_width = "initial"
        self.box = row(self.name, *self.controls)
        self.box.add_class("labkit-group")

    @property
    def settings(self) -> Settings:
        return Settings(self.temperature.value, self.top_p.value, self.max_tokens.value)


class AnswerView:
    """One answer: it grows while it comes, and has its numbers below."""

    def __init__(self, name: str) -> None:
        self.stream = Stream(name)
        self.numbers = HTML()
        self.numbers.add_class("labkit-small")
        self.box = VBox([HTML(f"<b>{html.escape(name)}</b>"), self.stream, self.numbers])
        self.box.add_class("labkit-grow")

    def finish(self, answer: Answer) -> None:
        """The whole answer, its calls and its numbers."""
        self.stream.clear()
        self.stream.text = answer.shown()
        lines = [answer.numbers(), answer.fault]
        self.numbers.value = "<br>".join(html.escape(each) for each in lines if each)


def turn_view(turn: Turn, index: int, views: Sequence[AnswerView], edit: Callable[[int], None]) -> VBox:
    """A question with its button to edit it, and its answers side by side."""
    button = Button(description=TEXT["edit"].format(number=index + 1), tooltip=TEXT["edit_tip"])
    button.on_click(lambda _: edit(index))
    question = HTML(asked_html(turn))
    question.add_class("labkit-grow")
    head = row(question, button)
    head.layout.align_items = "flex-start"
    box = VBox([head, row(*(each.box for each in views))])
    box.layout.border_top = "1px solid var(--jp-border-color2, #e0e0e0)"
    return box


def names(columns: int) -> Sequence[str]:
    """What the answers are called."""
    return COLUMNS if columns > 1 else (TEXT["model"],)


def asked_html(turn: Turn) -> str:
    """A question, with its pictures, as HTML."""
    pictures = "".join(
        f'<img src="{each.thumb}" alt="{html.escape(each.name, quote=True)}"> ' for each in turn.photos
    )
    text = f"<b>{TEXT['you']}</b> {html.escape(turn.text)}"
    return f'<div style="white-space: pre-wrap; max-height: 12em; overflow-y: auto">{text}</div>{pictures}'


def turn_html(turn: Turn) -> str:
    """The turn with its numbers, as HTML that needs nothing else."""
    found = [asked_html(turn)]
    for name, each in zip(names(len(turn.answers)), turn.answers, strict=True):
        setting = f" ({each.settings})" if len(turn.answers) > 1 else ""
        lines = " ".join(html.escape(line) for line in (each.numbers(), each.fault) if line)
        found.append(
            f'<div style="white-space: pre-wrap"><b>{html.escape(name + setting)}</b> '
            f"{html.escape(each.shown())}</div><p><small>{lines}</small></p>"
        )
    return "".join(found)


def turn_text(turn: Turn) -> str:
    """The same as plain text."""
    lines = [TEXT["asked"].format(text=turn.text)]
    for name, each in zip(names(len(turn.answers)), turn.answers, strict=True):
        lines.append(TEXT["answered"].format(name=name, text=each.shown(), numbers=each.numbers()))
    return "\n".join(lines)
