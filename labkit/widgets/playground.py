"""Widget: chat with the live model, under one setting or two side by side, and the numbers of each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ipywidgets import Button, Checkbox, VBox

from labkit.probes.call_cases import calculate_portfolio_value, get_stock_price
from labkit.session import POCKET
from labkit.starting import POCKET_NAME
from labkit.tools import tool
from labkit.vision import MODEL
from labkit.widgets.conversation import Answer, Asking, Settings, Turn, listen, messages
from labkit.widgets.copying import copy_as
from labkit.widgets.drop import Drop
from labkit.widgets.frame import TEXT as FRAME
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import row
from labkit.widgets.playground_view import (
    COLUMNS,
    AnswerView,
    Column,
    names,
    text_box,
    turn_html,
    turn_text,
    turn_view,
)

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "title": "Playground",
    "system": "System prompt",
    "system_hint": "What the model should be and do; may stay empty",
    "prompt": "Question",
    "prompt_hint": "Ask the model something",
    "compare": "Compare two settings",
    "second": "Python, B",
    "tools": "Offer the guide's two tools",
    "send": "Send",
    "send_tip": "Ask the model",
    "again": "Send again",
    "stop": "Stop",
    "stop_tip": "End the answer; what has come stays",
    "cancel": "Leave it as it was",
    "cancel_tip": "Do not edit the earlier question",
    "anew": "New conversation",
    "anew_tip": "Forget all that was said here",
    "empty": "Write a question first.",
    "asking": "Asking.",
    "done": "Done. The numbers stand below the answer.",
    "editing": "You are editing question {number}. Sending it drops what came after it.",
    "kept": "{why} Your question is back in its box.",
    "example": "What is the KV cache?",
}
TOOLS = [tool(each).schema for each in (get_stock_price, calculate_portfolio_value)]
"""The guide's two tools, as they are offered. Calls are shown, and not run: that is the tracer's."""


class Playground(Instrument):
    """Ask, watch the answer come, stop it, edit an earlier question, compare two settings, copy the code."""

    TITLE = TEXT["title"]

    def __init__(self, session: Session) -> None:
        self.session = session
        self.turns: list[Turn] = []
        """The conversation so far."""
        self._editing: int | None = None
        self.system = text_box(TEXT["system"], TEXT["system_hint"], rows=2)
        self.prompt = text_box(TEXT["prompt"], TEXT["prompt_hint"], rows=3)
        self.columns = [Column(COLUMNS[0]), Column(COLUMNS[1], Settings(temperature=1.0))]
        self.compare = Checkbox(description=TEXT["compare"], indent=False)
        self.tools = Checkbox(description=TEXT["tools"], indent=False)
        for each in (self.compare, self.tools):
            each.layout.width = "auto"
        model = POCKET if session.model == POCKET_NAME else MODEL
        self.drop = Drop(lambda sentence, kind: self.tell(sentence, kind), model)
        self.talk = VBox()
        self.send = Button(description=TEXT["send"], tooltip=TEXT["send_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.cancel = Button(description=TEXT["cancel"], tooltip=TEXT["cancel_tip"])
        self.anew = Button(description=TEXT["anew"], tooltip=TEXT["anew_tip"])
        self._edit_mode(None)
        super().__init__(
            self.system,
            *(each.box for each in self.columns),
            row(self.compare, self.tools),
            self.talk,
            self.prompt,
            self.drop,
            row(self.send, self.halt, self.cancel, self.anew),
        )
        self._compared()
        self.compare.observe(self._compared, "value")
        controls = [each for column in self.columns for each in column.controls]
        for each in (self.system, self.prompt, self.tools, *controls):
            each.observe(self.refresh, "value")
        self.drop.observe(self.refresh, "shown")
        self.send.on_click(lambda _: self._send())
        self.halt.on_click(self.stop)
        self.cancel.on_click(lambda _: self._leave())
        self.anew.on_click(lambda _: self._forget())

    def edit(self, index: int) -> None:
        """Take an earlier question back into the box; sending it drops what came after it."""
        if self._resting():
            self._fill(self.turns[index])
            self._edit_mode(index)
            self.tell(TEXT["editing"].format(number=index + 1))

    def samples(self) -> Mapping[str, str]:
        turns = [*self.turns[: self._editing], Turn(self.prompt.value or TEXT["example"], self.drop.photos)]
        found = self._code(turns, 0)
        if self.compare.value:
            found[TEXT["second"]] = self._code(turns, 1)["Python"]
        return found

    def still_text(self) -> str:
        return "\n".join(map(turn_text, self.turns))

    def still_html(self) -> str:
        return "".join(map(turn_html, self.turns))

    def _code(self, turns: Sequence[Turn], column: int) -> dict[str, str]:
        return copy_as(
            self.session,
            messages(turns, column, self.system.value),
            self.columns[column].settings,
            photos=[photo for each in turns for photo in each.photos],
            tools=TOOLS if self.tools.value else (),
        )

    def _send(self) -> None:
        if not self._resting():
            return
        if not self.prompt.value.strip():
            self.tell(TEXT["empty"])
            return
        asked, before = Turn(self.prompt.value, self.drop.photos), self.turns[: self._editing]
        settings = [each.settings for each in self.columns[: 2 if self.compare.value else 1]]
        views, shown = [AnswerView(each) for each in names(len(settings))], self.talk.children

        def work() -> None:
            self.tell(TEXT["asking"])
            answered = replace(asked, answers=self._ask([*before, asked], settings, views))
            self._take(before, answered, shown)

        self.talk.children = (*shown[: len(before)], turn_view(asked, len(before), views, self.edit))
        self._fill(Turn(""))
        self._edit_mode(None)
        self.begin(work, start=self.send, stop=self.halt)

    def _ask(
        self, turns: Sequence[Turn], settings: Sequence[Settings], views: Sequence[AnswerView]
    ) -> tuple[Answer, ...]:
        """Ask once for each setting, at the same time, and show the pieces as they come."""
        asking = [self._asking(number, each, turns) for number, each in enumerate(settings)]
        return listen(
            asking,
            lambda number, piece: views[number].stream.add(piece),
            lambda number: views[number].finish(asking[number].answer()),
            self.stopping,
        )

    def _asking(self, number: int, settings: Settings, turns: Sequence[Turn]) -> Asking:
        asked = messages(turns, number, self.system.value)
        options: dict[str, Any] = {"tools": TOOLS} if self.tools.value else {}
        options |= {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
        return Asking(settings, lambda: self.session.chat(asked, top_p=settings.top_p, **options))

    def _take(self, before: list[Turn], turn: Turn, shown: tuple[Any, ...]) -> None:
        """Keep the answers. Where nothing came, all is as it was before, and the question is in its box."""
        faults = list(dict.fromkeys(each.fault for each in turn.answers if each.fault))
        kind = "fault" if any(each.fault and not each.stopped for each in turn.answers) else "note"
        if not all(each.empty for each in turn.answers):
            self.turns = [*before, turn]
            self.tell(" ".join(faults) or TEXT["done"], kind)
            return
        self.talk.children = shown
        self._fill(replace(turn, text="\n\n".join(filter(None, (turn.text, self.prompt.value)))))
        self._edit_mode(len(before) if len(before) < len(self.turns) else None)
        self.tell(TEXT["kept"].format(why=" ".join(faults)).strip(), kind)

    def _resting(self) -> bool:
        if self.busy:
            self.tell(FRAME["busy"])
        return not self.busy

    def _fill(self, turn: Turn) -> None:
        self.prompt.value = turn.text
        self.drop.put(turn.photos)

    def _edit_mode(self, index: int | None) -> None:
        self._editing = index
        self.send.description = TEXT["send" if index is None else "again"]
        self.cancel.layout.display = "none" if index is None else ""

    def _leave(self) -> None:
        self._fill(Turn(""))
        self._edit_mode(None)
        self.tell("")

    def _forget(self) -> None:
        if self._resting():
            self.turns, self.talk.children = [], ()
            self._leave()
            self.refresh()

    def _compared(self, *_: Any) -> None:
        both = self.compare.value
        self.columns[1].box.layout.display = "" if both else "none"
        self.columns[0].name.layout.display = "" if both else "none"
        self.refresh()
