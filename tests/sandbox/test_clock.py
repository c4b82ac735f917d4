"""The clock of the sandbox."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.sandbox.clock import Clock

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    """Tests compare times exactly, so nothing may tick behind their back."""
    clock = Clock(NOON, frozen=True)

    assert clock.now() == clock.now() == NOON
    clock.advance(timedelta(days=31))
    assert clock.now() == NOON + timedelta(days=31)


def test_a_ticking_clock_starts_where_it_is_told_and_keeps_its_offset() -> None:
    """People watch it: a second in the sandbox is a second on the wall."""
    before = datetime.now(UTC)
    clock = Clock(before + timedelta(days=400))

    assert clock.now() - datetime.now(UTC) > timedelta(days=399)
    assert clock.now() >= before + timedelta(days=400)


def test_listeners_hear_from_when_to_when_it_moved() -> None:
    """Invoices that fall into the time passed over have to be made by somebody."""
    clock = Clock(NOON, frozen=True)
    heard: list[tuple[datetime, datetime]] = []
    clock.on_advance(lambda before, after: heard.append((before, after)))

    clock.set(NOON + timedelta(hours=1))

    assert heard == [(NOON, NOON + timedelta(hours=1))]
    assert clock.now() == NOON + timedelta(hours=1)


def test_it_never_goes_back() -> None:
    """What has been invoiced cannot be taken back by a clock."""
    clock = Clock(NOON, frozen=True)

    with pytest.raises(ValueError, match="only goes forward"):
        clock.set(NOON - timedelta(seconds=1))


def test_it_refuses_naive_datetimes() -> None:
    """A naive datetime would be read in the zone of whatever machine runs the tests."""
    with pytest.raises(ValueError, match="aware"):
        Clock(datetime(2026, 11, 2))  # noqa: DTZ001 - the mistake in question


def test_history_is_written_in_the_past_and_nobody_hears_of_it() -> None:
    """The company's orders are activated by the real trigger at the times they tell of."""
    clock = Clock(NOON, frozen=True)
    heard: list[tuple[datetime, datetime]] = []
    clock.on_advance(lambda before, after: heard.append((before, after)))

    with clock.writing_history() as stand_at:
        stand_at(NOON - timedelta(days=90))
        assert clock.now() == NOON - timedelta(days=90)
        with pytest.raises(ValueError, match="before the present"):
            stand_at(NOON + timedelta(seconds=1))

    assert clock.now() == NOON
    assert heard == []


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), max_size=20))
def test_a_remembered_clock_goes_on_where_it_was(steps: list[timedelta]) -> None:
    """A sandbox that is started again must not fall back in time."""
    clock = Clock(NOON, frozen=True)
    for step in steps:
        clock.advance(step)
    memory = clock.memory()

    again = Clock(NOON, frozen=True)
    again.recall(
        datetime.fromisoformat(str(memory["standing"])),
        timedelta(seconds=float(memory["offset_seconds"])),
    )

    assert again.now() == clock.now()
