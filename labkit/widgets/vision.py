"""Widget: what a picture costs, drawn over it, and a question about any part of it."""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, BoundedIntText, Button, Dropdown, IntSlider, Layout, Text, Widget

from labkit import catalog, vision
from labkit.vision import MODEL, Cost
from labkit.widgets.conversation import Asking, Settings, listen
from labkit.widgets.drop import kept
from labkit.widgets.frame import Instrument
from labkit.widgets.parts import Stream, row
from labkit.widgets.pictures import SAMPLES, facts, opened_copy, pixels
from labkit.widgets.region import LONGEST, Region, jpeg

if TYPE_CHECKING:
    from PIL.Image import Image

    from labkit.images import Picture
    from labkit.session import Session

TEXT = {
    "title": "Vision",
    "sample": "Picture",
    "chart": "a chart",
    "receipt": "a receipt",
    "shapes": "shapes",
    "page": "a page with a small sign",
    "own": "your own",
    "model": "Cost for",
    "longest": "Longest edge",
    "whole": "Whole picture",
    "whole_tip": "Make the region the whole picture",
    "prompt": "Question",
    "first": "Describe this picture.",
    "ask": "Ask",
    "ask_tip": "Ask the model about the region alone",
    "stop": "Stop",
    "stop_tip": "Give up the rest of the answer",
    "answer": "The model's answer",
    "hint": "Drag a rectangle on the picture, or set its edges: only that region is sent.",
    "asking": "Asking about {what}.",
    "all": "the whole picture",
    "part": "the region of {wide:,} x {high:,} px",
    "done": "{tokens:,} tokens read, the picture's {seen:,} among them · {seconds:.1f} s.",
    "uncounted": "The picture is {seen:,} tokens · {seconds:.1f} s.",
    "no_question": "Write a question first.",
    "this": "This",
    "scaled": "{name} has {before}: scaled down to {after} before it went to this page.",
    "still": "Question: {prompt}\nAnswer: {answer}",
}
EDGES = ("Left", "Top", "Width", "Height")
_HOW = Settings(max_tokens=256)
_STILL = 480
_CODE = """\
from labkit import vision

picture = vision.picture({path!r})
region = picture.crop({box})
print(vision.cost(region, {model!r}, longest={longest}))
print(session.chat({prompt!r}, image=vision.shrink(region, {longest})))"""


class Vision(Instrument):
    """The patch grid over a picture, its tokens and memory, and a question about a region of it."""

    TITLE = TEXT["title"]

    def __init__(self, session: Session, picture: Picture | None = None) -> None:
        self.session = session
        self.picture = SAMPLES["chart"]()
        """What is asked about, at most 3,080 pixels long."""
        self.served = "pocket" if "pocket" in session.model else MODEL
        """The session's model, by its name in the catalog."""
        self.told = ""
        """The question of the answer that is shown."""
        self._quiet, self._path = False, kept(self.picture)
        wide = Layout(width="auto", flex="1 1 220px")
        names = [(TEXT[each], each) for each in SAMPLES]
        self.sample = Dropdown(
            options=[*names, (TEXT["own"], "own")], description=TEXT["sample"], layout=wide
        )
        models = [(catalog.model(each).title, each) for each in catalog.models()]
        self.model = Dropdown(options=models, value=self.served, description=TEXT["model"], layout=wide)
        self.longest = IntSlider(
            description=TEXT["longest"],
            readout_format=",d",
            continuous_update=False,
            layout=Layout(width="auto", flex="1 1 300px", max_width="500px"),
        )
        self.longest.style.description_width = "initial"
        self.region = Region(self._taken)
        self.facts = HTML()
        self.edges = [
            BoundedIntText(description=each, max=LONGEST, layout=Layout(width="150px")) for each in EDGES
        ]
        self.whole = Button(description=TEXT["whole"], tooltip=TEXT["whole_tip"])
        self.prompt = Text(
            TEXT["first"], description=TEXT["prompt"], layout=Layout(width="auto", flex="1 1 300px")
        )
        self.start = Button(description=TEXT["ask"], tooltip=TEXT["ask_tip"], button_style="primary")
        self.halt = Button(description=TEXT["stop"], tooltip=TEXT["stop_tip"], disabled=True)
        self.answer = Stream(TEXT["answer"])
        super().__init__(
            row(self.sample, self.model, self.longest),
            self.region,
            row(*self.edges, self.whole),
            self.facts,
            row(self.prompt, row(self.start, self.halt)),
            self.answer,
        )
        self._when(self.sample, self._pick)
        self._when(self.model, self._reach)
        self._when(self.longest, self._draw)
        self._when(self.region, self._dragged, "region")
        for each in self.edges:
            self._when(each, self._typed)
        self.whole.on_click(lambda _: self.attempt(self._all))
        self.prompt.observe(self.refresh, "value")
        self.start.on_click(lambda _: self.begin(self._ask, start=self.start, stop=self.halt))
        self.halt.on_click(self.stop)
        self.tell(TEXT["hint"])
        self.attempt(self._reach)
        self.attempt(self._all)
        if picture is not None:
            self.attempt(lambda: self.load(picture))

    @property
    def box_of_region(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the region, in pixels of the picture."""
        left, top, width, height = self.region.region
        return left, top, left + width, top + height

    def load(self, picture: Picture, name: str = TEXT["this"], was: tuple[int, int] | None = None) -> None:
        """Show another picture. was: its size before it was scaled down elsewhere. Raises LabkitError."""
        opened = opened_copy(picture, name)
        was = was or opened.size
        opened.thumbnail((LONGEST, LONGEST))
        self._take(opened)
        with self._unheard():
            self.sample.value = "own"
        scaled = TEXT["scaled"].format(name=name, before=pixels(was), after=pixels(opened.size))
        self.tell(scaled if was != opened.size else TEXT["hint"])

    def samples(self) -> Mapping[str, str]:
        asked = {"path": str(self._path), "box": self.box_of_region}
        asked |= {"model": self.model.value, "longest": self.longest.value, "prompt": self.prompt.value}
        return {"Python": _CODE.format(**asked)}

    def still_text(self) -> str:
        answer = self.answer.text and TEXT["still"].format(prompt=self.told, answer=self.answer.text)
        return "\n".join(filter(None, (str(self._cost(self.part)), answer)))

    def still_html(self) -> str:
        from PIL import ImageDraw

        drawn = self.picture.copy()
        ImageDraw.Draw(drawn).rectangle(self.box_of_region, outline="#d55e00", width=3)
        drawn.thumbnail((_STILL, _STILL))
        said = TEXT["still"].format(prompt=self.told, answer=self.answer.text) if self.answer.text else ""
        lines = html.escape(said).replace("\n", "<br>")
        url = f"data:image/jpeg;base64,{b64encode(jpeg(drawn)).decode()}"
        return f'<img src="{url}">{self._facts()}<p>{lines}</p>'

    @property
    def part(self) -> Image:
        """The region of the picture."""
        return self.picture.crop(self.box_of_region)

    def _cost(self, image: Image) -> Cost:
        return vision.cost(image, self.model.value, longest=self.longest.value)

    def _taken(self, name: str, data: bytes, was: tuple[int, int] | None) -> None:
        self.attempt(lambda: self.load(data, name, was))

    def _pick(self) -> None:
        if self.sample.value in SAMPLES:
            self._take(SAMPLES[self.sample.value]())
            self.tell(TEXT["hint"])

    def _take(self, image: Image) -> None:
        """Show this picture, and the whole of it as the region."""
        self.picture = image
        self._path = kept(image)
        self._all()
        self._draw()

    def _reach(self) -> None:
        """Let the slider go as far as the chosen model sees."""
        eyes = catalog.model(self.model.value).vision
        if eyes is not None:
            with self._unheard():
                self.longest.max = eyes.image_size
                self.longest.min, self.longest.value = eyes.patch * eyes.merge, eyes.image_size
        self._draw()

    def _draw(self) -> None:
        self.region.show(self._cost(self.picture))
        self.facts.value = self._facts()

    def _all(self) -> None:
        self._select(0, 0, *self.picture.size)

    def _dragged(self) -> None:
        self._select(*self.region.region)

    def _typed(self) -> None:
        self._select(*(each.value for each in self.edges))

    def _select(self, left: int, top: int, wide: int, high: int) -> None:
        """Make this the region, as far as it lies in the picture."""
        most_wide, most_high = self.picture.size
        wide, high = min(max(1, wide), most_wide), min(max(1, high), most_high)
        box = [min(max(0, left), most_wide - wide), min(max(0, top), most_high - high), wide, high]
        with self._unheard():
            self.region.region = box
            for each, value in zip(self.edges, box, strict=True):
                each.value = value
        self.facts.value = self._facts()

    def _facts(self) -> str:
        return facts(self._cost(self.picture), self._cost(self.part))

    def _ask(self) -> None:
        question, part = self.prompt.value.strip(), self._cost(self.part)
        if not question:
            return self.tell(TEXT["no_question"])
        sent = part.image if part.size == part.image.size else part.image.resize(part.size)
        what = TEXT["part"].format(wide=part.image.width, high=part.image.height)
        self.tell(TEXT["asking"].format(what=TEXT["all"] if part.image.size == self.picture.size else what))
        self.told = question
        self.answer.clear()
        options: dict[str, Any] = {"temperature": _HOW.temperature, "max_tokens": _HOW.max_tokens}
        asking = Asking(_HOW, lambda: self.session.chat(question, image=sent, **options))
        (found,) = listen([asking], lambda _, piece: self.answer.add(piece), lambda _: None, self.stopping)
        self.answer.end()
        if found.fault:
            return self.tell(found.fault, "note" if found.stopped else "fault")
        seen = vision.cost(sent, self.served).tokens
        counted = found.prompt_tokens is not None
        told = {"tokens": found.prompt_tokens, "seen": seen, "seconds": found.seconds}
        self.tell(TEXT["done" if counted else "uncounted"].format(**told))

    def _when(self, part: Widget, work: Callable[[], None], trait: str = "value") -> None:
        """Do `work` when the learner changes this part, and not when the widget itself does."""
        part.observe(lambda _: None if self._quiet else self.attempt(work), trait)

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before
