"""Lesson 00, Start here: keep a reply, have a chart read, get a tool called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from labkit.lessons import grading
from labkit.lessons.exercise import Exercise, Outcome, Texts, shown

TITLE = "Start here"

TEXT = {
    "0.1": Texts(
        title="Ask, and keep the reply",
        hints=(
            "A cell shows what `session.chat(...)` gives back, and forgets it. A name in front keeps it.",
            'Ask with `reply = session.chat("...")`, any question you like, and hand over `reply`.',
            "Hand over the reply itself. `reply.text` is only its words, without the time and the tokens.",
        ),
        correct="The reply has {words} words, and you still hold all of it: `reply.text`, `reply.seconds`, "
        "`reply.usage`.",
        not_yet={
            "only_text": "You handed over {found}, which is only text. The whole reply was wanted, with its "
            "time and its tokens: `reply = session.chat(...)`, then check `reply`, not `reply.text`.",
            "no_words": "The reply holds no words. Ask a question in words and without tools, then check "
            "that reply.",
        },
    ),
    "0.2": Texts(
        title="Have your own chart read",
        hints=(
            "Three things belong together: the numbers that you drew, the title above them, and the reply of "
            'the model to the picture. Hand them over as `{"values": ..., "title": ..., "reply": ...}`.',
            "Draw with `draw_bar_chart(values, title=title)`, and give the picture to "
            "`session.chat(..., image=picture)`.",
            "Three or four bars, short names and whole numbers below 100 are easy to read. Ask as above: "
            '`session.chat("Describe this chart.", image=picture)`.',
        ),
        correct="All {count} values and the title are in the answer. The model had nothing but the pixels.",
        not_yet={
            "form": "You handed over {found}. Wanted is a dictionary with your chart and what was said of "
            'it: `{{"values": values, "title": title, "reply": reply}}`.',
            "missing": "Your answer has no {missing}. Wanted are all three: "
            '`{{"values": values, "title": title, "reply": reply}}`.',
            "values": "{found} cannot be drawn as bars. Wanted are at least three names, each with a number "
            'above zero: `{{"Mon": 12, "Tue": 7, "Wed": 19}}`.',
            "copied": "These are the numbers of the chart above. Choose your own, so that nobody can know "
            "them but by looking.",
            "title": '{found} is no title. Draw the chart with a few words above it: `title="Visitors"`.',
            "unread": "The answer does not name {unread} (it says {said}). Draw fewer or shorter numbers, "
            "or ask for every value, then check the new reply.",
            "untitled": "All values are there, but not the title, {title}. Draw the chart with it "
            "(`title=...`) and ask for the title as well.",
        },
    ),
    "0.3": Texts(
        title="One question, two calls",
        hints=(
            "The model calls what it is offered. What is offered goes into `tools=[...]`; "
            "`get_stock_price` from above will do.",
            "Name two companies by their tickers in one question, others than AAPL and MSFT.",
            'Ask `session.chat("What is the current price of NVDA and AMD?", tools=[get_stock_price])`, keep '
            "the reply and hand it over.",
        ),
        correct="{calls}: one call for each company, and no price made up. To run them is your half.",
        not_yet={
            "words": "The model answered in words, {said}, and called nothing. Offer the tool with the "
            "question, `tools=[get_stock_price]`, and ask for the current price of two companies.",
            "broken": "The call {call} has arguments that are no JSON object. Ask again with "
            "`temperature=0.15`.",
            "one": "There is a call for {found}; wanted are calls for two companies. Name two tickers in one "
            "question, such as NVDA and AMD.",
            "together": "One call holds several companies at once, {found}. Wanted is a call for each: let "
            "the tool take a single `ticker` of type string, and say so in its description.",
            "none": "The calls name no ticker: {calls}. Offer a tool with the argument `ticker`, and ask "
            "with tickers, such as NVDA and AMD.",
            "copied": "AAPL and MSFT are the ones from above. Ask for two others, to see that it was no "
            "accident.",
        },
    ),
}

_LESSONS_CHART = {12, 7, 19, 15}
_LESSONS_TICKERS = {"AAPL", "MSFT"}
_TICKER = re.compile(r"[A-Z][A-Z0-9]{0,4}(?:[.-][A-Z]{1,2})?")


class KeepReply(Exercise):
    """0.1: the answer is a whole reply with words in it."""

    id = "0.1"
    texts = TEXT[id]
    code = """\
reply = session.chat("What is a token?")
check("0.1", reply)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the reply."""
        if isinstance(answer, str):
            return self.not_yet("only_text", found=shown(answer))
        words = grading.reply(answer).text.split()
        return self.correct(words=len(words)) if words else self.not_yet("no_words")


class ReadChart(Exercise):
    """0.2: every value of the learner's own chart is in the reply, and so is its title."""

    id = "0.2"
    texts = TEXT[id]
    code = """\
from pocket.drawings import draw_bar_chart

values = {"Anna": 31, "Ben": 18, "Cleo": 24}
picture = draw_bar_chart(values, title="Points")
reply = session.chat("Describe this chart.", image=picture)
check("0.2", {"values": values, "title": "Points", "reply": reply})
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: {"values": name to number, "title": str, "reply": reply}."""
        if not isinstance(answer, Mapping):
            return self.not_yet("form", found=shown(answer))
        if missing := [name for name in ("values", "title", "reply") if name not in answer]:
            return self.not_yet("missing", missing=", ".join(missing))
        values, title = answer["values"], answer["title"]
        if not _bars(values):
            return self.not_yet("values", found=shown(values))
        if set(values.values()) == _LESSONS_CHART:
            return self.not_yet("copied")
        if not (isinstance(title, str) and title.strip()):
            return self.not_yet("title", found=shown(repr(title)))
        text = grading.reply(answer["reply"]).text
        said = grading.numbers(text)
        # A chart prints one decimal; hence half of one is the same.
        unread = [value for value in values.values() if all(abs(value - each) > 0.05 for each in said)]
        if unread:
            return self.not_yet("unread", unread=", ".join(map(str, unread)), said=shown(text, 120))
        if title.strip().casefold() not in text.casefold():
            return self.not_yet("untitled", title=shown(title))
        return self.correct(count=len(values))


class TwoCalls(Exercise):
    """0.3: one reply calls a tool for two tickers, one each."""

    id = "0.3"
    texts = TEXT[id]
    code = """\
get_stock_price = {
    "type": "function",
    "function": {
        "name": "get_stock_price",
        "description": "Get the current stock price of a company.",
        "parameters": {
            "type": "object",
            "properties": {"ticker": {"type": "string", "description": "Ticker symbol, such as AAPL"}},
            "required": ["ticker"],
        },
    },
}
reply = session.chat("What is the current price of NVDA and AMD?", tools=[get_stock_price])
check("0.3", reply)
"""

    def check(self, answer: Any, session: Any = None) -> Outcome:
        """answer: the reply with the calls."""
        reply = grading.reply(answer)
        if not reply.calls:
            return self.not_yet("words", said=shown(reply.text))
        named: list[str] = []
        for call in reply.calls:
            if not call.arguments and call.raw.strip() not in ("", "{}"):
                return self.not_yet("broken", call=shown(str(call)))
            tickers = _tickers(call.arguments)
            if len(tickers) > 1:
                return self.not_yet("together", found=shown(str(call)))
            named += tickers
        if not named:
            return self.not_yet("none", calls=shown(", ".join(map(str, reply.calls))))
        if len(set(named)) < 2:
            return self.not_yet("one", found=shown(named[0]))
        if set(named) <= _LESSONS_TICKERS:
            return self.not_yet("copied")
        return self.correct(calls=shown(", ".join(map(str, reply.calls)), 120))


def _bars(values: Any) -> bool:
    numbers = list(values.values()) if isinstance(values, Mapping) else []
    return len(numbers) >= 3 and all(
        isinstance(each, int | float) and not isinstance(each, bool) and each > 0 for each in numbers
    )


def _tickers(arguments: dict[str, Any]) -> list[str]:
    """What looks like a ticker among the values, each once; a list or "NVDA, AMD" gives several."""
    words: list[str] = []
    for value in arguments.values():
        several = value if isinstance(value, list) else [value]
        words += [word for each in several if isinstance(each, str) for word in re.split(r"[\s,;]+", each)]
    return list(dict.fromkeys(word for word in words if _TICKER.fullmatch(word)))


EXERCISES: tuple[Exercise, ...] = (KeepReply(), ReadChart(), TwoCalls())
