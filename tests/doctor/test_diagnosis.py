"""labkit.diagnose against real messages: each to its one cause, and no innocent line accused.

messages.yaml holds the messages (none of them a sample of the catalog), innocent.txt the lines that accuse
nobody. `python -m pytest tests/doctor/test_diagnosis.py -s -k table` prints the table.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from labkit import LabkitError, catalog, diagnosis, guide
from labkit.catalog.symptom_schema import Symptom
from labkit.diagnosis import Diagnosis, diagnose

HERE = Path(__file__).parent
SYMPTOMS = catalog.symptoms()
MESSAGES: dict[str, list[str]] = yaml.safe_load((HERE / "messages.yaml").read_text("utf-8"))
INNOCENT = [
    line
    for line in (HERE / "innocent.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("# ")
]
BAR = 0.95
LONG = 4
"""Lines from which on a message counts as an excerpt of a log."""
GOOD: dict[str, Any] = {
    "area": "vllm",
    "title": "It is broken",
    "patterns": [r"broken at (?P<place>\w+)"],
    "cause": "It broke at {place}.",
    "fix": "Mend it.",
    "source": "nowhere",
    "sample": "Error: broken at seam",
}


def _first(message: str) -> str:
    cause = diagnose(message).cause
    return cause.name if cause else "-"


def test_table() -> None:
    rows = [(name, message) for name, messages in MESSAGES.items() for message in messages]
    wrong = [(name, _first(message), message) for name, message in rows if _first(message) != name]
    long = sum(message.count("\n") + 1 >= LONG for _, message in rows)
    right = 1 - len(wrong) / len(rows)
    print(f"\n{len(rows)} messages ({long} long) of {len(MESSAGES)} symptoms: {right:.1%} right")
    for name, got, message in wrong:
        print(f"{name:<24} {got:<24} {message.splitlines()[0][:80]}")
    assert right >= BAR


@pytest.mark.parametrize("name", MESSAGES)
def test_message_has_one_cause(name: str) -> None:
    """Stricter than the bar: as long as all are right, one that turns wrong is seen by its name."""
    assert {message: _first(message) for message in MESSAGES[name]} == dict.fromkeys(MESSAGES[name], name)


def test_messages_are_many_and_none_is_a_sample() -> None:
    rows = [message for messages in MESSAGES.values() for message in messages]
    assert set(MESSAGES) == set(SYMPTOMS)
    assert len(rows) == len(set(rows)) >= 90
    assert sum(message.count("\n") + 1 >= LONG for message in rows) >= 10
    assert not {symptom.sample for symptom in SYMPTOMS.values()} & set(rows)


@pytest.mark.parametrize("name", SYMPTOMS)
def test_sample_leads_to_its_symptom(name: str) -> None:
    found = diagnose(SYMPTOMS[name].sample)
    assert found.cause is not None
    assert found.cause.name == name
    assert "{" not in found.cause.cause + found.cause.fix


@pytest.mark.parametrize("line", INNOCENT)
def test_innocent_line_is_not_accused(line: str) -> None:
    assert not diagnose(line)


def test_innocent_lines_together() -> None:
    assert len(INNOCENT) >= 60
    assert not diagnose("\n".join(INNOCENT))


def test_a_cause_among_innocent_lines_is_found() -> None:
    for name, symptom in SYMPTOMS.items():
        middle = len(INNOCENT) // 2
        text = "\n".join([*INNOCENT[:middle], symptom.sample, *INNOCENT[middle:]])
        assert _first(text) == name


def test_the_guides_rows_are_covered() -> None:
    rows = {name for name in guide.rows() if name.startswith("trouble-")}
    assert len(rows) == 6
    assert {symptom.guide for symptom in SYMPTOMS.values()} - {""} == rows


def test_what_was_not_seen_here_is_told_from_an_address() -> None:
    for name, symptom in SYMPTOMS.items():
        assert symptom.told == symptom.source.startswith("https://"), name


def test_areas_are_all_there() -> None:
    areas = {symptom.area for symptom in SYMPTOMS.values()}
    assert areas == {"vllm", "ollama", "transformers", "cuda", "jupyter", "docker", "machine", "client"}
    assert len(SYMPTOMS) >= 45


# --- the schema


def test_schema_takes_a_good_symptom() -> None:
    assert Symptom.model_validate(GOOD).runs is False


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"patterns": ["broken at ("]}, "no regular expression"),
        ({"patterns": [".*"], "cause": "c"}, "matches anything"),
        ({"patterns": ["x?"], "cause": "c"}, "matches anything"),
        ({"patterns": ["^"], "cause": "c"}, "matches anything"),
        ({"sample": "Error: whole"}, "no pattern is found"),
        ({"patterns": []}, "at least 1"),
        ({"command": "mend {place}", "runs": True}, "stand whole"),
        ({"runs": True}, "stand whole"),
        ({"fix": "Mend it at {plaec}."}, "no pattern has a group"),
        ({"envelope": True, "request": True}, "about no request"),
        ({"area": "weather"}, "Input should be"),
        ({"cause": ""}, "at least 1"),
        ({"cure": "none"}, "Extra inputs"),
    ],
)
def test_schema_refuses(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Symptom.model_validate(GOOD | change)


# --- diagnose


def _chained(first: BaseException, second: BaseException, hidden: bool = False) -> BaseException:
    try:
        try:
            raise first
        except BaseException as error:
            raise second from (None if hidden else error)
    except BaseException as error:
        return error


def test_exception_chain_gives_the_first_error() -> None:
    error = _chained(
        OSError("[Errno 28] No space left on device"), RuntimeError(SYMPTOMS["weights-cut"].sample)
    )
    found = diagnose(error)
    assert [cause.name for cause in found.causes] == ["disk-full", "weights-cut"]
    assert "mostly a consequence" in str(found)


def test_exception_says_its_own_name() -> None:
    class AuthenticationError(Exception):
        pass

    assert _name(diagnose(AuthenticationError("Error code: 401"))) == "wrong-key"
    assert not diagnose(ValueError("just so"))


def test_context_counts_unless_it_is_hidden() -> None:
    full = OSError("[Errno 28] No space left on device")
    assert _name(diagnose(_chained(full, ValueError("no more")))) == "disk-full"
    assert not diagnose(_chained(full, ValueError("no more"), hidden=True))


def test_an_envelope_yields_to_what_it_wraps() -> None:
    wraps = SYMPTOMS["engine-failed"].sample
    assert _name(diagnose(wraps)) == "engine-failed"
    assert _name(diagnose(f"{wraps}\n{SYMPTOMS['cache-empty'].sample}")) == "cache-empty"


def test_a_refused_request_yields_to_what_ended_the_server() -> None:
    refused = SYMPTOMS["tool-call-broken"].sample
    assert _name(diagnose(f"{refused}\n{SYMPTOMS['card-memory'].sample}")) == "card-memory"
    assert _name(diagnose(f"{refused}\n{SYMPTOMS['engine-dead'].sample}")) == "engine-dead"


def test_values_of_the_message_stand_in_the_cure() -> None:
    cause = diagnose(SYMPTOMS["context-over-cache"].sample).cause
    assert cause is not None
    assert cause.values["length"] == "400000"
    assert cause.command == "vllm serve ... --max-model-len 262016"
    assert cause.sentence.endswith("(`vllm serve ... --max-model-len 262016`).")


def test_a_value_that_the_message_lacks_is_left_open() -> None:
    text = "max seq len (8192), (1.25 GiB KV cache is needed, which is larger than"
    cause = diagnose(text).cause
    assert cause is not None
    assert cause.command == "vllm serve ... --max-model-len …"


def test_words_in_braces_in_a_message_stay_as_they_are() -> None:
    cause = diagnose("KeyError: 'invalid tool call parser: {length} (chose from { hermes })'").cause
    assert cause is not None
    assert "{length}" in cause.cause


@pytest.mark.parametrize("as_path", [True, False])
def test_log_by_its_path(tmp_path: Path, as_path: bool) -> None:
    log = tmp_path / "server.log"
    log.write_text("\n".join([*INNOCENT, SYMPTOMS["port-taken"].sample]), "utf-8")
    found = diagnose(log if as_path else str(log))
    assert _name(found) == "port-taken"
    assert found.cause is not None
    assert found.cause.line == SYMPTOMS["port-taken"].sample


def test_log_that_is_no_utf8(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_bytes(b"\xff\xfe\x00 caf\xe9\n" + SYMPTOMS["port-taken"].sample.encode())
    assert _name(diagnose(log)) == "port-taken"


@pytest.mark.parametrize("text", ["", "  \n\t\n", "\x1b[0m\x1b[31m"])
def test_empty_text_is_told(text: str) -> None:
    with pytest.raises(LabkitError, match="empty"):
        diagnose(text)


def test_empty_log_is_told(tmp_path: Path) -> None:
    (tmp_path / "server.log").touch()
    with pytest.raises(LabkitError, match="empty"):
        diagnose(tmp_path / "server.log")


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabkitError, match=r"There is no file .*server\.log"):
        diagnose(tmp_path / "server.log")
    with pytest.raises(LabkitError, match="There is no file"):
        diagnose(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[0;36m(APIServer pid=1)\x1b[0;0m \x1b[31mERROR\x1b[0m No available \x1b[1mmemory\x1b[m for the "
        "cache blocks",
        "[0;36m(APIServer pid=1)[0;0m [31mERROR[0m No available [1mmemory[0m for the cache blocks",
    ],
)
def test_colours_do_not_matter(text: str) -> None:
    found = diagnose(text)
    assert _name(found) == "cache-empty"
    assert found.cause is not None
    assert found.cause.line == "(APIServer pid=1) ERROR No available memory for the cache blocks"


@pytest.mark.parametrize("last", ["", SYMPTOMS["engine-failed"].sample])
def test_large_log_is_read_quickly(tmp_path: Path, last: str) -> None:
    log = tmp_path / "server.log"
    block = "\n".join(INNOCENT) + "\n"
    log.write_text(block * (10_000_000 // len(block.encode()) + 1) + last, "utf-8")
    assert log.stat().st_size >= 10_000_000
    began = time.monotonic()
    found = diagnose(log)
    assert time.monotonic() - began < 10
    assert _name(found) == ("engine-failed" if last else "")


def test_log_of_one_long_line_is_read_quickly() -> None:
    for text in (
        "x" * 1_000_000,
        "model ' " * 100_000,
        "the model is very " * 50_000,
        "\n" * 1_000_000 + "x",
    ):
        began = time.monotonic()
        diagnose(text)
        assert time.monotonic() - began < 10


def test_progress_bars_end_their_lines() -> None:
    found = diagnose("Loading weights: 3%\rLoading weights: 9%\rKilled\r\n")
    assert _name(found) == "memory-killed"
    assert found.cause is not None
    assert found.cause.line == "Killed"


def test_long_line_is_shortened() -> None:
    cause = diagnose("x" * 5_000 + SYMPTOMS["disk-full"].sample).cause
    assert cause is not None
    assert len(cause.line) <= 200


def test_words_for_nothing_found() -> None:
    found = diagnose("all is well")
    assert not found
    assert found.cause is None
    assert "labkit doctor" in str(found)


def test_words_for_a_learner() -> None:
    found = diagnose(SYMPTOMS["tools-without-parser"].sample)
    for words in ("parses no tool calls", "Seen: ", "Why: ", "Mend it: ", "Command: vllm serve"):
        assert words in str(found)
    assert found._repr_markdown_().startswith("**")
    assert diagnosis.TEXT["none"] in Diagnosis(())._repr_markdown_()


def _name(found: Diagnosis) -> str:
    return found.cause.name if found.cause else ""
