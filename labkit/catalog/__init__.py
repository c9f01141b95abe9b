"""What is known, as data: each file here is YAML, read by `load`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def load(name: str) -> Any:
    """The contents of `labkit/catalog/<name>.yaml`. Treat it as read-only: it is shared."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text("utf-8"))
