"""Drills with a server: started with the wrong flags, or dead behind a living port."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import psutil

from labkit.clinic.drills.contract import Drill, Outcome
from labkit.clinic.drills.stage import Playing, Stage
from labkit.diagnosis import told
from labkit.engines import ports, process
from labkit.engines.vllm import last_words
from labkit.session import Session, compose

if TYPE_CHECKING:
    from labkit.images import Picture

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "The city"}},
            "required": ["city"],
        },
    },
}
_WHERE = re.compile(r"^(\([^)]*pid=\d+\) ?)?(ERROR \d\d-\d\d [\d:.]+ \[[^]]*\] ?)?")
QUESTION = "What is the weather in Paris?"
TEXT = {"health": "GET /health: {status}\n{error}"}


def asked(live: Session, image: Picture | None = None, **options: Any) -> Outcome:
    """Ask a question by the plain client. What it raises is the symptom, in its own words."""
    import openai

    wanted: dict[str, Any] = {
        "model": live.model,
        "messages": compose("Hello!", image=image),
        "max_tokens": 40,
    } | options
    try:
        reply = live.client.with_options(max_retries=0).chat.completions.create(temperature=0.15, **wanted)
    except openai.OpenAIError as error:
        body = error.response.text if isinstance(error, openai.APIStatusError) else ""
        return Outcome(False, "\n".join([*told(error), body]).strip())
    return Outcome(True, reply.choices[0].message.content)


class _Server(Drill):
    """A server with a fault in its command; the cure is a server with the right one."""

    def fault(self) -> None:
        self.cured_with: Session | None = None
        self.playing: Playing | None = None

    def start(self) -> Playing:
        """Start the server with the fault."""
        raise NotImplementedError

    def attempt(self) -> Outcome:
        if self.cured_with is not None:
            return self.use(self.cured_with)
        self.playing = self.playing or self.start()
        if self.playing.session is None:
            return Outcome(False, self.words(self.playing.said))
        return self.use(self.playing.session)

    @property
    def log(self) -> str:
        """All that the server with the fault has written; "" before it was started."""
        return self.playing.said if self.playing else ""

    def use(self, live: Session) -> Outcome:
        """What is tried on the server."""
        return asked(live)

    def words(self, log: str) -> str:
        """Of a dead server's log, the lines that name an error; where in the code it was is left out."""
        lines = (_WHERE.sub("", line) for line in log.splitlines())
        kept = [line for line in lines if re.match(r"\S*(Error|Exception)\b|\s+Value error|.*\berror:", line)]
        return "\n".join(dict.fromkeys(kept)) or last_words(log)

    def mend(self) -> None:
        if self.playing:
            process.end(self.playing.pid, self.playing.born, grace_s=3)  # a frozen engine hears nothing
        self.cured_with = self.stage.healthy()


class ToolsEmpty(_Server):
    name = "tools-empty"
    title = "function calls that never come"
    story = "The server answers, but a question that needs a tool brings no call: `tool_calls` is empty."
    symptom = "tools-as-text"
    choices = ("tools-as-text", "tools-without-parser", "ollama-no-tools", "model-unknown")
    cured = "The server has `--tool-call-parser mistral --enable-auto-tool-choice`."

    def start(self) -> Playing:
        return self.stage.serve(lambda recipe: recipe, "--tool-call-parser", "--enable-auto-tool-choice")

    def use(self, live: Session) -> Outcome:
        """By the plain client: what comes back is the message itself, as a program gets it."""
        reply: Any = live.client.chat.completions.create(
            model=live.model,
            messages=compose(QUESTION),  # type: ignore[arg-type]
            tools=[WEATHER],  # type: ignore[list-item]
            temperature=0.15,
            max_tokens=80,
        )
        message = reply.choices[0].message
        return Outcome(bool(message.tool_calls), repr(message))


class ParserFlag(_Server):
    name = "parser-flag"
    title = "a server that ends before it begins"
    story = "`--enable-auto-tool-choice` is on the command line, and the server ends at once."
    symptom = "tool-choice-alone"
    choices = ("tool-choice-alone", "tools-without-parser", "images-flag", "port-taken")
    cured = "The server has `--tool-call-parser mistral` as well."

    def start(self) -> Playing:
        return self.stage.serve(lambda recipe: recipe, "--tool-call-parser")


class ImagesFlag(_Server):
    name = "images-flag"
    title = "the guide's own flag, refused"
    story = "The guide's command says `--limit-mm-per-prompt image=10`. Today's vLLM does not start with it."
    symptom = "images-flag"
    choices = ("images-flag", "context-over-cache", "text-only", "tool-choice-alone")
    cured = "The server has the flag as JSON: `--limit-mm-per-prompt '{\"image\": 10}'`."

    def start(self) -> Playing:
        old = ("--limit-mm-per-prompt", "image=10")
        return self.stage.serve(lambda recipe: replace(recipe, extra_flags=old))


class MixedFormats(_Server):
    name = "mixed-formats"
    title = "the three mistral flags on the wrong files"
    story = "The weights lie there in Hugging Face's format, and the server gets the three `mistral` flags."
    symptom = "formats-mixed"
    choices = ("formats-mixed", "weights-cut", "hub-unreachable", "context-over-cache")
    cured = "The server has the files that the flags are for: `params.json`, `consolidated.safetensors`."

    def start(self) -> Playing:
        return self.stage.serve(lambda recipe: replace(recipe, model=str(self._copy(Path(recipe.model)))))

    def _copy(self, twin: Path) -> Path:
        """The twin's files without those of Mistral's own format."""
        folder = self.stage.folder / "hugging-face-format"
        folder.mkdir(exist_ok=True)
        for path in twin.iterdir():
            if path.name != "params.json" and not path.name.startswith("consolidated"):
                (folder / path.name).symlink_to(path)
        return folder


class ContextTooLong(_Server):
    name = "context-too-long"
    title = "a context longer than the memory for it"
    story = "The server is asked for the whole context, and there is little memory for its KV cache."
    symptom = "context-over-cache"
    choices = ("context-over-cache", "context-over-model", "cache-empty", "prompt-too-long")
    cured = "The server has a context that its cache holds."

    def start(self) -> Playing:
        few = ("--max-model-len", "131072", "--num-gpu-blocks-override", "512")
        return self.stage.serve(lambda recipe: replace(recipe, extra_flags=few))


class TextOnly(_Server):
    name = "text-only"
    title = "a picture that nobody looks at"
    story = "The server answers questions, but not about a picture."
    symptom = "text-only"
    choices = ("text-only", "image-unreadable", "too-many-images", "prompt-too-long")
    cured = "The server has its vision tower: no `--language-model-only`."

    def start(self) -> Playing:
        return self.stage.serve(lambda recipe: replace(recipe, vision=False))

    def use(self, live: Session) -> Outcome:
        return asked(live, image=square())


class PortTaken(_Server):
    name = "port-taken"
    title = "a door that is already open"
    story = "Another program listens on the port that the server is told to use."
    symptom = "port-taken"
    choices = ("port-taken", "connection-refused", "other-service", "tool-choice-alone")
    cured = "The server has a free port."

    def start(self) -> Playing:
        port = other_service(self.stage)
        taken = ("--port", str(port))
        return self.stage.serve(lambda recipe: replace(recipe, extra_flags=taken))


class DeadEngine(_Server):
    name = "dead-engine"
    title = "a living port with nobody behind it"
    story = "`/health` says 200, and yet no answer comes."
    symptom = "engine-silent"
    choices = ("engine-silent", "connection-refused", "wrong-key", "ollama-busy")
    cured = "The dead one was ended, and a server whose engine lives was asked."
    _PATIENCE_S: ClassVar[float] = 8.0

    def start(self) -> Playing:
        playing = self.stage.serve()
        if playing.session is not None:
            for each in psutil.Process(playing.pid).children(recursive=True):
                each.suspend()
        return playing

    def use(self, live: Session) -> Outcome:
        import httpx

        health = httpx.get(live.url.removesuffix("/v1") + "/health", trust_env=False, timeout=5)
        tried = asked(live, timeout=self._PATIENCE_S)
        if tried.ok:
            return tried
        return Outcome(False, TEXT["health"].format(status=health.status_code, error=tried.text))


def square() -> Picture:
    """A small picture, red all over."""
    from PIL import Image

    return Image.new("RGB", (64, 64), "red")


def other_service(stage: Stage) -> int:
    """Start a program that is no model on a port of its own; returns the port."""
    port = stage.port()
    argv = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    stage.spawn(argv, {}, stage.folder / "other.log")
    for _ in range(100):
        if (holder := ports.hold(port)) is None:
            break
        holder.close()
        time.sleep(0.1)
    return port
