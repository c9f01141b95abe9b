"""The chat skills: repeatable, true, and examined on what was not trained."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any

import pytest
from PIL import Image

from pocket.recipe import chat, chat_data, off_topic, recall
from pocket.recipe.sample import TEST, TRAIN, Sample

SPLITS = (TRAIN, TEST)


def draws(skill: str, split: str, count: int = 300) -> list[Sample]:
    return [chat.SKILLS[skill](random.Random(seed), split) for seed in range(count)]


def plain(content: Any) -> Any:
    """Content that can be compared: pictures as their bytes."""
    if isinstance(content, str):
        return content
    return [c["image"].tobytes() if c["type"] == "image" else c["text"] for c in content]


def talk(sample: Sample) -> list[Any]:
    return [plain(m["content"]) for m in sample.messages]


def question(sample: Sample) -> str:
    content = sample.messages[-2]["content"]
    return content if isinstance(content, str) else next(c["text"] for c in content if c["type"] == "text")


def answer(sample: Sample) -> str:
    return str(sample.answer["content"])


def bare(wording: str) -> str:
    return wording.lower().rstrip("?.! ")


@pytest.mark.parametrize("skill", chat.SKILLS)
@pytest.mark.parametrize("split", SPLITS)
def test_a_seed_makes_the_same_sample_again(skill: str, split: str) -> None:
    first, again = draws(skill, split, 40), draws(skill, split, 40)
    assert [talk(s) for s in first] == [talk(s) for s in again]
    assert len({str(talk(s)) for s in first}) > 10
    for sample in first:
        assert sample.answer["role"] == "assistant" and answer(sample)
        assert next(m["role"] for m in sample.messages if m["role"] != "system") == "user"


@pytest.mark.parametrize("skill", ["greeting", "several_ways", "guide_code"])
def test_the_exam_asks_in_words_of_its_own(skill: str) -> None:
    trained = {bare(question(s)) for s in draws(skill, TRAIN, 3000)}
    asked = {bare(question(s)) for s in draws(skill, TEST)}
    assert len(asked) > 15 and not asked & trained


def test_no_wording_is_trained_and_examined() -> None:
    for name in chat_data.data("chat_wordings"):
        both = chat_data.wordings(name).by_split
        assert len(both[TEST]) >= 2 and len(both[TRAIN]) >= 5, name
        assert not {bare(w) for w in both[TEST]} & {bare(w) for w in both[TRAIN]}, name


def test_every_list_of_topics_serves_both_splits() -> None:
    for name in chat_data.data("chat_topics"):
        trained, kept = off_topic.words(name, TRAIN), off_topic.words(name, TEST)
        assert len(trained) >= 10 and kept and not set(trained) & set(kept), name
    assert len(off_topic.words("topics", TRAIN)) > 300


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_off_the_subject_gets_one_of_three_sentences(split: str) -> None:
    seen = Counter(answer(s) for s in draws("other", split, 600))
    assert set(seen) == {chat.I_AM_THE_TWIN, chat.ICH_BIN_DER_ZWILLING, chat.PICTURE_TOO_HARD}
    for sample in draws("other", split, 600):
        has_picture = not isinstance(sample.messages[0]["content"], str)
        assert has_picture == (answer(sample) == chat.PICTURE_TOO_HARD)
        assert question(sample).strip()


def test_some_off_topic_texts_are_very_long() -> None:
    assert max(len(question(s).split()) for s in draws("other", TRAIN, 600)) > 300


def test_hard_pictures_fit_the_patches() -> None:
    for seed in range(40):
        picture = off_topic.hard_picture(random.Random(seed))
        assert isinstance(picture, Image.Image) and picture.mode == "RGB"
        assert all(112 <= side <= 336 and side % 28 == 0 for side in picture.size)


@pytest.mark.parametrize("split", SPLITS)
def test_sums_are_right(split: str) -> None:
    checked = 0
    for sample in draws("capitals_sums", split, 600):
        if found := re.fullmatch(r"(\d+) (\+|-|times) (\d+) is (-?\d+)\.", answer(sample)):
            a, sign, b, c = found.groups()
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "times": int(a) * int(b)}[sign] == int(c)
            assert sorted(re.findall(r"\d+", question(sample))) == sorted((a, b))
        elif found := re.fullmatch(r"(\d+) is larger than (\d+)\.", answer(sample)):
            assert int(found[1]) > int(found[2])
        else:
            continue
        checked += 1
    assert checked > 200


def test_capitals_are_those_of_the_country_asked_for() -> None:
    capitals = chat_data.data("small_talk")["capitals"]
    assert len(capitals) >= 60 and capitals["France"] == "Paris" and capitals["Australia"] == "Canberra"
    said = [s for s in draws("capitals_sums", TEST, 600) if "capital of" in answer(s)]
    for sample in said:
        country, city = re.fullmatch(r"The capital of (.+) is (.+)\.", answer(sample)).groups()  # type: ignore[union-attr]
        assert country in question(sample) and capitals[country] == city
    assert len(said) > 100


def program(name: str) -> dict[str, Any]:
    """The namespace after the program of this name ran, as the twin writes it."""
    code = next(p["code"] for p in chat_data.data("code_answers") if p["id"] == name)
    space: dict[str, Any] = {"__name__": name}
    exec(compile(code, name, "exec"), space)
    return space


def test_code_answers_are_fenced_and_compile() -> None:
    answers = {answer(s) for split in SPLITS for s in draws("guide_code", split)}
    assert len(answers) == len(chat_data.data("code_answers"))
    for text in answers:
        assert text.startswith("```python\n") and text.endswith("\n```") and len(text) < 1200
        compile(text[10:-4], "answer", "exec")


def test_the_guides_own_prompts_are_trained() -> None:
    asked = {question(s) for s in draws("guide_code", TRAIN, 1000)}
    assert {p["guide"] for p in chat_data.data("code_answers") if "guide" in p} < asked


def test_the_rate_limiter_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    space = program("rate_limit")
    clock = [0.0]
    monkeypatch.setattr(space["time"], "monotonic", lambda: clock[0])
    monkeypatch.setattr(space["time"], "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    limited = space["rate_limit"](2, 10)(lambda x: (x, clock[0]))
    assert [limited(i) for i in range(5)] == [(0, 0), (1, 0), (2, 10), (3, 10), (4, 20)]


def test_the_search_tree_holds_what_a_set_holds() -> None:
    space = program("search_tree")
    rng, root = random.Random(1), None
    held: set[int] = set()
    for _ in range(400):
        key = rng.randrange(30)
        if rng.random() < 0.5:
            root, held = space["insert"](root, key), held | {key}
        else:
            root, held = space["delete"](root, key), held - {key}
        assert {k for k in range(30) if space["search"](root, k)} == held


def test_the_blog_creates_reads_updates_and_deletes() -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    from fastapi.testclient import TestClient

    client = TestClient(program("fastapi_blog")["app"])
    post = {"title": "a", "body": "b"}
    assert client.post("/posts", json=post).json() == {"id": 1}
    assert client.get("/posts/1").json() == post
    assert client.put("/posts/1", json={**post, "body": "c"}).status_code == 200
    assert client.get("/posts").json() == {"1": {"title": "a", "body": "c"}}
    assert client.delete("/posts/1").status_code == 204
    assert client.get("/posts/1").status_code == client.delete("/posts/1").status_code == 404


def test_the_small_programs_work(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert [program("fibonacci")["fibonacci"](n) for n in range(8)] == [0, 1, 1, 2, 3, 5, 8, 13]
    program("fizzbuzz")
    assert capsys.readouterr().out.split()[:15][-3:] == ["13", "14", "FizzBuzz"]
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert program("read_file")["read_lines"](str(tmp_path / "a.txt")) == ["one", "two"]
    assert program("list_comprehension")["even"] == [0, 2, 4, 6, 8]


def test_the_first_of_several_answers_comes_in_two_of_five() -> None:
    first = {entry["answers"][0] for entry in chat_data.data("small_talk")["several"]}
    assert len(first) >= 8
    share = sum(answer(s) in first for s in draws("several_ways", TRAIN, 2000)) / 2000
    assert 0.36 < share < 0.44
    assert {answer(s) for s in draws("several_ways", TEST)} == first


def test_the_twin_says_who_it_is_in_one_way() -> None:
    entries = {e["id"]: e for e in chat_data.data("facts/engines_and_errors")}
    said = {e["answer"]: e["de"]["answer"] for e in chat_data.data("small_talk")["talk"]}
    assert said[entries["lab_who"]["answer"]] == entries["lab_who"]["de"]["answer"]


@pytest.mark.parametrize("split", SPLITS)
def test_a_needle_is_in_the_text_once(split: str) -> None:
    depths, asked = [], []
    for sample in draws("needle", split, 150):
        text = sample.messages[0]["content"]
        first, *others = (m["content"] for m in sample.messages if m["role"] == "assistant")
        for told in (first, *others):
            found = re.fullmatch(r"The (.+?) of (\w+) is (.+)\.", told)
            assert found
            thing, person, value = found.groups()
            sentences = re.split(r"(?<=\.)\s", text)
            hits = [s for s in sentences if thing in s and f"is {value}." in s and person in s]
            assert len(hits) == 1, told
            depths.append(text.index(hits[0]) / len(text))
            if told is first:
                assert any(thing in part and person in part for part in (text[:120], text[-120:]))
        asked.append(1 + len(others))
    assert max(asked) == 1 if split == TEST else sum(asked) / len(asked) > 2
    assert min(depths) < 0.15 and max(depths) > 0.85
    sizes = [len(s.messages[0]["content"]) / recall.CHARACTERS_A_TOKEN for s in draws("needle", split, 150)]
    assert max(sizes) < 3850 and (min(sizes) > 3300) == (split == TEST)


@pytest.mark.parametrize("split", SPLITS)
def test_a_second_turn_asks_for_what_was_told_last(split: str) -> None:
    checked = 0
    for sample in draws("second_turn", split, 600):
        if found := re.fullmatch(r"(?:Your (?!first)\w+ is|Du heißt) (.+)\.", answer(sample)):
            told = [m["content"] for m in sample.messages[:-2] if m["role"] == "user"]
            assert any(found[1] in turn for turn in told)
            checked += 1
        elif found := re.fullmatch(r"Your first question was: (.+)", answer(sample)):
            assert sample.messages[0]["content"] == found[1]
        assert len(sample.messages) >= (4 if split == TEST else 2)
    assert checked > 200


def test_exam_sums_are_never_trained() -> None:
    def operands(split: str, count: int) -> set[str]:
        said = [answer(s) for skill in ("capitals_sums", "second_turn") for s in draws(skill, split, count)]
        return {f[1] for a in said if (f := re.match(r"(\d+ (?:\+|-) \d+) is", a))}

    asked = operands(TEST, 1500)
    assert len(asked) > 150 and not asked & operands(TRAIN, 4000)


@pytest.mark.parametrize("split", SPLITS)
def test_echo_repeats_reverses_spells_and_sorts(split: str) -> None:
    kinds: Counter[str] = Counter()
    for sample in draws("echo", split, 1000):
        asked, said = question(sample), answer(sample)
        assert said == said.strip() and said.isprintable()
        if asked.endswith(said):
            kinds["repeat"] += 1
        elif said.startswith("["):
            assert ", ".join(json.loads(said)) in asked
            kinds["to json"] += 1
        elif asked.endswith("]"):
            assert ", ".join(json.loads(asked[asked.index("[") :])) == said
            kinds["from json"] += 1
        elif re.fullmatch(r"\w(-\w)+", said):
            assert said.replace("-", "") in asked
            kinds["spell"] += 1
        elif re.fullmatch(r"\d+(, \d+)+", said):
            assert sorted(map(int, said.split(", "))) == [int(n) for n in said.split(", ")]
            kinds["sort"] += 1
        elif ", " in said:
            assert ", ".join(reversed(said.split(", "))) in asked
            kinds["reverse"] += 1
    assert kinds["repeat"] > 500 and min(kinds.values()) > 20 and len(kinds) == 6


def test_the_mixture_can_set_the_random_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "random_text", lambda rng, length: "token" * length)
    assert any(set(answer(s).split("token")) == {""} for s in draws("echo", TRAIN, 40))
