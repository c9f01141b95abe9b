"""Speed to be quoted: `vllm bench serve`, vLLM's own load generator, run against the live model."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from labkit.engines import vllm
from labkit.engines.recipe import Command, recipe_for
from labkit.errors import LabkitError
from labkit.probes.speed import TEXT as SPEED
from labkit.probes.sweep import THIS_MACHINE, formulas, served_from

if TYPE_CHECKING:
    from labkit.session import Session

TEXT = {
    "not_installed": "`vllm bench serve` comes with vLLM, which is not installed here. Install it with "
    "`./setup.sh` (or `pip install vllm`); labkit.probes.speed measures without it.",
    "inside": "This model runs inside the notebook, where no other program can ask it. Start it in vLLM with "
    "labkit.start(engine='vllm'), or measure with labkit.probes.speed.",
    "tokenizer": "The server at {url} does not say which tokenizer it has, and the load generator needs it. "
    "Pass tokenizer=..., a folder or a name on Hugging Face, or measure with labkit.probes.speed.",
    "failed": "`vllm bench serve` ended without a result: {why}",
    "some_failed": "{failed} of {requests} requests of `vllm bench serve` failed: {why}.",
    "late": "`vllm bench serve` was not done after {seconds:.0f} s, so it was ended. Ask for fewer requests.",
    "no_words": "it said nothing (exit status {status}).",
    "line": "{at_once} at once, {requests} requests of {read:.0f} tokens in and {wrote:.0f} out: "
    "{rate:.1f} tokens/s; first token {first.p50:.0f} ms (p95 {first.p95:.0f}), then {each.p50:.1f} ms a "
    "token (p95 {each.p95:.1f})",
    "head": "| | mean | p50 | p95 |\n|---|---:|---:|---:|",
    "row": "| {name} | {mean:.1f} | {p50:.1f} | {p95:.1f} |",
    "first": "time to first token, ms",
    "each": "time per output token, ms",
    "command": "Measured by vLLM's own load generator:",
}

RUN = """\
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())"""
"""What `vllm bench serve` does; the `vllm` script itself fails with the CPU build (see engines/vllm.py)."""
_LOOK_S = 0.2


@dataclass(frozen=True)
class Times:
    """Of all requests, in milliseconds."""

    mean: float
    p50: float
    p95: float


@dataclass(frozen=True)
class Quoted:
    """A result of `vllm bench serve`. In a notebook it shows the numbers, the formulas and the command."""

    command: Command
    """As in a terminal where the CUDA build is."""
    at_once: int
    requests: int
    prompt_tokens: float
    """Read for each request, chat template included, by the server's count: the mean."""
    output_tokens: float
    """Written for each request: the mean."""
    seconds: float
    """From the start of the first request to the end of the last."""
    tokens_per_s: float
    """Written, all requests together."""
    first_token: Times
    per_token: Times

    def __str__(self) -> str:
        return TEXT["line"].format(
            at_once=self.at_once,
            requests=self.requests,
            read=self.prompt_tokens,
            wrote=self.output_tokens,
            rate=self.tokens_per_s,
            first=self.first_token,
            each=self.per_token,
        )

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        times = {TEXT["first"]: self.first_token, TEXT["each"]: self.per_token}
        rows = [
            TEXT["row"].format(name=name, mean=each.mean, p50=each.p50, p95=each.p95)
            for name, each in times.items()
        ]
        shown = f"{TEXT['command']}\n\n```bash\n{self.command}\n```"
        return "\n".join([f"**{self}**", "", TEXT["head"], *rows, "", formulas(), "", shown])


def quoted(
    session: Session,
    *,
    streams: int = 8,
    requests: int = 32,
    prompt_tokens: int = 128,
    max_tokens: int = 64,
    tokenizer: str | None = None,
    seed: int | None = None,
    timeout: float = 600,
    stopping: Event | None = None,
) -> Quoted:
    """Run `vllm bench serve` against the session's server, at temperature 0.15 and without a network.

    streams: requests at once (`--max-concurrency`). prompt_tokens: the length of each question, random tokens
    and the chat template together. max_tokens: of each answer; vLLM goes on to the end. tokenizer: a folder
    or a Hugging Face name, by default what vLLM says that it loaded. seed: of the random questions, by
    default a new one, for the same questions again would be answered from the prefix cache. timeout: seconds.
    stopping: ends it when set, with KeyboardInterrupt. About 10 s go by before the first request. Raises
    LabkitError.
    """
    given = {"streams": streams, "requests": requests, "prompt_tokens": prompt_tokens}
    for name, value in (given | {"max_tokens": max_tokens}).items():
        if not isinstance(value, int) or value < 1:
            raise LabkitError(SPEED["least"].format(name=name, value=value))
    if session.engine == "transformers":
        raise LabkitError(TEXT["inside"])
    if vllm.build() is None:
        raise LabkitError(TEXT["not_installed"])
    # It is a first request, too: no measured one pays for what the server loads on first use. "a" and the
    # start of the sequence are tokens that the generator counts itself; the rest is the chat template.
    template = session.count("a") - 2
    tokenizer = tokenizer or served_from(session)
    if tokenizer is None:
        raise LabkitError(TEXT["tokenizer"].format(url=session.url))
    made = command(
        session.url,
        session.model,
        tokenizer,
        streams=streams,
        requests=requests,
        prompt_tokens=max(2, prompt_tokens - template),
        max_tokens=max_tokens,
        seed=random.randrange(2**31) if seed is None else seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        log = _run(made, session.api_key, Path(folder), timeout, stopping or Event())
        result = Path(folder) / "result.json"
        if not result.exists():
            raise LabkitError(TEXT["failed"].format(why=log))
        return read(json.loads(result.read_text("utf-8")), made)


def command(
    url: str,
    model: str,
    tokenizer: str,
    *,
    streams: int,
    requests: int,
    prompt_tokens: int,
    max_tokens: int,
    seed: int,
) -> Command:
    """The command, in the form for a terminal. Pure. The API key goes in OPENAI_API_KEY, which `ps` hides.

    prompt_tokens: of the question alone. No test request is made (`--ready-check-timeout-sec 0`): it would
    leave the first question in the prefix cache.
    """
    recipe = recipe_for(tokenizer, "cpu")
    mode = ("--tokenizer-mode", "mistral") if recipe.format == "mistral" else ()
    argv = [
        *("vllm", "bench", "serve", "--backend", "openai-chat"),
        *("--base-url", url.removesuffix("/v1"), "--endpoint", "/v1/chat/completions"),
        *("--model", model, "--tokenizer", recipe.model, *mode),
        *("--dataset-name", "random", "--seed", str(seed)),
        *("--random-input-len", str(prompt_tokens), "--random-output-len", str(max_tokens)),
        *("--num-prompts", str(requests), "--max-concurrency", str(streams)),
        *("--temperature", "0.15", "--ready-check-timeout-sec", "0"),
        *("--percentile-metrics", "ttft,tpot", "--metric-percentiles", "50,95"),
    ]
    env = [("VLLM_NO_USAGE_STATS", "1"), ("DO_NOT_TRACK", "1"), ("HF_HUB_DISABLE_TELEMETRY", "1")]
    return Command(tuple(argv), (*env, *((("HF_HUB_OFFLINE", "1"),) if recipe.offline else ())))


def read(result: dict[str, Any], made: Command) -> Quoted:
    """The result file of `vllm bench serve`. Raises LabkitError where requests failed."""
    done, failed = result["completed"], result.get("failed", 0)
    if failed or not done:
        why = next(filter(None, result.get("errors", ())), "").strip().splitlines()[-1:] or ["?"]
        raise LabkitError(
            TEXT["some_failed"].format(failed=failed, requests=done + failed, why=why[0].rstrip("."))
        )

    def times(name: str) -> Times:
        return Times(*(result[f"{kind}_{name}_ms"] for kind in ("mean", "p50", "p95")))

    return Quoted(
        command=made,
        at_once=result["max_concurrency"],
        requests=done,
        prompt_tokens=result["total_input_tokens"] / done,
        output_tokens=result["total_output_tokens"] / done,
        seconds=result["duration"],
        tokens_per_s=result["output_throughput"],
        first_token=times("ttft"),
        per_token=times("tpot"),
    )


def _run(made: Command, key: str, folder: Path, timeout: float, stopping: Event) -> str:
    """Run it as a process that leaves result.json in `folder`; gives the last line of what it said."""
    saved = ["--save-result", "--save-detailed", "--result-dir", str(folder), "--result-filename"]
    argv = [sys.executable, "-c", RUN, *made.argv[3:], "--disable-tqdm", *saved, "result.json"]
    env = vllm.environment(made, key) | {"OPENAI_API_KEY": key}
    # A proxy set for the way out must not get in the way of our own machine.
    env |= dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join([*THIS_MACHINE, os.environ.get("NO_PROXY", "")]))
    until = time.monotonic() + timeout
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(argv, env=env, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        while child.poll() is None:
            if stopping.wait(_LOOK_S):
                raise KeyboardInterrupt
            if time.monotonic() > until:
                raise LabkitError(TEXT["late"].format(seconds=timeout))
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    text = (folder / "log").read_text("utf-8", "replace")
    return vllm.last_words(text) or TEXT["no_words"].format(status=child.returncode)
