"""Live figures: Plotly's script goes to the page once, and is loaded ahead in a notebook, and only there."""

from __future__ import annotations

import subprocess
import sys

import plotly.graph_objects as go
import pytest

from labkit.widgets.figures import figure

LOADED = """
import sys, threading
{before}
from labkit import widgets
for each in threading.enumerate():
    if each is not threading.main_thread():
        each.join(60)
print("labkit.widgets.live_figure" in sys.modules)
"""


def test_every_figure_names_the_one_script_and_sends_little() -> None:
    one, two = figure(go.Scatter(x=[1], y=[2])), figure(go.Scatter(x=[1], y=[2]))
    states = [each.get_state() for each in (one, two)]
    assert states[0]["_script"] == states[1]["_script"] == f"IPY_MODEL_{one._script.model_id}"
    assert all(len(state["_esm"]) < 5000 for state in states)
    assert len(one._script.code) > 1_000_000 and b"FigureModel" in one._script.code


@pytest.mark.parametrize(("before", "loaded"), [("", "False"), ("import ipykernel", "True")])
def test_a_kernel_loads_it_ahead(before: str, loaded: str) -> None:
    code = LOADED.format(before=before)
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == loaded


def test_the_first_figure_builds_no_grammar_of_addresses() -> None:
    code = (
        "import sys; from labkit.widgets.figures import figure; figure()\n"
        "print('jsonschema' in sys.modules, [each for each in sys.modules if 'rfc3987' in each])"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "True []"
