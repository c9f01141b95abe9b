"""Run a module that ends with its parent: `python -m labkit.workshop.leash MODULE [ARGUMENT...]`.

A hub that is killed cannot stop its services. Left behind, they would keep their ports from the next hub's.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def tie() -> None:
    """Have the kernel end this process when its parent ends (Linux; elsewhere nothing happens)."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended just now
            sys.exit(1)


if __name__ == "__main__":
    tie()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
