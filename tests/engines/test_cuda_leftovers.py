"""Each in a Python of its own, since an import happens once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from labkit.engines import cuda_leftovers

SITE = Path(cuda_leftovers.__file__).parent / "site"
PACKAGES = {"torchvision": "_C.so", "torchaudio": "lib/_torchaudio.abi3.so"}


def run(code: str, *paths: Path, arguments: Sequence[str] = ()) -> str:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=env, text=True, capture_output=True, check=True
    ).stdout.strip()


def test_a_process_that_needs_no_torch_loads_none() -> None:
    code = "import sys; print('torch' in sys.modules, type(sys.meta_path[0]).__name__)"
    assert run(code, SITE) == "False _Finder"


def test_a_sitecustomize_that_was_there_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins; builtins.was_here = True")
    assert run("print(was_here)", SITE, tmp_path) == "True"


@pytest.mark.parametrize(("cpu_torch", "cuda_part"), [(True, True), (True, False), (False, True)])
def test_only_a_cuda_build_beside_a_cpu_torch_is_touched(
    cpu_torch: bool, cuda_part: bool, tmp_path: Path
) -> None:
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").touch()
    if not cpu_torch:
        (tmp_path / "torch" / "lib" / "libc10_cuda.so").touch()
    for package, compiled in PACKAGES.items():
        path = tmp_path / package / compiled
        path.parent.mkdir(parents=True)
        path.write_bytes(b"ELF libc10_cuda.so" if cuda_part else b"ELF libc10.so")
        (tmp_path / package / "__init__.py").touch()
    code = f"""
import sys; sys.path.insert(0, {str(SITE.parent)!r}); import cuda_leftovers as c; c.install()
import importlib.util
print(*[c.needs_cuda(each) for each in {sorted(PACKAGES)}], importlib.util.find_spec("torchaudio") is None)
"""
    needed = cpu_torch and cuda_part
    assert run(code, tmp_path) == f"{needed} {needed} {needed}"


@pytest.mark.skipif(not cuda_leftovers.needs_cuda("torchvision"), reason="torchvision matches torch here")
def test_the_real_torchvision_can_be_imported() -> None:
    code = "import torchvision, transformers; from transformers import AutoProcessor; print('fine')"
    assert run(code, SITE) == "fine"
