"""The course's own subject: the model, the engines, memory, money and errors, asked for in many wordings.

Facts stand in `facts/*.yaml`, a list of entries each. One entry is one answer and the ways to ask for it:

    - id: kv_cache_per_token      # unique across all files
      answer: "One or two short sentences."     # at most 40 words, true by the course's own material
      ask: [twelve or more English wordings]    # questions, imperatives, keyword style; trained
      test: [two more wordings]                 # kept for the exam; made of words that some `ask` uses
      de: {answer: "...", ask: [eight or more], test: [two more]}     # optional: the same in German

No wording may point at two entries: each has keywords of its own (in English and German alike).

In training a wording is varied (synonyms, a greeting, small letters, a dropped word, a slip of the finger),
so that its keywords count and not its shape. The exam asks the held-out wordings as they stand. The means
of that, and the second turns, stand in `course_wordings.yaml`.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pocket.recipe.sample import TEST, TRAIN, Sample, Skill, ask

EN, DE = "en", "de"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Fact:
    """One answer in one language: its trained wordings and the exam's. `bare` maps a trained wording to its
    keywords, where these alone still point at this fact only."""

    answer: str
    ask: list[str]
    test: list[str]
    bare: dict[str, str]


@dataclass(frozen=True)
class Turn:
    """What a second turn may want in a talk held in `lang`: its trained wordings and the exam's."""

    want: str
    lang: str
    ask: list[str]
    test: list[str]


def _yaml(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


WORDINGS: dict[str, Any] = _yaml(HERE / "course_wordings.yaml")
SIBLINGS: dict[str, list[dict[str, str]]] = WORDINGS["siblings"]
ASKED: dict[str, str] = WORDINGS["asked"]
TURNS = [Turn(**turn) for turn in WORDINGS["turns"]]
SMALL = {lang: frozenset(words.split()) for lang, words in WORDINGS["small"].items()}
SYNONYMS = {
    lang: [(re.compile(pattern), others) for pattern, others in rows]
    for lang, rows in WORDINGS["synonyms"].items()
}
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


def normal(wording: str) -> str:
    """A wording without case, punctuation and spacing: two equal ones are the same question."""
    return " ".join(word.strip(".:") for word in re.findall(r"[\w.:/-]+", wording.casefold()))


def keywords(wording: str, lang: str) -> str:
    """A wording without the small words."""
    return " ".join(word for word in wording.split() if word.strip("?.,!").lower() not in SMALL[lang])


def load(entries: list[dict[str, Any]], lang: str) -> dict[str, Fact]:
    """The facts of one language by their id, from the entries of the fact files."""
    parts = {e["id"]: e if lang == EN else e["de"] for e in entries if lang == EN or lang in e}
    owners: dict[str, set[str]] = defaultdict(set)
    for name, part in parts.items():
        for wording in part["ask"] + part["test"]:
            owners[normal(keywords(wording, lang))].add(name)
    return {
        name: Fact(
            part["answer"],
            part["ask"],
            part["test"],
            {
                wording: short
                for wording in part["ask"]
                if (short := keywords(wording, lang)) and len(owners[normal(short)]) == 1
            },
        )
        for name, part in parts.items()
    }


ENTRIES: list[dict[str, Any]] = [e for path in sorted((HERE / "facts").glob("*.yaml")) for e in _yaml(path)]
FACTS: dict[str, dict[str, Fact]] = {lang: load(ENTRIES, lang) for lang in (EN, DE)}
KEPT = frozenset(normal(w) for facts in FACTS.values() for fact in facts.values() for w in fact.test)
"""The exam's wordings in normal form."""


def is_kept(wording: str) -> bool:
    """Whether a wording is the exam's, or ends like one: training must not make it."""
    words = normal(wording).split()
    return any(" ".join(words[at:]) in KEPT for at in range(len(words)))


def _slip(rng: random.Random, wording: str) -> str:
    """One slip of the finger in a plain word: two letters swapped, one lost or one doubled."""
    words = wording.split(" ")
    places = [i for i, word in enumerate(words) if len(word) > 4 and word.isalpha() and not word.isupper()]
    if places:
        i = rng.choice(places)
        at = rng.randrange(1, len(words[i]) - 1)
        before, first, second, after = words[i][:at], words[i][at], words[i][at + 1], words[i][at + 2 :]
        words[i] = before + rng.choice((second + first, second, first + first + second)) + after
    return " ".join(words)


def _reworded(rng: random.Random, fact: Fact, lang: str) -> str:
    """A trained wording, often with synonyms or without small words. It may be one that the exam keeps."""
    wording = rng.choice(fact.ask)
    if rng.random() < 0.1 and wording in fact.bare:
        return fact.bare[wording]
    if rng.random() < 0.5:
        fitting = [row for row in SYNONYMS[lang] if row[0].search(wording)]
        for pattern, others in rng.sample(fitting, min(len(fitting), rng.randint(1, 2))):
            wording = pattern.sub(rng.choice(others), wording, count=1)
    if rng.random() < 0.12:
        words = wording.split(" ")
        small = [i for i, word in enumerate(words) if i and word.lower() in SMALL[lang]]
        if small:
            del words[rng.choice(small)]
            wording = " ".join(words)
    return wording


def _dressed(rng: random.Random, wording: str, lang: str) -> str:
    """A wording as people type it: a slip, other punctuation, a greeting, a thank-you, small letters."""
    if rng.random() < 0.12:
        wording = _slip(rng, wording)
    if rng.random() < 0.25:
        wording = wording.rstrip("?.!")
    elif rng.random() < 0.1:
        wording = wording.rstrip("?.!") + rng.choice(("?", "??", "!", ".", " ?", "..."))
    if rng.random() < 0.2:
        start = rng.choice(WORDINGS["before"][lang])
        runs_on = start[-2] not in ":!" and wording[1:2].islower()
        wording = start + (wording[0].lower() + wording[1:] if runs_on else wording)
    if rng.random() < 0.12:
        wording += ("" if wording[-1] in "?.!" else ".") + rng.choice(WORDINGS["after"][lang])
    if lang == DE and rng.random() < 0.06:
        wording = wording.translate(UMLAUTS)
    return wording.lower() if rng.random() < 0.2 else wording


def question(rng: random.Random, fact: Fact, lang: str, split: str) -> str:
    """One way to ask for `fact`: varied in training, a held-out wording as it stands in the exam."""
    if split == TEST:
        return rng.choice(fact.test)
    wording = _reworded(rng, fact, lang)
    while is_kept(wording):
        wording = rng.choice(fact.ask)
    return _dressed(rng, wording, lang)


def _name(rng: random.Random, lang: str) -> str:
    return rng.choice(list(FACTS[lang]))


def course(rng: random.Random, split: str) -> Sample:
    """A question about the course's subject, in English."""
    fact = FACTS[EN][_name(rng, EN)]
    return ask(question(rng, fact, EN, split), fact.answer)


def course_de(rng: random.Random, split: str) -> Sample:
    """The same in German, for the facts that have a German edition."""
    fact = FACTS[DE][_name(rng, DE)]
    return ask(question(rng, fact, DE, split), fact.answer)


def course_turn(rng: random.Random, split: str) -> Sample:
    """A question, its answer, and a second turn: again, in the other language, my question, a sibling."""
    turn = rng.choice(TURNS)
    lang, follow = turn.lang, rng.choice(turn.test if split == TEST else turn.ask)
    if turn.want == "sibling":
        row = rng.choice(SIBLINGS[lang])
        (_, name), (thing, other) = rng.sample(list(row.items()), 2)
        follow, answer = follow.format(thing), FACTS[lang][other].answer
    elif turn.want == "other":
        name = _name(rng, DE)
        answer = FACTS[DE if lang == EN else EN][name].answer
    else:
        name = _name(rng, lang)
        answer = FACTS[lang][name].answer
    fact = FACTS[lang][name]
    first = question(rng, fact, lang, split)
    if turn.want == "asked":
        answer = ASKED[lang].format(first)
    if split == TRAIN and rng.random() < 0.2:
        follow = follow.rstrip("?.") if rng.random() < 0.5 else follow.lower()
    talk = [("user", first), ("assistant", fact.answer), ("user", follow), ("assistant", answer)]
    return Sample([{"role": role, "content": content} for role, content in talk])


SKILLS: dict[str, Skill] = {"course": course, "course_de": course_de, "course_turn": course_turn}
