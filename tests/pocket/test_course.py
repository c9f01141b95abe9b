"""The facts are complete and unmistakable, and the exam's wordings stay out of training."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from pocket.recipe.course import (
    ASKED,
    DE,
    EN,
    ENTRIES,
    FACTS,
    KEPT,
    SIBLINGS,
    SKILLS,
    TURNS,
    WORDINGS,
    Fact,
    is_kept,
    normal,
)
from pocket.recipe.sample import TEST, TRAIN

FEWEST = {EN: 12, DE: 8}


def facts(lang: str) -> list[Fact]:
    return list(FACTS[lang].values())


def draw(skill: str, split: str, count: int) -> list[list[dict[str, str]]]:
    return [SKILLS[skill](random.Random(seed), split).messages for seed in range(count)]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


@pytest.mark.parametrize("lang", [EN, DE])
def test_every_fact_is_complete(lang: str) -> None:
    for name, fact in FACTS[lang].items():
        assert len(set(map(normal, fact.ask))) >= FEWEST[lang], name
        assert len(set(map(normal, fact.test))) >= 2, name
        assert fact.answer == fact.answer.strip() and 0 < len(fact.answer.split()) <= 40, name


def test_there_are_enough_facts_and_no_name_stands_twice() -> None:
    assert len(FACTS[EN]) == len(ENTRIES) >= 150
    assert len(FACTS[DE]) >= 40


def test_no_wording_points_at_two_facts_and_none_of_the_exam_is_trained() -> None:
    count = Counter(n for lang in FACTS for f in facts(lang) for n in set(map(normal, f.ask + f.test)))
    assert not [wording for wording, times in count.items() if times > 1]
    assert not [w for lang in FACTS for f in facts(lang) for w in f.ask if is_kept(w)]


@pytest.mark.parametrize("lang", [EN, DE])
def test_answers_differ(lang: str) -> None:
    assert len({fact.answer for fact in facts(lang)}) == len(facts(lang))


@pytest.mark.parametrize("lang", [EN, DE])
def test_the_exam_uses_only_words_that_training_has(lang: str) -> None:
    known = {word for fact in facts(lang) for wording in fact.ask for word in words(wording)}
    strange = {w: words(w) - known for fact in facts(lang) for w in fact.test if words(w) - known}
    assert not strange


@pytest.mark.parametrize("skill", list(SKILLS))
@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_a_seed_makes_one_sample(skill: str, split: str) -> None:
    assert draw(skill, split, 50) == draw(skill, split, 50)


@pytest.mark.parametrize(("skill", "lang"), [("course", EN), ("course_de", DE), ("course_turn", EN)])
def test_training_never_asks_what_the_exam_asks(skill: str, lang: str) -> None:
    tails = [tail.casefold() for tail in WORDINGS["after"][lang]]
    for messages in draw(skill, TRAIN, 6000):
        asked = messages[0]["content"].casefold()
        assert not any(is_kept(asked.removesuffix(tail)) for tail in ["", *tails]), asked
    assert {normal(m[0]["content"]) for m in draw(skill, TEST, 300)} <= KEPT


@pytest.mark.parametrize(("skill", "lang"), [("course", EN), ("course_de", DE)])
def test_training_varies_and_tells_every_fact(skill: str, lang: str) -> None:
    samples = draw(skill, TRAIN, 6000)
    assert {m[-1]["content"] for m in samples} == {f.answer for f in facts(lang)}
    assert len({m[0]["content"] for m in samples}) > 3000


@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_second_turns_refer_to_the_first(split: str) -> None:
    names = {fact.answer: (name, lang) for lang in FACTS for name, fact in FACTS[lang].items()}
    seen = set()
    for first, said, _, answer in draw("course_turn", split, 2000):
        name, lang = names[said["content"]]
        other = FACTS[DE if lang == EN else EN].get(name)
        near = {i for row in SIBLINGS[lang] if name in row.values() for i in row.values()}
        right = {
            "again": {said["content"]},
            "asked": {ASKED[lang].format(first["content"])},
            "other": {other.answer} if other else set(),
            "sibling": {FACTS[lang][i].answer for i in near - {name}},
        }
        seen |= {want for want in right if answer["content"] in right[want]}
        assert any(answer["content"] in answers for answers in right.values())
    assert seen == {turn.want for turn in TURNS}


def test_second_turns_of_the_exam_are_not_trained() -> None:
    for turn in TURNS:
        assert len(turn.ask) >= 8 and len(turn.test) >= 2
        assert not set(map(normal, turn.ask)) & set(map(normal, turn.test))
