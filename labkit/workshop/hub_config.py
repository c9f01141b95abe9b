"""What JupyterHub itself loads (`jupyterhub -f`): the room's configuration, and what has to be code."""

# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

from __future__ import annotations

import shutil
from typing import Any

from tornado import web

from labkit.workshop import configure, proxy, room

TEXT = {
    "full": "The disk is full, so your place cannot be opened. Tell your instructor: `labkit workshop check` "
    "says how much is free.",
}
_LEAST_BYTES = 100 * 2**20

_room, _secret = room.read(), room.read_secrets()
assert _room is not None  # `labkit workshop up` has written it
_LEAST_FOLDER = _room.homes


def _own_key(spawner: Any) -> str:
    return _secret.key_of(spawner.user.name)


def _look_first(spawner: Any) -> None:
    """A full disk is a sentence on the page, not a server that dies."""
    if shutil.disk_usage(_LEAST_FOLDER).free < _LEAST_BYTES:
        error: Any = web.HTTPError(507, TEXT["full"])
        error.jupyterhub_message = TEXT["full"]
        raise error


for _name, _traits in configure.config(_room, _secret, room.state(), proxy.command()).items():
    for _trait, _value in _traits.items():
        c[_name][_trait] = _value
c.Spawner.environment["LABKIT_API_KEY"] = _own_key
c.Spawner.pre_spawn_hook = _look_first
