"""A session: our handle on one live model, whichever engine runs it. What talks to the model takes one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from labkit import home, running
from labkit.display import Progress
from labkit.engines import process
from labkit.errors import LabkitError
from labkit.images import chunks
from labkit.refusals import explained, not_an_api, served
from labkit.reply import Reply

if TYPE_CHECKING:
    import httpx2
    import openai

    from labkit.images import Picture
    from labkit.tools import Run, Tool

TEXT = {
    "none": "No server is running, and LABKIT_URL is not set. Start one with labkit.start() "
    "(or `labkit up`), or name one: labkit.connect(url=...).",
    "no_models": "The server at {url} serves no model.",
    "no_count": "The server at {url} does not say how many tokens a request had.",
    "connected": "Connected to **{model}** at {url}{note}",
}

POCKET = "pocket"
_SILENCE_S = 120.0


class Session:
    """A live model: `chat` with it, or use `client`, a plain `openai.OpenAI`, with `model` as its name."""

    def __init__(
        self,
        url: str,
        api_key: str,
        model: str,
        *,
        engine: str = "attached",
        transport: httpx2.BaseTransport | None = None,
        note: str = "",
    ) -> None:
        self.url = url
        """The address of the OpenAI API, ending in /v1."""
        self.api_key = api_key
        self.model = model
        """The name that requests use."""
        self.engine = engine
        """ "vllm", "ollama", "transformers", or "attached" for a server that labkit did not start."""
        self.note = note
        """What a reader must know about the engine, in a sentence; mostly empty."""
        self._transport = transport

    @cached_property
    def client(self) -> openai.OpenAI:
        """The plain client, made on first use."""
        import openai

        timeout = openai.NOT_GIVEN if self._transport is not None else _SILENCE_S
        return openai.OpenAI(base_url=self.url, api_key=self.api_key, timeout=timeout, http_client=self.http)

    @cached_property
    def http(self) -> httpx2.Client:
        """What the client sends its requests with: for a measurement that must not time the client too."""
        import openai

        if self._transport is not None:
            return openai.DefaultHttpxClient(transport=self._transport)
        here = urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")
        # A proxy set for the way out must not get in the way of our own machine.
        return openai.DefaultHttpxClient(trust_env=not here, timeout=_SILENCE_S)

    def chat(
        self,
        prompt: str | list[dict[str, Any]],
        *,
        image: Picture | Sequence[Picture] | None = None,
        system: str | None = None,
        tools: list[dict[str, Any]] | None = None,
        temperature: float = 0.15,
        max_tokens: int = 1024,
        **extra: Any,
    ) -> Reply:
        """Ask the model; the reply streams.

        prompt: a question, or a list of OpenAI messages. image: one or several (a path, bytes, a PIL image, a
        URL), added to the last message. system: a system message put first. tools: OpenAI schemas. extra: any
        other argument of `client.chat.completions.create`. Raises LabkitError if the server refuses.
        """
        messages = compose(prompt, image=image, system=system)
        if tools:
            extra["tools"] = tools
        asked_at = time.monotonic()
        ask: Callable[[], Any] = partial(
            self.client.with_options(max_retries=0).chat.completions.create,
            model=self.model,
            messages=messages,
            temperature=temperature,
            max_tokens=max_tokens,
            stream=True,
            stream_options={"include_usage": True},
            **extra,
        )
        with explained(self):
            stream = ask()
        if "html" in stream.response.headers.get("content-type", ""):
            stream.close()
            raise not_an_api(self.url)
        return Reply(stream, asked_at, ask)

    def run(
        self,
        prompt: str | list[dict[str, Any]],
        *,
        tools: Sequence[Tool | Callable[..., Any]],
        image: Picture | Sequence[Picture] | None = None,
        system: str | None = None,
        after: Run | None = None,
        **options: Any,
    ) -> Run:
        """Ask the model and call tools for it, until it has said all: call, validate, execute, answer, again.

        tools: plain functions with type hints, or what `labkit.tools.tool` makes of them. after: a run to go
        on with. options: `max_rounds` (8 requests), `seconds` (120 in all), `tool_seconds` (20 a call),
        `max_calls` (16 an answer), `max_characters` (4,000 a result), `approve` (asked before a call of a
        tool that needs it), `watch` (gets each event as it comes), `hear` (gets each piece of the model's
        text); all else goes to `chat`. A KeyboardInterrupt out of these three ends the run as "stopped". A
        forced `tool_choice` holds for the first answer. Raises LabkitError for a bad tool, or if the first
        request is refused.
        """
        from labkit.tools import Loop

        messages = compose(prompt, image=image, system=system)
        return Loop(self, [*(after.messages if after else ()), *messages], tools, **options).go()

    def count(
        self, prompt: str | list[dict[str, Any]], *, image: Picture | Sequence[Picture] | None = None
    ) -> int:
        """How many tokens a prompt takes, chat template and images included: the engine's own count.

        Every engine reports it with an answer, so a single token is asked for. Raises LabkitError.
        """
        usage = self.chat(prompt, image=image, temperature=0, max_tokens=1).usage
        if usage is None:
            raise LabkitError(TEXT["no_count"].format(url=self.url))
        return int(usage.prompt_tokens)

    def __repr__(self) -> str:
        return (
            f"Session(model={self.model!r}, engine={self.engine!r}, url={self.url!r}, "
            f"api_key='…{self.api_key[-3:]}')"
        )

    def _repr_markdown_(self) -> str:
        note = f". {self.note}" if self.note else ""
        return TEXT["connected"].format(model=self.model, url=self.url, note=note)


def start(
    variant: str = POCKET,
    *,
    engine: str = running.AUTO,
    timeout: float = 300,
    progress: bool = True,
    **options: Any,
) -> Session:
    """A session on the running server, which is started first if there is none.

    variant: "pocket", a variant of the catalog (Q4_K_M, W4A16, FP8, BF16, NF4), or what the engine takes for
    a model: a folder, a Hugging Face name, an Ollama tag. engine: "vllm", "ollama" or "transformers"; by
    default the one that the catalog names for the variant. timeout: seconds to wait for the first answer.
    progress: say what is happening meanwhile. options: the engine's own; for vLLM `port` (on 127.0.0.1, by
    default the first free one from 8000 on), `cards` (that share each layer), `replicas` (equal servers
    behind one address) and `extra_flags` (after the recipe's).

    The server outlives this program (Transformers runs inside it); labkit.stop() ends it. Raises LabkitError.
    """
    show = Progress(progress)
    try:
        found = running.start(variant, engine, show=show, timeout=timeout, **options)
    finally:
        show.close()
    return Session(
        found.url,
        found.api_key,
        found.model,
        engine=found.engine,
        transport=found.transport,
        note=found.note,
    )


def connect(url: str | None = None, api_key: str | None = None, model: str | None = None) -> Session:
    """A session on a server that runs already, anywhere; it starts nothing.

    url: of any OpenAI-compatible server; by default `$LABKIT_URL`, then the running server of this machine.
    api_key: by default our own server's, `$LABKIT_API_KEY` for any other. model: by default the first one
    that the server names.
    """
    own = home.read()
    if own and not process.alive(own.pid, own.create_time):
        own = None
    url = url or os.environ.get("LABKIT_URL") or (own.url if own else None)
    if url is None:
        raise LabkitError(TEXT["none"])
    url = url.rstrip("/")
    url = url if url.endswith("/v1") else f"{url}/v1"
    if own and url == own.url:
        return Session(url, api_key or own.key, model or own.model, engine="vllm")
    api_key = api_key or os.environ.get("LABKIT_API_KEY")
    session = Session(url, api_key or "EMPTY", model or "")
    if not session.model:
        with explained(session):
            names = served(session)
        if not names:
            raise LabkitError(TEXT["no_models"].format(url=url))
        session.model = names[0]
    return session


def compose(
    prompt: str | list[dict[str, Any]],
    *,
    image: Picture | Sequence[Picture] | None = None,
    system: str | None = None,
) -> list[dict[str, Any]]:
    """The messages of a request: the system message first, images in front of the last message's text."""
    asked = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    messages: list[dict[str, Any]] = list(asked)
    if image is not None and messages:
        text = messages[-1]["content"]
        before = [{"type": "text", "text": text}] if isinstance(text, str) else list(text)
        messages[-1] = {**messages[-1], "content": [*chunks(image), *before]}
    return [{"role": "system", "content": system}, *messages] if system else messages
