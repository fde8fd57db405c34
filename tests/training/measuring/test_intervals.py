import pytest

from training.measuring.intervals import Rate


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    assert Rate(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert Rate(15, 148).interval == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert Rate(0, 20).interval == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert Rate(1, 29).interval == pytest.approx((0.0061, 0.1718), abs=5e-5)


def test_nothing_of_nothing_is_no_share() -> None:
    rate = Rate(0, 0)
    assert rate.value is None
    assert rate.as_json() == {"value": None, "low": None, "high": None, "count": 0, "of": 0}
    assert str(rate) == "–"
