"""What every engine gives and takes, so that the same five verbs and the same session work on all of them.

An engine is a module in this package with the functions of `Engine`; `labkit.engines.get` finds it by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import httpx2

    from labkit.display import Progress


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers the OpenAI API: all that a session needs to know."""

    engine: str
    """"vllm", "ollama", "transformers", or "attached" for a server that labkit did not start."""
    model: str
    """The name that requests use."""
    url: str
    """Ends in /v1."""
    api_key: str = "EMPTY"
    transport: httpx2.BaseTransport | None = None
    """For an engine inside this process: it carries the requests instead of the network. (The openai client
    is built on httpx2.)"""
    note: str = ""
    """What a reader must know about it, in a sentence; shown wherever the session shows. Empty for most."""


@dataclass(frozen=True)
class Status:
    """How an engine's server is. `state` is "none", "loading", "ready" or "broken"."""

    state: str
    message: str
    """The same in a sentence."""
    model: str | None = None
    url: str | None = None
    pid: int | None = None
    uptime_s: float | None = None
    memory_gib: float | None = None
    log: str | None = None
    """Path of its log."""
    replicas: int = 1
    """Equal processes that run the model."""
    answering: int | None = None
    """How many of several replicas answer; None where there is one."""

    def __str__(self) -> str:
        return self.message

    def _repr_markdown_(self) -> str:
        return self.message


class Engine(Protocol):
    """The verbs. All raise LabkitError with one sentence, and start nothing that they cannot stop."""

    def start(self, variant: str, *, show: Progress, timeout: float, **options: Any) -> Endpoint:
        """Find the running server with this variant or start one; return once it answered one token.

        variant: "pocket", a catalog variant, or what the engine itself takes for a model (a Hugging Face
        name, an Ollama tag, a folder). `show` is told what is happening. timeout: seconds.
        """

    def status(self, ping_s: float = 5.0) -> Status:
        """How its server is now; `ping_s` seconds are allowed for one token."""

    def logs(self, lines: int = 40) -> str:
        """The end of its log; "" where there is none."""

    def stop(self) -> bool:
        """End what `start` started. Returns whether there was anything."""
