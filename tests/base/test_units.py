"""Quantities carry their unit; what has none is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.base import units
from qorridor.base.units import BitRate, Decibel, Duration, Kilometre, Money, Probability

KINDS = [units.Kilometre, units.Decibel, units.DecibelPerKilometre, units.DecibelMilliwatt, units.Duration,
         units.BitRate, units.Frequency, units.Rate, units.Probability]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_each_quantity_is_read(kind):
    assert math.isfinite(kind.parse(kind.example))


def test_a_bare_number_is_refused_with_an_example():
    with pytest.raises(ValueError, match=r'27.4 has no unit; write for example "27.4 km"'):
        Kilometre.parse("27.4")


@pytest.mark.parametrize(
    "text", ["", "km", "1 parsec", "- 3 km", "1,5 km", "0x10 km", "１ km", "nan km", "inf km"]
)
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ValueError):
        Kilometre.parse(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Kilometre, "-3 km"), (Decibel, "-0.1 dB"), (Probability, "1.01"), (Probability, "101 %")],
)
def test_a_value_outside_its_range_is_refused(kind, text):
    with pytest.raises(ValueError, match="outside"):
        kind.parse(text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_quantity_is_finite(value):
    with pytest.raises(ValueError, match="finite"):
        Duration(value)


def test_units_scale_to_the_base_unit():
    assert Duration.parse("2 min") == 120
    assert Duration.parse("15 years") == 15 * 31557600
    assert BitRate.parse("10 Gbit/s") == 1e10
    assert Probability.parse("5 %") == Probability.parse("0.05")


def test_a_duration_is_written_in_the_largest_unit_that_fits():
    assert [str(Duration(s)) for s in (120, 86400, 0.002, 31557600, 0)] == [
        "2 min",
        "1 day",
        "2 ms",
        "1 year",
        "0 s",
    ]


@given(st.floats(min_value=1e-3, max_value=1e14))
def test_a_bit_rate_read_back_from_its_text_is_the_same_to_four_digits(value):
    assert BitRate.parse(str(BitRate(value))) == pytest.approx(value, rel=1e-3)


@given(st.floats(min_value=0, max_value=1e5))
def test_a_length_read_back_from_its_text_is_the_same_to_six_digits(value):
    assert Kilometre.parse(str(Kilometre(value))) == pytest.approx(value, rel=1e-5)


@given(st.text(max_size=40))
def test_any_text_is_a_quantity_or_a_value_error(text):
    for kind in KINDS:
        try:
            kind.parse(text)
        except ValueError:
            continue


def test_money_needs_a_currency():
    assert Money.parse("18_000 GBP/year").amount == 18000
    with pytest.raises(ValueError, match="no amount of money"):
        Money.parse("18000")
