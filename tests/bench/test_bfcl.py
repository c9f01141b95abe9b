"""All simple and multiple Python cases of the Berkeley set pass through our schemas, loop and checker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from bench.bfcl import Case, cases, right, safe
from labkit.errors import LabkitError
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, Answer, FakeOpenAI, serving


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[FakeOpenAI, Session]]:
    fake = FakeOpenAI()
    with serving(fake.app) as url:
        yield fake, Session(f"{url}/v1", KEY, MODEL)


def said(value: Any, required: Sequence[str] | None = None) -> Any:
    """A right value, where a dict has a list of them for each key. What may be left out is, unless required:
    a few of those values do not fit their own schema."""
    if isinstance(value, dict):
        chosen = {key: [each for each in allowed if each != ""] for key, allowed in value.items()}
        return {
            key: said(each[0])
            for key, each in chosen.items()
            if each and ("" not in value[key] or key in (required or ()))
        }
    return [said(each) for each in value] if isinstance(value, list) else value


def answer(case: Case) -> tuple[str, dict[str, Any]]:
    """The call that a model without fault would make."""
    ((name, wanted),) = case.truth.items()
    (tool,) = [each for each in case.tools if each.name == safe(name)]
    return tool.name, said(wanted, tool.parameters.get("required", ()))


@pytest.mark.parametrize(("kind", "count"), [("simple_python", 400), ("multiple", 200)])
def test_every_case_passes(kind: str, count: int, served: tuple[FakeOpenAI, Session]) -> None:
    fake, session = served
    all = list(cases(kind))
    assert len(all) == count
    for case in all:
        name, arguments = answer(case)
        call = ("abcdefgh1", name, json.dumps(arguments))
        fake.script = iter([Answer(calls=(call,)), Answer("Done.")])
        run = session.run(case.question, tools=case.tools)
        assert run.ended == "answered" and not run.faults, (case.id, run)
        assert right(run.calls, case.truth), case.id
        assert not right([*run.calls, *run.calls], case.truth) and not right([], case.truth)
        assert not right([(name, {**arguments, "invented": 1})], case.truth)


def test_what_the_checker_takes() -> None:
    truth: dict[str, Any] = {"a.b": {"x": [1, 2], "name": ["New York", ""], "rows": [[{"k": ["v"]}], ""]}}
    assert right([("a_b", {"x": 2})], truth) and right([("a_b", {"x": 1.0, "name": "new-york"})], truth)
    assert right([("a_b", {"x": 1, "rows": [{"k": "V"}]})], truth)
    for bad in ({"x": 3}, {"x": True}, {"x": "1"}, {}, {"x": 1, "rows": [{"k": "w"}]}, {"x": 1, "rows": []}):
        assert not right([("a_b", bad)], truth), bad
    assert not right([("a", {"x": 1})], truth)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.bfcl.find_spec", lambda name: None)
    with pytest.raises(LabkitError, match=r"\./setup\.sh test"):
        next(cases("multiple"))
