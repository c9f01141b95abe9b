"""Python runs this at the start of every process of the server, since this folder is on its PYTHONPATH.

It lets CUDA builds stand beside a CPU torch (see `../cuda_leftovers.py`), gives `regex` a larger cache, then
runs the `sitecustomize` that would have been found without us.

The cache: vLLM 0.32 matches more than 500 patterns in a chat request, and `regex` keeps 500. Each request
compiled them anew: 0.15 s of CPU time, most of what the twin takes to a first token.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _run(spec):  # type: ignore[no-untyped-def]
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_ours = importlib.util.spec_from_file_location("labkit_cuda_leftovers", _HERE.parent / "cuda_leftovers.py")
_run(_ours).install()

if importlib.util.find_spec("regex"):
    import regex._main  # type: ignore[import-untyped]

    regex._main._MAXCACHE = 5000

_others = [folder for folder in sys.path if Path(folder or ".").resolve() != _HERE]
if (_next := importlib.machinery.PathFinder.find_spec("sitecustomize", _others)) is not None:
    _run(_next)
