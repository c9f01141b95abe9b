"""What vLLM's log says about memory and time, as numbers. Releases 0.24 (CUDA) and 0.32 write it so."""

from __future__ import annotations

import re

from labkit.engines import vllm

_NUMBER = r"(-?[\d.]+)"
_LINES = {
    # name: pattern. GiB and seconds.
    "weights_gib": rf"Model loading took {_NUMBER} GiB memory",
    "load_s": rf"Model loading took [\d.]+ GiB memory and {_NUMBER} s",
    "kv_gib": rf"Available KV cache memory: {_NUMBER} GiB",
    "activation_gib": rf"torch peak memory increase: {_NUMBER}\s?GiB",
    "non_torch_gib": rf"non-torch forward increase memory: {_NUMBER}\s?GiB",
    "requested_gib": rf"Requested memory: [\d.]+ \(util\), {_NUMBER} GiB",
    "free_at_start_gib": rf"Initial free memory: {_NUMBER} GiB",
    "graphs_estimated_gib": rf"Estimated CUDA graph memory: {_NUMBER} GiB",
    "graphs_gib": rf"Graph capturing finished in [\d.]+ secs, took {_NUMBER} GiB",
    "graphs_s": rf"Graph capturing finished in {_NUMBER} secs",
    "compile_s": rf"torch\.compile took {_NUMBER} s",
    "engine_s": rf"init engine \(profile, create kv cache, warmup model\) took {_NUMBER} s",
    "concurrency": rf"Maximum concurrency for [\d,]+ tokens per request: {_NUMBER}x",
}
_COUNTS = {
    "kv_tokens": r"KV cache size: ([\d,]+) tokens",
    "batched_tokens": r"Chunked prefill is enabled with max_num_batched_tokens=(\d+)",
    "encoder_tokens": r"Encoder cache will be initialized with a budget of (\d+) tokens",
    "encoder_images": r"budget of \d+ tokens, and profiled with (\d+) image items",
}
_WORDS = {
    "attention": r"Using (?:AttentionBackendEnum\.)?(\w+) (?:attention )?backend",
    "kernel": r"Using (\w+Kernel\w*|\w*Linear\w*Kernel) for",
}
TOLD = r"init engine \(profile, create kv cache, warmup model\) took"
"""The line after which the log has told all about memory."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ERROR = re.compile(
    r"^(?:\([^)]*pid=\d+\)\s*)?(?:ERROR [\d-]+ [\d:]+ \[[^]]*\]\s*)?((?:\w+\.)*\w*(?:Error|Exception): .+)$",
    re.MULTILINE,
)


def numbers(log: str) -> dict[str, float | int | str]:
    """What the log of one engine tells. A thing that it says several times (a worker each) counts once, the
    largest for memory; what it does not say is left out."""
    log = _COLOUR.sub("", log)
    found: dict[str, float | int | str] = {}
    for name, pattern in _LINES.items():
        if values := re.findall(pattern, log):
            found[name] = max(float(value.rstrip(".")) for value in values)
    for name, pattern in _COUNTS.items():
        if values := re.findall(pattern, log):
            found[name] = min(int(value.replace(",", "")) for value in values)
    for name, pattern in _WORDS.items():
        if values := re.findall(pattern, log):
            found[name] = values[0]
    return found


def told(log: str) -> bool:
    """Whether the engine has measured its memory."""
    return re.search(TOLD, log) is not None


def failure(log: str) -> str:
    """The engine's own words about why it ended: the first error, without the frames around it."""
    log = _COLOUR.sub("", log)
    first = _ERROR.search(log)
    return (first[1].strip() if first else vllm.last_words(log))[:600]
