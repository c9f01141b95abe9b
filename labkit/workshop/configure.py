"""JupyterHub's configuration, composed from a room. Pure: it looks at nothing but its arguments."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit.workshop.room import MARK, TEACHER, Room, Secrets

TEXT = {"welcome": "{isolation} The instructor sees how far you are in the exercises."}

_START_S = 120


def config(room: Room, secret: Secrets, state: Path, proxy: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """What `room` means to JupyterHub, by class and trait.

    state: the folder for its database. proxy: the command of configurable-http-proxy. Everything listens on
    127.0.0.1; the state's folder is for the hub's user alone.
    """
    welcome = TEXT["welcome"].format(isolation=room.isolation)
    return {
        "JupyterHub": {
            "bind_url": room.url,
            "hub_bind_url": f"http://127.0.0.1:{room.hub_port}",
            "db_url": f"sqlite:///{state / 'hub.sqlite'}",
            "cookie_secret": bytes.fromhex(secret.cookies),
            "authenticator_class": "shared-password" if room.sign_in == "shared" else "pam",
            "spawner_class": "localprocess" if room.separate else "simple",
            "template_vars": {"announcement_login": welcome},
            "services": _services(room, state),
            "load_roles": _roles(),
            "concurrent_spawn_limit": 8,
            "last_activity_interval": 60,
        },
        "ConfigurableHTTPProxy": {
            "command": list(proxy),
            "api_url": f"http://127.0.0.1:{room.proxy_port}",
            "auth_token": secret.proxy,
            "pid_file": str(state / "proxy.pid"),
        },
        "Authenticator": {"allowed_users": set(room.people), "admin_users": {TEACHER}},
        **_authenticator(room, secret),
        "Spawner": {
            "cmd": [sys.executable, "-m", "labkit.workshop.seat"],
            "notebook_dir": "~/course",
            "default_url": "/lab/tree/00_start_here.ipynb",
            "start_timeout": _START_S,
            "http_timeout": _START_S,
            "environment": _environment(room, state),
        },
        "SimpleLocalProcessSpawner": {"home_dir_template": f"{room.homes}/{{username}}"},
    }


def _authenticator(room: Room, secret: Secrets) -> dict[str, dict[str, Any]]:
    if room.sign_in == "shared":
        passwords = {"user_password": secret.learner_password, "admin_password": secret.teacher_password}
        return {"SharedPasswordAuthenticator": passwords}
    return {"PAMAuthenticator": {"open_sessions": False}}


def _environment(room: Room, state: Path) -> Mapping[str, str]:
    """What every learner's server finds. The key of their own comes on top (labkit.workshop.hub_config)."""
    return {
        MARK: str(state),
        "LABKIT_URL": room.gate,
        "LABKIT_COURSE": room.course,
        "LABKIT_OLLAMA": "stand-in",
        "JUPYTER_CONFIG_PATH": f"{room.course}/.jupyter",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _services(room: Room, state: Path) -> list[dict[str, Any]]:
    """The board, and what stops idle servers. Both end with the hub that started them, however it ends."""
    leash = [sys.executable, "-m", "labkit.workshop.leash"]
    every = max(30, room.cull_s // 10)
    return [
        {
            "name": "board",
            "url": f"http://127.0.0.1:{room.board_port}",
            "command": [*leash, "labkit.workshop.board"],
            "environment": {MARK: str(state), "LABKIT_HOME": str(state.parent)},
            "oauth_no_confirm": True,
        },
        {
            "name": "idle",
            "command": [
                *leash,
                "jupyterhub_idle_culler",
                f"--timeout={room.cull_s}",
                f"--cull-every={every}",
            ],
            "environment": {MARK: str(state)},
        },
    ]


def _roles() -> list[dict[str, Any]]:
    """The least that each needs. Everybody may open the board, and sees what it shows them."""
    return [
        {"name": "user", "scopes": ["self", "access:services!service=board"]},
        {
            "name": "board",
            "scopes": ["list:users", "read:users:activity", "read:servers"],
            "services": ["board"],
        },
        {
            "name": "idle",
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
            "services": ["idle"],
        },
    ]
