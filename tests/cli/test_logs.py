from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from labkit import home
from labkit.cli import main
from labkit.engines.ollama_engine.serving import Own

OLD, STANDIN, NEW = "20260101-000000-1", "20260102-000000-2", "20260103-000000-3"


def logs(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["logs", *arguments])


@pytest.fixture
def three(lab_home: Path) -> Path:
    """Three logs, none of a server that runs."""
    folder = lab_home / "logs"
    folder.mkdir(parents=True)
    for name, words in ((OLD, "old\n"), (STANDIN, "stand-in\n"), (NEW, "one\ntwo\nthree\n")):
        (folder / f"{name}.log").write_text(words)
    return folder


def run_ollama(log: Path) -> None:
    """What labkit writes down for an Ollama that it started; this process stands for it."""
    born = psutil.Process().create_time()
    home.write_json("ollama.json", asdict(Own(os.getpid(), born, "http://127.0.0.1:9", str(log))))


def test_the_newest_without_a_server(three: Path) -> None:
    assert logs().output == "one\ntwo\nthree\n"
    assert logs("-n", "1").output == "three\n" and logs("-n", "0").output == ""


def test_by_name(three: Path) -> None:
    assert logs(OLD).output == "old\n" and logs("20260101").output == "old\n"
    assert logs("202601").output == "one\ntwo\nthree\n"  # the newest of those that begin so
    assert logs(f"{STANDIN}.log").output == "stand-in\n"
    unknown = logs("../ollama.json")
    assert unknown.exit_code == 1 and "There is no log '../ollama.json'." in unknown.output


def test_of_the_server_that_runs(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = three / f"{STANDIN}.log"
    run_ollama(log)
    monkeypatch.setattr("labkit.engines.ollama_engine.serving.version", lambda host, ping_s: None)
    assert logs("--engine", "ollama").output == "stand-in\n"  # though it does not answer
    assert logs().output == "stand-in\n"
    assert "vllm has no log here" in logs("--engine", "vllm").output
    assert logs("--list").output.splitlines() == [OLD, f"{STANDIN}  ollama, running", NEW]


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("vllm", "vllm has no log here"),
        ("ollama", "ollama has no log here"),
        ("transformers", "keeps no log file"),
        ("abacus", "There is no engine 'abacus'"),
    ],
)
def test_of_an_engine_that_has_none(three: Path, engine: str, said: str) -> None:
    failed = logs("--engine", engine)
    assert failed.exit_code == 1 and said in failed.output and len(failed.output.splitlines()) == 1


def test_of_ollama_that_labkit_did_not_start(three: Path) -> None:
    """`ollama serve` in another window: its log is there, not here."""
    failed = logs("--engine", "ollama")
    assert failed.exit_code == 1 and "labkit has not started it" in failed.output


def test_no_log_at_all_and_two_wishes(lab_home: Path) -> None:
    for arguments in ([], ["--list"], ["x"]):
        assert "no server has been started here" in logs(*arguments).output
    assert logs("x", "--engine", "vllm").exit_code == 2
