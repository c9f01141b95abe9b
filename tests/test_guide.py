from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from labkit import LabkitError, guide
from labkit.catalog.guide_schema import GuideRow

ROOT = Path(__file__).resolve().parents[1]
GOOD: dict[str, Any] = {
    "id": "a-row",
    "section": "s",
    "kind": "shell",
    "guide": "old | less",
    "today": "new\nnewer",
    "why": "so | so",
    "lesson": "01",
}


def test_every_section_of_the_guide_is_there() -> None:
    counts: dict[str, int] = {}
    for row in guide.rows().values():
        counts[row.section] = counts.get(row.section, 0) + 1
    assert counts == {
        "The model": 6,
        "What it needs": 6,
        "Ollama": 7,
        "vLLM": 7,
        "Transformers": 3,
        "Function calling": 3,
        "Advice": 5,
        "Troubleshooting": 6,
        "Further reading": 1,
    }


@pytest.mark.parametrize("row", guide.rows().values(), ids=list(guide.rows()))
def test_a_row_is_one_sentence_of_why_and_code_that_is_code(row: GuideRow) -> None:
    assert re.search(r"[^.]\.$", row.why) and not re.search(r"[a-z)]\. [A-Z]", row.why)
    if row.kind == "python":
        ast.parse(row.guide)
        ast.parse(row.today)


def test_the_guides_python_has_the_old_words_and_todays_the_new() -> None:
    load, generate = guide.row("transformers-load"), guide.row("transformers-generate")
    for old in ("AutoModelForCausalLM", "torch_dtype", ", load_in_4bit=True)"):
        assert old in load.guide and old not in load.today
    assert "AutoModelForImageTextToText" in load.today and "(**inputs" in generate.today


def test_every_request_sends_the_temperature() -> None:
    for name in ("ollama-openai", "vllm-query", "transformers-generate", "tools-ask"):
        assert re.search(r'temperature("?: |=)0\.15', guide.row(name).today)


class Asked:
    """Stands in for `openai.OpenAI`: notes what it is made with and what it is asked."""

    def __init__(self, **made_with: Any) -> None:
        self.made_with, self.asked = made_with, dict[str, Any]()
        self.chat = self.completions = self

    def create(self, **asked: Any) -> SimpleNamespace:
        self.asked = asked
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(tool_calls=["a call"]))])


@pytest.mark.parametrize(("form", "key"), [("guide", "EMPTY"), ("today", "sesame")])
def test_the_question_to_vllm(form: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "sesame")
    names: dict[str, Any] = {"OpenAI": Asked, "MODEL": "m", "date": date, "os": os}
    exec(getattr(guide.row("vllm-query"), form), names)
    client = names["client"]
    assert client.made_with == {"base_url": "http://localhost:8000/v1", "api_key": key}
    system, user = client.asked.pop("messages")
    assert client.asked == {"model": "m", "temperature": 0.15, "max_tokens": 4096}
    assert system["role"] == "system" and str(date.today()) in system["content"]
    assert user["content"] == "Write a complete FastAPI REST API with CRUD for a blog."


def test_the_question_with_tools(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"client": Asked(), "MODEL": "m", "tools": ["t"]}
    exec(guide.row("tools-ask").today, names)
    asked = names["client"].asked
    assert asked.pop("messages")[0]["content"] == "What is the current price of AAPL and MSFT?"
    assert asked == {"model": "m", "tools": ["t"], "tool_choice": "auto", "temperature": 0.15}
    assert capsys.readouterr().out == "['a call']\n"


TRANSFORMERS = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer, BitsAndBytesConfig
from labkit import guide
from pocket.formats import prepare
name, said = str(prepare()), {}
rows = [guide.row(f"transformers-{step}") for step in ("load", "template", "generate")]
for row in rows:
    exec(row.today)
said["shape"], said["in"] = list(output.shape), inputs["input_ids"].shape[1]
said["linear"] = sorted({type(each).__name__ for each in model.modules() if "Linear" in type(each).__name__})
for row in rows:
    try:
        exec(row.guide)
        said[row.id] = ""
    except Exception as error:
        said[row.id] = f"{type(error).__name__}: {error}"
print("SAID" + json.dumps(said))
"""


@pytest.mark.engine
def test_todays_transformers_code_runs_and_the_guides_does_not(lab_home: Path) -> None:
    path = [str(ROOT / "labkit" / "engines" / "site"), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-c", TRANSFORMERS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        text=True,
        capture_output=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.rpartition("SAID")[2])
    assert said["shape"][0] == 1 and said["in"] < said["shape"][1] <= said["in"] + 2048
    assert "Linear4bit" in said["linear"]
    assert "Unrecognized configuration class" in said["transformers-load"]
    assert said["transformers-template"] == "" and "AttributeError" in said["transformers-generate"]


def test_the_tools_are_the_guides() -> None:
    found: dict[str, Any] = {}
    exec(guide.row("tools-define").today, found)
    functions = [tool["function"] for tool in found["tools"]]
    assert [each["name"] for each in functions] == ["get_stock_price", "calculate_portfolio_value"]
    holdings = functions[1]["parameters"]["properties"]["holdings"]
    assert set(holdings["items"]["properties"]) == {"ticker", "shares"}


def test_a_row_shows_itself_as_a_table_of_three() -> None:
    shown = GuideRow.model_validate(GOOD)._repr_markdown_()
    assert shown.splitlines() == [
        "| | |",
        "|---|---|",
        "| **The guide says** | `old \\| less` |",
        "| **What works today** | `new`<br>`newer` |",
        "| **Why** | so \\| so |",
    ]


def test_what_has_not_changed_says_so() -> None:
    row = guide.row("ollama-run")
    assert row.same and row.today == row.guide
    assert "| **What works today** | the same |" in row._repr_markdown_()


def test_all_of_them_are_one_table() -> None:
    shown = guide.table()
    lines = shown._repr_markdown_().splitlines()
    assert len(lines) == 2 + len(guide.rows())
    assert all(line.replace("\\|", "").count("|") == 6 for line in lines)
    of_lesson = guide.table("02").splitlines()[2:]
    assert len(of_lesson) == sum(each.lesson == "02" for each in guide.rows().values()) > 0
    assert all(line.replace("\\|", "").count("|") == 4 for line in of_lesson)


def test_an_unknown_row_names_the_nearest() -> None:
    with pytest.raises(LabkitError, match=r"no row 'vllm-visoin'. Did you mean vllm-vision or "):
        guide.row("vllm-visoin")
    with pytest.raises(LabkitError, match=r"no row 'zzz'. labkit.guide.table\(\) shows them all."):
        guide.row("zzz")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"today": ""}, "either `today` or `same: true`"),
        ({"same": True}, "either `today` or `same: true`"),
        ({"today": "a\n  b"}, "no indented line"),
        ({"guide": "`a`"}, "no backtick"),
        ({"lesson": "08"}, "lesson"),
        ({"id": "A row"}, "id"),
        ({"wy": "because"}, "wy"),
        ({"why": ""}, "why"),
    ],
)
def test_a_wrong_row_is_refused(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        GuideRow.model_validate({**GOOD, **change})
