"""A workshop that an ordinary user opens, without root anywhere: from `up` to an answer, and closed again."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.browser.lab import ROOT
from tests.workshop.classroom import Class, Learner
from tests.workshop.conftest import free_ports, way_opened

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not os.environ.get("LABKIT_TEST_USERS"),
        reason="as root, LABKIT_TEST_USERS=1 lets the tests make a system user for a while",
    ),
]

NAME = "wsplain"
SAYS = (
    "import labkit, os\nprint(labkit.start(progress=False).chat('Hi', max_tokens=8).text != '', os.getuid())"
)
READS = "print(open('{path}').read())"


@pytest.fixture
def user(workshop: Class) -> Iterator[pwd.struct_passwd]:
    """A system user who has the proxy already, and knows of the class's server as if it were theirs."""
    subprocess.run(["useradd", "--create-home", NAME], check=True, capture_output=True)
    who = pwd.getpwnam(NAME)
    try:
        state = Path(who.pw_dir, ".labkit")
        shutil.copytree(workshop.home / "workshop" / "proxy", state / "workshop" / "proxy", symlinks=True)
        for name in ("server.json", "key"):
            shutil.copy(workshop.home / name, state)
        subprocess.run(["chown", "-R", f"{NAME}:", str(state)], check=True)
        python = Path(sys.executable)
        with way_opened((ROOT, python.parent, python.resolve().parent)):
            yield who
    finally:
        for each in processes(who.pw_uid):
            each.kill()
        subprocess.run(["userdel", "--remove", NAME], capture_output=True)


def processes(uid: int) -> list[psutil.Process]:
    """What runs as this user."""
    running = psutil.process_iter(["uids", "status"])
    return [
        each
        for each in running
        if each.info["uids"] and each.info["uids"].real == uid and each.info["status"] != psutil.STATUS_ZOMBIE
    ]


def test_a_workshop_without_root(user: pwd.struct_passwd) -> None:
    here = {"HOME": user.pw_dir, "USER": NAME, "LOGNAME": NAME, "PATH": os.environ["PATH"]}

    def labkit_says(*words: str) -> str:
        argv = [sys.executable, "-m", "labkit", "workshop", *words]
        who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        done = subprocess.run(argv, cwd=ROOT, env=here, text=True, capture_output=True, **who)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    port = free_ports()
    said = labkit_says("up", "--learners", "2", "--port", str(port))
    assert f"All learners run as the same system user ({NAME})" in said
    password = said.partition("The class's password: ")[2].split()[0]
    learner = Learner(f"http://127.0.0.1:{port}", "learner01", password)
    assert learner.signed_in and not Learner(learner.hub, "learner02", "nonsense").signed_in
    learner.take_seat()
    assert learner.run(SAYS).split() == ["True", str(user.pw_uid)]
    secrets = Path(user.pw_dir, ".labkit", "workshop", "secrets.json")
    assert "teacher_password" in learner.run(READS.format(path=secrets)), "as the page says: no isolation"
    assert "1 of them have a server running" in labkit_says("status")
    assert "processes have ended" in labkit_says("down")
    time.sleep(0.5)
    assert not processes(user.pw_uid)
