"""A Python that has imported vLLM once and runs its commands in forks: saves the imports of every start.

`python -m bench.gpu.warm` reads lines of JSON ({"argv": [...], "env": {...}, "log": path}) and answers each
with the pid of the process that runs the command. A command runs as it would from a shell, in a session of
its own; only what `import` would do again is there already. Nothing here may touch CUDA: a fork cannot use
what its parent has opened.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Mapping
from typing import Any

MODULES = (
    "vllm.entrypoints.openai.api_server",
    "vllm.v1.engine.core",
    "vllm.v1.executor.uniproc_executor",
    "vllm.model_executor.models.pixtral",
    "vllm.v1.attention.backends.flash_attn",
    "vllm.v1.worker.gpu_worker",
)
_HARMFUL = 77
"""How a fork ends that must not go on."""


def main() -> None:
    """Import, say whether forks can work, then serve commands until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what imports print is no answer
    for name in MODULES:
        _import(name)
    print(json.dumps({"usable": not _opened_cuda()}), file=answers, flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended commands are not waited for
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.flush()  # or each fork would say once more what the imports have said
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _run(order)
        print(json.dumps({"pid": pid}), file=answers, flush=True)


def _import(name: str) -> None:
    """Import the module, unless it cannot be imported here without opening CUDA.

    A fork tries. Where it may keep what it has imported it goes on in this process's place (importing once
    more would take as long), and this process only waits for its end.
    """
    pid = os.fork()
    if pid:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status != _HARMFUL:
            os._exit(abs(status))
        return
    try:
        importlib.import_module(name)
        harmful = _opened_cuda()
    except BaseException:  # what this release or this machine lacks, the command itself will say
        harmful = True
    if harmful:
        os._exit(_HARMFUL)


def _opened_cuda() -> bool:
    """Whether an import has opened CUDA here: torch knows of its own doing, the kernel of all."""
    import torch

    files = [os.path.realpath(path.path) for path in os.scandir("/proc/self/fd")]
    return bool(torch.cuda.is_initialized()) or any(name.startswith("/dev/nvidia-uvm") for name in files)


def _run(order: Mapping[str, Any]) -> None:
    """In the fork: become the command, and end with it."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    empty = os.open(os.devnull, os.O_RDONLY)
    for mine, theirs in ((empty, 0), (log, 1), (log, 2)):
        os.dup2(mine, theirs)
    os.environ.update(order["env"])
    _, dash_m, module, *rest = order["argv"]
    assert dash_m == "-m", order["argv"]
    sys.argv = [module, *rest]
    status = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=False)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
