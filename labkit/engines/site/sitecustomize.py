"""Python runs this at the start of every process of the server, since this folder is on its PYTHONPATH.

It lets CUDA builds stand beside a CPU torch (see `../cuda_leftovers.py`), gives `regex` a larger cache,
leaves out a grammar that nobody asks for, lets a server on a CPU sleep where it would spin, then runs the
`sitecustomize` that would have been found without us.

The cache: vLLM 0.32 matches more than 500 patterns in a chat request, and `regex` keeps 500. Each request
compiled them anew: 0.15 s of CPU time, most of what the twin takes to a first token.

The grammar: where JupyterLab is installed, `jsonschema` loads `rfc3987_syntax`, which builds a parser for
internationalized addresses: 1.7 s, in each of the server's three processes. Without it jsonschema does not
check the formats "iri" and "iri-reference", as is its way where the package is missing.

The sleep: vLLM's processes wait for each other by yielding their core, again and again, until a second after
the last step. On Linux 6.18 whoever shares the core (a notebook, a browser, the server's own door) then waits
for seconds. A GPU's server has cores to spare; on a CPU it sleeps for 50 us at a time, and asks Linux not to
make that 100. `LABKIT_SPIN=1` leaves vLLM as it is. `python -m bench.neighbour` measures both.
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

_others = [folder for folder in sys.path if Path(folder or ".").resolve() != _HERE]
if (_next := importlib.machinery.PathFinder.find_spec("sitecustomize", _others)) is not None:
    _run(_next)
