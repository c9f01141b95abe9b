"""The probe that reads charts with known values."""

from __future__ import annotations

import pytest

from labkit.errors import LabkitError
from labkit.probes import Charts, charts
from labkit.probes.charts import Read, made
from labkit.session import Session
from tests.fake_openai import KEY, MODEL, FakeOpenAI, serving


def test_the_same_seed_draws_the_same_charts() -> None:
    first, again, other = made(20, 1), made(20, 1), made(20, 2)
    assert [(each.question, each.value) for each in first] == [(each.question, each.value) for each in again]
    assert [each.question for each in first] != [each.question for each in other]
    assert all(a.picture.tobytes() == b.picture.tobytes() for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("The value of Mon is {v}.", True),
        ("{v}", True),
        ("It is {v}.0, that is {v}.", True),
        ("The value of Mon is {w}.", False),
        ("Between {v} and {w}.", False),
        ("I cannot see a chart.", False),
        ("", False),
    ],
)
def test_what_is_right(answer: str, right: bool) -> None:
    chart = made(1)[0]
    said = answer.format(v=f"{chart.value:g}", w=f"{chart.value + 1:g}")
    assert Read(chart, said).right is right


def test_a_measurement_shows_its_share_and_the_wrong_ones() -> None:
    with serving(FakeOpenAI().app) as url:
        measured = charts(Session(f"{url}/v1", KEY, MODEL), n=3)
    assert (measured.n, measured.right) == (3, 0)
    assert "0 of 3 right: 0.0%" in str(measured) and "wanted" in str(measured)
    assert measured._repr_html_().count("<img") == 3
    assert "0 of 0" in str(Charts(()))


def test_a_smaller_edge_is_a_smaller_picture() -> None:
    sizes = {each.picture.size for each in made(5)}, {each.picture.size for each in made(5, longest=168)}
    assert sizes == ({(336, 252)}, {(168, 126)})
    with pytest.raises(LabkitError, match="1 pixel or more, not 0"):
        charts(Session("http://127.0.0.1:1/v1", KEY, MODEL), longest=0)


@pytest.mark.engine
def test_the_twin_reads_most_charts_and_few_small_ones(session: Session) -> None:
    full, small = charts(session), charts(session, longest=168)
    assert full.right >= 15 and small.right < full.right
    assert small.tokens < full.tokens / 2
