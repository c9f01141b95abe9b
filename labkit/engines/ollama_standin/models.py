"""What the stand-in holds: which names it knows, what was pulled, what is loaded. All of it in memory.

Records and error words are Ollama's own; sizes and digests are those of the pocket twin's real files.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from labkit.engines.ollama_standin.translate import ApiError
from pocket import WEIGHTS

_TAGS = ("latest", "24b", *(f"24b-instruct-2503-{q}" for q in ("q4_K_M", "q8_0", "fp16")))
LIBRARY = tuple(f"mistral-small3.1:{tag}" for tag in _TAGS)
"""The names that can be pulled. Each of them is answered by the one model of the upstream server."""

DEFAULT_CONTEXT = 4096
"""Ollama's own below 23 GiB of GPU memory."""
_STEPS = 20
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_FOR_EVER = timedelta(days=365 * 292)


@dataclass(frozen=True)
class Faults:
    """What goes wrong on purpose."""

    vram_share: float = 1.0
    """The part of a loaded model that lies on the GPU; below 1 it has spilled to the CPU."""
    pull_breaks_at: float | None = None
    """The part of a pull after which it breaks off, once for each name; the next pull goes on from there."""


@dataclass
class Loaded:
    """One model in memory."""

    expires_at: datetime
    context: int


@dataclass
class Models:
    """The models of one stand-in."""

    pulled: dict[str, datetime] = field(default_factory=dict)
    """Full name -> when it was pulled."""
    capabilities: tuple[str, ...] = ("completion", "vision", "tools")
    made: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Full name of a model that a client made -> what that one can do."""
    faults: Faults = Faults()
    pull_s: float = 2.0
    """How long a whole pull takes, in seconds."""
    loaded: dict[str, Loaded] = field(default_factory=dict)
    _fetched: dict[str, int] = field(default_factory=dict)
    _broke: set[str] = field(default_factory=set)

    def find(self, name: str) -> str:
        """The full name of a pulled model. Raises ApiError 400 for no name, 404 for one that is not there."""
        if not name:
            raise ApiError(400, "model is required")
        if full_name(name) not in self.pulled:
            raise ApiError(404, f"model '{name}' not found")
        return full_name(name)

    def abilities(self, name: str) -> tuple[str, ...]:
        """What the model of this full name can do."""
        return self.made.get(name, self.capabilities)

    def need(self, name: str, capability: str) -> None:
        """Raise Ollama's error if the model cannot do this."""
        if capability in self.abilities(name):
            return
        if capability == "vision":
            hint = "hint: if this is unexpected, you may need to provide the mmproj"
            raise ApiError(500, f"image input is not supported - {hint}")
        raise ApiError(400, f"registry.ollama.ai/library/{full_name(name)} does not support {capability}")

    def load(self, name: str, keep_alive: Any = None, context: int | None = None) -> None:
        """Keep the model in memory for `keep_alive` (5m by default, 0 unloads it, below 0 for ever)."""
        keep = duration("5m" if keep_alive is None else keep_alive)
        if keep == timedelta(0):
            self.loaded.pop(name, None)
        else:
            longest = _config()["text_config"]["max_position_embeddings"]
            self.loaded[name] = Loaded(datetime.now(UTC) + keep, min(context or DEFAULT_CONTEXT, longest))

    def tags(self) -> list[dict[str, Any]]:
        """The records of `/api/tags`."""
        return [{**_record(name), "modified_at": at.isoformat()} for name, at in self.pulled.items()]

    def ps(self) -> list[dict[str, Any]]:
        """The records of `/api/ps`; what has expired goes."""
        now = datetime.now(UTC)
        self.loaded = {name: each for name, each in self.loaded.items() if each.expires_at > now}
        return [
            {
                **_record(name),
                "expires_at": each.expires_at.isoformat(),
                "size_vram": int(_size() * self.faults.vram_share),
                "context_length": each.context,
            }
            for name, each in self.loaded.items()
        ]

    def show(self, name: str) -> dict[str, Any]:
        """The answer of `/api/show`: it describes the twin, whatever the name promises."""
        text = _config()["text_config"]
        info = {
            "general.architecture": "mistral3",
            "general.parameter_count": _size() // 2,
            "mistral3.block_count": text["num_hidden_layers"],
            "mistral3.context_length": text["max_position_embeddings"],
            "mistral3.embedding_length": text["hidden_size"],
            "mistral3.attention.head_count": text["num_attention_heads"],
            "mistral3.attention.head_count_kv": text["num_key_value_heads"],
        }
        return {
            "modelfile": f"# labkit's stand-in: the pocket twin answers\nFROM {name}\n",
            "parameters": "",
            "template": "",
            "details": _record(name)["details"],
            "model_info": info,
            "capabilities": list(self.abilities(name)),
            "modified_at": self.pulled[name].isoformat(),
        }

    def delete(self, name: str) -> None:
        """Forget a pulled model."""
        del self.pulled[name]
        self.made.pop(name, None)
        self.loaded.pop(name, None)
        self._fetched.pop(name, None)

    async def pull(self, asked: str) -> AsyncGenerator[dict[str, Any], None]:
        """The records of `/api/pull`. Raises ApiError after the first one, as the real server does."""
        yield {"status": "pulling manifest"}
        name = full_name(asked)
        if name not in LIBRARY:
            raise ApiError(500, "pull model manifest: file does not exist")
        total, before = _size(), 0
        stop_at = None if name in self._broke else self.faults.pull_breaks_at
        for digest, size in _layers():
            have = 0
            while True:
                have = max(have, min(size, self._fetched.get(name, 0) - before))
                self._fetched[name] = max(self._fetched.get(name, 0), before + have)
                status = f"pulling {digest[7:19]}"
                yield {"status": status, "digest": digest, "total": size, "completed": have}
                if have == size:
                    break
                if stop_at is not None and before + have >= stop_at * total:
                    self._broke.add(name)
                    raise ApiError(500, "max retries exceeded: unexpected EOF")
                await asyncio.sleep(self.pull_s / _STEPS)
                have = min(size, have + total // _STEPS)
            before += size
        for status in ("verifying sha256 digest", "writing manifest"):
            yield {"status": status}
        self.pulled[name] = datetime.now(UTC)
        yield {"status": "success"}


def full_name(name: str) -> str:
    """The name with its tag: `latest` if it has none."""
    return name if ":" in name else f"{name}:latest"


def duration(value: Any) -> timedelta:
    """How long `keep_alive` means: seconds, or Go's way of writing a time ("1h30m"); below 0 is for ever."""
    if isinstance(value, int | float):
        seconds = float(value)
    elif isinstance(value, str) and re.fullmatch(r"-?(0|([\d.]+(ns|us|µs|ms|s|m|h))+)", value):
        parts = re.findall(r"([\d.]+)(ns|us|µs|ms|s|m|h)", value)
        seconds = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
        seconds = -seconds if value.startswith("-") else seconds
    else:
        raise ApiError(400, f'time: invalid duration "{value}"')
    return _FOR_EVER if seconds < 0 else timedelta(seconds=seconds)


def _record(name: str) -> dict[str, Any]:
    details = {
        "parent_model": "",
        "format": "safetensors",
        "family": "mistral3",
        "families": ["mistral3"],
        "parameter_size": f"{_size() / 2e6:.1f}M",
        "quantization_level": "BF16",
    }
    digest = _layers()[0][0].removeprefix("sha256:")
    return {"name": name, "model": name, "size": _size(), "digest": digest, "details": details}


@cache
def _layers() -> list[tuple[str, int]]:
    """Digest and size in bytes of each of the twin's weight files."""
    lines = (line.split() for line in (WEIGHTS / "SHA256SUMS").read_text().splitlines())
    shards = [(digest, name) for digest, name in lines if name.endswith(".safetensors")]
    return [(f"sha256:{digest}", (WEIGHTS / name).stat().st_size) for digest, name in shards]


@cache
def _config() -> dict[str, Any]:
    config: dict[str, Any] = json.loads((WEIGHTS / "config.json").read_text())
    return config


def _size() -> int:
    """Bytes of the weights. The twin is BF16, so half of it is its number of parameters."""
    return sum(size for _, size in _layers())
