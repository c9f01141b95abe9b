"""Asking: an OpenAI chat request, checked and put into the model's own format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from labkit.engines.transformers_engine.loading import Loaded, first_line
from labkit.errors import LabkitError

TEXT = {
    "messages": "The request needs messages: a list of at least one, each with a role and a content.",
    "last": "The last message must be the user's or a tool's, so that there is something to answer.",
    "refused": "The messages cannot be put into the model's format: {why}.",
    "long": "This request has {have:,} tokens and may add {add:,}; the model's context is {most:,}.",
    "number": "{name} must be a number from {low:,} to {high:,}, and it is {value!r}.",
    "stop": "stop must be a text or a list of texts.",
    "n": "This engine makes one answer a request: leave n out.",
    "cannot": "This engine has no {name}: leave it out, or ask vLLM.",
    "choice": "tool_choice must be 'none', 'auto', 'required', or name one of the tools.",
}
DEFAULT_TOKENS = 1024
"""At most so many in an answer where the request does not say."""
CALLS = "[TOOL_CALLS]"
"""The control token that begins the calls."""
_UNKNOWN_HERE = ("presence_penalty", "frequency_penalty", "logit_bias", "functions", "function_call")


@dataclass(frozen=True)
class Request:
    """A chat request, checked. `inputs` is what the model's `generate` takes; temperature 0 is greedy."""

    inputs: dict[str, Any]
    prompt_tokens: int
    temperature: float
    top_p: float
    max_tokens: int
    seed: int | None
    stop: tuple[str, ...]
    begun: str | None
    """How the calls begin that the request insists on; None: the model is free to call or not."""
    top_logprobs: int | None
    """How many alternatives to tell for each token; None: no log probabilities at all."""
    ignore_eos: bool
    """Go on to max_tokens, whatever the model says (vLLM's own option)."""


def request(loaded: Loaded, body: dict[str, Any]) -> Request:
    """The request in `body`, an OpenAI chat completion. Raises LabkitError, a sentence for the caller."""
    _refuse_what_is_not_here(body)
    messages, tools = _messages(body), body.get("tools") or None
    begun = _begun(body.get("tool_choice"), tools or [])
    tools = None if body.get("tool_choice") == "none" else tools
    tokens, images = _in_format(loaded.tokenizer, messages, tools)
    most = int(loaded.model.config.get_text_config().max_position_embeddings)
    have = len(tokens)
    asked = "max_completion_tokens" if body.get("max_tokens") is None else "max_tokens"
    add = int(_number(body, asked, max(1, min(DEFAULT_TOKENS, most - have)), 1, 10**9))
    if have + add > most:
        raise LabkitError(TEXT["long"].format(have=have, add=add, most=most))
    if begun is not None:
        calls = loaded.tokenizer.convert_tokens_to_ids(CALLS)
        tokens = [*tokens, calls, *loaded.tokenizer.encode(begun, add_special_tokens=False)]
    seed = body.get("seed")
    return Request(
        inputs=_tensors(loaded.model, tokens, images),
        prompt_tokens=have,
        temperature=_number(body, "temperature", 1.0, 0, 2),
        top_p=_number(body, "top_p", 1.0, 0, 1),
        max_tokens=add,
        seed=None if seed is None else int(_number(body, "seed", 0, -(2**63), 2**63 - 1)),
        stop=_stop(body.get("stop")),
        begun=begun,
        top_logprobs=int(_number(body, "top_logprobs", 0, 0, 20)) if body.get("logprobs") else None,
        ignore_eos=bool(body.get("ignore_eos")),
    )


def _refuse_what_is_not_here(body: dict[str, Any]) -> None:
    if body.get("n") not in (None, 1):
        raise LabkitError(TEXT["n"])
    named = [name for name in _UNKNOWN_HERE if body.get(name)]
    form = body.get("response_format")
    if form and not (isinstance(form, dict) and form.get("type") == "text"):
        named.append("response_format")
    if named:
        raise LabkitError(TEXT["cannot"].format(name=named[0]))


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise LabkitError(TEXT["messages"])
    plain = [_plain(message) for message in messages]
    if not all("role" in each and ("content" in each or "tool_calls" in each) for each in plain):
        raise LabkitError(TEXT["messages"])
    if plain[-1]["role"] == "assistant":
        raise LabkitError(TEXT["last"])
    return plain


def _begun(choice: Any, tools: list[Any]) -> str | None:
    """How the calls must begin. The model goes on from there, as it would after its own words."""
    if choice in (None, "none", "auto"):
        return None
    if choice == "required" and tools:
        return '[{"name": "'
    name = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    if name and name in [tool.get("function", {}).get("name") for tool in tools]:
        return f'[{{"name": {json.dumps(name)}, "arguments":'
    raise LabkitError(TEXT["choice"])


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """The message without what the template refuses: fields that are None, empty content beside calls."""
    kept = {key: value for key, value in message.items() if value is not None}
    if kept.get("tool_calls") and not kept.get("content"):
        kept.pop("content", None)
    return kept


def _in_format(tokenizer: Any, messages: list[Any], tools: list[Any] | None) -> tuple[list[int], list[Any]]:
    """The prompt's tokens and its images, (channels, height, width) each."""
    from pydantic import ValidationError

    try:
        found = tokenizer.apply_chat_template(
            messages, tools=tools, add_generation_prompt=True, return_dict=True
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LabkitError(TEXT["refused"].format(why=f"{first['msg']} ({where})")) from None
    except Exception as error:  # each of the libraries below has its own
        raise LabkitError(TEXT["refused"].format(why=first_line(error))) from None
    return list(found["input_ids"]), list(found.get("pixel_values", ()))


def _tensors(model: Any, tokens: list[int], images: list[Any]) -> dict[str, Any]:
    """What `generate` takes, on the model's device: a batch of one. Smaller images get a margin at the right
    and at the bottom, which the model cuts off again by `image_sizes`."""
    import torch

    ids = torch.tensor([tokens], device=model.device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if images:
        sizes = [image.shape[-2:] for image in images]
        height, width = (max(edges) for edges in zip(*sizes, strict=True))
        pixels = torch.zeros(len(images), images[0].shape[0], height, width)
        for row, image in zip(pixels, images, strict=True):
            row[:, : image.shape[-2], : image.shape[-1]] = torch.as_tensor(image)
        inputs["pixel_values"] = pixels.to(model.device, model.dtype)
        inputs["image_sizes"] = torch.tensor(sizes, device=model.device)
    return inputs


def _stop(value: Any) -> tuple[str, ...]:
    words = [value] if isinstance(value, str) else (value or [])
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise LabkitError(TEXT["stop"])
    return tuple(word for word in words if word)


def _number(body: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise LabkitError(TEXT["number"].format(name=name, low=low, high=high, value=value))
    return value
