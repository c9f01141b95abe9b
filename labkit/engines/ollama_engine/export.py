"""The pocket twin as a folder that `ollama create` takes: Hugging Face's format, as Ollama wants it read."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from labkit.engines.ollama_engine.template import for_ollama
from labkit.errors import LabkitError, disk_full

TEXT = {
    "what": "the folder for Ollama",
    "cannot": "The folder {folder} cannot be written: {why}.",
    "not_ours": "{folder} exists and holds something else, so nothing was written. Name a new folder.",
}
POCKET, POCKET_NAME = "pocket", "mistral-small3.1-pocket"
PARAMETERS = {"temperature": 0.15}
"""What the model is asked with where a request says nothing: Mistral's own advice for this model."""

MODELFILE = f"""\
# The pocket twin of Mistral Small 3.1, for rehearsals: ollama create {POCKET_NAME} -f Modelfile
FROM .
"""
_STAMP = "# made from "


def export(folder: Path | str) -> Path:
    """Write the pocket twin into `folder` for `ollama create`, or leave it where it is there already.

    Three things differ from `pocket/weights`: Ollama reads tokenizer.json instead of tekken.json; it looks
    into tokenizer_config.json for a chat template, whose word "tools" tells it that the model can call them
    (see `template.py`); and it stops at the rope type "default", so the copy says "linear" with factor 1,
    which is the same. Returns the folder, all of it or nothing. Raises LabkitError for a full disk, a folder
    with other things in it, damaged weights.
    """
    from pocket.formats import DamagedWeights, prepare

    folder = Path(folder).expanduser().resolve()
    draft: Path | None = None
    try:
        source = prepare()
        stamp = _stamp(source)
        if _holds(folder) == stamp:
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        _write(draft, source, stamp)
        draft.chmod(0o755)
        if folder.exists():  # empty, or an older export: nothing of anybody else's
            shutil.rmtree(folder)
        draft.rename(folder)
    except DamagedWeights as error:
        raise LabkitError(str(error)) from None
    except Exception as error:  # the tokenizer's library tells a full disk in words only
        if told := disk_full(error, TEXT["what"]):
            raise told from None
        if isinstance(error, OSError):
            why = error.strerror or error
            raise LabkitError(TEXT["cannot"].format(folder=folder, why=why)) from None
        raise
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def outdated(folder: Path) -> bool:
    """Whether `folder` holds an export of other weights than those of today. Raises LabkitError."""
    from pocket.formats import DamagedWeights, prepare

    try:
        return folder.exists() and _holds(folder) != _stamp(prepare())
    except DamagedWeights as error:
        raise LabkitError(str(error)) from None


def _stamp(source: Path) -> str:
    """Of the weights (their folder's name is a checksum), and of the code that makes an export from them."""
    code = [Path(__file__).with_name(name).read_bytes() for name in ("export.py", "template.py")]
    return hashlib.sha256(b"".join([source.name.encode(), *code])).hexdigest()[:12]


def _holds(folder: Path) -> str | None:
    """The stamp of the export in `folder`; None where nothing is. Raises LabkitError for other things."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    try:
        *_, last = (folder / "Modelfile").read_text("utf-8").splitlines()
        stamp, _, files = last.removeprefix(_STAMP).partition(": ")
        if last.startswith(_STAMP) and {path.name for path in folder.iterdir()} <= set(files.split()):
            return stamp
    except (OSError, ValueError):
        pass
    raise LabkitError(TEXT["not_ours"].format(folder=folder))


def _write(draft: Path, source: Path, stamp: str) -> None:
    from labkit.engines import cuda_leftovers

    cuda_leftovers.install()
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(source).save_pretrained(draft, save_format="hf")
    settings = json.loads((draft / "tokenizer_config.json").read_text("utf-8"))
    template = draft / "chat_template.jinja"
    settings["chat_template"] = for_ollama(template.read_text("utf-8"))
    template.unlink()
    _dump(draft / "tokenizer_config.json", settings)
    config = json.loads((source / "config.json").read_text("utf-8"))
    config["text_config"]["rope_parameters"] |= {"rope_type": "linear", "factor": 1.0}
    _dump(draft / "config.json", config)
    for path in [*source.glob("model*"), source / "generation_config.json"]:
        shutil.copyfile(path, draft / path.name)
    parameters = "".join(f"PARAMETER {name} {value}\n" for name, value in PARAMETERS.items())
    names = " ".join(sorted(["Modelfile", *(path.name for path in draft.iterdir())]))
    (draft / "Modelfile").write_text(f"{MODELFILE}{parameters}{_STAMP}{stamp}: {names}\n", "utf-8")


def _dump(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
