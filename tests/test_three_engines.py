"""The same cells of the first notebook, unchanged, on vLLM, on Ollama's API and on Transformers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

import labkit
from labkit.engines.ollama_engine import serving
from labkit.session import Session

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "00_start_here.ipynb"
CELLS = (
    "reply = session.chat(",
    "draw_bar_chart",
    "image=picture",
    "get_stock_price = {",
    "tools=[get_stock_price]",
)


def cells() -> list[str]:
    """The cells that talk to the model through the session, or prepare what they need, in their order."""
    code = [c.source for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code"]
    return [source for source in code if any(part in source for part in CELLS)]


@pytest.fixture(params=["vllm", "ollama", "transformers"])
def anywhere(
    request: pytest.FixtureRequest, session: Session, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Session]:
    """A session on each engine in turn. Ollama's server is the stand-in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setattr(serving.shutil, "which", lambda name: None)
    yield labkit.start(engine=request.param, progress=False)
    if request.param != "vllm":
        labkit.stop(request.param)


@pytest.mark.engine
def test_the_same_cells_run_on_every_engine(anywhere: Session) -> None:
    known: dict[str, Any] = {"session": anywhere}
    sources = cells()
    assert len(sources) == len(CELLS)
    for source in sources:
        exec(compile(source, "cell", "exec"), known)
        if "image=picture" in source:
            known["seen"] = eval(source, known).text
        if "print(reply.text)" in source:
            known["said"] = known["reply"].text
    assert "16 GB" in known["said"]
    assert all(f"{day} {count}" in known["seen"] for day, count in known["visitors"].items())
    assert [c.arguments for c in known["reply"].tool_calls] == [{"ticker": "AAPL"}, {"ticker": "MSFT"}]
    assert anywhere.count("Hi") > 0 and anywhere.engine in repr(anywhere)
