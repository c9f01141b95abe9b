import pytest

import labkit
from labkit.planner import per_million


def test_ten_minutes_on_a_4090_by_the_guides_price() -> None:
    found = labkit.cost()
    assert found.low == pytest.approx(0.5 / 144) and found.high == pytest.approx(2.0 / 144)
    assert str(found) == "10 minutes on an RTX 4090: 0.3 cents to 1.4 cents"


def test_a_day_costs_what_the_guide_says() -> None:
    found = labkit.cost("RTX 3090", minutes=24 * 60)
    assert (found.low, found.high) == pytest.approx((0.3, 1.0))
    assert "1.00 dollars" in found._repr_markdown_()


def test_a_card_without_a_price_is_refused_with_the_known_ones() -> None:
    with pytest.raises(labkit.LabkitError, match="RTX 4090, RTX 3090"):
        labkit.cost("H100")


def test_a_million_tokens_is_a_day_shared_by_its_tokens() -> None:
    assert per_million(1e6 / 86_400, "4090") == pytest.approx((0.5, 2.0))
    assert per_million(1e6 / 86_400, "2x RTX 3090") == pytest.approx((0.6, 2.0))
    row = labkit.plan("4090", context=2048, users=4).find("W4A16", "vllm")
    assert row.decode_ceiling and row.dollars_a_million == pytest.approx(per_million(4 * row.decode_ceiling))
    with pytest.raises(labkit.LabkitError, match="no price for 'H100'"):
        per_million(100, "2xH100")
    with pytest.raises(labkit.LabkitError, match="more than 0 tokens"):
        per_million(0)
