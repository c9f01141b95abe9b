"""Every command of the guide: as given, and as needed today. Both stand here in full, word for word."""

from __future__ import annotations

import base64
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labkit import guide
from labkit.engines import vllm
from labkit.engines.recipe import Command, Recipe, recipe_for_variant

MODEL = "mistralai/Mistral-Small-3.1-24B-Instruct-2503"
FORMAT = "--tokenizer-mode mistral --config-format mistral --load-format mistral"
TOOLS = "--tool-call-parser mistral --enable-auto-tool-choice"
CACHE = "~/.cache/huggingface"
OPEN = (
    f"docker run --gpus all -p 8000:8000 -v {CACHE}:/root/.cache/huggingface vllm/vllm-openai --model {MODEL}"
)
CLOSED = (
    f"docker run --rm --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v {CACHE}:/root/.cache/huggingface "
    "-e VLLM_API_KEY -e VLLM_NO_USAGE_STATS=1 -e DO_NOT_TRACK=1 -e HF_HUB_DISABLE_TELEMETRY=1 "
    f"vllm/vllm-openai:v0.32.0 {MODEL}"
)
GIVEN_TEXT = f"{FORMAT} {TOOLS} --max-model-len 32768 --gpu-memory-utilization 0.90"
GIVEN_VISION = (
    f"{FORMAT} {TOOLS} --limit-mm-per-prompt 'image=10' --tensor-parallel-size 2 --max-model-len 65536"
)
TODAY_TEXT = f"{FORMAT} {TOOLS} --max-model-len 32768 --language-model-only --gpu-memory-utilization 0.90"
TODAY_VISION = (
    f"{FORMAT} {TOOLS} --max-model-len 65536 --limit-mm-per-prompt '{{\"image\": 10}}' "
    "--tensor-parallel-size 2 --gpu-memory-utilization 0.90"
)
TEXT_ONLY = recipe_for_variant("BF16", vision=False)
VISION = recipe_for_variant("BF16", cards=2, context=65536)


def in_docker(recipe: Recipe) -> Command:
    return vllm.docker(recipe, cache=CACHE)


VLLM = [
    (
        "vllm-text",
        f"vllm serve {MODEL} {GIVEN_TEXT}",
        f"vllm serve {MODEL} {TODAY_TEXT}",
        vllm.serve,
        TEXT_ONLY,
    ),
    (
        "vllm-vision",
        f"vllm serve {MODEL} {GIVEN_VISION}",
        f"vllm serve {MODEL} {TODAY_VISION}",
        vllm.serve,
        VISION,
    ),
    ("vllm-docker-text", f"{OPEN} {GIVEN_TEXT}", f"{CLOSED} {TODAY_TEXT}", in_docker, TEXT_ONLY),
    ("vllm-docker-vision", f"{OPEN} {GIVEN_VISION}", f"{CLOSED} {TODAY_VISION}", in_docker, VISION),
]


@pytest.mark.parametrize(("name", "given", "today", "compose", "recipe"), VLLM, ids=[row[0] for row in VLLM])
def test_a_vllm_command(
    name: str, given: str, today: str, compose: Callable[[Recipe], Command], recipe: Recipe
) -> None:
    row = guide.row(name)
    assert shlex.split(row.guide) == shlex.split(given)
    assert shlex.split(row.today) == shlex.split(today) == list(compose(recipe).argv)


CHAT = {
    "model": "mistral-small3.1",
    "messages": [
        {"role": "system", "content": "You are a coding assistant."},
        {"role": "user", "content": "Write a Python decorator for rate limiting."},
    ],
    "temperature": 0.15,
}
OTHERS = [
    ("ollama-install", ["curl -fsSL https://ollama.com/install.sh | sh"], ["ollama --version"]),
    ("ollama-run", ["ollama run mistral-small3.1"], []),
    ("ollama-quantization", ["ollama run mistral-small3.1:24b-instruct-2503-q4_K_M"], []),
    ("ollama-serve", ["ollama serve"], []),
    ("ollama-pull", ["ollama pull mistral-small3.1"], []),
    ("vllm-mistral-common", ["python -c 'import mistral_common; print(mistral_common.__version__)'"], []),
]


@pytest.mark.parametrize(("name", "given", "more_today"), OTHERS, ids=[row[0] for row in OTHERS])
def test_a_command_that_has_not_changed(name: str, given: list[str], more_today: list[str]) -> None:
    row = guide.row(name)
    assert row.guide.splitlines() == given
    assert row.today.splitlines() == [*given, *more_today]
    assert row.same == (not more_today)


def test_vllm_is_installed_at_its_pin() -> None:
    row = guide.row("vllm-install")
    pin = vllm.IMAGE.rpartition(":v")[2]
    assert (row.guide, row.today) == ("pip install -U vllm", f"pip install vllm=={pin}")


def test_the_request_to_ollamas_openai_api() -> None:
    row = guide.row("ollama-openai")
    *words, body = shlex.split(row.guide)
    assert words == [
        *["curl", "http://localhost:11434/v1/chat/completions", "-H"],
        "Content-Type: application/json",
        "-d",
    ]
    assert json.loads(body) == CHAT and row.same


def test_the_request_with_an_image(tmp_path: Path) -> None:
    """As given it names a path; today the shell itself puts the image in, as base64."""
    row = guide.row("ollama-vision")
    *words, body = shlex.split(row.guide)
    assert words == ["curl", "http://localhost:11434/api/chat", "-d"]
    question = {"role": "user", "content": "What does this image show?", "images": ["/path/to/image.jpg"]}
    assert json.loads(body) == {"model": "mistral-small3.1", "messages": [question]}

    echo, _, curl = row.today.partition(" | ")
    assert curl.split() == ["curl", "http://localhost:11434/api/chat", "-d", "@-"]
    (tmp_path / "image.jpg").write_bytes(b"\xff\xd8" * 60_000)  # more than one argument of a program may hold
    sent = json.loads(subprocess.check_output(["bash", "-c", echo], cwd=tmp_path))
    (image,) = sent["messages"][0].pop("images")
    assert base64.b64decode(image, validate=True) == (tmp_path / "image.jpg").read_bytes()
    assert sent["messages"] == [{"role": "user", "content": "What does this image show?"}]


PARSE = """
import contextlib, io, json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
answers = []
for words in json.load(sys.stdin):
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser.parse_args(words)
        answers.append("")
    except SystemExit:
        answers.append(said.getvalue().strip().splitlines()[-1])
print("ANSWERS" + json.dumps(answers))
"""


def refusals(lines: list[list[str]]) -> list[str]:
    """What vLLM's own parser says to each line of arguments; "" where it takes them."""
    path = os.pathsep.join(
        filter(None, [str(Path(vllm.__file__).parent / "site"), os.environ.get("PYTHONPATH")])
    )
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(lines),
        env={**os.environ, "PYTHONPATH": path},
        text=True,
        capture_output=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[str] = json.loads(done.stdout.rpartition("ANSWERS")[2])
    return answers


@pytest.mark.engine
def test_vllm_itself_takes_todays_flags_and_refuses_the_old_one() -> None:
    def after(argv: tuple[str, ...]) -> list[str]:
        return list(argv[argv.index(MODEL) :])

    recipes = [TEXT_ONLY, VISION, *(recipe_for_variant(name, memory_gib=24) for name in ("FP8", "W4A16"))]
    todays: list[list[str]] = [list(vllm.serve(recipe).argv[2:]) for recipe in recipes]
    todays += [after(vllm.docker(recipe).argv) for recipe in (TEXT_ONLY, VISION)]
    todays += [list(vllm.command(recipe_for_variant("pocket", cards=1), 8000).argv[3:])]
    given: Any = [shlex.split(f"{MODEL} {flags}") for flags in (GIVEN_TEXT, GIVEN_VISION)]
    *answers, text, vision = refusals([*todays, *given])
    assert answers == [""] * len(todays)
    assert text == "" and "--limit-mm-per-prompt" in vision and "image=10" in vision
