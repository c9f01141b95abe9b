from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labkit.cli import main


def labkit(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize("command", ["up", "status", "chat", "logs", "down", "plan", "export", "workshop"])
def test_every_command_explains_itself(command: str) -> None:
    assert labkit(command, "--help").exit_code == 0
    assert command in labkit("--help").output


def test_without_a_server(lab_home: Path) -> None:
    status = labkit("status")
    assert status.exit_code == 3 and status.output.startswith("No server is running.")
    as_json = labkit("status", "--json")
    assert as_json.exit_code == 3 and json.loads(as_json.output)["state"] == "none"
    assert (labkit("down").exit_code, labkit("down").output) == (0, "No server was running.\n")
    for command in (["logs"], ["chat", "hi"], ["up", "/nowhere"]):
        failed = labkit(*command)
        assert (
            failed.exit_code == 1
            and failed.output.startswith("labkit: ")
            and "Traceback" not in failed.output
        )


def test_without_a_workshop(lab_home: Path, tmp_path: Path) -> None:
    status = labkit("workshop", "status")
    assert status.exit_code == 4 and status.output.startswith("No workshop is open.")
    assert labkit("workshop", "down").output == "No workshop was open.\n"
    checked = labkit("workshop", "check")
    assert checked.exit_code == 1 and "labkit workshop up --learners 30" in checked.output
    never = labkit("workshop", "up")
    assert never.exit_code == 1 and "No workshop has been described" in never.output
    (tmp_path / "names.txt").write_text("ann\nAnn\n")
    wrong = labkit("workshop", "up", "--names", str(tmp_path / "names.txt"))
    assert wrong.exit_code == 1 and "'Ann' cannot be a learner's name" in wrong.output
    assert "vLLM FP8" in labkit("workshop", "plan", "--learners", "30", "--gpu", "h100").output


def test_wrong_use() -> None:
    assert labkit("up", "--port", "0").exit_code == 2
    assert labkit("nonsense").exit_code == 2


def test_the_newest_log_is_shown(lab_home: Path) -> None:
    (lab_home / "logs").mkdir(parents=True)
    (lab_home / "logs" / "20260101-000000-1.log").write_text("old\n")
    (lab_home / "logs" / "20260102-000000-1.log").write_text("one\ntwo\nthree\n")
    assert labkit("logs", "-n", "2").output == "two\nthree\n"
