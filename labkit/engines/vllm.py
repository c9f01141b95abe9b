"""vLLM: its command, composed from a recipe, and what its log says about how far it is."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from labkit.engines.recipe import Command, Device, Recipe
from labkit.errors import LabkitError

TEXT = {
    "no_docker": "vLLM's Docker image serves models of the Hugging Face hub on NVIDIA GPUs, and this recipe "
    "is for {model}. Start it with labkit.start() (or `labkit up`).",
}
IMAGE = "vllm/vllm-openai:v0.32.0"
"""The release that pyproject.toml pins."""

STAGES = [  # what the log says, and what it means; the one that comes last in the life of a server is first
    (r"Application startup complete", "asking for a first word"),
    (r"Starting vLLM server|Started server process", "opening the door"),
    (r"init engine .* took", "engine ready, starting the web server"),
    (r"KV cache size|kv_cache_utils|Capturing CUDA graph", "warming up"),
    (r"Loading weights took|Model loading took", "making room for the conversation (the KV cache)"),
    (r"Starting to load model|checkpoint shards|Loading weights", "loading the weights"),
    (r"\(\S*Worker\S* pid=", "starting the worker"),
    (r"Initializing a V1 LLM engine", "starting the engine"),
    (r"Resolved architecture|Using max model len", "reading the model's description"),
    (r"non-default args|vLLM API server version", "reading the flags"),
]
FIRST_STAGE = "starting Python and vLLM"

SITE = Path(__file__).parent / "site"
_NOISE = re.compile(r"^\s*$|Traceback|^\s+|WARNING|INFO|See root cause|Engine core initialization failed")
_ERROR = re.compile(r"[\w.]*(Error|Exception|Killed)\b|.*error:")
_LONGEST = 400
_PREFIX = re.compile(r"^\([^)]*pid=\d+\)\s*|ERROR \d\d-\d\d [\d:]+ \[[^]]*\]\s*")


def command(recipe: Recipe, port: int, host: str = "127.0.0.1") -> Command:
    """The command that serves `recipe` on `host`:`port`. Pure: it looks at nothing but its arguments.

    It runs as a module, since the `vllm` script fails with the CPU build (its distribution has another name).
    The API key is no part of it: pass it as the environment variable VLLM_API_KEY, which `ps` does not show.
    """
    argv = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    argv += ["--model", recipe.model, "--served-model-name", recipe.served_name]
    argv += ["--host", host, "--port", str(port)]
    return Command((*argv, *flags(recipe)), variables(recipe))


def serve(recipe: Recipe) -> Command:
    """The same in the guide's form, `vllm serve MODEL ...`, for a terminal where the CUDA build is."""
    return Command(("vllm", "serve", *_arguments(recipe)), variables(recipe))


def docker(recipe: Recipe, port: int = 8000, cache: str | None = None) -> Command:
    """The same in Docker, reachable from this machine only; the image's own command is `vllm serve`.

    cache: the Hugging Face cache on this machine, by default the usual one. VLLM_API_KEY is handed on from
    the environment. Two cards talk through shared memory, of which a container has 64 MiB without
    `--ipc=host`. Raises LabkitError for a folder and for a CPU: the image is for models of the hub on GPUs.
    """
    if recipe.offline or recipe.device == "cpu":
        raise LabkitError(TEXT["no_docker"].format(model=recipe.model))
    cache = cache or str(Path.home() / ".cache" / "huggingface")
    argv = ["docker", "run", "--rm", "--gpus", "all", "--ipc=host", "-p", f"127.0.0.1:{port}:8000"]
    argv += ["-v", f"{cache}:/root/.cache/huggingface", "-e", "VLLM_API_KEY"]
    for name, value in variables(recipe):
        argv += ["-e", f"{name}={value}"]
    return Command((*argv, IMAGE, *_arguments(recipe)))


def flags(recipe: Recipe) -> tuple[str, ...]:
    """The flags of `recipe`, without the model's name and the address."""
    argv: list[str] = []
    if recipe.format == "mistral":
        argv += ["--tokenizer-mode", "mistral", "--config-format", "mistral", "--load-format", "mistral"]
    argv += ["--tool-call-parser", "mistral", "--enable-auto-tool-choice"]
    argv += ["--max-model-len", str(recipe.max_model_len)]
    if recipe.vision:
        argv += ["--limit-mm-per-prompt", json.dumps({"image": recipe.images})]
    else:
        argv += ["--language-model-only"]
    if recipe.cards > 1:
        argv += ["--tensor-parallel-size", str(recipe.cards)]
    if recipe.device == "cpu":
        argv += ["--enforce-eager"]
    else:
        argv += ["--gpu-memory-utilization", f"{recipe.gpu_memory_utilization:.2f}"]
    return (*argv, *recipe.extra_flags)


def _arguments(recipe: Recipe) -> tuple[str, ...]:
    """What follows `vllm serve`: the model's name first, as the script wants it."""
    renamed = () if recipe.served_name == recipe.model else ("--served-model-name", recipe.served_name)
    return (recipe.model, *renamed, *flags(recipe))


def variables(recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """The environment variables of a server with `recipe`."""
    env = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    if recipe.device == "cpu":
        env |= {"VLLM_CPU_KVCACHE_SPACE": str(recipe.kv_cache_gib)}
        cores = recipe.cores or (tuple(range(recipe.cards)) if recipe.cards > 1 else ())
        if cores:
            env |= {"VLLM_CPU_OMP_THREADS_BIND": _binding(cores, recipe.cards)}
    if recipe.gpus:
        env |= {"CUDA_VISIBLE_DEVICES": ",".join(map(str, recipe.gpus))}
    if recipe.offline:
        env |= {"HF_HUB_OFFLINE": "1"}
    return tuple(env.items())


def _binding(cores: tuple[int, ...], ranks: int) -> str:
    """The cores dealt out to the processes of a rehearsal, in vLLM's words: "0,1|2,3"."""
    each = len(cores) // ranks
    shares = [cores[rank * each : (rank + 1) * each] for rank in range(ranks)]
    return "|".join(",".join(map(str, share)) for share in shares)


def environment(composed: Command, key: str) -> dict[str, str]:
    """The environment of a server's process: the present one, the command's, its key, our site folder."""
    paths = [str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        **dict(composed.env),
        "VLLM_API_KEY": key,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
    }


def build() -> Device | None:
    """Which vLLM is installed here: "cpu", "cuda", or None for none."""
    for name in ("vllm-cpu", "vllm"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return "cpu" if name == "vllm-cpu" or "cpu" in version else "cuda"
    return None


def stage(log: str) -> str:
    """What a server that wrote `log` is doing now, in words."""
    for pattern, words in STAGES:
        if re.search(pattern, log):
            return words
    return FIRST_STAGE


def behind(logs: Iterable[str]) -> str:
    """Of the logs of several servers, that of the one which is furthest behind."""

    def place(log: str) -> int:
        found = (place for place, (pattern, _) in enumerate(STAGES) if re.search(pattern, log))
        return next(found, len(STAGES))

    return max(logs, key=place)


def listens(log: str) -> bool:
    """Whether the server that wrote `log` has come to take requests."""
    return re.search(STAGES[0][0], log) is not None


def last_words(log: str) -> str:
    """The line of a dead server's `log` that says best why it died; "" for an empty log.

    That is the last line that names an error, and is not the engine's "see root cause above"; where pydantic
    refuses a flag, the reason stands in a line of its own.
    """
    lines = [_PREFIX.sub("", line) for line in log.splitlines()]
    telling = [line.strip() for line in lines if not _NOISE.search(line)]
    errors = [line for line in telling if _ERROR.match(line)]
    reasons = re.findall(r"^\s*Value error, (.+?)(?: \[type=.*)?$", "\n".join(lines), re.MULTILINE)
    if reasons and errors and "validation error" in errors[-1]:
        errors = reasons
    return (errors or telling or [""])[-1][:_LONGEST]
