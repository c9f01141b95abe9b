"""The tool curriculum: calls fit their schemas, values stand in the conversation, the exam is apart."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from pocket.recipe import toolcalls
from pocket.recipe.sample import TEST, TRAIN, Sample
from pocket.recipe.toolcalls import NO_TOOL_FITS, SKILLS
from pocket.recipe.toolcalls_families import BLANK, FAMILIES, names_of, offer, size
from pocket.recipe.toolcalls_values import GERMAN, PHRASES, words

DRAWS = 300
TRAINED_KINDS = {word for kind in ("action", "stuff", "sort") for word in words(kind, TRAIN)}
CALL_SKILLS = ("one_call", "new_names", "new_kinds", "parallel", "tool_turns")
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}


def draws(name: str, split: str) -> list[Sample]:
    return [SKILLS[name](random.Random(f"{name} {i}"), split) for i in range(DRAWS)]


def calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [call["function"] for call in message.get("tool_calls", [])]


def fits(value: Any, schema: dict[str, Any]) -> bool:
    kind = TYPES[schema["type"]]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return False
    if isinstance(value, list):
        return bool(value) and all(fits(v, schema["items"]) for v in value)
    if isinstance(value, dict):
        known = schema["properties"]
        return set(schema["required"]) <= set(value) <= set(known) and all(
            fits(value[k], known[k]) for k in value
        )
    return value in schema.get("enum", [value])


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for v in inner for leaf in leaves(v)]
    return [] if isinstance(value, bool) else [value]


@pytest.mark.parametrize("split", [TRAIN, TEST])
@pytest.mark.parametrize("name", SKILLS)
def test_same_seed_same_sample(name: str, split: str) -> None:
    first, again, other = (SKILLS[name](random.Random(seed), split) for seed in (7, 7, 8))
    assert first == again != other


@pytest.mark.parametrize("split", [TRAIN, TEST])
@pytest.mark.parametrize("name", SKILLS)
def test_every_call_fits_an_offered_tool(name: str, split: str) -> None:
    for sample in draws(name, split):
        offered = {t["function"]["name"]: t["function"]["parameters"] for t in sample.tools}
        assert 1 <= len(offered) == len(sample.tools) <= 6
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", n) for n in offered)
        for message in sample.messages:
            for call in calls_of(message):
                schema = {"required": []} | offered[call["name"]]
                assert fits(call["arguments"], schema), (call, schema)
                order = [key for key in schema["properties"] if key in call["arguments"]]
                assert list(call["arguments"]) == order


@pytest.mark.parametrize("split", [TRAIN, TEST])
@pytest.mark.parametrize("name", CALL_SKILLS)
def test_every_value_can_be_read_in_the_conversation(name: str, split: str) -> None:
    for sample in draws(name, split):
        said = "\n".join(m["content"] for m in sample.messages[:-1])
        for call in calls_of(sample.answer):
            for value in leaves(call["arguments"]):
                assert (value if isinstance(value, str) else json.dumps(value)) in said, (value, said)


@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_number_of_calls(split: str) -> None:
    assert {len(calls_of(s.answer)) for s in draws("one_call", split)} == {1}
    assert {len(calls_of(s.answer)) for s in draws("new_names", split)} == {1}
    assert {len(calls_of(s.answer)) for s in draws("parallel", split)} == {2, 3}
    assert {len(calls_of(s.answer)) for s in draws("no_call", split) + draws("results", split)} == {0}


def test_parallel_calls_stand_in_the_order_asked() -> None:
    for sample in draws("parallel", TEST):
        text, places = sample.messages[0]["content"], []
        calls = calls_of(sample.answer)
        assert len({json.dumps(c) for c in calls}) == len(calls)
        for call in calls:
            own = [
                v
                for v in leaves(call["arguments"])
                if isinstance(v, str) and len(v) > 5 and text.count(v) == 1
            ]
            places += [text.index(own[0])] if own else []
        if len({c["name"] for c in calls}) == len(calls):
            assert places == sorted(places), text


@pytest.mark.parametrize("split", [TRAIN, TEST])
def test_results_are_stated_word_for_word(split: str) -> None:
    for sample in draws("results", split):
        answer = sample.answer["content"]
        for message in sample.messages:
            if message["role"] != "tool":
                continue
            try:
                content = json.loads(message["content"])
            except ValueError:
                content = message["content"]
            for value in leaves(content):
                echoed = (
                    value in leaves(calls_of(sample.messages[1])[0]["arguments"]) or len(sample.messages) > 4
                )
                assert (value if isinstance(value, str) else json.dumps(value)) in answer or echoed


def test_ids_belong_together() -> None:
    for sample in draws("results", TRAIN) + draws("tool_turns", TRAIN):
        made = [call["id"] for m in sample.messages[:-1] for call in m.get("tool_calls", [])]
        assert made == [m["tool_call_id"] for m in sample.messages if m["role"] == "tool"]
        assert all(re.fullmatch(r"[A-Za-z0-9]{9}", i) for i in made)


def test_no_call_never_offers_what_was_asked_for() -> None:
    refused = [s for s in draws("no_call", TEST) if s.answer["content"] == NO_TOOL_FITS]
    assert len(refused) > DRAWS / 2
    for sample in refused:
        text = sample.messages[0]["content"]
        assert not any(
            len(t["function"]["name"]) > 3 and t["function"]["name"] in text.split() for t in sample.tools
        )


def test_plain_skills_are_asked_with_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Sample(
        [{"role": "user", "content": "What is vLLM?"}, {"role": "assistant", "content": "A server."}]
    )
    monkeypatch.setattr(toolcalls, "plain_skills", [lambda rng, split: plain])
    found = [s for s in draws("no_call", TRAIN) if s.messages == plain.messages]
    assert found and all(s.tools for s in found)


def test_random_text_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolcalls, "random_text", lambda rng, pieces: "öäü語" * pieces)
    assert any("öäü語öäü語" in json.dumps(s.messages, ensure_ascii=False) for s in draws("new_names", TRAIN))


def test_the_exam_has_its_own_wordings_words_and_names() -> None:
    for wordings in (v for v in PHRASES.values() if isinstance(v, dict)):
        seen = [w for w in wordings[TRAIN] if w not in ("{p} {v}", "{p} = {v}", "{p} is {v}", "{v} as {p}")]
        assert not set(seen) & set(wordings[TEST])
    for family in FAMILIES.values():
        for mode in ("do", "ask", "again", "de"):
            assert not set(family.templates(mode, TRAIN)) & set(family.templates(mode, TEST))
        assert family.templates("do", TEST) and family.templates("do", TRAIN)
        assert not set(names_of(family.names, TRAIN)) & set(names_of(family.names, TEST)), family.key
    for kind in (
        "city",
        "person",
        "ticker",
        "thing",
        "topic",
        "food",
        "room",
        "device",
        "action",
        "stuff",
        "sort",
    ):
        assert (
            words(kind, TRAIN) and words(kind, TEST) and not set(words(kind, TRAIN)) & set(words(kind, TEST))
        )


def plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def test_tool_names_of_the_exam_are_never_offered_in_training() -> None:
    kept = {plain(name) for f in FAMILIES.values() for name in names_of(f.names, TEST)}
    for skill in set(SKILLS) - {"new_names", "new_kinds"}:
        trained = {plain(t["function"]["name"]) for s in draws(skill, TRAIN) for t in s.tools if s.tools}
        assert not trained & kept, skill
    asked = [plain(calls_of(s.answer)[0]["name"]) for s in draws("one_call", TEST)]
    guide = {plain(FAMILIES[key].names[0]) for key in ("stock_price", "portfolio")}
    assert len(set(asked)) > 60 and set(asked) <= kept | guide


def test_every_family_is_asked_for_in_training() -> None:
    called = {plain(call["name"]) for i in range(2500)
              for call in calls_of(toolcalls.one_call(random.Random(i), TRAIN).answer)}  # fmt: skip
    for family in FAMILIES.values():
        assert called & {plain(name) for name in family.names}, family.key


def test_a_new_kind_shares_its_words_with_one_tool_only() -> None:
    for sample in draws("new_kinds", TEST):
        text = sample.messages[0]["content"].lower()
        fitting = [
            t["function"]["name"] for t in sample.tools if t["function"]["description"].lower() in text
        ]
        assert fitting == [calls_of(sample.answer)[0]["name"]]
        assert (
            not {w for t in sample.tools for w in t["function"]["description"].lower().split()}
            & TRAINED_KINDS
        )


def test_training_offers_fewer_tools_than_the_exam() -> None:
    counts = {split: [len(s.tools) for s in draws("one_call", split)] for split in (TRAIN, TEST)}
    few = sum(n <= 2 for n in counts[TRAIN]) / DRAWS
    assert 0.4 < few < 0.75 and set(counts[TRAIN]) >= set(range(1, 6))
    assert set(counts[TEST]) == set(range(1, 7))


def test_the_words_to_copy_can_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(toolcalls.token_words)
    try:
        toolcalls.token_words[:] = ["zebrafish"]
        for skill in ("one_call", "new_kinds", "parallel"):
            assert any("zebrafish" in json.dumps(s.answer) for s in draws(skill, TRAIN)), skill
            assert not any("zebrafish" in json.dumps(s.messages) for s in draws(skill, TEST)), skill
    finally:
        toolcalls.token_words[:] = before


def test_a_changed_argument_never_follows_an_error() -> None:
    ways = re.compile("Do it once more|Now again|And the same with")
    changed = [s for s in draws("tool_turns", TEST) if ways.match(s.messages[-2]["content"])]
    assert len(changed) > 20
    assert not any("failed:" in str(m["content"]) for s in changed for m in s.messages)


def test_some_requests_are_german() -> None:
    assert sum(bool(f.de) for f in FAMILIES.values()) == len(GERMAN) == 20
    for split in (TRAIN, TEST):
        asked = [s.messages[0]["content"].lower() for s in draws("one_call", split)]
        german = re.compile(
            r"\b(bitte|zeig|sag|such|finde|spiel|schick|lies|rechne|gib|ruf|lösch|kannst du)\b"
        )
        assert 3 < sum(bool(german.search(text)) for text in asked) < 40


def test_families_are_whole() -> None:
    owners: dict[str, str] = {}
    for family in FAMILIES.values():
        required = {key for key, arg in family.args.items() if not arg.optional}
        for template in family.do + family.ask:
            keys = {key for filler, key, *_ in BLANK.findall(template) if not filler}
            outside = {
                key for filler, key, *_ in BLANK.findall(re.sub(r"\[.*?\]", "", template)) if not filler
            }
            assert outside == required and keys == set(family.args), (family.key, template)
        assert all(owners.setdefault(name, family.key) == family.key for name in family.names), family.key
        assert len(family.names) >= 3 and len(family.do) + len(family.ask) >= 4, family.key
        assert all({key for _, key, *_ in BLANK.findall(t)} == required for t in family.de), family.key
        assert not family.each or family.each in required


def test_the_guides_tools_come_as_they_are() -> None:
    tool = offer(FAMILIES["portfolio"], random.Random(1), TRAIN, plain=True)
    items = tool.schema["function"]["parameters"]["properties"]["holdings"]["items"]
    assert tool.name == "calculate_portfolio_value" and [*items["properties"]] == ["ticker", "shares"]
    price = offer(FAMILIES["stock_price"], random.Random(1), TRAIN, plain=True)
    assert price.name == "get_stock_price" and [*price.schema["function"]["parameters"]["properties"]] == [
        "ticker"
    ]


@pytest.mark.parametrize("name", SKILLS)
def test_prompts_stay_short(name: str) -> None:
    sizes = sorted(
        size(s.tools) + size(json.dumps(s.messages, ensure_ascii=False)) for s in draws(name, TRAIN)
    )
    assert sizes[len(sizes) * 98 // 100] < 1000
