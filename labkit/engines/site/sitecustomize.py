"""Python runs this at the start of every process of the server, since this folder is on its PYTHONPATH.

It lets CUDA builds stand beside a CPU torch (see `../cuda_leftovers.py`), then runs the `sitecustomize` that
would have been found without us.
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

_others = [folder for folder in sys.path if Path(folder or ".").resolve() != _HERE]
if (_next := importlib.machinery.PathFinder.find_spec("sitecustomize", _others)) is not None:
    _run(_next)
