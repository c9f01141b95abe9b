import pytest

import labkit


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
