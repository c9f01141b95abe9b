"""The way into a rented machine: the line for a laptop that brings a port of it (`-m labkit.remote PORT`)."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from labkit.hardware import in_container

TEXT = {
    "line": "ssh{port_option} -L {port}:127.0.0.1:{port} {user}@{address}",
    "address": "<the machine's address>",
    "ssh_port": " -p <its SSH port>",
}


def tunnel(port: int, environment: Mapping[str, str] | None = None) -> str:
    """The command for a laptop. What the renter has not told stands in angle brackets.

    environment: by default ours, and that of the container's first process below it.
    """
    known = environment if environment is not None else {**_first_process(), **os.environ}
    address, option = TEXT["address"], TEXT["ssh_port"] if _rented(known) else ""
    for renter in yaml.safe_load((Path(__file__).parent / "catalog" / "renters.yaml").read_text("utf-8")):
        if known.get(renter["address"]) and known.get(renter["ssh_port"], "").isdigit():
            address, option = known[renter["address"]], f" -p {known[renter['ssh_port']]}"
            break
    return TEXT["line"].format(port_option=option, port=port, user=getpass.getuser(), address=address)


def _rented(known: Mapping[str, str]) -> bool:
    """Whether SSH most likely has a port of its own here."""
    return in_container() or "SSH_CONNECTION" in known


def _first_process() -> dict[str, str]:
    try:
        text = Path("/proc/1/environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in text.split("\0") if "=" in pair)


if __name__ == "__main__":
    print(tunnel(int(sys.argv[1])))
