"""`vllm bench serve` as a probe: its command, its result file, what goes wrong; and once for real."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from threading import Event
from typing import Any

import pytest

import labkit
from labkit import LabkitError
from labkit.engines import vllm
from labkit.probes.quoted import TEXT, command, quoted, read
from labkit.probes.speed import FORMULAS
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving

MODULE = import_module("labkit.probes.quoted")
ASKED: dict[str, int] = {"streams": 4, "requests": 16, "prompt_tokens": 60, "max_tokens": 32, "seed": 7}
RESULT: dict[str, Any] = {
    "completed": 2,
    "failed": 0,
    "max_concurrency": 4,
    "total_input_tokens": 130,
    "total_output_tokens": 64,
    "duration": 2.0,
    "output_throughput": 32.0,
    **{f"{kind}_ttft_ms": value for kind, value in (("mean", 11.0), ("p50", 10.0), ("p95", 20.0))},
    **{f"{kind}_tpot_ms": value for kind, value in (("mean", 5.0), ("p50", 4.0), ("p95", 9.0))},
}


@pytest.fixture
def small() -> Iterator[Session]:
    with serving(FakeOpenAI().app) as url:
        yield Session(f"{url}/v1", KEY, MODEL)


def test_the_command_says_all_and_no_key() -> None:
    made = command("http://127.0.0.1:8000/v1", "twin", "mistralai/Some-Model", **ASKED)
    assert list(made.argv[made.argv.index("--model") :]) == [
        *("--model", "twin", "--tokenizer", "mistralai/Some-Model", "--tokenizer-mode", "mistral"),
        *("--dataset-name", "random", "--seed", "7", "--random-input-len", "60", "--random-output-len", "32"),
        *("--num-prompts", "16", "--max-concurrency", "4", "--temperature", "0.15"),
        *("--ready-check-timeout-sec", "0", "--percentile-metrics", "ttft,tpot"),
        *("--metric-percentiles", "50,95"),
    ]
    base = made.argv.index("--base-url")
    assert made.argv[:3] == ("vllm", "bench", "serve") and made.argv[base + 1] == "http://127.0.0.1:8000"
    assert KEY not in str(made) and dict(made.env)["VLLM_NO_USAGE_STATS"] == "1"


def test_a_result_file_is_read() -> None:
    made = command("http://h/v1", "m", "mistralai/M", **ASKED)
    found = read(RESULT, made)
    assert (found.prompt_tokens, found.output_tokens, found.tokens_per_s) == (65, 32, 32)
    assert (found.first_token.mean, found.first_token.p50, found.first_token.p95) == (11, 10, 20)
    assert (found.per_token.mean, found.per_token.p50, found.per_token.p95) == (5, 4, 9)
    shown = found._repr_markdown_()
    assert "| time to first token, ms | 11.0 | 10.0 | 20.0 |" in shown and str(made) in shown
    assert all(name in shown for name in FORMULAS)


def test_requests_that_failed_are_no_figure() -> None:
    made = command("http://h/v1", "m", "mistralai/M", **ASKED)
    errors = ["", "Traceback\nValueError: the server hung up."]
    with pytest.raises(LabkitError, match=r"2 of 4 requests .* failed: ValueError: the server hung up\."):
        read(RESULT | {"failed": 2, "errors": errors}, made)
    with pytest.raises(LabkitError, match="0 of 0 requests"):
        read(RESULT | {"completed": 0}, made)


def test_what_cannot_be_measured_is_a_sentence(small: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabkitError, match="does not say which tokenizer"):
        quoted(small)
    with pytest.raises(LabkitError, match="requests must be a whole number"):
        quoted(small, requests=0)
    small.engine = "transformers"
    with pytest.raises(LabkitError, match="runs inside the notebook"):
        quoted(small)
    small.engine = "vllm"
    monkeypatch.setattr(vllm, "build", lambda: None)
    with pytest.raises(LabkitError, match="not installed here"):
        quoted(small)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise ValueError('out of questions')", "without a result: ValueError: out of questions"),
        ("raise SystemExit(3)", r"it said nothing \(exit status 3\)"),
    ],
)
def test_a_generator_that_dies(
    small: Session, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setattr(MODULE, "RUN", program)
    with pytest.raises(LabkitError, match=words):
        quoted(small, tokenizer="mistralai/M")


def test_one_that_hangs_is_ended(small: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "RUN", "import time; time.sleep(600)")
    with pytest.raises(LabkitError, match=r"not done after 1 s"):
        quoted(small, tokenizer="mistralai/M", timeout=0.6)
    stopping = Event()
    stopping.set()
    with pytest.raises(KeyboardInterrupt):
        quoted(small, tokenizer="mistralai/M", stopping=stopping)


def test_the_key_goes_in_the_environment(small: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os, sys; sys.exit('ValueError: ' + os.environ['OPENAI_API_KEY'] + str(sys.argv))"
    monkeypatch.setattr(MODULE, "RUN", program)
    with pytest.raises(LabkitError) as raised:
        quoted(small, tokenizer="mistralai/M")
    assert str(raised.value).count(KEY) == 1


@pytest.mark.engine
def test_the_twin_is_measured(session: labkit.Session) -> None:
    found = quoted(session, streams=2, requests=4, prompt_tokens=64, max_tokens=16)
    assert (found.requests, found.at_once, found.output_tokens) == (4, 2, 16)
    assert abs(found.prompt_tokens - 64) <= 4  # by the server's own count, chat template included
    assert found.tokens_per_s == pytest.approx(64 / found.seconds, rel=0.01)
    assert 0 < found.first_token.p50 <= found.first_token.p95 < 1000 * found.seconds
    assert TEXT["command"] in found._repr_markdown_() and session.api_key not in str(found.command)
