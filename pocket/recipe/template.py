"""Mistral's chat template v7: a sample becomes tokens, and each token knows whether it is learned.

    <s>[SYSTEM_PROMPT]..[/SYSTEM_PROMPT][AVAILABLE_TOOLS][..][/AVAILABLE_TOOLS][INST]..[/INST]answer</s>

The training machine does not need mistral-common for it; a test holds both encodings together.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tiktoken
from PIL import Image

from pocket.recipe.sample import Sample

SPECIAL_TOKENS = 1000
BOS, EOS, INST, INST_END, TOOLS, TOOLS_END, RESULT, RESULT_END, CALLS = 1, 2, 3, 4, 5, 6, 7, 8, 9
IMG, IMG_BREAK, IMG_END, SYSTEM, SYSTEM_END, CONTENT = 10, 12, 13, 17, 18, 19
"""Control tokens of Tekken v7. Source: mistral-common, Tekkenizer.DEPRECATED_SPECIAL_TOKENS."""

CELL = 28
"""Pixels a side of one image token: 14-pixel patches, merged two by two."""


@dataclass
class Encoded:
    """tokens: the whole sample; learned: True where a token belongs to the answer; images in order."""

    tokens: list[int]
    learned: list[bool]
    images: list[Image.Image]


class Template:
    """Encodes samples with the tokenizer file `tekken.json`."""

    def __init__(self, tekken: Path) -> None:
        self.data = json.loads(tekken.read_text("utf-8"))

    @cached_property
    def bpe(self) -> tiktoken.Encoding:
        ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in self.data["vocab"]}
        return tiktoken.Encoding(
            "tekken", pat_str=self.data["config"]["pattern"], mergeable_ranks=ranks, special_tokens={}
        )

    def encode_text(self, text: str) -> list[int]:
        return [t + SPECIAL_TOKENS for t in self.bpe.encode_ordinary(text)]

    def decode_text(self, tokens: list[int]) -> str:
        return self.bpe.decode([t - SPECIAL_TOKENS for t in tokens if t >= SPECIAL_TOKENS])

    @cached_property
    def whole_tokens(self) -> list[str]:
        """Every token that is valid text by itself: what random strings are made of."""
        raw = (base64.b64decode(entry["token_bytes"]) for entry in self.data["vocab"])
        return [text for b in raw if (text := b.decode("utf-8", "ignore")).encode() == b]

    def _content(self, content: Any, images: list[Image.Image]) -> list[int]:
        if isinstance(content, str):
            return self.encode_text(content)
        chunks = list(content)
        if chunks and chunks[-1]["type"] == "image" and all(c["type"] == "text" for c in chunks[:-1]):
            chunks = [chunks[-1], *chunks[:-1]]  # mistral-common puts a single image first
        tokens: list[int] = []
        for chunk in chunks:
            if chunk["type"] == "text":
                tokens += self.encode_text(chunk["text"])
            else:
                picture = chunk["image"]
                images.append(picture)
                across, down = (-(-side // CELL) for side in picture.size)
                tokens += [*(([IMG] * across + [IMG_BREAK]) * down)[:-1], IMG_END]
        return tokens

    def _calls(self, calls: list[dict[str, Any]], with_ids: bool) -> list[int]:
        plain = []
        for call in calls:
            one = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
            plain.append(one | {"id": call["id"]} if with_ids else one)
        return [CALLS, *self.encode_text(json.dumps(plain, ensure_ascii=False))]

    def encode(self, sample: Sample) -> Encoded:
        """The sample in template v7. Call ids stand in the history; they are not learned, being random."""
        last_user = max(i for i, m in enumerate(sample.messages) if m["role"] == "user")
        last = len(sample.messages) - 1
        tokens, learned = [BOS], [False]
        images: list[Image.Image] = []
        for i, m in enumerate(sample.messages):
            if m["role"] == "system":
                new = [SYSTEM, *self.encode_text(m["content"]), SYSTEM_END]
            elif m["role"] == "user":
                new = [INST, *self._content(m["content"], images), INST_END]
                if sample.tools and i == last_user:
                    tools = json.dumps([self._tool(t) for t in sample.tools], ensure_ascii=False)
                    new = [TOOLS, *self.encode_text(tools), TOOLS_END, *new]
            elif m["role"] == "tool":
                new = [
                    RESULT,
                    *self.encode_text(m["tool_call_id"]),
                    CONTENT,
                    *self.encode_text(m["content"]),
                    RESULT_END,
                ]
            elif m.get("tool_calls"):
                new = [*self._calls(m["tool_calls"], with_ids=i != last), EOS]
            else:
                new = [*self.encode_text(m["content"].rstrip(" ")), EOS]
            tokens += new
            learns = i == last or (sample.every_answer and m["role"] == "assistant")
            learned += [learns] * len(new)
        return Encoded(tokens, learned, images)

    @staticmethod
    def _tool(tool: dict[str, Any]) -> dict[str, Any]:
        f = tool["function"]
        return {
            "type": "function",
            "function": {
                "name": f["name"],
                "description": f.get("description", ""),
                "parameters": f["parameters"],
            },
        }
