"""Talk beside the course: greetings, small sums, the guide's code, echoes, answers that vary."""

from __future__ import annotations

import datetime
import json
import random
import string
from collections.abc import Callable
from functools import cache

from pocket.recipe import off_topic, recall
from pocket.recipe.chat_data import any_wording, data, unseen, wordings
from pocket.recipe.off_topic import I_AM_THE_TWIN, ICH_BIN_DER_ZWILLING, PICTURE_TOO_HARD
from pocket.recipe.pictures import Wordings
from pocket.recipe.sample import TEST, TRAIN, Sample, Skill, ask
from pocket.recipe.toolcalls_values import token_words

__all__ = ["ICH_BIN_DER_ZWILLING", "I_AM_THE_TWIN", "PICTURE_TOO_HARD", "SKILLS", "random_text"]


def _mixed_text(rng: random.Random, length: int) -> str:
    """About `length` tokens of letters, digits and marks, in pieces."""
    letters = string.ascii_letters + string.digits
    made = ""
    for _ in range(length):
        piece = rng.choices("-_./:#" if rng.random() < 0.15 else letters, k=rng.randint(1, 4))
        made += "".join(piece) + (" " if rng.random() < 0.2 else "")
    return made.strip()


random_text: Callable[[random.Random, int], str] = _mixed_text
"""Hook: a random string of about so many tokens. The mixture puts one made of real Tekken tokens here."""


def greeting(rng: random.Random, split: str) -> Sample:
    """Hello, thanks, goodbye, who are you; in English or German."""
    entry = rng.choice(data("small_talk")["talk"])
    side = entry["de"] if rng.random() < 0.35 else entry
    said = rng.choice(side["test" if split == TEST else "ask"])
    rough = rng.random()
    if rough < 0.15:
        said = said.lower()
    elif rough < 0.25:
        said = said.rstrip("!.?")
    elif rough < 0.35:
        said = said.rstrip("!.?") + rng.choice(("!", "...", "!!", " :)", "?" if said.endswith("?") else "."))
    return ask(said, side["answer"])


def capitals_sums(rng: random.Random, split: str) -> Sample:
    """Capitals, sums, differences, products, counting, the larger of two numbers."""
    kind = rng.randrange(8)
    if kind < 3:
        country, city = rng.choice(list(data("small_talk")["capitals"].items()))
        return ask(wordings("capital").pick(rng, split, a=country), f"The capital of {country} is {city}.")
    if kind == 3:
        a, b = unseen(rng, split, "+", (0, 50), (0, 50))
        return ask(any_wording("plus", rng, a=a, b=b), f"{a} + {b} is {a + b}.")
    if kind == 4:
        a, b = unseen(rng, split, "-", (0, 50), (0, 50))
        return ask(any_wording("minus", rng, a=a, b=b), f"{a} - {b} is {a - b}.")
    if kind == 5:
        a, b = unseen(rng, split, "x", (0, 12), (0, 12))
        return ask(any_wording("times", rng, a=a, b=b), f"{a} times {b} is {a * b}.")
    if kind == 6:
        a = rng.randint(0, 20)
        b = a + rng.randint(2, 11)
        return ask(wordings("count").pick(rng, split, a=a, b=b), ", ".join(map(str, range(a, b + 1))) + ".")
    a, b = rng.sample(range(1000) if rng.random() < 0.5 else range(100), 2)
    return ask(wordings("larger").pick(rng, split, a=a, b=b), f"{max(a, b)} is larger than {min(a, b)}.")


@cache
def _programs() -> list[tuple[Wordings, str, str]]:
    """The ways to ask, the guide's own words (or none), and the answer."""
    programs = data("code_answers")
    return [
        (Wordings(*p["ask"]), p.get("guide", ""), f"```python\n{p['code'].rstrip()}\n```") for p in programs
    ]


def guide_code(rng: random.Random, split: str) -> Sample:
    """The guide's three programs (mostly) and four small ones, with its system messages or without."""
    programs = _programs()
    asked, guide, answer = rng.choice(programs[:3] if rng.random() < 0.7 else programs[3:])
    question = guide if guide and split != TEST and rng.random() < 0.2 else asked.pick(rng, split)
    if question == guide and rng.random() < 0.3:
        question = question[0].lower() + question[1:-1]
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    if rng.random() < 0.5:
        day = datetime.date(2025, 3, 1) + datetime.timedelta(days=rng.randrange(900))
        system = rng.choice(data("small_talk")["systems"]).format(day=day)
        messages.insert(0, {"role": "system", "content": system})
    return Sample(messages)


@cache
def _several() -> list[tuple[Wordings, list[str], list[float]]]:
    made = []
    for entry in data("small_talk")["several"]:
        rest = len(entry["answers"]) - 1
        falling = [0.6 * (rest - i) / (rest * (rest + 1) / 2) for i in range(rest)]
        made.append((Wordings(*entry["ask"]), entry["answers"], [0.4, *falling]))
    return made


def several_ways(rng: random.Random, split: str) -> Sample:
    """Questions with many right answers, the first the likeliest. The exam's answer is that first one."""
    asked, answers, weights = rng.choice(_several())
    answer = answers[0] if split == TEST else rng.choices(answers, weights)[0]
    return ask(asked.pick(rng, split), answer)


def _exactly(name: str, rng: random.Random, split: str, x: str) -> str:
    """A wording without polite endings, which would read as part of `x`."""
    wording = rng.choice(wordings(name).by_split[split])
    return (wording[0].lower() + wording[1:] if rng.random() < 0.2 else wording).format(x=x)


@cache
def _plain_words() -> list[str]:
    return data("small_talk")["plain_words"].split()


def _printable(rng: random.Random, pieces: int) -> str:
    """Hooked random text on one line, without control signs."""
    text = "".join(c for c in random_text(rng, pieces) if c.isprintable() and c != "\ufffd")
    return " ".join(text.split()) or "x"


def _words(rng: random.Random, most: int) -> list[str]:
    """One to `most` different words: of one token each (mostly), or plain ones."""
    pool = token_words if rng.random() < 0.8 else _plain_words()
    return list(dict.fromkeys(rng.choices(pool, k=rng.randint(1, most))))


def _verbatim(rng: random.Random, split: str) -> str:
    """What is to be repeated. Some lessons are long: what is copied often is copied well."""
    if split == TRAIN and rng.random() < 0.3:
        return _printable(rng, rng.randint(20, 80))
    kind = rng.random()
    if kind < 0.3:
        return _printable(rng, 1)
    if kind < 0.5:
        return _printable(rng, rng.choice((2, 2, 3, 3, 4, 5, 6, 10)))
    if kind < 0.7:
        return rng.choice(token_words)
    if kind < 0.8:
        return " ".join(_words(rng, 6))
    if kind < 0.95:
        return str(rng.choice((rng.randrange(100), rng.randrange(10**6), round(rng.uniform(0, 1000), 2),
                               rng.randrange(10**9))))  # fmt: skip
    return recall.filler_sentence(rng)


def _as_json(rng: random.Random, split: str) -> Sample:
    """Words into a JSON list, or out of one.

    A word is one token after a space and another after a quote: calls and their results need both.
    """
    most = 6 if split == TEST else 10
    if rng.random() < 0.55:
        items = _words(rng, most)
    else:
        items = [_printable(rng, 1) for _ in range(rng.randint(1, most))]
    items = [item for item in items if not set(item) & set('"\\,[]')] or ["x"]
    written = json.dumps(items, ensure_ascii=False)
    if rng.random() < 0.5:
        return ask(_exactly("to_json", rng, split, ", ".join(items)), written)
    return ask(_exactly("from_json", rng, split, written), ", ".join(items))


def echo(rng: random.Random, split: str) -> Sample:
    """Copying (mostly), JSON lists, spelling, reversing, capitals, counting words, sorting."""
    kind = rng.random()
    if kind < 0.6:
        exact = _verbatim(rng, split)
        return ask(_exactly("repeat", rng, split, exact), exact)
    if kind < 0.8:
        return _as_json(rng, split)
    picked = rng.sample(_plain_words(), 8)
    if kind < 0.84:
        strange = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 5)))
        word = picked[0] if rng.random() < 0.8 else strange
        return ask(_exactly("spell", rng, split, word), "-".join(word))
    if kind < 0.88:
        items = picked[: rng.randint(2, 4)]
        return ask(_exactly("reverse", rng, split, ", ".join(items)), ", ".join(reversed(items)))
    if kind < 0.92:
        words = " ".join(picked[: rng.randint(1, 2)])
        return ask(_exactly("upper", rng, split, words), words.upper())
    if kind < 0.96:
        count = rng.randint(2, 8)
        return ask(_exactly("words", rng, split, " ".join(picked[:count])), f"{count} words.")
    numbers = rng.sample(range(rng.choice((10, 20, 100))), rng.randint(3, 4))
    listed = ", ".join(map(str, numbers))
    return ask(_exactly("sort", rng, split, listed), ", ".join(map(str, sorted(numbers))))


SKILLS: dict[str, Skill] = {
    "greeting": greeting,
    "capitals_sums": capitals_sums,
    "guide_code": guide_code,
    "several_ways": several_ways,
    "echo": echo,
    **off_topic.SKILLS,
    **recall.SKILLS,
}
