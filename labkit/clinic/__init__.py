"""The doctor, who says what is wrong here, why and what mends it; and drills, which break things."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from labkit.clinic.findings import Finding, Report
from labkit.errors import LabkitError

__all__ = ["Finding", "Report", "doctor"]

TEXT = {
    "failed": "The check of the {name} itself failed: {why}.",
    "failed_why": "What it looks at is so broken that it cannot be read.",
    "left": "{count} drills were cut short; what they left is cleared away now.",
}
_ORDER = ("alarm", "wrong", "note", "well")


def doctor() -> Report:
    """Look at this machine, its packages and its servers. Takes under 3 s when all is well; never raises."""
    began = time.monotonic()
    found = [finding for name, check in checks().items() for finding in _safely(name, check)]
    found.sort(key=lambda each: _ORDER.index(each.level))
    return Report(tuple(found), time.monotonic() - began)


def checks() -> dict[str, Callable[[], Iterator[Finding]]]:
    """What the doctor looks at, in its order."""
    from labkit.clinic import checks_environment, checks_machine, checks_servers
    from labkit.hardware import machine

    return {
        "machine": lambda: checks_machine.machine(machine()),
        "environment": checks_environment.environment,
        "servers": checks_servers.servers,
        "drills": _leftovers,
    }


def _safely(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a check finds; a check that breaks is a finding, and the others go on."""
    try:
        yield from check()
    except (LabkitError, OSError, ValueError, RuntimeError) as error:
        what = TEXT["failed"].format(name=name, why=str(error).rstrip("."))
        yield Finding(name, "wrong", what, TEXT["failed_why"])


def _leftovers() -> Iterator[Finding]:
    from labkit.clinic.drills import sweep

    if count := sweep():
        yield Finding("drills", "note", TEXT["left"].format(count=count))
