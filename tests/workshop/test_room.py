from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from labkit.errors import LabkitError
from labkit.workshop import configure, room, seat
from labkit.workshop.planning import class_plan
from labkit.workshop.room import Room, Secrets

ROOM = Room(("ann", "bob"), "own", True, "/home", "/opt/course", port=9000)
SECRET = Secrets("k", "ab" * 32, "p", "class-password", "t" * 32)


def composed(**changes: Any) -> dict[str, dict[str, Any]]:
    here = Room(**{**ROOM.__dict__, **changes})
    return configure.config(here, SECRET, Path("/state/workshop"), ("node", "chp"))


@pytest.mark.parametrize(
    ("changes", "trait", "value"),
    [
        ({}, "JupyterHub.bind_url", "http://127.0.0.1:9000"),
        ({}, "JupyterHub.hub_bind_url", "http://127.0.0.1:9001"),
        ({}, "JupyterHub.db_url", "sqlite:////state/workshop/hub.sqlite"),
        ({}, "JupyterHub.authenticator_class", "pam"),
        ({}, "JupyterHub.spawner_class", "localprocess"),
        ({}, "ConfigurableHTTPProxy.command", ["node", "chp"]),
        ({}, "ConfigurableHTTPProxy.api_url", "http://127.0.0.1:9002"),
        ({}, "Authenticator.allowed_users", {"ann", "bob", "teacher"}),
        ({}, "Authenticator.admin_users", {"teacher"}),
        ({}, "Spawner.notebook_dir", "~/course"),
        ({"sign_in": "shared"}, "JupyterHub.authenticator_class", "shared-password"),
        ({"sign_in": "shared"}, "SharedPasswordAuthenticator.user_password", "class-password"),
        ({"sign_in": "shared"}, "SharedPasswordAuthenticator.admin_password", "t" * 32),
        ({"separate": False}, "JupyterHub.spawner_class", "simple"),
        ({"separate": False}, "SimpleLocalProcessSpawner.home_dir_template", "/home/{username}"),
    ],
)
def test_what_a_room_means_to_the_hub(changes: dict[str, Any], trait: str, value: object) -> None:
    name, attribute = trait.split(".")
    assert composed(**changes)[name][attribute] == value


@pytest.mark.parametrize(("build", "most"), [("cpu", 4), ("cuda", 16), (None, 16)])
def test_one_learner_has_fewer_turns_where_the_model_shares_the_cores(
    build: str | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.vllm, "build", lambda: build)
    assert room.turns_here().most == most


def test_a_learner_finds_the_gate_and_no_secret_of_others() -> None:
    environment = composed()["Spawner"]["environment"]
    assert environment["LABKIT_URL"] == "http://127.0.0.1:9004/v1"
    assert not set(map(str, environment.values())) & {"k", "p", SECRET.cookies, "class-password", "t" * 32}
    assert "LABKIT_HOME" not in environment


def test_no_service_may_do_more_than_it_needs() -> None:
    scopes = {role["name"]: set(role["scopes"]) for role in composed()["JupyterHub"]["load_roles"]}
    assert scopes["user"] == {"self", "access:services!service=board"}
    assert scopes["board"] == {"list:users", "read:users:activity", "read:servers"}
    assert not any("admin" in scope for each in scopes.values() for scope in each)


def test_the_page_says_what_isolation_there_is() -> None:
    assert "nobody can read" in composed()["JupyterHub"]["template_vars"]["announcement_login"]
    plain = composed(separate=False, sign_in="shared")["JupyterHub"]["template_vars"]["announcement_login"]
    assert "same system user" in plain and "under another's name" in plain


def test_keys_differ_stay_and_do_not_tell_each_other() -> None:
    keys = {SECRET.key_of(name) for name in ROOM.people}
    assert len(keys) == 3 and SECRET.key_of("ann") in keys
    assert SECRET.key_of("ann") != Secrets("other", "", "", "", "").key_of("ann")


@pytest.mark.parametrize(
    "names", [(), ("Ann",), ("ann", "ann"), ("teacher",), ("../etc",), ("a" * 40,), ("1a",)]
)
def test_names_that_cannot_be(names: tuple[str, ...]) -> None:
    with pytest.raises(LabkitError):
        room.check_names(names)


def test_a_room_is_remembered_for_its_owner_alone(lab_home: Path) -> None:
    assert room.read() is None
    room.write(ROOM)
    assert room.read() == ROOM
    assert room.read_secrets() == room.read_secrets()
    for name in ("room.json", "secrets.json"):
        assert stat.S_IMODE((room.state() / name).stat().st_mode) == 0o600
    (room.state() / "room.json").write_text("{half")
    with pytest.raises(LabkitError, match="cannot be read"):
        room.read()


def test_notebooks_are_laid_out_once_and_work_is_kept(tmp_path: Path) -> None:
    notebooks, mine = tmp_path / "notebooks", tmp_path / "mine"
    notebooks.mkdir()
    for name in ("00.ipynb", "01.ipynb"):
        (notebooks / name).write_text("new")
    assert seat.lay_out(notebooks, mine) == []
    (mine / "00.ipynb").write_text("my work")
    (mine / "01.ipynb").unlink()
    (mine / "01.ipynb").symlink_to("/nowhere/at/all")
    assert seat.lay_out(notebooks, mine) == []
    assert (mine / "00.ipynb").read_text() == "my work" and not Path("/nowhere").exists()
    assert sorted(os.listdir(mine)) == ["00.ipynb", "01.ipynb"]


def test_a_full_disk_is_a_sentence_for_each_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "00.ipynb").write_text("new")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(seat.shutil, "copyfile", full)
    (said,) = seat.lay_out(tmp_path, tmp_path / "mine")
    assert "00.ipynb" in said and "No space left" in said and os.listdir(tmp_path / "mine") == []


def test_a_plan_for_thirty() -> None:
    fits = class_plan(30, 8192, "h100")
    assert fits.best and fits.best.variant == "FP8" and fits.best.kv_tokens
    assert fits.best.kv_tokens >= 30 * 8192 and f"{fits.best.kv_tokens:,} tokens" in str(fits)
    assert fits.best.memory.kv_cache == pytest.approx(30 * 8192 * 160 / 2**20)
    none = class_plan(30, 8192, "4090")
    assert none.best is None and "would hold it" in str(none)
    assert class_plan(60, 8192, "h100").ram_gib > fits.ram_gib
