from dataclasses import replace
from pathlib import Path

import pytest

from labkit import home
from labkit.home import Server

SERVER = Server(1, 2.0, 8000, "secret", "m", "pocket", "/log", ("--a", "b"), True)


def test_a_server_is_remembered_for_its_owner_alone(lab_home: Path) -> None:
    home.write(SERVER)
    assert home.read() == SERVER
    assert (lab_home / "server.json").stat().st_mode & 0o777 == 0o600
    home.forget()
    assert home.read() is None


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"pid": 1, "flags": []}', '{"flags": [], "x": 1}'])
def test_a_damaged_state_file_is_no_server(damaged: str, lab_home: Path) -> None:
    home.home()
    (lab_home / "server.json").write_text(damaged)
    assert home.read() is None


def test_a_failed_write_leaves_the_old_state(lab_home: Path) -> None:
    home.write(SERVER)
    with pytest.raises(UnicodeEncodeError):
        home.write(replace(SERVER, log="\ud800"))
    assert home.read() == SERVER
    assert [path.name for path in lab_home.iterdir()] == ["server.json"]


def test_the_key_stays_and_is_private(lab_home: Path) -> None:
    first = home.key()
    assert len(first) >= 24 and home.key() == first
    assert (lab_home / "key").stat().st_mode & 0o777 == 0o600


def test_ten_logs_are_kept(lab_home: Path) -> None:
    (lab_home / "logs").mkdir(parents=True)
    for number in range(30):
        (lab_home / "logs" / f"20260101-0000{number:02}-1.log").touch()
    home.new_log().touch()
    kept = sorted(path.name for path in (lab_home / "logs").glob("*.log"))
    assert len(kept) == home.KEPT_LOGS and kept[0] == "20260101-000021-1.log"
