"""A stage for setup.sh: an empty course folder, and a Python whose every word is written down.

The stand-in Python makes "virtual environments" that hold a stand-in uv. Both write what they were asked into
`calls`, so that a whole set-up takes a second and installs nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = (
    "awk bash cat cksum cp cut df dirname env flock grep id kill ln mkdir mktemp nohup rm sed seq "
    "setsid sleep tail tee timeout touch tr"
)

PYTHON = f"""#!/usr/bin/env bash
echo "python $*" >>"$CALLS"
case "$*" in
  "-m venv --clear "*)
    eval "${{ON_VENV-}}"
    mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  "-m pip install"*)
    eval "${{ON_PIP-}}"
    cp "$STAGE/uv" "$(dirname "$0")/uv" ;;
  "-m pip config list") printf '%s\\n' "${{PIP_SAYS-}}" ;;
  "-m jupyterlab"*)
    printf '{{"pid": %d, "port": %d, "root_dir": "%s", "token": "abc"}}' $$ $PORT "$PWD" \\
      >"$JUPYTER_RUNTIME_DIR/jpserver-1.json"
    sleep 20 ;;
  "-m labkit "*) eval "${{ON_LABKIT-}}" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""

UV = """#!/usr/bin/env bash
echo "uv $*" >>"$CALLS"
case "$*" in
  "pip compile"*--torch-backend*) exit "${NO_TORCH_INDEX-0}" ;;
  "pip install"*) eval "${ON_PACKAGES-}" ;;
esac
"""


def script(path: Path, text: str) -> None:
    """Put an executable at `path`. A link there is replaced: writing through it would reach the real tool."""
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@dataclass
class Course:
    """A course folder under `base`, with the real setup.sh in it."""

    base: Path
    port: int = 1

    def __post_init__(self) -> None:
        for folder in ("course/labkit", "course/pocket", "course/notebooks", "bin", "home/.labkit/jupyter"):
            (self.base / folder).mkdir(parents=True)
        for name in ("setup.sh", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder / name)
        shutil.copytree(ROOT / ".jupyter", self.folder / ".jupyter")
        for tool in TOOLS.split():
            if found := shutil.which(tool):
                (self.bin / tool).symlink_to(found)
        script(self.bin / "python3", PYTHON)
        script(self.base / "uv", UV)

    @property
    def folder(self) -> Path:
        return self.base / "course"

    @property
    def bin(self) -> Path:
        return self.base / "bin"

    @property
    def calls(self) -> list[str]:
        """What the stand-ins were asked since the last call of `forget`."""
        path = self.base / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def forget(self) -> None:
        (self.base / "calls").unlink(missing_ok=True)

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {
            "PATH": str(self.bin),
            "HOME": str(self.base / "home"),
            "CALLS": str(self.base / "calls"),
            "STAGE": str(self.base),
            "PORT": str(self.port),
        }
        return own | {name: os.environ[name] for name in ("LANG",) if name in os.environ} | more

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start setup.sh in a process group of its own, as a terminal does, with Ctrl-C let through.

        A test run that was put into the background ignores it, and would hand that down.
        """
        return subprocess.Popen(
            [str(self.folder / "setup.sh"), *arguments],
            env=self.environment(more),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, *arguments: str, **more: str) -> tuple[int, str]:
        """Run setup.sh to its end: its exit status, and all that it said."""
        with self.start(*arguments, **more) as process:
            said, _ = process.communicate(timeout=60)
        return process.returncode, said
