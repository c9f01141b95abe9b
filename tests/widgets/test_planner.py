"""The planner widget against the plan that it shows."""

from __future__ import annotations

import pytest

import labkit
from labkit.widgets.planner import TEXT, Planner


def widths(planner: Planner) -> list[float]:
    """The whole length of each bar, in GiB."""
    return [sum(parts) for parts in zip(*(bar.x for bar in planner.figure.data[:-1]), strict=True)]


def test_it_shows_the_plan_of_its_controls() -> None:
    planner = Planner()
    rows = [each for each in labkit.plan("RTX 4090").rows if each.device == "cuda"]
    assert list(planner.figure.data[0].y) == [each.title for each in rows]
    assert widths(planner) == pytest.approx([each.memory.total for each in rows])
    assert planner.words.text == f"{sum(each.fits for each in rows)} of {len(rows)} recipes fit."


def test_bars_ceiling_and_price_move_with_the_controls() -> None:
    planner = Planner()
    planner.variant.value = "vLLM W4A16"
    before, said = widths(planner), planner.words.text
    row = labkit.plan("RTX 4090").find("W4A16", "vllm")
    assert f"{row.longest_context:,} tokens" in said and f"{row.decode_ceiling:.0f} tokens a second" in said
    planner.users.value = 4
    assert widths(planner)[0] > before[0] and "does not fit" in planner.words.text
    planner.context.value = 4096
    assert "each of 4 users" in planner.words.text
    planner.price.value = 24.0
    assert "million tokens" in planner.words.text and planner.words.text != said
    planner.vision.value = False
    assert planner.figure.data[2].x == (0.0,)
    planner.gpu.value = "H100"
    assert planner.arguments() == {
        "gpu": "H100",
        "context": 4096,
        "users": 4,
        "vision": False,
        "price_per_day": 24.0,
    }


def test_what_does_not_fit_says_what_would() -> None:
    planner = Planner("RTX 3090")
    planner.variant.value = "vLLM BF16"
    assert "does not fit" in planner.words.text and "would hold it." in planner.words.text


def test_its_code_runs_and_gives_the_same_plan() -> None:
    planner = Planner()
    planner.users.value, planner.vision.value, planner.price.value = 2, False, 3.5
    known: dict[str, object] = {}
    lines = planner.samples()["Python"].splitlines()
    exec("\n".join([*lines[:-1], f"found = {lines[-1]}"]), known)
    assert known["found"] == planner.plan
    assert planner.samples()["Shell"].endswith("--users 2 --text-only --price 3.5")


def test_this_machine_is_a_choice() -> None:
    planner = Planner(TEXT["here"])
    assert planner.plan is not None and planner.words.kind == "note"
    assert "gpu" not in planner.arguments()


def test_a_saved_notebook_keeps_the_sentence() -> None:
    planner = Planner()
    assert planner.words.text in planner._bundle()["text/html"]
