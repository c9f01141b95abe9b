"""One folder from which a room without a network sets itself up: wheels, course, twin, proxy, checksums."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from labkit.display import Progress
from labkit.engines import vllm
from labkit.errors import LabkitError, disk_full
from labkit.hardware import GIB
from labkit.workshop import proxy

TEXT = {
    "there": "{folder} is not empty. Give a new folder, or remove that one first.",
    "no_vllm": "No vLLM is installed here, so it is not known which build to pack. Run ./setup.sh first.",
    "missing": "{name} is not installed here, and the workshop needs it: ./setup.sh --workshop, then pack "
    "again.",
    "wheels": "The wheels could not all be had: {why}. They are looked for where pip is configured to look; "
    "for the CPU build of torch, name PyTorch's index in PIP_EXTRA_INDEX_URL, or put the wheel where "
    "PIP_FIND_LINKS points.",
    "git": "The course is not a git clone ({why}), so it is not known which files belong to it.",
    "stage_course": "copying the course",
    "stage_wheels": "collecting {count} wheels",
    "stage_sums": "checksums",
    "done": "{folder}: {count} wheels, {gib:.1f} GiB. Carry it into the room, then run: "
    "{folder}/setup-offline.sh",
}
PROJECT = "mistral-small-course"
SUMS = "SHA256SUMS"
_BUILD_TOOLS = ("editables",)
"""What hatchling asks for when it installs a folder in place."""

SCRIPT = """#!/usr/bin/env bash
# Sets the course up from this folder alone; no network is used. Options are those of course/setup.sh.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$HERE"
sha256sum --quiet --check SHA256SUMS || {
  echo "The files named above differ from what was packed: copy the folder again." >&2; exit 1; }
export LABKIT_HOME=${LABKIT_HOME:-$HOME/.labkit}
mkdir -p "$LABKIT_HOME/workshop"
export PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS=$HERE/wheels
export UV_CONFIG_FILE=$LABKIT_HOME/uv.toml  # uv has no variable that forbids the index
printf 'no-index = true\\nfind-links = ["%s/wheels"]\\n' "$HERE" >"$UV_CONFIG_FILE"
[ -e "$LABKIT_HOME/workshop/proxy" ] || cp -r proxy "$LABKIT_HOME/workshop/proxy"
exec course/setup.sh --workshop "$@"
"""


@dataclass(frozen=True)
class Packed:
    """What lies in the folder."""

    folder: Path
    wheels: int
    bytes: int

    def __str__(self) -> str:
        return TEXT["done"].format(folder=self.folder, count=self.wheels, gib=self.bytes / GIB)


def pack(folder: Path, show: Progress) -> Packed:
    """Fill `folder` for machines like this one: same Python, same system, same build of vLLM.

    It packs what is installed here, version for version. Raises LabkitError, with the cure.
    """
    folder = folder.expanduser().resolve()
    if folder.exists() and any(folder.iterdir()):
        raise LabkitError(TEXT["there"].format(folder=folder))
    build = vllm.build()
    if build is None:
        raise LabkitError(TEXT["no_vllm"])
    course = Path(__file__).resolve().parents[2]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        show.update(TEXT["stage_course"])
        _copy_course(course, folder / "course")
        proxy.install()
        shutil.copytree(proxy.folder(), folder / "proxy", symlinks=True)
        pins = closure(PROJECT, {build, "workshop"})
        show.update(TEXT["stage_wheels"].format(count=len(pins)))
        _wheels([*pins, *_build_pins(course)], folder / "wheels")
        script = folder / "setup-offline.sh"
        script.write_text(SCRIPT)
        script.chmod(0o755)
        show.update(TEXT["stage_sums"])
        total = _sum(folder)
    except OSError as error:
        raise disk_full(error, "the folder for the room") or LabkitError(str(error)) from error
    finally:
        show.close()
    return Packed(folder, len(list((folder / "wheels").glob("*.whl"))), total)


def closure(name: str, extras: Iterable[str]) -> list[str]:
    """What `name` with `extras` needs here, each as "name==version", as it is installed."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(name, frozenset(extras))]
    while todo:
        each = todo.pop()
        if each in seen:
            continue
        seen.add(each)
        project, wanted = each
        try:
            known = distribution(project)
        except PackageNotFoundError:
            raise LabkitError(TEXT["missing"].format(name=project)) from None
        if project != name:
            found[project] = f"{project}=={known.version}"
        for line in known.requires or ():
            need = Requirement(line)
            if _applies(need, wanted):
                todo.append((_plain(need.name), frozenset(need.extras)))
    return sorted(found.values())


def _applies(need: Requirement, extras: frozenset[str]) -> bool:
    return need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras or {""})


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _build_pins(course: Path) -> list[str]:
    """uv, which setup.sh takes first, stands among the dependencies; the build's own tools do not."""
    document = tomllib.loads((course / "pyproject.toml").read_text("utf-8"))
    return [*document["build-system"]["requires"], *_BUILD_TOOLS]


def _wheels(pins: list[str], folder: Path) -> None:
    """Wheels of all pins; what is published as a source only is built. Build tools bring their own needs."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder)]
    exact = [pin for pin in pins if "==" in pin and not pin.startswith("hatchling")]
    tools = [pin for pin in pins if pin not in exact]
    for argv in ([*pip, "--no-deps", *exact], [*pip, *tools]):
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr]
            why = errors[-1].removeprefix("ERROR: ").strip().rstrip(".")
            raise LabkitError(TEXT["wheels"].format(why=why))


def _copy_course(course: Path, target: Path) -> None:
    """The files that git knows, as they are now: no environment, no cache, no learner's output."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=course, capture_output=True, text=True)
    if listed.returncode:
        raise LabkitError(TEXT["git"].format(why=listed.stderr.strip()))
    for name in filter(None, listed.stdout.split("\0")):
        source = course / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def _sum(folder: Path) -> int:
    """Write the checksum of every file, in `sha256sum`'s form. Returns the bytes of all."""
    lines, total = [], 0
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink()):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder)}\n")
        total += path.stat().st_size
    (folder / SUMS).write_text("".join(lines), "utf-8")
    return total
