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

The fork: on a GPU vLLM's engine is a fork of the API server's process, and the worker one of the engine's; on
a CPU each would be a new Python with ten seconds of imports, since OpenMP reads its threads' cores when it is
loaded. Here too they are forked. The server computes with one thread, for a fork of a process with more would
wait for threads that it does not have; the worker then takes the cores that vLLM chose for it. Each lets go
of the server's door, which would else stay open behind a server that is gone.

`LABKIT_SPIN=1` leaves vLLM's waiting and starting as they are.
"""

import ctypes
import importlib.machinery
import importlib.util
import os
import re
import sys
import time
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PR_SET_TIMERSLACK = 29


def _fork_engine_and_worker():  # type: ignore[no-untyped-def]
    import multiprocessing

    context, forks = multiprocessing.get_context, 0
    most = 1 if os.environ.get("VLLM_CPU_OMP_THREADS_BIND") == "nobind" else 2

    def get_context(method=None):  # type: ignore[no-untyped-def]
        return context("fork" if method == "spawn" and forks < most else method)

    def in_child():  # type: ignore[no-untyped-def]
        nonlocal forks
        forks += 1
        _leave_the_door()
        if forks == most == 2:
            _take_the_cores()

    if most == 2:
        os.environ["OMP_NUM_THREADS"] = "1"
    multiprocessing.get_context = get_context
    os.register_at_fork(after_in_child=in_child)


def _take_the_cores():  # type: ignore[no-untyped-def]
    """What OpenMP would do when it is loaded with the variables that vLLM has set for this worker."""
    places = os.environ.get("GOMP_CPU_AFFINITY") or os.environ["OMP_PLACES"]
    cores = [int(number) for number in re.findall(r"\d+", places)]
    os.sched_setaffinity(0, cores)
    with open("/proc/self/maps") as maps:
        loaded = {line.split()[-1] for line in maps if "libgomp" in line}
    for path in loaded:
        ctypes.CDLL(path).omp_set_num_threads(len(cores))
    import torch

    torch.set_num_threads(len(cores))


def _leave_the_door():  # type: ignore[no-untyped-def]
    import socket

    with open(os.devnull) as nothing:
        for name in os.listdir("/proc/self/fd"):
            try:
                found = socket.socket(fileno=int(name))
            except OSError:  # no socket, or the list's own folder
                continue
            if found.family in (socket.AF_INET, socket.AF_INET6):
                os.dup2(nothing.fileno(), int(name))  # a number that is closed would be taken by another file
            found.detach()


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
            _fork_engine_and_worker()

_others = [folder for folder in sys.path if Path(folder or ".").resolve() != _HERE]
if (_next := importlib.machinery.PathFinder.find_spec("sitecustomize", _others)) is not None:
    _run(_next)
