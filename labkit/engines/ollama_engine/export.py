"""The pocket twin as a folder that `ollama create` takes: Hugging Face's format, as Ollama wants it read."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from labkit.errors import LabkitError, disk_full

TEXT = {
    "what": "the folder for Ollama",
    "cannot": "The folder {folder} cannot be written: {why}.",
    "not_ours": "{folder} exists and holds something else. Name a new folder.",
}
POCKET, POCKET_NAME = "pocket", "mistral-small3.1-pocket"
MODELFILE = """\
# The pocket twin of Mistral Small 3.1, for rehearsals: ollama create mistral-small3.1-pocket -f Modelfile
FROM .
PARAMETER temperature 0.15
"""


def export(folder: Path | str) -> Path:
    """Write the pocket twin into `folder` for `ollama create`, or leave it where it is there already.

    Three things differ from `pocket/weights`: Ollama reads tokenizer.json instead of tekken.json; it looks
    into tokenizer_config.json for a chat template, whose word "tools" tells it that the model can call them;
    and it stops at the rope type "default", so the copy says "linear" with factor 1, which is the same.
    Returns the folder. Raises LabkitError for a full disk, a folder with other things, damaged weights.
    """
    from pocket.formats import DamagedWeights, prepare

    folder = Path(folder).expanduser()
    try:
        source = prepare()
        stamp = source.name  # a checksum of the weights
        if folder.is_dir() and any(folder.iterdir()):
            if _stamp(folder) == stamp:
                return folder
            if _stamp(folder) is None:
                raise LabkitError(TEXT["not_ours"].format(folder=folder))
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as draft:
            _write(Path(draft), source, stamp)
            shutil.rmtree(folder, ignore_errors=True)
            os.chmod(draft, 0o755)
            shutil.copytree(draft, folder, copy_function=os.link)
    except DamagedWeights as error:
        raise LabkitError(str(error)) from None
    except OSError as error:
        told = disk_full(error, TEXT["what"])
        raise told or LabkitError(TEXT["cannot"].format(folder=folder, why=error)) from None
    return folder


def _write(draft: Path, source: Path, stamp: str) -> None:
    from labkit.engines import cuda_leftovers

    cuda_leftovers.install()
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(source).save_pretrained(draft, save_format="hf")
    settings = json.loads((draft / "tokenizer_config.json").read_text("utf-8"))
    template = draft / "chat_template.jinja"
    settings["chat_template"] = template.read_text("utf-8")
    template.unlink()
    _dump(draft / "tokenizer_config.json", settings)
    config = json.loads((source / "config.json").read_text("utf-8"))
    config["text_config"]["rope_parameters"] |= {"rope_type": "linear", "factor": 1.0}
    _dump(draft / "config.json", config)
    for path in [*source.glob("model*"), source / "generation_config.json"]:
        shutil.copyfile(path, draft / path.name)
    (draft / "Modelfile").write_text(f"{MODELFILE}# weights: {stamp}\n", "utf-8")


def _stamp(folder: Path) -> str | None:
    """Which weights an exported folder holds; None for a folder that is not ours."""
    try:
        last = (folder / "Modelfile").read_text("utf-8").splitlines()[-1]
    except (OSError, IndexError):
        return None
    return last.removeprefix("# weights: ") if last.startswith("# weights: ") else None


def _dump(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
