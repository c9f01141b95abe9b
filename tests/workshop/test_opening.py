"""Which server a class gets, and what the check says of one that was started by hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from labkit import home, starting
from labkit.display import Progress
from labkit.engines import process
from labkit.home import Server
from labkit.workshop import checking, opening
from labkit.workshop.gate import SHARING
from tests.fake_openai import serving


def known(alive: bool, port: int = 9) -> None:
    """A server of this home, `FP8`: this very process, or one that is gone."""
    born = process.born(os.getpid())
    home.write(Server(os.getpid(), born if alive else born - 9999, port, "k", "m", "FP8", "/log"))


@pytest.mark.parametrize(
    ("runs", "named", "source", "flags"),
    [
        (None, None, "pocket", SHARING),
        (None, "W4A16", "W4A16", SHARING),
        (True, None, "FP8", ()),
        (True, "FP8", "FP8", SHARING),
        (False, None, "FP8", SHARING),
    ],
    ids=["none", "named", "running", "running, and named: not with just any flags", "dead"],
)
def test_the_server_of_a_class(
    runs: bool | None,
    named: str | None,
    source: str,
    flags: tuple[str, ...],
    lab_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        starting, "up", lambda model, progress, extra_flags=(): asked.append((model, extra_flags))
    )
    if runs is not None:
        known(runs)
    opening.serve(named, Progress(on=False))
    assert asked == [(source, flags)]


@pytest.mark.parametrize(("status", "said"), [(200, True), (401, False)])
def test_the_check_says_that_a_server_answers_without_a_key(status: int, said: bool, lab_home: Path) -> None:
    app = Starlette(routes=[Route("/metrics", lambda _: Response(status_code=status))])
    with serving(app) as url:
        known(True, int(url.rpartition(":")[2]))
        found = list(checking._past_the_gate())
    assert [(each.level, each.command) for each in found] == (
        [("note", "labkit down && labkit workshop up --model FP8")] if said else []
    )
    assert not list(checking._past_the_gate()), "a server that is gone is nothing to go past"
