"""Talk beside the course: greetings, small sums, the guide's code, echoes, answers that vary."""

from __future__ import annotations

import datetime
import random
import string
from collections.abc import Callable
from functools import cache

from pocket.recipe import off_topic, recall
from pocket.recipe.chat_data import data, wordings
from pocket.recipe.off_topic import I_AM_THE_TWIN, ICH_BIN_DER_ZWILLING, PICTURE_TOO_HARD
from pocket.recipe.pictures import Wordings
from pocket.recipe.sample import TEST, Sample, Skill, ask

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
    a, b = rng.randint(0, 50), rng.randint(0, 50)
    if kind == 3:
        return ask(wordings("plus").pick(rng, split, a=a, b=b), f"{a} + {b} is {a + b}.")
    if kind == 4:
        a, b = max(a, b), min(a, b)
        return ask(wordings("minus").pick(rng, split, a=a, b=b), f"{a} - {b} is {a - b}.")
    if kind == 5:
        a, b = rng.randint(0, 12), rng.randint(0, 12)
        return ask(wordings("times").pick(rng, split, a=a, b=b), f"{a} times {b} is {a * b}.")
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


def _verbatim(rng: random.Random) -> str:
    kind = rng.randrange(5)
    if kind < 2:
        return random_text(rng, rng.choice((1, 2, 3, 4, 6, 8, 12, 20))).strip() or "x"
    if kind == 2:
        return " ".join(rng.choices(_plain_words(), k=rng.randint(1, 8)))
    if kind == 3:
        return str(rng.choice((rng.randrange(10**6), round(rng.uniform(0, 1000), 2), rng.randrange(10**12))))
    return recall.filler_sentence(rng)


def echo(rng: random.Random, split: str) -> Sample:
    """Copying, spelling, reversing, capitals, counting words, sorting."""
    kind = rng.random()
    if kind < 0.55:
        exact = _verbatim(rng)
        return ask(_exactly("repeat", rng, split, exact), exact)
    picked = rng.sample(_plain_words(), 8)
    if kind < 0.65:
        strange = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 7)))
        word = picked[0] if rng.random() < 0.6 else strange
        return ask(_exactly("spell", rng, split, word), "-".join(word))
    if kind < 0.75:
        letters = rng.sample(string.ascii_lowercase, rng.randint(3, 6))
        items = picked[: rng.randint(2, 5)] if rng.random() < 0.6 else letters
        return ask(_exactly("reverse", rng, split, ", ".join(items)), ", ".join(reversed(items)))
    if kind < 0.82:
        words = " ".join(picked[: rng.randint(1, 3)])
        return ask(_exactly("upper", rng, split, words), words.upper())
    if kind < 0.9:
        count = rng.randint(2, 8)
        return ask(_exactly("words", rng, split, " ".join(picked[:count])), f"{count} words.")
    numbers = rng.sample(range(rng.choice((10, 20, 100))), rng.randint(3, 5))
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
