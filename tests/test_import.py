import subprocess
import sys

import pytest

import labkit

PROBE = """
import sys, time
began = time.perf_counter()
import labkit
took = time.perf_counter() - began
heavy = {"torch", "transformers", "vllm", "openai", "IPython", "PIL"} & set(sys.modules)
print(took, *heavy)
"""


def test_import_is_quick_and_loads_no_engine() -> None:
    runs = [subprocess.check_output([sys.executable, "-c", PROBE], text=True).split() for _ in range(3)]
    assert all(len(run) == 1 for run in runs), f"loaded: {runs}"
    assert min(float(run[0]) for run in runs) < 0.150


@pytest.mark.parametrize("name", labkit.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(labkit, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = labkit.nonsense
