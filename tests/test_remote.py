from __future__ import annotations

import getpass

import pytest

from labkit.remote import tunnel

ME = getpass.getuser()


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {"PUBLIC_IPADDR": "192.0.2.7", "VAST_TCP_PORT_22": "41022"},
            f"ssh -p 41022 -L 8100:127.0.0.1:8100 {ME}@192.0.2.7",
        ),
        (
            {"RUNPOD_PUBLIC_IP": "192.0.2.8", "RUNPOD_TCP_PORT_22": "10022"},
            f"ssh -p 10022 -L 8100:127.0.0.1:8100 {ME}@192.0.2.8",
        ),
        (
            {"SSH_CONNECTION": "a b"},
            f"ssh -p <its SSH port> -L 8100:127.0.0.1:8100 {ME}@<the machine's address>",
        ),
    ],
)
def test_the_line_for_a_laptop(environment: dict[str, str], line: str) -> None:
    assert tunnel(8100, environment) == line


def test_half_of_what_is_needed_is_not_taken() -> None:
    assert "<the machine's address>" in tunnel(8100, {"PUBLIC_IPADDR": "192.0.2.7"})
