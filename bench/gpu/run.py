"""The run: configurations one after the other, the most valuable first, while there is time."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.gpu import card, engine_log, records, serving, shapes
from bench.gpu.configurations import Configuration
from bench.gpu.loading import ask
from labkit import hardware, starting
from labkit.diagnosis import diagnose
from labkit.display import Progress
from labkit.engines import vllm
from labkit.engines.recipe import Device
from labkit.errors import LabkitError

TEXT = {
    "head": "{count} configurations for {gpus} GPU(s), {seconds:.0f} s\n",
    "line": "{at:4.0f} s  {name:<28} {status:<9} {took:4.0f} s  {what}",
    "skipped": "{at:4.0f} s  {name:<28} left out: about {needs:.0f} s, and {left:.0f} s are left",
    "known": "        {name:<28} is in the records already",
    "end": "\n{count} records in {folder} after {seconds:.0f} s",
    "no_vllm": "There is no vLLM in this Python ({python}).",
    "dead": "the process ended with status {status}",
}
_MARGIN_S = 12.0
"""Kept at the end for what has to be written and freed."""
_PATIENCE, _LEAST_S = 2, 90
"""A configuration may take so many times what it should, and so many seconds, if there is time."""
_FORK = re.compile(
    r"re-initialize CUDA|forked subprocess|CUDA (?:driver )?initiali[sz]ation|CUDA-capable", re.I
)
"""What is said where a fork cannot use the card."""
POCKET = "pocket"


@dataclass
class Bench:
    """One run. Paths: `out` for what is to be kept, `work` for folders, logs and the records so far."""

    out: Path
    work: Path
    seconds: float
    began: float
    device: Device
    gpus: int
    """The first so many cards of the machine are used; what the others do is not looked at."""
    warm: serving.Warm | None = None
    proven: bool = False
    """Whether a fork of the warm Python has served once."""
    copy_gb_s: float | None = None

    def warm_for(self, asked: Configuration) -> serving.Warm | None:
        """The warm Python, where the configuration may run in it and it can; waits until it has imported."""
        may = asked.warm and asked.engine == "vllm"
        return self.warm if may and self.warm and self.warm.usable() else None

    @property
    def spent(self) -> float:
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        return self.seconds - self.spent - _MARGIN_S


def run(
    chosen: list[Configuration], gpus: int, out: Path, work: Path, seconds: float, again: bool = False
) -> list[records.Record]:
    """Measure what fits into `seconds`; what `work` has a record of already is left out, unless `again`."""
    began = time.monotonic()
    device = vllm.build()
    if device is None:
        raise LabkitError(TEXT["no_vllm"].format(python=sys.executable))
    for folder in (out, work, work / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(out.resolve(), work.resolve(), seconds, began, device, gpus)
    kept = records.load(work)
    known = set() if again else {each["name"] for each in kept if each["status"] == "measured"}
    print(TEXT["head"].format(count=len(chosen), gpus=gpus, seconds=seconds), flush=True)
    with ExitStack() as closing:
        if any(each.warm and each.engine == "vllm" for each in chosen):
            bench.warm = _warm(bench)
            closing.callback(bench.warm.close)
        bench.copy_gb_s = card.copy_gb_s()
        for asked in chosen:
            if asked.name in known:
                print(TEXT["known"].format(name=asked.name), flush=True)
                continue
            bench.warm_for(asked)  # its imports may take minutes, which are no configuration's
            if asked.seconds > bench.left:
                facts = {"at": bench.spent, "name": asked.name, "needs": asked.seconds}
                print(TEXT["skipped"].format(**facts, left=bench.left), flush=True)
                continue
            record = measure(bench, asked)
            kept = [each for each in kept if each["name"] != asked.name] + [record]
            records.save(kept, bench.work / "logs", bench.out, bench.work)
    print(TEXT["end"].format(count=len(kept), folder=out, seconds=bench.spent), flush=True)
    return kept


def measure(bench: Bench, asked: Configuration) -> records.Record:
    """One configuration. Whatever goes wrong is in the record."""
    at = bench.spent
    began = time.monotonic()
    record: records.Record = {
        "name": asked.name,
        "status": "measured",
        "configuration": asked.model_dump(mode="json"),
        "versions": records.versions(),
        "machine": records.machine_of(hardware.machine(), asked.cards, bench.gpus),
        "copy_gb_s": bench.copy_gb_s,
        "commit": records.commit(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    deadline = began + min(bench.left, max(_PATIENCE * asked.seconds, _LEAST_S))
    with card.watched(bench.gpus) as use:
        try:
            act = _serve if asked.engine == "vllm" else _in_process
            act(bench, asked, record, deadline)
        except LabkitError as error:
            _failed(record, str(error))
        except Exception as error:  # the next configuration must have its turn
            _failed(record, f"{type(error).__name__}: {error}")
    record["nvml"] = {"before_gib": use.before, "peak_gib": use.peak, "taken_gib": use.taken}
    card.wait_until_free(use.before)
    record["took_s"] = time.monotonic() - began
    line = {"at": at, "name": asked.name, "status": record["status"], "took": record["took_s"]}
    print(TEXT["line"].format(**line, what=_short(record)), flush=True)
    return record


def _failed(record: records.Record, why: str) -> None:
    record["status"], record["why"] = "failed", why
    found = diagnose(why)
    record["diagnosis"] = found.cause.title if found.cause else None


def _nothing_measured(record: records.Record) -> None:
    """Where all that was asked for was refused, that is what came of it."""
    if record.get("left_out") and not record.get("speeds") and not record.get("pictures"):
        _failed(record, record["left_out"][0])


def _serve(bench: Bench, asked: Configuration, record: records.Record, deadline: float) -> None:
    """Start vLLM, ask, end it. Replicas start one after the other: each takes its share of what is free."""
    warm = bench.warm_for(asked)
    try:
        _served(bench, asked, record, deadline, warm)
        bench.proven = bench.proven or warm is not None
    except LabkitError as error:
        said = _FORK.search(str(error)) is not None
        if warm is None or bench.proven or not (said or time.monotonic() > deadline):
            raise
        bench.warm = None  # forks cannot use this card, or hang: from now on without them
        warm.close()
        if not said:
            raise
        _served(bench, asked, record, deadline, None)


def _served(
    bench: Bench, asked: Configuration, record: records.Record, deadline: float, warm: serving.Warm | None
) -> None:
    folder = _folder(bench, asked)
    total = record["machine"]["memory_gib"]
    started: list[serving.Started] = []
    try:
        for place in range(asked.replicas):
            command, port = serving.composed(asked, folder, total, bench.device, place)
            log = bench.work / "logs" / f"{asked.name}{f'-{place}' if place else ''}.log"
            log.unlink(missing_ok=True)
            log.touch()
            started.append(serving.start(asked, command, port, log, warm))
        first = started[0]
        record |= {"command": str(first.command), "env": dict(first.command.env)}
        record["python"] = "warm" if first.warm else "cold"
        memory_only = not (asked.loads or asked.pictures)
        record["ready_s"] = max(serving.wait(each, memory_only, deadline) for each in started)
        record["memory"] = engine_log.numbers(first.log)
        if not memory_only:
            _ask(bench, asked, started, record, deadline)
    finally:
        for each in started:
            each.end()
        if started:
            record["memory"] = engine_log.numbers(started[0].log)
            record["log"] = Path(started[0].server.log).name


def _ask(
    bench: Bench,
    asked: Configuration,
    started: list[serving.Started],
    record: records.Record,
    deadline: float,
) -> None:
    """Replicas are asked each by itself first, then all behind one address: so the router's part is seen."""
    if asked.replicas == 1:
        ask([started[0].session], asked, deadline, record)
    else:
        record["apart"] = ask([each.session for each in started], asked, deadline, {})["speeds"]
        log = bench.work / "logs" / f"{asked.name}-router.log"
        with serving.one_address(started, log, deadline) as front:
            ask([front], asked, deadline, record)
    _nothing_measured(record)


def _in_process(bench: Bench, asked: Configuration, record: records.Record, deadline: float) -> None:
    """Transformers, in a process of its own, so that the card is empty after it."""
    folder = shapes.hf_folder(asked.model, bench.work / "folders" / f"{asked.model}-hf")
    found, log = bench.work / f"{asked.name}.json", bench.work / "logs" / f"{asked.name}.log"
    seconds = deadline - time.monotonic()
    argv = [sys.executable, "-m", "bench.gpu.in_process", asked.model_dump_json(), str(folder), str(found)]
    record["command"] = shlex.join([*argv, f"{seconds:.0f}"])
    with log.open("w") as output:
        try:
            done = subprocess.run(
                [*argv, str(seconds)], stdout=output, stderr=subprocess.STDOUT, timeout=seconds + 10
            )
        except subprocess.TimeoutExpired as error:
            raise LabkitError(str(error)) from None
    text = log.read_text("utf-8", "replace")
    record["log"] = log.name
    if not found.exists():
        words = engine_log.failure(text) or TEXT["dead"].format(status=done.returncode)
        raise LabkitError(words)
    given: dict[str, Any] = json.loads(found.read_text("utf-8"))
    record |= given
    if "why" in given:
        _failed(record, given["why"])
    _nothing_measured(record)


def _folder(bench: Bench, asked: Configuration) -> Path:
    """Where the model lies: the twin's weights, or a shape without weights."""
    if asked.variant == POCKET:
        return Path(starting.pocket(Progress(on=False)))
    suffix = "-w4a16" if asked.variant == "W4A16" else ""
    return shapes.mistral_folder(
        asked.model, asked.variant, bench.work / "folders" / f"{asked.model}{suffix}"
    )


def _warm(bench: Bench) -> serving.Warm:
    recipe_free = serving.Command((), ())
    return serving.Warm(bench.work / "logs" / "warm.log", serving.environment(recipe_free))


def _short(record: records.Record) -> str:
    """The figure that tells most, for the line on the screen."""
    if record["status"] != "measured":
        return str(record["why"])[:90]
    memory = record.get("memory", {})
    words = [
        f"{memory[key]:,} {key}" for key in ("weights_gib", "kv_tokens", "activation_gib") if key in memory
    ]
    words += [f"{each['streams']}: {each['tokens_per_s']:.0f} tok/s" for each in record.get("speeds", ())]
    words += [
        f"{each['pictures']} pic: {each['first_token_ms']:.0f} ms" for each in record.get("pictures", ())
    ]
    return ", ".join([*words, *record.get("left_out", ())])
