"""`/api/blobs` and `/api/create`: a model from files that a client sends. Checks are Ollama's, and its words.

Nothing is converted: the twin answers under the new name. Large files are checked and forgotten.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from labkit.engines.ollama_standin.models import Models, full_name
from labkit.engines.ollama_standin.translate import ApiError

_KEPT_BYTES = 8_000_000
"""A file below this is kept, to be read by `create`: config.json, tokenizer.json."""
_ARCHITECTURE = "Mistral3ForConditionalGeneration"
_NAME = re.compile(r"[\w.\-]+(/[\w.\-]+)*(:[\w.\-]+)?", re.ASCII)


class Blobs:
    """What clients have sent: digest -> the bytes, or None for a large file."""

    def __init__(self) -> None:
        self._here: dict[str, bytes | None] = {}

    def has(self, digest: str) -> bool:
        """Whether it is here. Raises ApiError 400 for what is no digest."""
        if not re.fullmatch(r"sha256[:-][0-9a-fA-F]{64}", digest):
            raise ApiError(400, "invalid digest format")
        return digest in self._here

    def need(self, digest: str) -> bytes | None:
        """The bytes sent under this digest. Raises ApiError 500 where nothing was."""
        if not self.has(digest):
            raise ApiError(500, f"stat blobs/{digest.replace(':', '-')}: no such file or directory")
        return self._here[digest]

    async def put(self, digest: str, body: AsyncIterator[bytes]) -> None:
        """Take a file in. Raises ApiError 400 where its digest is another."""
        found, kept, size = sha256(), bytearray(), 0
        async for chunk in body:
            found.update(chunk)
            size += len(chunk)
            if size < _KEPT_BYTES:
                kept += chunk
        got = f"sha256:{found.hexdigest()}"
        if got != digest:
            raise ApiError(400, f'digest mismatch, expected "{digest}", got "{got}"')
        self._here[digest] = bytes(kept) if size < _KEPT_BYTES else None


async def create(models: Models, blobs: Blobs, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
    """The records of `/api/create`, and the model is there at the end. Raises ApiError, as the real one does:
    before the first record with a status, after it inside the stream."""
    asked = str(body.get("model") or body.get("name") or "")
    if not _NAME.fullmatch(asked):
        raise ApiError(400, "invalid model name")
    name = full_name(asked)
    if base := body.get("from"):
        if full_name(base) not in models.pulled:
            yield {"status": "pulling manifest"}
            raise ApiError(500, "pull model manifest: file does not exist")
        abilities = models.abilities(full_name(base))
    elif (files := body.get("files")) is not None:
        if not any(each.endswith(".safetensors") for each in files):
            raise ApiError(400, "unknown type")
        held = {each: blobs.need(digest) for each, digest in files.items()}
        yield {"status": "converting model"}
        abilities = _abilities(held)
    else:
        raise ApiError(400, "neither 'from' or 'files' was specified")
    yield {"status": "writing manifest"}
    models.pulled[name] = datetime.now(UTC)
    models.made[name] = abilities
    yield {"status": "success"}


def _abilities(files: dict[str, bytes | None]) -> tuple[str, ...]:
    """What a model of these files can do: vision by its architecture, tools by its chat template."""
    if (config := files.get("config.json")) is None:
        raise ApiError(500, "open config.json: no such file or directory")
    architecture = next(iter(_json(config).get("architectures") or []), "")
    if architecture != _ARCHITECTURE:
        raise ApiError(500, f'unsupported architecture "{architecture}"')
    if files.get("tokenizer.json") is None:
        raise ApiError(500, "unknown tokenizer format")
    template = str(_json(files.get("tokenizer_config.json") or b"{}").get("chat_template") or "")
    return ("completion", "vision", *(["tools"] if "tools" in template else []))


def _json(data: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise ApiError(500, f"parse config.json: {error}") from None
    return found
