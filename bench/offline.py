"""From a packed folder to a streamed answer without a network: `python -m bench.offline FOLDER`.

FOLDER is packed first if it is empty. The set-up then runs in a network namespace of its own, in which there
is nothing but the loopback device: whatever would ask the network fails. Needs root (or user namespaces).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from labkit.display import Progress
from labkit.errors import LabkitError
from labkit.workshop.packing import pack

TEXT = {
    "head": "| step | seconds | |\n|---|---:|---|",
    "row": "| {step} | {seconds:.0f} | {said} |",
    "failed": "{step} failed:\n{said}",
}
ALONE = ["unshare", "--net", "--map-root-user"] if os.geteuid() else ["unshare", "--net"]
SCRIPT = """
ip link set lo up
[ -z "$(ip route)" ] || { echo "there is a way out: $(ip route)"; exit 1; }
%s
"""
ASK = """
import labkit
reply, pieces = labkit.connect().chat("What is the KV cache?", max_tokens=40), 0
for piece in reply:
    pieces += 1
print(f"{pieces} pieces: {reply.text!r}")
assert pieces >= 3
"""


def step(name: str, shell: str, folder: Path, environment: dict[str, str]) -> None:
    """Run it without a network and print a row with the answer; ends the bench where it fails."""
    began = time.monotonic()
    argv = [*ALONE, "bash", "-c", SCRIPT % shell]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(TEXT["failed"].format(step=name, said=(done.stdout + done.stderr)[-3000:]))
    said = next((line for line in done.stdout.splitlines() if " pieces: " in line), "")
    print(TEXT["row"].format(step=name, seconds=time.monotonic() - began, said=said), flush=True)


def main() -> None:
    """Pack if need be, set up, ask, stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder.resolve()
    print(TEXT["head"])
    if not (folder / "setup-offline.sh").exists():
        began = time.monotonic()
        try:
            packed = pack(folder, Progress(on=False))
        except LabkitError as error:
            sys.exit(str(error))
        print(TEXT["row"].format(step="pack", seconds=time.monotonic() - began, said=packed), flush=True)
    home = Path(tempfile.mkdtemp(prefix="labkit-offline-"))
    kept = ("PATH", "LANG", "LAB_PORT")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {"HOME": str(home), "LABKIT_HOME": str(home / ".labkit")}
    python = folder / "course" / ".venv" / "bin" / "python"
    # One namespace for all: what one step starts, the next must reach.
    script = home / "ask.py"
    script.write_text(ASK)
    shell = f"""
set -e
trap '{folder}/course/setup.sh stop' EXIT
{folder}/setup-offline.sh
{python} {script}
"""
    try:
        step("set up, start, ask: no network", shell, folder, environment)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
