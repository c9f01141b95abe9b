"""Drills with Ollama (on labkit's stand-in), with Transformers, and with the machine's own limits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from labkit import starting
from labkit.clinic.drills.contract import Drill, Outcome
from labkit.engines import process
from labkit.engines.vllm import SITE
from labkit.errors import LabkitError

TEXT = {
    "ps": "NAME  SIZE  PROCESSOR\n{name}  {size:.2f} GB  {processor}",
    "loaded": "the model loads: {last}",
    "written": "{size:.0f} MB written",
    "no_standin": "The stand-in for Ollama does not answer. Its log: {log}",
    "running": "running a few lines of Python",
}
_TAG = "mistral-small3.1"
_CODE_S = 240


class _Ollama(Drill):
    """Something is wrong with Ollama, or with what it is asked."""

    standin = True
    vram_share = 1.0

    def fault(self) -> None:
        self.live = self.stage.healthy()
        self.host = self._serve(self.vram_share)
        self.mended = False

    def _serve(self, vram_share: float) -> str:
        port = self.stage.port()
        log = self.stage.folder / f"ollama-{port}.log"
        argv = [sys.executable, "-m", "labkit.engines.ollama_standin", "--upstream", self.live.url]
        argv += ["--port", str(port), "--pulled", _TAG, "--vram-share", str(vram_share)]
        self.born = self.stage.spawn(tuple(argv), {**os.environ, "LABKIT_API_KEY": self.live.api_key}, log)
        host = f"http://127.0.0.1:{port}"
        _answers(host, log)
        return host

    def ask(self, model: str = _TAG, **message: object) -> Outcome:
        """Ask by Ollama's own client. What it raises is the symptom, in its own words."""
        import ollama

        messages = [{"role": "user", "content": "Hello!", **message}]
        try:
            reply = ollama.Client(self.host, trust_env=False).chat(
                model, messages=messages, options={"temperature": 0.15, "num_predict": 20}
            )
        except ollama.ResponseError as error:
            return Outcome(False, f"ollama._types.ResponseError: {error}")
        return Outcome(True, reply.message.content or "")

    def mend(self) -> None:
        self.mended = True


class OllamaName(_Ollama):
    name = "ollama-name"
    title = "a model that Ollama does not find"
    story = "You type the model's name as you remember it."
    symptom = "ollama-model-missing"
    choices = ("ollama-model-missing", "model-unknown", "hub-unreachable", "ollama-down")
    cured = "The name is that of Ollama's library: `mistral-small3.1`."

    def attempt(self) -> Outcome:
        return self.ask(_TAG if self.mended else "mistral-small-3.1")


class OllamaImage(_Ollama):
    name = "ollama-image"
    title = "a picture by the wrong door"
    story = "The picture that works with the OpenAI API goes to Ollama's own API."
    symptom = "ollama-image-form"
    choices = ("ollama-image-form", "image-unreadable", "text-only", "ollama-model-missing")
    cured = "The picture is bare base64, without `data:image/png;base64,` before it."

    def attempt(self) -> Outcome:
        from PIL import Image

        from labkit.images import bare, data_url

        square = Image.new("RGB", (64, 64), "red")
        if self.mended:
            return self.ask(images=bare(square))
        return self.ask_raw({"images": [data_url(square)]})

    def ask_raw(self, message: dict[str, object]) -> Outcome:
        """As curl does: the client would mend or refuse it by itself."""
        import httpx

        messages = [{"role": "user", "content": "Hello!", **message}]
        body = {"model": _TAG, "messages": messages, "stream": False}
        with httpx.Client(trust_env=False, timeout=60) as client:
            reply = client.post(f"{self.host}/api/chat", json=body)
        return Outcome(reply.status_code == 200, f"HTTP {reply.status_code}: {reply.text}")


class OllamaSpilled(_Ollama):
    name = "ollama-spilled"
    title = "a model that has become slow"
    story = "Ollama answers, but a tenth as fast as it should. Nothing says that anything is wrong."
    symptom = "ollama-spilled"
    choices = ("ollama-spilled", "engine-silent", "ollama-busy", "poor-answers")
    cured = "Loaded again where it fits whole; on a real card that is a smaller context (`num_ctx`)."
    vram_share = 0.62

    def attempt(self) -> Outcome:
        from labkit.engines import ollama_engine

        self.ask()
        rows = ollama_engine.ps(self.host)
        lines = [
            TEXT["ps"].format(name=row.name, size=row.size / 1e9, processor=row.processor) for row in rows
        ]
        return Outcome(bool(rows) and all(row.on_gpu > 0.999 for row in rows), "\n".join(lines))

    def mend(self) -> None:
        process.end(*self.born)
        self.host = self._serve(1.0)


class _Code(Drill):
    """A few lines of Python that fail, and the same as they work today; each in a process of its own."""

    broken = ""
    works = ""

    def fault(self) -> None:
        self.twin = starting.pocket(self.show)
        self.mended = False

    def attempt(self) -> Outcome:
        code = (self.works if self.mended else self.broken).replace("TWIN", repr(str(self.folder())))
        log = self.stage.folder / f"code-{time.time_ns()}.log"
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(SITE)}
        pid, born = self.stage.spawn((sys.executable, "-c", code), env, log)
        began = time.monotonic()
        while process.alive(pid, born):
            self.show.update(TEXT["running"])
            if time.monotonic() - began > _CODE_S:
                process.end(pid, born)
            time.sleep(0.2)
        said = log.read_text("utf-8", "replace").strip()
        if "Traceback" in said or not said:
            return Outcome(False, said)
        return Outcome(True, said.splitlines()[-1])

    def folder(self) -> Path:
        return Path(self.twin)

    def mend(self) -> None:
        self.mended = True


class OldSnippet(_Code):
    name = "old-snippet"
    title = "the guide's Transformers code"
    story = "The guide loads the model with `AutoModelForCausalLM`. Transformers refuses it today."
    symptom = "causal-lm"
    choices = ("causal-lm", "load-in-4bit", "weights-cut", "hub-gated")
    cured = "The class is `AutoModelForImageTextToText`: this model sees."
    broken = """
from transformers import AutoModelForCausalLM
AutoModelForCausalLM.from_pretrained(TWIN)
"""
    works = """
from transformers import AutoModelForImageTextToText
print(type(AutoModelForImageTextToText.from_pretrained(TWIN)).__name__, "is loaded")
"""


class FourBit(_Code):
    name = "load-in-4bit"
    title = "four bits, as the guide asks for them"
    story = "The guide passes `load_in_4bit=True`. The class does not know it."
    symptom = "load-in-4bit"
    choices = ("load-in-4bit", "causal-lm", "weights-spilled", "card-memory")
    cured = "The wish goes into `quantization_config=BitsAndBytesConfig(load_in_4bit=True, ...)`."
    broken = """
from transformers import AutoModelForImageTextToText
AutoModelForImageTextToText.from_pretrained(TWIN, load_in_4bit=True)
"""
    works = """
import torch
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig
four = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
model = AutoModelForImageTextToText.from_pretrained(TWIN, dtype=torch.bfloat16, quantization_config=four)
print(type(model).__name__, "is loaded in 4 bit")
"""


class CorruptWeights(_Code):
    name = "corrupt-weights"
    title = "a download that looked complete"
    story = "The files are all there, and the model does not load."
    symptom = "weights-cut"
    choices = ("weights-cut", "formats-mixed", "card-memory", "disk-full")
    cured = "The broken file was fetched again."
    broken = works = OldSnippet.works

    def folder(self) -> Path:
        """A copy of the twin; until the cure its weights are cut short, as a broken download leaves them."""
        copy = self.stage.folder / ("whole" if self.mended else "broken")
        if not copy.is_dir():
            shutil.copytree(self.twin, copy)
            for weights in () if self.mended else copy.glob("model*.safetensors"):
                os.truncate(weights, weights.stat().st_size // 2)
        return copy


class DiskFull(Drill):
    name = "disk-full"
    title = "a download that stops in the middle"
    story = "The weights are copied to the rented machine's small disk."
    symptom = "disk-full"
    choices = ("disk-full", "weights-cut", "read-only", "files-open")
    cured = "The copy went to a larger disk (`df -h` shows which); the half of it was removed."

    def fault(self) -> None:
        self.small = self.stage.small_disk()
        self.mended = False
        self.twin = Path(starting.pocket(self.show))

    def attempt(self) -> Outcome:
        weights = max(self.twin.iterdir(), key=lambda path: path.stat().st_size)
        command = ["cp", str(weights), str(self._target())]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        said = TEXT["written"].format(size=weights.stat().st_size / 1e6)
        return Outcome(done.returncode == 0, said if done.returncode == 0 else done.stderr.strip())

    def _target(self) -> Path:
        """On a disk of 1 MiB; where nobody may mount one, the kernel's own full device stands for it."""
        if self.mended:
            return self.stage.folder / "weights"
        return self.small / "weights" if self.small else Path("/dev/full")

    def mend(self) -> None:
        if self.small:
            (self.small / "weights").unlink(missing_ok=True)
        self.mended = True


def _answers(host: str, log: Path) -> None:
    """Wait until the stand-in answers."""
    import httpx

    deadline = time.monotonic() + 60
    with httpx.Client(trust_env=False, timeout=2) as client:
        while time.monotonic() < deadline:
            try:
                client.get(f"{host}/api/version")
                return
            except httpx.HTTPError:
                time.sleep(0.2)
    raise LabkitError(TEXT["no_standin"].format(log=log))
