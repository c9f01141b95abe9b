"""configurable-http-proxy, JupyterHub's own: a Node program, put into the workshop's state by npm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from labkit.errors import LabkitError
from labkit.workshop import room

TEXT = {
    "no_npm": "JupyterHub's proxy is a Node program, and {what} was not found. Install Node 18 or newer "
    "(Debian, Ubuntu: apt-get install nodejs npm), then run `labkit workshop up` again.",
    "old": "JupyterHub's proxy needs Node 18 or newer, and {found} is here. Install a newer one, then run "
    "`labkit workshop up` again.",
    "failed": "npm could not install JupyterHub's proxy ({why}). Look at the network, then run "
    "`labkit workshop up` again. In a room without a network, use the folder of `labkit workshop pack`.",
}
PACKAGE, VERSION = "configurable-http-proxy", "5.1.0"
"""The last one that Debian 12's Node 18 runs."""
_LEAST_NODE = 18
_PATIENCE_S = 120


def folder() -> Path:
    """Where npm puts it."""
    return room.state() / "proxy"


def _script() -> Path:
    return folder() / "node_modules" / PACKAGE / "bin" / PACKAGE


def command() -> tuple[str, ...]:
    """What starts it, once `install` has been there. Raises LabkitError without Node."""
    return (_node(), str(_script()))


def install() -> bool:
    """Install it where it is missing. Returns whether it was. Raises LabkitError, with the cure."""
    _node()
    if _script().exists():
        return False
    npm = shutil.which("npm")
    if npm is None:
        raise LabkitError(TEXT["no_npm"].format(what="npm"))
    argv = [npm, "install", "--prefix", str(folder()), "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        folder().mkdir(exist_ok=True)
        done = subprocess.run(
            [*argv, f"{PACKAGE}@{VERSION}"], capture_output=True, text=True, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabkitError(TEXT["failed"].format(why=error)) from None
    if done.returncode or not _script().exists():
        words = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise LabkitError(TEXT["failed"].format(why=words[0].removeprefix("npm error ").rstrip(".")))
    return True


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise LabkitError(TEXT["no_npm"].format(what="node"))
    found = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip()
    if not found.startswith("v") or int(found[1:].split(".")[0]) < _LEAST_NODE:
        raise LabkitError(TEXT["old"].format(found=found or "something else"))
    return node
