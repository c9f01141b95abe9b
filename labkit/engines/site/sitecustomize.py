"""Python runs this at the start of every process of the server, since this folder is on its PYTHONPATH.

It lets CUDA builds stand beside a CPU torch (see `../cuda_leftovers.py`), gives `regex` a larger cache,
leaves out a grammar that nobody asks for, lets a server on a CPU sleep where it would spin and fork where it
would import everything again, then runs the `sitecustomize` that would have been found without us.

The cache: vLLM 0.32 matches more than 500 patterns in a chat request, and `regex` keeps 500. Each request
compiled them anew: 0.15 s of CPU time, most of what the twin takes to a first token.

The grammar: where JupyterLab is installed, `jsonschema` loads `rfc3987_syntax`, which builds a parser for
internationalized addresses: 1.7 s, in each Python that the server starts. Without it jsonschema does not
check the formats "iri" and "iri-reference", as is its way where the package is missing.

The sleep: vLLM's processes wait for each other by yielding their core, again and again, until a second after
the last step. On Linux 6.18 whoever shares the core (a notebook, a browser, the server's own door) then waits
for seconds. A GPU's server has cores to spare; on a CPU it sleeps for 50 us at a time, and asks Linux not to
make that 100. `python -m bench.neighbour` measures both.

The fork: on a GPU vLLM's engine is a fork of the API server's process; on a CPU it would be a new Python with
ten seconds of imports. Only the worker needs that (OpenMP reads its threads' cores when it is loaded), so
here too the engine is forked. It lets go of the server's door, which would else stay open behind a server
that is gone.

`LABKIT_SPIN=1` leaves vLLM's waiting and starting as they are.
"""

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
import time
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PR_SET_TIMERSLACK = 29


def _fork_the_engine():  # type: ignore[no-untyped-def]
    import multiprocessing

    here, context = os.getpid(), multiprocessing.get_context

    def get_context(method=None):  # type: ignore[no-untyped-def]
        return context("fork" if method == "spawn" and os.getpid() == here else method)

    multiprocessing.get_context = get_context
    os.register_at_fork(after_in_child=_leave_the_door)


def _leave_the_door():  # type: ignore[no-untyped-def]
    import socket

    with open(os.devnull) as nothing:
        for name in os.listdir("/proc/self/fd"):
            try:
                with socket.socket(fileno=os.dup(int(name))) as found:
                    is_door = found.family in (socket.AF_INET, socket.AF_INET6)
            except OSError:  # no socket, or the list's own folder
                continue
            if is_door:
                os.dup2(nothing.fileno(), int(name))  # a number that is closed would be taken by another file


def _run(spec):  # type: ignore[no-untyped-def]
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ours = importlib.util.spec_from_file_location("labkit_cuda_leftovers", _HERE.parent / "cuda_leftovers.py")
_run(_ours).install()

if importlib.util.find_spec("regex"):
    import regex._main  # type: ignore[import-untyped]

    regex._main._MAXCACHE = 5000

sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

if os.environ.get("VLLM_CPU_KVCACHE_SPACE") and not os.environ.get("LABKIT_SPIN"):
    os.sched_yield = lambda: time.sleep(50e-6)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1000)  # ns
        if "vllm.entrypoints.openai.api_server" in sys.orig_argv:
            _fork_the_engine()

_others = [folder for folder in sys.path if Path(folder or ".").resolve() != _HERE]
if (_next := importlib.machinery.PathFinder.find_spec("sitecustomize", _others)) is not None:
    _run(_next)
