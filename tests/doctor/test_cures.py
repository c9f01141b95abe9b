"""Errors of labkit's own end with the cause and the cure that the catalog knows, and say nothing twice."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import httpx2
import openai
import pytest
from click.testing import CliRunner

import labkit
from labkit import LabkitError, catalog, home, loading, starting
from labkit.cli import main
from labkit.diagnosis import diagnose, with_cure
from labkit.refusals import explained
from labkit.reply import Reply
from labkit.session import Session

SYMPTOMS = catalog.symptoms()
LIVE = Session("http://127.0.0.1:1/v1", "k", "m")


def _refused(status: int, words: str) -> openai.APIStatusError:
    """What the client raises for an answer of the server."""
    asked = httpx2.Request("POST", "http://127.0.0.1:1/v1/chat/completions")
    answer = httpx2.Response(status, request=asked)
    kind = openai.BadRequestError if status == 400 else openai.InternalServerError
    return kind(f"Error code: {status} - {words}", response=answer, body={"message": words})


def _said(error: openai.APIStatusError) -> str:
    with pytest.raises(LabkitError) as told, explained(LIVE):
        raise error
    return str(told.value)


def test_a_known_cause_ends_the_sentence() -> None:
    told = with_cure("It failed.", "OSError: [Errno 28] No space left on device", "Look around.")
    assert told.startswith("It failed. Weights are large")
    assert told.endswith("(`df -h .`).")
    assert "Look around" not in told


@pytest.mark.parametrize("said", ["out of luck", "", ValueError("no idea")])
def test_an_unknown_cause_leaves_the_sentence(said: Any) -> None:
    assert with_cure("It failed.", said, "Look around.") == "It failed. Look around."
    assert with_cure("It failed.", said) == "It failed."


def test_a_cure_is_not_told_twice() -> None:
    once = with_cure("It failed.", SYMPTOMS["disk-full"].sample)
    assert with_cure(once, SYMPTOMS["disk-full"].sample) == once


@pytest.mark.parametrize("name", ["text-only", "tool-id", "tools-without-parser", "assistant-last"])
def test_a_refused_request(name: str) -> None:
    words = SYMPTOMS[name].sample.split(" - ", 1)[1]
    told = _said(_refused(400, words))
    assert told.startswith("The server did not accept the request: ")
    assert SYMPTOMS[name].fix.rstrip(".") in told


def test_a_refused_request_with_an_unknown_cause() -> None:
    assert _said(_refused(400, "out of luck.")) == "The server did not accept the request: out of luck."


def test_a_failed_server() -> None:
    told = _said(
        _refused(500, "EngineCore encountered an issue. See stack trace (above) for the root cause.")
    )
    assert "The process that computes has ended" in told
    assert told.count("labkit up") == 1
    assert "labkit logs" in _said(_refused(500, "out of luck"))


class Dying:
    """A stream that ends in an error of the engine."""

    def __iter__(self) -> Any:
        raise openai.APIError(
            "EngineCore encountered an issue.",
            request=SimpleNamespace(),  # type: ignore[arg-type]
            body=None,
        )
        yield

    def close(self) -> None:
        pass


def test_an_engine_that_fails_in_mid_answer() -> None:
    told = Reply(Dying(), 0.0).interrupted
    assert told is not None
    assert "what had come is kept. The process that computes has ended" in told


@pytest.mark.parametrize(
    "name", ["context-over-cache", "images-flag", "port-taken", "card-taken", "weights-cut"]
)
def test_a_server_that_dies_while_it_starts(name: str, lab_home: Path) -> None:
    log = home.new_log()
    log.write_text(f"INFO: starting\n{SYMPTOMS[name].sample}\n", "utf-8")
    server = home.Server(2**22 - 1, 1.0, 1, "k", "m", "pocket", str(log))
    home.write(server)
    told = str(loading._died(server))
    cause = diagnose(SYMPTOMS[name].sample).cause
    assert cause is not None
    assert told.endswith(f"{cause.sentence} The whole log: {log}")


def test_a_home_that_cannot_be_written(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: Any) -> Any:
        raise OSError(30, "Read-only file system", "/root/.labkit")

    monkeypatch.setattr(starting, "_attach", read_only)
    with pytest.raises(LabkitError, match=r"Read-only file system.*Let labkit keep its files elsewhere"):
        starting.up()


def test_the_command_shows_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(error: Exception) -> Any:
        @click.command("fails")
        def command() -> None:
            raise error

        monkeypatch.setitem(main.commands, "fails", command)
        return CliRunner().invoke(main, ["fails"])

    done = fails(OSError(28, "No space left on device"))
    assert done.exit_code == 1
    assert "labkit: OSError: [Errno 28] No space left on device. Weights are large" in done.output
    assert "LABKIT_TRACEBACK=1" in fails(KeyError("x")).output
    assert fails(click.UsageError("wrong use")).exit_code == 2
    monkeypatch.setenv("LABKIT_TRACEBACK", "1")
    assert isinstance(fails(KeyError("x")).exception, KeyError)


def test_sentences_of_our_own_are_accused_only_where_it_is_meant() -> None:
    """A sentence that has its cure must not get a second one by being quoted."""
    meant = {"model-unknown", "other-service", "engine-silent"}
    for path in sorted(Path(labkit.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                for value in node.value.values:
                    text = value.value if isinstance(value, ast.Constant) else None
                    if isinstance(text, str) and text.strip() and "lessons" not in path.parts:
                        cause = diagnose(text).cause
                        assert cause is None or cause.name in meant, (path, text)
