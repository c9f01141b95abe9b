"""CUDA builds of torchvision, torchaudio and torchcodec beside a CPU torch: let vLLM and Transformers start.

The package registry carries no CPU builds of them, and vLLM for the CPU asks for all three.

- torchvision registers fakes for two operators of its compiled part at import. Beside a CPU torch that part
  cannot be loaded, so the operators do not exist and the import fails. Declaring them first is enough: no
  model here calls them.
- torchaudio and torchcodec refuse to be imported at all (`libc10_cuda.so` or `libnvrtc.so.13: cannot open
  shared object file`), and Transformers or vLLM import them wherever they are installed. Nothing here listens
  to sound or watches films, so they are hidden.

The standard library is all that this file imports by itself: it runs at the start of every Python process of
the server (see `site/sitecustomize.py`), most of which never touch torch. With
matching builds it does nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_CUDA_TORCH = "libc10_cuda.so"
_HIDDEN = ("torchaudio", "torchcodec")
_COMPILED = {  # package: (a compiled file of it, the CUDA library that this file asks for)
    "torchvision": ("_C.so", b"libc10_cuda.so"),
    "torchaudio": ("lib/_torchaudio.abi3.so", b"libc10_cuda.so"),
    "torchcodec": ("libtorchcodec_image.so", b"libnvrtc.so"),
}
_declared: list[Any] = []  # torch forgets the operators when their Library object goes


def install() -> None:
    """From now on torchvision can be imported here, and the others are hidden where they could not be.

    Call it before anything imports one of them. Safe to call twice.
    """
    for package in _HIDDEN:
        if package not in sys.modules and needs_cuda(package):
            sys.modules[package] = None  # type: ignore[assignment]  # Python's own mark for "not there"
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def declare() -> None:
    """Declare torchvision's operators where its own compiled part cannot bring them. Imports torch."""
    if _declared or not needs_cuda("torchvision"):
        return
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        library.define(name + _SIGNATURE)
    _declared.append(library)


def needs_cuda(package: str) -> bool:
    """Whether the installed package was compiled for CUDA and torch was not. Imports neither."""
    torch, other = (PathFinder.find_spec(name) for name in ("torch", package))
    if torch is None or other is None or torch.origin is None or other.origin is None:
        return False
    if (Path(torch.origin).parent / "lib" / _CUDA_TORCH).exists():
        return False
    name, library = _COMPILED[package]
    compiled = Path(other.origin).parent / name
    return compiled.exists() and library in compiled.read_bytes()


class _DeclareFirst(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        declare()
        super().exec_module(module)


class _Finder(MetaPathFinder):
    """Finds torchvision as Python would, and lets `declare` run just before it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torchvision":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _DeclareFirst(spec.loader.name, spec.loader.path)
        return spec
