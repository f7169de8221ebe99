"""The threat curve and the chance of later disclosure.

Reference values: computed once from the formulas with 2 000 steps; curve through 9.5, 26.5, 50.5 and
71 % at 5, 10, 15 and 20 years after 2025-01-01.
"""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.assess.threat import curve, day, hndl, of_estate, years
from qorridor.estate.model import Threats

CENTRAL = curve([(5, 0.095), (10, 0.265), (15, 0.505), (20, 0.71)])
NOW = years(date(2026, 12, 1))


@pytest.mark.parametrize(
    ("year", "probability"), [(2030, 0.0597), (2035, 0.2363), (2040, 0.4856), (2045, 0.6987)]
)
def test_the_probability_is_conditional_on_no_machine_today(year, probability):
    assert CENTRAL.by(years(date(year, 1, 1)), NOW) == pytest.approx(probability, abs=1e-4)


def test_years_until_a_probability():
    assert CENTRAL.until(0.10, NOW) == pytest.approx(4.14, abs=0.01)
    assert CENTRAL.until(0.50, NOW) == pytest.approx(13.35, abs=0.01)


@pytest.mark.requirement("A-07")
@pytest.mark.parametrize(
    ("keep", "migrated", "probability"),
    [
        (1, 2028, 0.0303),
        (5, 2028, 0.1510),
        (10, 2028, 0.3709),
        (25, 2028, 0.8642),
        (1, 2031, 0.0682),
        (25, 2031, 0.8835),
    ],
)
def test_the_chance_of_later_disclosure(keep, migrated, probability):
    assert hndl(CENTRAL, keep, NOW, years(date(migrated, 1, 1))) == pytest.approx(probability, abs=1e-4)


def test_an_estate_states_5_50_and_95_percent_at_the_ends_of_its_years():
    made = of_estate(Threats(earliest=2030, expected=2035, latest=2045))
    start = made.anchor
    for year, probability in ((2031, 0.05), (2036, 0.5), (2046, 0.95)):
        assert made.by(years(date(year, 1, 1)), start) == pytest.approx(probability, abs=1e-9)


def test_a_migrated_flow_is_not_exposed_further():
    assert hndl(CENTRAL, 10, NOW, NOW) == 0


@given(st.floats(0, 60), st.floats(0, 60), st.floats(0.01, 20))
def test_longer_secrecy_and_longer_migration_never_lower_the_chance(keep, more, migrate):
    low = hndl(CENTRAL, keep, NOW, NOW + migrate, steps=40)
    assert hndl(CENTRAL, keep + more, NOW, NOW + migrate, steps=40) >= low - 1e-9
    assert hndl(CENTRAL, keep, NOW, NOW + migrate + more, steps=40) >= low - 1e-6
    assert 0 <= low <= 1


@given(st.integers(2024, 2190), st.integers(1, 5), st.integers(1, 5))
def test_any_three_rising_years_give_a_curve(first, second, third):
    made = of_estate(Threats(earliest=first, expected=first + second, latest=first + second + third))
    assert 0 < made.until(0.10, NOW) < 4096 or first < 2028


def test_days_beyond_the_calendar_are_none():
    assert day(1e9) is None
    assert day(years(date(2026, 12, 1))) == date(2026, 12, 1)
