"""Lesson 04, Vision: a budget in tokens, a reading that proves itself, many pictures, half the tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labkit import vision
from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, shown
from labkit.lessons.texts_04 import OVERLAP, TEXT, VERDICTS
from labkit.probes import Charts

TITLE = "Vision"

_BUDGET = 1000
_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


class Budget(Exercise):
    """4.1: the largest edge of a photograph, 4 to 3, that costs a thousand tokens at most."""

    id = "4.1"
    texts = TEXT[id]
    code = """\
from PIL import Image
from labkit import vision

edge = 1540
while vision.cost(Image.new("RGB", (edge, edge * 3 // 4))).tokens > 1000:
    edge -= 1
check("4.1", edge)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the longer edge, in pixels."""
        edge = int(grading.number(answer, 28, 4032, "pixels"))
        tokens = _photo(edge)
        if tokens > _BUDGET:
            return self.not_yet("many", edge=edge, tokens=tokens)
        if _photo(edge + 1) <= _BUDGET:
            return self.not_yet("room", edge=edge, tokens=tokens)
        return self.correct(edge=edge, tokens=tokens, full=_photo(4032))


class Trusted(Exercise):
    """4.2: a function that compares a receipt's items with its total."""

    id = "4.2"
    texts = TEXT[id]
    code = """\
def trusted(data):
    added = sum(each["price"] for each in data["items"])
    return bool(data["items"]) and abs(added - data["total"]) < 0.005

check("4.2", trusted)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the function; it gets dicts with shop, items (name, price) and total."""
        if not callable(answer):
            return self.not_yet("form", found=shown(answer))
        for prices, total in (((2.8, 3.5, 2.4), 8.7), ((0.1, 0.2), 0.3), ((4.5,), 4.5)):
            if not answer(_paper(prices, total)):
                return self.not_yet("good", data=shown(_paper(prices, total), 160))
        for prices, total in (((2.8, 3.5, 2.4), 8.1), ((0.1, 0.2), 0.31), ((4.5,), 45.0), ((9.0,), 8.0)):
            if answer(_paper(prices, total)):
                return self.not_yet("bad", added=sum(prices), total=total)
        if answer(_paper((), 0.0)):
            return self.not_yet("empty")
        return self.correct()


class Many(Exercise):
    """4.3: five pictures or more in one request, and the right one found."""

    id = "4.3"
    texts = TEXT[id]
    code = """\
from pocket.drawings import draw_shapes

things = ["red circle", "blue square", "green star", "black heart", "orange cross"]
pictures = [draw_shapes([each], size=(112, 112)) for each in things]
reply = session.chat("Which picture shows a green star?", image=pictures)
check("4.3", {"things": things, "wanted": "green star", "reply": reply})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"things": what was drawn, "wanted": one of them, "reply": a Reply}."""
        if not isinstance(answer, Mapping) or not {"things", "wanted", "reply"} <= answer.keys():
            return self.not_yet("form", found=shown(answer))
        things, wanted = list(answer["things"]), answer["wanted"]
        heard = grading.reply(answer["reply"])
        if len(things) < 5:
            return self.not_yet("few", n=len(things))
        if things.count(wanted) != 1:
            return self.not_yet("twice", wanted=shown(wanted))
        tokens = answer["reply"].usage.prompt_tokens
        if tokens < 2 * len(things):  # a picture of one square is two tokens, its row break included
            return self.not_yet("words", tokens=tokens, n=len(things))
        place = things.index(wanted) + 1
        if _places(heard.text) != {place}:
            return self.not_yet("other", wanted=wanted, place=place, said=shown(heard.text, 100))
        return self.correct(wanted=wanted, place=place, n=len(things), tokens=tokens)


class Halved(Exercise):
    """4.4: charts at half the tokens, and whether they are read worse for sure."""

    id = "4.4"
    texts = TEXT[id]
    code = """\
from labkit import probes

full = probes.charts(session)
longest = 336
while (small := probes.charts(session, longest=longest)).tokens > full.tokens / 2:
    longest -= 28
check("4.4", {"full": full, "small": small, "worse": small.interval[1] < full.interval[0]})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"full": Charts, "small": Charts, "worse": bool}."""
        if not isinstance(answer, Mapping):
            return self.not_yet("form", found=shown(answer))
        full, small = answer.get("full"), answer.get("small")
        if not isinstance(full, Charts) or not isinstance(small, Charts):
            return self.not_yet("form", found=shown(dict(answer)))
        if not isinstance(answer.get("worse"), bool):
            return self.not_yet("form", found=shown(answer.get("worse")))
        if full.n < 20 or [each.chart.question for each in full.reads] != [
            each.chart.question for each in small.reads
        ]:
            return self.not_yet("cases", full=full.n, small=small.n)
        if small.tokens > full.tokens / 2:
            return self.not_yet("dear", small=small.tokens, full=full.tokens)
        (full_low, full_high), (small_low, small_high) = full.interval, small.interval
        worse = small_high < full_low
        if answer["worse"] is not worse:
            ends = {"full_low": full_low, "full_high": full_high}
            ends |= {"small_low": small_low, "small_high": small_high}
            return self.not_yet("verdict", overlap=OVERLAP[worse], **ends)
        share = small.tokens / full.tokens
        return self.correct(
            small=small.right, full=full.right, n=full.n, share=share, verdict=VERDICTS[worse]
        )


def _photo(edge: int) -> int:
    """What a photograph of 4 to 3 with this longer edge costs the real model, in tokens."""
    from PIL import Image

    return vision.cost(Image.new("RGB", (edge, edge * 3 // 4))).tokens


def _paper(prices: tuple[float, ...], total: float) -> dict[str, Any]:
    items = [{"name": name, "price": price} for name, price in zip("ABC", prices, strict=False)]
    return {"shop": "Corner Cafe", "items": items, "total": total}


def _places(said: str) -> set[int]:
    """The places that a text names: "the third picture", "picture 3", "the 3rd", "image #3"."""
    lower = said.lower()
    named = {place for place, word in enumerate(_PLACES, 1) if re.search(rf"\b{word}\b", lower)}
    return named | {int(each) for each in re.findall(r"\b(\d+)(?:st|nd|rd|th)?\b", lower)}


EXERCISES: tuple[Exercise, ...] = (Budget(), Trusted(), Many(), Halved())
