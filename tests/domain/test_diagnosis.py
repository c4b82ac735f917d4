"""Clocks that are compared by what an answer says of the time."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.diagnosis import (
    LARGEST_CLOCK_SKEW,
    Status,
    Subject,
    of_clock,
    skew_of,
)

CLOCK = Subject("clock", "Service", "clock")
MOMENTS = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(sent=MOMENTS, seconds=st.floats(0, 100), ahead=st.integers(-10_000, 10_000))
def test_a_skew_is_right_to_the_second_and_the_length_of_the_request(
    sent: datetime, seconds: float, ahead: int
) -> None:
    """The header has whole seconds, and may have been written at any time in between."""
    received = sent + timedelta(seconds=seconds)
    written = sent + timedelta(seconds=seconds / 2)
    date = format_datetime((written + timedelta(seconds=ahead)), usegmt=True)

    skew = skew_of(date, sent, received)

    assert skew is not None
    assert abs(skew - timedelta(seconds=ahead)) <= timedelta(seconds=seconds / 2 + 1)
    if ahead == 0:
        assert skew == timedelta()


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_an_answer_without_a_time_is_unknown(date: str | None) -> None:
    """Not every server tells the time."""
    now = datetime(2026, 11, 2, tzinfo=UTC)

    line = of_clock(CLOCK, skew_of(date, now, now))

    assert line.status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("skew", "status", "words"),
    [
        (timedelta(), Status.PASSED, "agree"),
        (LARGEST_CLOCK_SKEW, Status.PASSED, "60 s behind"),
        (LARGEST_CLOCK_SKEW + timedelta(seconds=1), Status.FAILED, "61 s behind"),
        (-timedelta(hours=1), Status.FAILED, "3600 s ahead of"),
    ],
)
def test_a_clock_fails_beyond_a_minute(skew: timedelta, status: Status, words: str) -> None:
    """A login that is signed with a wrong time is refused with no word about clocks."""
    line = of_clock(CLOCK, skew)

    assert line.status is status
    assert words in line.message
