"""Finding again what the conversation said: one sentence in a long text, or an earlier turn."""

from __future__ import annotations

import random
import string
from functools import cache
from typing import Any

from pocket.recipe.chat_data import data, unseen, wordings
from pocket.recipe.course import ENTRIES
from pocket.recipe.sample import TEST, Sample, Skill, of_split
from pocket.recipe.toolcalls_values import token_words

CHARACTERS_A_TOKEN = 2.9
"""Of such text in the twin's cut tokenizer, measured."""

EXAM_TOKENS = (3350, 3500)
TRAINED_TOKENS = {(100, 400): 3, (400, 1500): 3, (2500, 3700): 4}
"""How long a needle's text is, about, and how often."""


@cache
def facts() -> list[tuple[str, str]]:
    """Trained questions on the course, with their answers."""
    return [(question, entry["answer"]) for entry in ENTRIES for question in entry["ask"]]


@cache
def _words(name: str, split: str) -> list[str]:
    return of_split(data("recall")[name].split(), split, share=0.25)


@cache
def _filler() -> tuple[list[str], list[int]]:
    """Sentences to hide a needle in, with their lengths; the same for every process."""
    rng = random.Random(31)
    parts = data("recall")["filler"]
    made = [" ".join(rng.choice(parts[p]) for p in ("who", "did", "what", "when")) + "." for _ in range(4000)]
    made += [rng.choice(parts["asides"]).format(k=rng.randint(2, 99)) for _ in range(500)]
    answers = sorted({answer for _, answer in facts()})
    made += answers * (3000 // len(answers))
    return made, [len(sentence) + 1 for sentence in made]


def filler_sentence(rng: random.Random) -> str:
    """A sentence of no importance."""
    return rng.choice(_filler()[0])


def _filler_of(rng: random.Random, characters: float) -> list[str]:
    sentences, lengths = _filler()
    picked, total = [], 0
    while total < characters:
        i = rng.randrange(len(sentences))
        picked.append(sentences[i])
        total += lengths[i]
    return picked


def _letters(rng: random.Random, shortest: int, longest: int) -> str:
    return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(shortest, longest)))


def _name(rng: random.Random, split: str) -> str:
    style = rng.random()
    if style < 0.1:
        return _letters(rng, 3, 6).title()
    if split != TEST and style < 0.3:
        return rng.choice(token_words).capitalize()
    return rng.choice(_words("names", split))


def _word(rng: random.Random, split: str) -> str:
    return rng.choice(token_words if split != TEST and rng.random() < 0.5 else _words("words", split))


def _code(rng: random.Random, split: str) -> str:
    kind = rng.randrange(4)
    if kind == 0:
        return f"{_word(rng, split)}-{rng.randint(100, 9999)}"
    if kind == 1:
        return _word(rng, split)
    if kind == 2:
        return _letters(rng, 4, 7)
    return "".join(rng.choices(string.ascii_uppercase + string.digits, k=rng.randint(4, 7)))


def _value(rng: random.Random, split: str, kind: str) -> str:
    """A value of this kind: code, word, number, city, time, colour, name, budget, GPU or engine."""
    if kind == "code":
        return _code(rng, split)
    if kind == "word":
        return _word(rng, split)
    if kind == "number":
        return str(rng.randint(1, rng.choice((99, 999, 99999))))
    if kind == "city":
        return rng.choice(_words("cities", split)) if rng.random() < 0.7 else _letters(rng, 4, 9).title()
    if kind == "time":
        return f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
    if kind == "colour":
        return rng.choice(data("recall")["colours"].split())
    if kind == "name":
        return _name(rng, split)
    if kind == "budget":
        amount = f"{rng.randint(1, rng.choice((30, 500)))} {rng.choice(('dollars', 'euros'))}"
        return amount + rng.choice(("", " a day", " a month"))
    if kind == "GPU" and rng.random() < 0.2:
        return f"{_letters(rng, 1, 3).upper()}{rng.randint(2, 9999)}"
    return rng.choice(data("recall")["gpus" if kind == "GPU" else "engines"])


def _stated(rng: random.Random, thing: str, person: str, value: str) -> str:
    return rng.choice(data("recall")["stated"]).format(t=thing, n=person, v=value)


def _hide(rng: random.Random, sentences: list[str], needle: str) -> None:
    sentences.insert(rng.randint(0, len(sentences)), needle)


def _length(rng: random.Random, split: str) -> float:
    """Characters of a needle's text."""
    trained = rng.choices(list(TRAINED_TOKENS), list(TRAINED_TOKENS.values()))[0]
    span = EXAM_TOKENS if split == TEST else trained
    return rng.uniform(*span) * CHARACTERS_A_TOKEN


def needle(rng: random.Random, split: str) -> Sample:
    """What one sentence in a long text says of a person; three texts in ten have others like it.

    In training the same text is asked for all that is hidden in it, mostly three or four things.
    """
    things: dict[str, str] = data("recall")["things"]
    body = _filler_of(rng, _length(rng, split))
    hidden: dict[tuple[str, str], str] = {}

    def hide(thing: str, person: str) -> None:
        hidden[thing, person] = _value(rng, split, things[thing])
        _hide(rng, body, _stated(rng, thing, person, hidden[thing, person]))

    thing, other, *rest = rng.sample(list(things), 4)
    person, *strangers = dict.fromkeys(_name(rng, split) for _ in range(3))
    hide(thing, person)
    if rng.random() < 0.3:
        for stranger in strangers[: rng.randint(0, 2)]:
            hide(thing, stranger)
        if rng.random() < 0.5:
            hide(other, person)
    if split != TEST and rng.random() < 0.8:
        for one in rest:
            hide(one, _name(rng, split))

    def asked(thing: str, person: str) -> list[str]:
        question = wordings("sought").pick(rng, split, t=thing, n=person)
        return [question, f"The {thing} of {person} is {hidden[thing, person]}."]

    question, answer = asked(thing, person)
    text = rng.choice((" ", " ", " ", "\n")).join(body)
    if rng.random() < 0.2:
        first = f"{question}\n\n{text}"
    else:
        first = text + rng.choice(("\n\n", "\n\n", "\n", " ")) + question
    turns = _turn(first, answer)
    if split != TEST:
        for pair in rng.sample(list(hidden), len(hidden)):
            turns += _turn(*asked(*pair)) if pair != (thing, person) else []
    return Sample(turns, every_answer=True)


def _acknowledged(things: dict[str, str]) -> str:
    if list(things) == ["name"]:
        return f"Nice to meet you, {things['name']}."
    return "Noted: " + " and ".join(f"your {t} is {v}" for t, v in things.items()) + "."


def _turn(user: str, assistant: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


def _between(rng: random.Random, most: int = 2) -> list[dict[str, Any]]:
    """Up to `most` unrelated turns."""
    chosen = rng.choices(facts(), k=rng.randint(0, most))
    return [message for question, answer in chosen for message in _turn(question, answer)]


def _of_split(rng: random.Random, sentences: list[str], split: str, v: str) -> str:
    """The last two of a list are the exam's own, the others are trained."""
    return rng.choice(sentences[-2:] if split == TEST else sentences[:-2]).format(v=v)


def _remembered(rng: random.Random, split: str) -> list[dict[str, Any]]:
    """The learner tells one to three things, sometimes corrects one, and asks for one."""
    told = data("recall")["told"]
    kinds = {"number": "number", "password": "code", "project": "code"}
    chosen = rng.sample(list(told), rng.choice((1, 1, 1, 2, 2, 3)))
    things = {t: _value(rng, split, kinds.get(t, t)) for t in chosen}
    said = {t: _of_split(rng, told[t]["said"], split, v) for t, v in things.items()}
    if rng.random() < 0.5:
        turns = _turn(" ".join(said.values()), _acknowledged(things))
    else:
        turns = [message for t, v in things.items() for message in _turn(said[t], _acknowledged({t: v}))]
    if split != TEST and rng.random() < 0.15:
        return turns
    thing = rng.choice(list(things))
    if rng.random() < 0.1:
        things[thing] = _value(rng, split, kinds.get(thing, thing))
        corrected = rng.choice(data("recall")["corrected"]).format(t=thing, v=things[thing])
        turns += _turn(corrected, f"Noted: your {thing} is {things[thing]}.")
    question = _of_split(rng, told[thing]["asked"], split, "")
    question = question.rstrip("?.") if rng.random() < 0.1 else question
    return turns + _between(rng) + _turn(question, f"Your {thing} is {things[thing]}.")


def _not_told(rng: random.Random, split: str) -> list[dict[str, Any]]:
    """The learner asks for a thing that was never told."""
    told = data("recall")["told"]
    one, missing = rng.sample([t for t in told if t not in ("number", "password")], 2)
    v = _value(rng, split, "code" if one == "project" else one)
    said = _of_split(rng, told[one]["said"], split, v)
    question = _of_split(rng, told[missing]["asked"], split, "")
    answer = f"You have not told me your {missing} yet."
    return _turn(said, _acknowledged({one: v})) + _between(rng, 1) + _turn(question, answer)


def _remembered_de(rng: random.Random, split: str) -> list[dict[str, Any]]:
    told, v = data("recall")["told_de"], _name(rng, split)
    turns = _turn(_of_split(rng, told["said"], split, v), f"Schön, dich kennenzulernen, {v}.")
    return turns + _between(rng) + _turn(_of_split(rng, told["asked"], split, ""), f"Du heißt {v}.")


def _reckoned(rng: random.Random, split: str) -> list[dict[str, Any]]:
    """A sum or a number, then "add 3 to that"."""
    kind = rng.randrange(3)
    if kind == 2:
        total, c = unseen(rng, split, "x", (0, 100), (2, 2))
    else:
        total, c = unseen(rng, split, "+-"[kind], (0, 100), (0, 20))
    if rng.random() < 0.6:
        a = rng.randint(max(0, total - 50), min(50, total))
        b = total - a
        form = rng.choice(("What is {} + {}?", "How much is {} plus {}?", "Add {} and {}.", "{} + {}"))
        first = _turn(form.format(a, b), f"{a} + {b} is {total}.")
    else:
        first = _turn(f"My number is {total}.", f"Noted: your number is {total}.")
    if kind == 0:
        return first + _turn(wordings("more").pick(rng, split, b=c), f"{total} + {c} is {total + c}.")
    if kind == 1:
        return first + _turn(wordings("less").pick(rng, split, b=c), f"{total} - {c} is {total - c}.")
    return first + _turn(wordings("twice").pick(rng, split), f"2 times {total} is {2 * total}.")


def _next_capital(rng: random.Random, split: str) -> list[dict[str, Any]]:
    (one, city), (two, town) = rng.sample(list(data("small_talk")["capitals"].items()), 2)
    first = _turn(f"What is the capital of {one}?", f"The capital of {one} is {city}.")
    return first + _turn(wordings("next").pick(rng, split, n=two), f"The capital of {two} is {town}.")


def _the_other(rng: random.Random, split: str) -> list[dict[str, Any]]:
    """Two people and their things: asked for one, then for the other."""
    thing, kind = rng.choice(list(data("recall")["things"].items()))
    values: dict[str, str] = {}
    while len(values) < 2:
        values[_name(rng, split)] = _value(rng, split, kind)
    stated = " ".join(_stated(rng, thing, person, v) for person, v in values.items())
    one, two = rng.sample(list(values), 2)
    question = wordings("sought_here").pick(rng, split, t=thing, n=one)
    first = _turn(f"{stated} {question}", f"The {thing} of {one} is {values[one]}.")
    return first + _turn(wordings("other").pick(rng, split, n=two), f"The {thing} of {two} is {values[two]}.")


def _first_question(rng: random.Random, split: str) -> list[dict[str, Any]]:
    question, answer = rng.choice(facts())
    asked = wordings("first").pick(rng, split)
    return _turn(question, answer) + _between(rng) + _turn(asked, f"Your first question was: {question}")


def _say_again(rng: random.Random, split: str) -> list[dict[str, Any]]:
    question, answer = rng.choice(facts())
    return _between(rng, 1) + _turn(question, answer) + _turn(wordings("again").pick(rng, split), answer)


_TURNS = {
    _remembered: 43, _remembered_de: 4, _not_told: 3, _reckoned: 18, _next_capital: 8, _the_other: 12,
    _first_question: 6, _say_again: 6,
}  # fmt: skip
"""The ways to refer back, and how often each comes."""
_MAKERS, _WEIGHTS = list(_TURNS), list(_TURNS.values())


def second_turn(rng: random.Random, split: str) -> Sample:
    """The last question refers to an earlier turn."""
    return Sample(rng.choices(_MAKERS, _WEIGHTS)[0](rng, split))


SKILLS: dict[str, Skill] = {"needle": needle, "second_turn": second_turn}
