"""The doctor on broken machines, staged by small stand-ins, and on the live twin."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import labkit
from labkit import clinic, home
from labkit.cli import main
from labkit.clinic import checks_environment, checks_machine, checks_servers
from labkit.clinic.findings import Finding, Report
from labkit.clinic.secrets import without_secrets
from labkit.engines import process
from labkit.engines.ollama_engine.models import Running
from labkit.hardware import Machine
from labkit.home import Server
from labkit.nvml import Gpu, GpuProcess
from tests.fake_openai import serving

WELL = Machine((), None, 32, 16, 4, 100, False, 16)
CARD = Gpu("RTX 4090", 24, 23, "580.1", "13.0")
KEY = "the-key-of-this-home"


def _of(found: Iterator[Finding], name: str) -> Finding:
    """The finding of this name."""
    return next(each for each in found if each.name == name)


def _machine(name: str, **changes: Any) -> Finding:
    return _of(checks_machine.machine(dataclasses.replace(WELL, **changes)), name)


# --- the machine


def test_a_machine_that_is_well(lab_home: Path) -> None:
    assert {each.level for each in checks_machine.machine(WELL)} == {"well"}
    assert {each.level for each in checks_machine.machine(dataclasses.replace(WELL, gpus=(CARD,)))} == {
        "well"
    }


def test_a_driver_that_does_not_answer(lab_home: Path) -> None:
    found = _machine("gpu", gpu_problem="The NVIDIA driver does not answer (Driver/library version mismatch)")
    assert (found.level, found.command) == ("wrong", "nvidia-smi")
    assert "mismatch" in found.what


@pytest.mark.parametrize(("has", "level"), [("11.8", "wrong"), ("12.8", "wrong"), ("13.0", "well")])
def test_an_old_driver(has: str, level: str, lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_machine, "torch_cuda", lambda: "13.0")
    found = _machine("driver", gpus=(dataclasses.replace(CARD, cuda=has),))
    assert found.level == level
    assert has in found.what


def test_vram_that_another_program_holds(lab_home: Path) -> None:
    held = GpuProcess(4711, "python", 17.5), GpuProcess(4712, "Xorg", 0.1)
    found = [
        each
        for each in checks_machine.machine(
            dataclasses.replace(WELL, gpus=(dataclasses.replace(CARD, processes=held),))
        )
        if each.name == "vram"
    ]
    assert len(found) == 1
    assert found[0].level == "wrong"
    assert "python holds 17.5 GiB of RTX 4090" in found[0].what
    assert "kill 4711" in found[0].command


def test_vram_of_our_own_server_is_no_finding(lab_home: Path) -> None:
    me = psutil.Process()
    home.write(Server(me.pid, me.create_time(), 1, KEY, "m", "pocket", "log"))
    card = dataclasses.replace(CARD, processes=(GpuProcess(me.pid, "python", 20.0),))
    assert not [
        e for e in checks_machine.machine(dataclasses.replace(WELL, gpus=(card,))) if e.name == "vram"
    ]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("disk", {"disk_free_gib": 0.4}),
        ("memory", {"ram_free_gib": 1.0}),
        ("shm", {"shm_gib": None}),
        ("shm", {"shm_gib": 0.0625, "gpus": (CARD, CARD)}),
    ],
)
def test_too_little_room(name: str, changes: dict[str, Any], lab_home: Path) -> None:
    found = _machine(name, **changes)
    assert found.level == "wrong"
    assert found.why
    assert found.command


def test_a_small_shm_is_enough_for_one_card(lab_home: Path) -> None:
    assert _machine("shm", shm_gib=0.0625, gpus=(CARD,)).level == "well"


def test_a_clock_behind(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_machine.time, "time", lambda: 1_500_000_000.0)
    found = _machine("clock")
    assert found.level == "wrong"
    assert "2017-07-14" in found.what


@pytest.mark.parametrize(
    ("version", "requires", "cuda"),
    [
        ("2.13.0+cu130", [], "13.0"),
        ("2.13.0+cpu", ["cuda-toolkit==13.0.2"], None),
        ("2.13.0", ["filelock", "cuda-toolkit[cublas]==13.0.2; sys_platform == 'linux'"], "13.0"),
        ("2.13.0", ["filelock"], None),
    ],
)
def test_the_cuda_that_torch_is_built_for(
    version: str, requires: list[str], cuda: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks_machine.importlib.metadata, "version", lambda name: version)
    monkeypatch.setattr(checks_machine.importlib.metadata, "requires", lambda name: requires)
    assert checks_machine.torch_cuda() == cuda


# --- the environment


def test_this_environment_is_well() -> None:
    assert {each.level for each in checks_environment.environment()} == {"well"}


@pytest.mark.parametrize(
    ("versions", "name", "level", "words"),
    [
        ({"openai": "1.0.0"}, "pins", "wrong", "openai is 1.0.0, and the course pins"),
        ({"openai": None}, "pins", "wrong", "openai is not installed"),
        ({"jupyter-server": "2.17.0"}, "floors", "alarm", "jupyter-server 2.17.0 has known holes; 2.18.0"),
        ({"vllm": "0.21.9"}, "floors", "alarm", "vllm 0.21.9 has known holes; 0.22.0"),
        ({"jupyterhub": "5.4.4"}, "floors", "alarm", "jupyterhub 5.4.4 has known holes"),
    ],
)
def test_versions(
    versions: dict[str, str | None], name: str, level: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checks_environment.version_of
    monkeypatch.setattr(checks_environment, "version_of", lambda each: versions.get(each, real(each)))
    found = [each for each in checks_environment.environment() if each.name == name and each.level != "well"]
    assert [each.level for each in found] == [level]
    assert words in found[0].what
    assert found[0].command


def test_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_environment, "DISTRIBUTION", "no-such-course")
    found = _of(checks_environment.environment(), "pins")
    assert (found.level, found.command) == ("wrong", "./setup.sh")


def test_an_old_ollama_is_an_alarm(monkeypatch: pytest.MonkeyPatch, lab_home: Path) -> None:
    monkeypatch.setattr(
        checks_servers.serving, "version", lambda host, s: checks_servers.serving.Version("0.17.0", False)
    )
    monkeypatch.setattr(checks_servers.ollama_engine, "ps", lambda host: [])
    found = _of(checks_servers.servers(), "floors")
    assert found.level == "alarm"
    assert "Ollama 0.17.0" in found.what


# --- the servers


class Fake:
    """A server of labkit's home that fails as it is told: `eyes`, `tools`, `name`, `dead`."""

    def __init__(self, eyes: bool = True, tools: bool = True, name: str = "m", dead: bool = False) -> None:
        self.eyes, self.tools, self.name, self.dead = eyes, tools, name, dead
        routes = [
            Route("/health", lambda request: Response()),
            Route("/v1/models", lambda request: JSONResponse({"data": [{"id": name}]})),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        if self.dead:
            return JSONResponse({"error": {"message": "EngineCore encountered an issue."}}, 500)
        if body["model"] != self.name:
            return JSONResponse({"error": {"message": f"The model `{body['model']}` does not exist."}}, 404)
        if not isinstance(body["messages"][-1]["content"], str) and not self.eyes:
            return JSONResponse({"error": {"message": "At most 0 image(s) may be provided"}}, 400)
        message: dict[str, Any] = {"role": "assistant", "content": "Hi"}
        if "tools" in body and self.tools:
            message["tool_calls"] = [
                {"id": "abcdefgh1", "function": {"name": "get_weather", "arguments": "{}"}}
            ]
        return JSONResponse({"choices": [{"message": message}]})


@contextmanager
def _served(fake: Fake) -> Iterator[dict[str, Finding]]:
    """The findings about a server of this home."""
    me = psutil.Process()
    with serving(fake.app) as url:
        port = int(url.split(":")[2].split("/")[0])
        home.write(Server(me.pid, me.create_time(), port, KEY, "m", "pocket", "log", ready=True))
        yield {each.name: each for each in checks_servers.own()}


def test_no_server_is_no_illness(lab_home: Path) -> None:
    assert _of(checks_servers.servers(), "server").level == "well"


def test_a_server_that_is_well(lab_home: Path) -> None:
    with _served(Fake()) as found:
        assert {name: each.level for name, each in found.items()} == {
            "server": "well",
            "vision": "well",
            "tools": "well",
        }


@pytest.mark.parametrize(
    ("fake", "name", "words"),
    [
        (Fake(eyes=False), "vision", "does not take a picture (HTTP 400)"),
        (Fake(tools=False), "tools", "without a call (no call came)"),
        (Fake(name="other"), "server", "serves other, and labkit asks for m"),
        (Fake(dead=True), "server", "gives no answer (HTTP 500), though its process lives"),
    ],
)
def test_a_server_that_is_ill(fake: Fake, name: str, words: str, lab_home: Path) -> None:
    with _served(fake) as found:
        ill = [each for each in found.values() if each.level != "well"]
    assert [each.name for each in ill] == [name]
    assert words in ill[0].what
    assert ill[0].command == "labkit down && labkit up"


def test_a_server_that_hangs(lab_home: Path, misbehaving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_servers, "_ASK_S", 0.3)
    me = psutil.Process()
    port = misbehaving.server_port
    home.write(Server(me.pid, me.create_time(), port, KEY, "m", "pocket", "log", ready=True))
    found = _of(checks_servers.own(), "server")
    assert found.level == "wrong"
    assert "though its process lives" in found.what


def test_a_server_that_is_gone(lab_home: Path) -> None:
    home.write(Server(2**22 - 1, 1.0, 1, KEY, "m", "pocket", "log", ready=True))
    found = _of(checks_servers.own(), "server")
    assert (found.level, found.command, found.runs) == ("wrong", "labkit up", True)


def test_a_model_that_spilled(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Running("mistral-small3.1", 100, 0.62, 4096, None)
    monkeypatch.setattr(
        checks_servers.serving, "version", lambda host, s: checks_servers.serving.Version("9", False)
    )
    monkeypatch.setattr(checks_servers.ollama_engine, "ps", lambda host: [row])
    found = [each for each in checks_servers.servers() if each.name == "ollama" and each.level == "wrong"]
    assert "mistral-small3.1 lies on the GPU to 62% only" in found[0].what


LISTENS = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[1])); self.end_headers()
server = HTTPServer((sys.argv[2], 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize(
    ("program", "status", "host", "level"),
    [
        ("vllm_standin.py", "200", "0.0.0.0", "alarm"),
        ("vllm_standin.py", "401", "0.0.0.0", "note"),
        ("jupyter-standin.py", "200", "0.0.0.0", "alarm"),
        ("vllm_standin.py", "200", "127.0.0.1", None),
        ("something.py", "200", "0.0.0.0", None),
    ],
)
def test_who_can_reach_it(program: str, status: str, host: str, level: str | None, tmp_path: Path) -> None:
    (tmp_path / program).write_text(LISTENS)
    argv = [sys.executable, str(tmp_path / program), status, host]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as listens:
        try:
            assert listens.stdout is not None
            port = listens.stdout.readline().strip()
            found = [each for each in checks_servers._exposed() if f"port {port}" in each.what]
        finally:
            listens.kill()
    assert [each.level for each in found] == ([level] if level else [])
    assert all("127.0.0.1" in each.command for each in found)


# --- the whole


def test_a_check_that_breaks_is_a_finding(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks() -> Iterator[Finding]:
        raise OSError("out of order")

    monkeypatch.setattr(checks_servers, "servers", breaks)
    report = clinic.doctor()
    assert not report
    assert "The check of the servers itself failed: out of order." in str(report)
    assert any(each.name == "disk" for each in report.findings)


def test_alarms_come_first(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("a", level, level) for level in ("well", "note", "wrong", "alarm")]
    monkeypatch.setattr(clinic, "checks", lambda: {"all": lambda: iter(found)})
    assert [each.level for each in clinic.doctor().findings] == ["alarm", "wrong", "note", "well"]


def test_a_drill_that_was_cut_short_is_cleared_away(lab_home: Path) -> None:
    folder = home.home() / "drills" / "old"
    folder.mkdir(parents=True)
    sleep = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    born = psutil.Process(sleep.pid).create_time()
    (folder / "stage.json").write_text(
        json.dumps({"owner": [2**22 - 1, 1.0], "started": [[sleep.pid, born]]})
    )
    assert _of(iter(clinic.doctor().findings), "drills").level == "note"
    assert sleep.wait(10) in (-signal.SIGTERM, -signal.SIGKILL)
    assert not process.alive(sleep.pid, born)
    assert not folder.exists()


def _run(monkeypatch: pytest.MonkeyPatch, report: Report, *words: str) -> Any:
    monkeypatch.setattr(clinic, "doctor", lambda: report)
    return CliRunner().invoke(main, ["doctor", *words])


GOOD = Report((Finding("disk", "well", "9 GiB"), Finding("exposure", "note", "port 1")), 0.5)
BAD = Report((Finding("disk", "wrong", "full of hf_abcdefghijklmnopqrst", "why", "df -h", True),), 0.5)


def test_exit_codes_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    well, ill = _run(monkeypatch, GOOD), _run(monkeypatch, BAD)
    assert (well.exit_code, ill.exit_code) == (0, 1)
    assert "All is well: 2 things" in well.output
    assert "Why it matters: why" in ill.output
    assert "Mend it: df -h" in ill.output


def test_json(monkeypatch: pytest.MonkeyPatch) -> None:
    done = _run(monkeypatch, BAD, "--json")
    told = json.loads(done.output)
    assert done.exit_code == 1
    assert told["well"] is False
    assert set(told["findings"][0]) == {"name", "level", "what", "why", "command", "runs"}


def test_report_to_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    done = _run(monkeypatch, BAD, "--report", str(path))
    assert done.exit_code == 1
    assert "hf_" not in path.read_text() + done.output
    assert "full of …" in path.read_text()
    assert "cannot be written" in _run(monkeypatch, GOOD, "--report", str(tmp_path / "no" / "x")).output


def test_in_a_notebook() -> None:
    table = BAD._repr_markdown_()
    assert "| BAD | full of …<br>why<br>`df -h` |" in table
    assert "hf_" not in repr(BAD)


SECRETS = (
    "hf_abcdefghijklmnopqrstuv",
    "sk-proj-abcdefghijklmnop",
    "ghp_abcdefghijklmnopqrstuvwx",
    "AKIAABCDEFGHIJKLMNOP",
    "Authorization: Bearer abcdefgh12345",
    "http://127.0.0.1:8888/lab?token=0123456789abcdef",
    "https://anna:secret-word@example.org/repo",
    "OpenAI(api_key='abcdefghijklmnop')",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_taken_out(secret: str) -> None:
    told = without_secrets(f"before {secret} after")
    assert "…" in told
    assert told.startswith("before ")
    assert told.endswith(" after")
    assert secret not in told


def test_our_own_secrets_are_taken_out(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PROVIDER_TOKEN", "plainword7")
    text = f"{home.key()} plainword7 {Path.home()}/x"
    assert without_secrets(text) == "… … ~/x"


@pytest.mark.parametrize(
    "text", ["api_key='EMPTY'", "api_key=session.api_key", "the token of the API", "http://127.0.0.1:8000/v1"]
)
def test_harmless_words_stay(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.engine
def test_the_live_twin_is_well(session: labkit.Session) -> None:
    report = clinic.doctor()
    found = {
        each.name: each for each in report.findings if each.name in ("server", "vision", "tools", "pins")
    }
    assert {name: each.level for name, each in found.items()} == dict.fromkeys(found, "well")
    assert set(found) == {"server", "vision", "tools", "pins"}
    assert session.api_key not in str(report) + report.as_json()


@pytest.mark.engine
def test_the_live_twin_with_a_dead_engine(session: labkit.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_servers, "_ASK_S", 3.0)
    server = home.read()
    assert server is not None
    engine = [e for e in psutil.Process(server.pid).children(recursive=True)]
    try:
        for each in engine:
            each.suspend()
        began = time.monotonic()
        found = _of(checks_servers.own(), "server")
        assert "though its process lives" in found.what
        assert time.monotonic() - began < 10
    finally:
        for each in engine:
            each.resume()
    assert labkit.diagnose(found.what).cause is not None
