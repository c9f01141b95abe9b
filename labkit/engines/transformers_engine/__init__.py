"""Transformers, inside this Python process: no server, yet the same session as on the others.

The model is loaded once and kept until `stop()`. The requests of a session do not leave the process: they go
to `api.InProcess`, which answers them as an OpenAI server would.
"""

from __future__ import annotations

import atexit
import gc
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labkit.engines.contract import Endpoint, Status
from labkit.errors import LabkitError
from labkit.hardware import GIB

if TYPE_CHECKING:
    from labkit.display import Progress
    from labkit.engines.transformers_engine.loading import Loaded, Wanted
    from labkit.engines.transformers_engine.weights import Layer

__all__ = ["current", "logs", "start", "status", "stop", "weights_report"]

URL = "http://in-process/v1"

TEXT = {
    "none": "Transformers has no model loaded. Load one with labkit.start(engine='transformers').",
    "loading": "Transformers is loading {model} into this Python process.",
    "ready": "{model} is loaded in this Python process: {memory:.2f} GiB of weights on {device}, "
    "for {minutes:.0f} min.",
    "done": "Ready after {seconds:.0f} s: {model} is loaded in this process",
    "found": "Found it loaded: {model} answers in this process",
    "other": "{loaded} is loaded in this process. Free its memory first with labkit.stop('transformers'), "
    "then load {wanted}.",
}


@dataclass
class _State:
    """What this process holds; there is one of it."""

    loaded: Loaded | None = None
    loading: Wanted | None = None
    since: float = 0.0
    changing: threading.Lock = field(default_factory=threading.Lock)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=1000))


_state = _State()


def current() -> Loaded:
    """The loaded model, for a look inside. Raises LabkitError where there is none."""
    if _state.loaded is None:
        raise LabkitError(TEXT["none"])
    return _state.loaded


def start(variant: str, *, show: Progress, timeout: float = 300, quantization: str | None = None) -> Endpoint:
    """Load a variant into this process, or find it loaded.

    variant: "pocket", NF4 or BF16 of the catalog, a folder or a Hugging Face name. quantization: "nf4" to
    squeeze the weights to 4 bits while loading. timeout: not used, since loading cannot be broken off.
    Raises LabkitError.
    """
    from labkit.engines.transformers_engine import api, loading

    wanted = loading.resolve(variant, quantization)
    with _state.changing:
        loaded = _state.loaded
        if loaded is not None and loaded.wanted != wanted:
            raise LabkitError(TEXT["other"].format(loaded=loaded.wanted, wanted=wanted))
        if loaded is None:
            _state.loading = wanted
            try:
                _state.loaded = loading.load(wanted, show, _note)
            finally:
                _state.loading = None
            _state.since = time.time()
            atexit.register(stop)  # a generation must not outlive the interpreter under it
            show.done(TEXT["done"].format(seconds=show.seconds, model=wanted))
        else:
            show.done(TEXT["found"].format(model=wanted))
    return Endpoint("transformers", wanted.name, URL, transport=api.InProcess(current))


def status(ping_s: float = 5.0) -> Status:
    """What is loaded. `ping_s` is not used: what is in this process cannot be lost unnoticed."""
    loaded, loading = _state.loaded, _state.loading
    if loading is not None:
        return Status("loading", TEXT["loading"].format(model=loading), loading.name)
    if loaded is None:
        return Status("none", TEXT["none"])
    uptime, memory = time.time() - _state.since, loaded.weights_bytes / GIB
    message = TEXT["ready"].format(
        model=loaded.wanted, memory=memory, device=loaded.model.device, minutes=uptime / 60
    )
    return Status("ready", message, loaded.wanted.name, URL, None, uptime, memory)


def logs(lines: int = 40) -> str:
    """What was said while loading and answering, the last 1000 lines at most."""
    return "\n".join(list(_state.log)[-lines:])


def stop() -> bool:
    """End the running answer, forget the model and free its memory. Returns whether there was one.

    Sessions on it answer again once the same variant is loaded again.
    """
    with _state.changing:
        loaded, _state.loaded = _state.loaded, None
        atexit.unregister(stop)
        if loaded is None:
            return False
        _note(f"stopped {loaded.wanted}")
        loaded.close()
    del loaded
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True


def weights_report(endpoint: Endpoint | None = None) -> list[Layer]:
    """What NF4 does to each linear layer of the loaded model: see `weights.report`. Raises LabkitError.

    endpoint: of this engine, where one is at hand; there is but one model in a process.
    """
    from labkit.engines.transformers_engine import weights

    return weights.report(current())


def _note(line: str) -> None:
    _state.log.append(f"{time.strftime('%H:%M:%S')} {line}")
