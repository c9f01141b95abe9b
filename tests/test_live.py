"""With the real vLLM server. The last tests are hard on it: it is killed, wedged, and stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import nbformat
import PIL.Image
import psutil
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

import labkit
from labkit import LabkitError, Session, home, starting
from labkit.cli import main
from labkit.engines import process, vllm
from tests.conftest import Notes

pytestmark = pytest.mark.engine

LONG: dict[str, Any] = {"max_tokens": 3000, "extra_body": {"ignore_eos": True}}
"""An answer that takes several seconds, whatever the model says."""

TOOL = {
    "type": "function",
    "function": {
        "name": "get_stock_price",
        "description": "The price of a share",
        "parameters": {
            "type": "object",
            "properties": {"ticker": {"type": "string"}},
            "required": ["ticker"],
        },
    },
}


def server() -> home.Server:
    found = home.read()
    assert found is not None
    return found


def test_a_taken_port_is_passed_by_and_said(session: Session, first_start: tuple[Path, Notes, int]) -> None:
    _, said, taken = first_start
    assert server().port != taken and session.url == f"http://127.0.0.1:{server().port}/v1"
    assert (
        said.notes[0] == f"Port {taken} is taken by something else, so the server uses port {server().port}."
    )
    lines = Path(server().log).read_text().splitlines(keepends=True)
    told = {vllm.stage("".join(lines[:end])) for end in range(len(lines))}
    assert {"loading the weights", "warming up"} <= told
    # In their order, each once. A short one can pass between two looks at the log (a quarter of a second).
    life = [vllm.FIRST_STAGE, *(words for _, words in reversed(vllm.STAGES))]
    seen = [words for words, _ in groupby(each for each in said.stages if each in life)]
    assert seen == [words for words in life if words in seen] and len(seen) >= 5, said.stages


def test_it_listens_on_this_machine_only_and_wants_its_key(session: Session) -> None:
    family = process.family(server().pid, server().create_time)
    listening = {c.laddr for each in family for c in each.net_connections() if c.status == psutil.CONN_LISTEN}
    assert {address.ip for address in listening if address.port == server().port} == {"127.0.0.1"}
    assert httpx.get(f"{session.url}/models", trust_env=False).status_code == 401
    assert all(session.api_key not in " ".join(each.cmdline()) for each in family)
    assert session.api_key not in Path(server().log).read_text()


def test_a_plain_client(session: Session) -> None:
    assert [each.id for each in session.client.models.list()] == [session.model] == [starting.POCKET_NAME]


def test_an_answer_streams(session: Session) -> None:
    reply = session.chat("Hello", max_tokens=60, extra_body={"ignore_eos": True})
    pieces = list(reply)
    assert len(pieces) > 5 and "".join(pieces) == reply.text
    assert (reply.usage.completion_tokens, reply.finish_reason, reply.interrupted) == (60, "length", None)
    assert reply.first_token_s is not None and reply.first_token_s < reply.seconds


def test_a_picture_takes_tokens(session: Session) -> None:
    picture = PIL.Image.new("RGB", (280, 280), "red")
    one, two = (session.chat("What is this?", image=[picture] * n, max_tokens=1).usage for n in (1, 2))
    # 280 px are 10 x 10 merged patches of 28 px, and a break or an end after each row.
    assert two.prompt_tokens - one.prompt_tokens == 10 * 10 + 10


def test_tools_are_taken(session: Session) -> None:
    plain, armed = (session.chat("AAPL?", tools=t, max_tokens=1).usage for t in (None, [TOOL]))
    assert armed.prompt_tokens > plain.prompt_tokens + 20


@pytest.mark.parametrize(
    ("change", "options", "sentence"),
    [
        ({"api_key": "wrong"}, {}, "refuses this API key"),
        ({"model": "gpt-x"}, {}, f"does not know the model 'gpt-x'. It serves: {starting.POCKET_NAME}"),
        ({}, {"max_tokens": 10**6}, "did not accept the request: .*max_model_len"),
    ],
)
def test_refusals_are_sentences(
    change: dict[str, str], options: dict[str, int], sentence: str, session: Session
) -> None:
    known = {"url": session.url, "api_key": session.api_key, "model": session.model}
    other = Session(**(known | change))  # type: ignore[arg-type]
    with pytest.raises(LabkitError, match=sentence):
        other.chat("Hello", **options)  # type: ignore[arg-type]


def test_the_command_line(session: Session) -> None:
    run = CliRunner().invoke
    status = run(main, ["status"])
    assert status.exit_code == 0 and re.search(r"answers at .* Up for .* GiB of memory", status.output)
    assert run(main, ["up"]).output == f"Found it running: {session.model} answers at {session.url}\n"
    chat = run(main, ["chat", "Hello", "--max-tokens", "20"])
    assert chat.exit_code == 0 and chat.output.strip()
    assert "Application startup complete" in run(main, ["logs", "-n", "100000"]).output


def test_talking_goes_in_turns(session: Session) -> None:
    talk = CliRunner().invoke(main, ["chat", "--max-tokens", "8"], input="Hello\nAnd you?\n\n")
    assert talk.exit_code == 0 and talk.output.count("you> ") == 3


def test_a_reply_that_is_stopped_frees_the_engine(session: Session) -> None:
    reply = session.chat("Hello", **LONG)
    next(iter(reply))
    reply.stop()
    running = "vllm:num_requests_running"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        metrics = httpx.get(session.url.replace("/v1", "/metrics"), trust_env=False).text
        if re.search(rf"^{running}\S* 0\.0$", metrics, re.MULTILINE):
            return
        time.sleep(0.2)
    pytest.fail("the engine still works on an answer that nobody wants")


CELLS = [
    "import labkit\nsession = labkit.start()\nprint(labkit.status().pid)",
    "session.chat('Hello', max_tokens=40, extra_body={'ignore_eos': True})",
    "session.chat('Hello', max_tokens=10**6)",
]


def test_a_notebook_and_its_restart(session: Session) -> None:
    """Two kernels, one after the other, get the same server; a reply is one output, an error a sentence."""
    for _ in range(2):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
        NotebookClient(notebook, allow_errors=True, kernel_name="python3").execute()
        started, replied, refused = (cell.outputs for cell in notebook.cells)
        assert started[0].data["text/markdown"].startswith("Found it running")
        assert started[1].text.strip() == str(server().pid)
        assert [output.output_type for output in replied] == ["display_data"]
        assert replied[0].data["text/markdown"].endswith("*(cut off at max_tokens)*")
        (line,) = refused[0].traceback
        assert line.startswith("LabkitError: The server did not accept the request: max_tokens=1000000")


def test_flags_that_vllm_refuses_are_said(lab_home: Path) -> None:
    with pytest.raises(LabkitError, match="unrecognized arguments: --no-such-flag") as error:
        labkit.start(progress=False, extra_flags=("--no-such-flag",))
    assert "Traceback" not in str(error.value) and home.read() is None


def test_killed_in_mid_stream(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    reply = session.chat("Hello", **LONG)
    for count, _ in enumerate(reply):
        if count == 20:
            os.kill(server().pid, signal.SIGKILL)
    assert "went away in mid-answer" in (reply.interrupted or "") and len(reply.text) > 20
    assert "Traceback" not in capsys.readouterr().err
    with pytest.raises(LabkitError, match="Nothing answers"):
        session.chat("Hello")
    dead = server()
    labkit.start(progress=False)
    assert process.family(dead.pid, dead.create_time) == [], "the killed server's workers are gone too"
    assert session.chat("Hello", max_tokens=5).usage, "the old session works again"


NOTEBOOK = (
    "import labkit; s = labkit.start(); print(s.url, labkit.status().pid, s.chat('Hi', max_tokens=2).seconds)"
)


def test_two_notebooks_at_once_after_the_engine_was_wedged(session: Session) -> None:
    """The engine hangs behind a living port; two processes call start(): one starts it again, both get it."""
    dead, logs = server(), len(list((home.home() / "logs").iterdir()))
    for each in process.family(dead.pid, dead.create_time):
        if each.pid != dead.pid:
            each.suspend()
    code = f"from labkit import starting; starting.PING_S = 3; {NOTEBOOK}"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    said = [each.communicate(timeout=250) for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    last = [out.splitlines()[-1].split()[:2] for out, _ in said]
    assert last[0] == last[1] == [server().url, str(server().pid)] and server().pid != dead.pid
    assert "its engine does not answer" in said[0][0] + said[1][0]
    assert "another notebook or terminal is starting it" in said[0][0] + said[1][0]
    assert len(list((home.home() / "logs").iterdir())) == logs + 1, "one server was started, not two"
    assert process.family(dead.pid, dead.create_time) == []
    assert process.alive(server().pid, server().create_time), "it outlives both processes"


def test_down_leaves_nothing_behind(session: Session) -> None:
    gone = server()
    family = process.family(gone.pid, gone.create_time)
    assert len(family) >= 3
    done = CliRunner().invoke(main, ["down"])
    assert (done.exit_code, done.output) == (0, "Stopped. Its log is kept: `labkit logs`.\n")
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family)
    assert labkit.status().state == "none" and Path(gone.log).exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(gone.url, trust_env=False)
