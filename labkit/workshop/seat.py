"""A learner's server: lay the notebooks out, then become `jupyterhub-singleuser`.

It runs as the learner, never as root: what a learner has put in the way (a link, say) is followed with the
learner's own rights only.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

TEXT = {"unlaid": "labkit: {name} could not be laid out: {why}"}


def lay_out(notebooks: Path, folder: Path) -> list[str]:
    """Copy every notebook that is not there yet. What is there is the learner's work, and stays.

    Returns a sentence for each that could not be copied.
    """
    said = []
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(notebooks.glob("*.ipynb")):
        target = folder / source.name
        if os.path.lexists(target):
            continue
        draft = folder / f".{source.name}.draft"
        try:
            shutil.copyfile(source, draft)
            draft.rename(target)
        except OSError as error:
            said.append(TEXT["unlaid"].format(name=source.name, why=error.strerror))
    return said


def main() -> None:
    """Never returns."""
    os.umask(0o077)
    try:
        said = lay_out(Path(os.environ["LABKIT_COURSE"]) / "notebooks", Path.home() / "course")
    except OSError as error:
        said = [TEXT["unlaid"].format(name="course", why=error.strerror)]
    for sentence in said:
        print(sentence, file=sys.stderr, flush=True)
    arguments = [*sys.argv[1:], "--ServerApp.terminado_settings={'shell_command': ['/bin/bash']}"]
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *arguments])


if __name__ == "__main__":
    main()
