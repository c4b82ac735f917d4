"""Days become few runs."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.automation.day_ranges import DayRange, ranges_of

SOME_DAYS = st.sets(st.dates(date(2025, 1, 1), date(2026, 12, 31)), max_size=60)


def test_contiguous_days_are_one_run() -> None:
    """A year is one run, not 365."""
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]

    assert ranges_of(reversed(year)) == [DayRange(date(2026, 1, 1), date(2026, 12, 31))]


def test_a_hole_makes_two_runs() -> None:
    """Days between them are not run without need."""
    days = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 3, 1)]

    assert ranges_of(days) == [
        DayRange(date(2026, 1, 1), date(2026, 1, 2)),
        DayRange(date(2026, 3, 1), date(2026, 3, 1)),
    ]


def test_weekends_make_no_holes() -> None:
    """A year of working days is one run too, not a run for each week."""
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    working_days = [day for day in year if day.weekday() < 5]

    assert ranges_of(working_days) == [DayRange(working_days[0], working_days[-1])]


def test_the_narrowest_hole_is_run_as_well_where_there_would_be_too_many() -> None:
    """Hundreds of scattered blocked orders must not start hundreds of runs every hour."""
    days = [date(2026, 1, 1), date(2026, 1, 5), date(2026, 6, 1)]

    assert ranges_of(days, most=2) == [
        DayRange(date(2026, 1, 1), date(2026, 1, 5)),
        DayRange(date(2026, 6, 1), date(2026, 6, 1)),
    ]


@given(SOME_DAYS, st.integers(1, 10))
def test_every_day_is_in_exactly_one_range(days: set[date], most: int) -> None:
    """None is forgotten and none runs twice at once."""
    ranges = ranges_of(days, most)

    assert len(ranges) <= most
    for day in days:
        assert sum(r.first <= day <= r.last for r in ranges) == 1
    assert all(r.first in days and r.last in days for r in ranges)
    assert all(a.last + timedelta(days=3) < b.first for a, b in pairwise(ranges))
