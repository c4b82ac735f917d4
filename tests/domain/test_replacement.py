"""Which terms may take the place of a discount, and which end it keeps."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.billing_dates import BillingDates
from coupon_pipeline.domain.drafts import from_unix, months_after, unix
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.replacement import Standing, coupon_in_place, terms_in_place
from coupon_pipeline.domain.targets import (
    BillingInterval,
    BillingUnit,
    LiveDiscount,
    SubscriptionItemState,
)
from coupon_pipeline.domain.terms import Duration, Terms, coupon_id
from tests.domain.strategies import a_derived_coupon

START = datetime(2026, 1, 10, tzinfo=UTC)
TEN = {
    d: Terms.of(duration=d, percent_off=Decimal(10), duration_in_months=6)
    for d in ("once", "repeating", "forever")
}
TWELVE = {
    d: Terms.of(duration=d, percent_off=Decimal(12), duration_in_months=6)
    for d in ("once", "repeating", "forever")
}


def billed(
    since: datetime, *, unit: BillingUnit = "month", count: int = 1, until: datetime | None = None
) -> BillingDates:
    """One item in the period that began then."""
    months = {"month": 1, "year": 12}.get(unit, 0) * count
    end = until or months_after(since, months)
    interval = BillingInterval(unit, count)
    return BillingDates(
        [
            SubscriptionItemState(
                "si_1",
                "price_1",
                current_period_start=unix(since),
                current_period_end=unix(end),
                interval=interval,
            )
        ]
    )


def standing(
    duration: Duration, begun: datetime, dates: BillingDates, *, months: int = 6
) -> Standing:
    """A discount that is in effect."""
    end = unix(months_after(begun, months)) if duration == "repeating" else None
    live = LiveDiscount("di_1", "ten", start=unix(begun), end=end)
    return Standing(live, awaited=False, dates=dates)


def gone(*, awaited: bool = False) -> Standing:
    """A discount that is not on the target, at least not yet."""
    return Standing(None, awaited=awaited, dates=billed(START))


@pytest.mark.parametrize("duration", ["once", "repeating", "forever"])
def test_what_is_not_there_any_more_is_not_granted_again(duration: Duration) -> None:
    """A `once` that is spent stays spent; what somebody took away stays away."""
    found = terms_in_place(TEN[duration], TWELVE[duration], gone(), unix(START))

    assert isinstance(found, Blocked)
    assert found.code == "attachment.replacement_spent"


@pytest.mark.parametrize("duration", ["once", "repeating", "forever"])
def test_what_has_not_begun_is_replaced_whole(duration: Duration) -> None:
    """A phase to come names the coupon: nobody has had anything of it."""
    found = terms_in_place(TEN[duration], TWELVE[duration], gone(awaited=True), unix(START))

    assert found == TWELVE[duration]


@given(
    begun=st.integers(0, 27),
    passed=st.integers(0, 170),
    anchor=st.integers(1, 28),
    months=st.integers(1, 12),
)
def test_a_running_window_leaves_the_same_monthly_invoices_or_is_left_alone(
    begun: int, passed: int, anchor: int, months: int
) -> None:
    """Whatever the day it began, the day of billing and the day of the replacement are."""
    start = START + timedelta(days=begun)
    now = start + timedelta(days=passed, hours=5)
    end = months_after(start, months)
    if end <= now:
        return
    period = now.replace(day=anchor, hour=0)
    period = period if period <= now else months_after(period, -1)
    dates = billed(period)

    found = terms_in_place(
        TEN["repeating"],
        TWELVE["repeating"],
        standing("repeating", start, dates, months=months),
        unix(now),
    )

    if isinstance(found, Blocked):
        assert found.code == "attachment.replacement_end"
        return
    assert found.percent_off == Decimal(12)
    assert found.duration_in_months is not None
    new_end = months_after(now, found.duration_in_months)
    assert _invoices(period, now, new_end) == _invoices(period, now, end)


def _invoices(period: datetime, now: datetime, end: datetime) -> list[datetime]:
    dates = [months_after(period, number) for number in range(1, 20)]
    return [date for date in dates if now < date < end]


def test_the_months_that_are_left_are_those_of_the_invoices_that_are_left() -> None:
    """Six months from 10 January: on 20 March those of 15 April, May and June are left."""
    now = datetime(2026, 3, 20, tzinfo=UTC)
    dates = billed(datetime(2026, 3, 15, tzinfo=UTC))

    found = terms_in_place(
        TEN["repeating"], TWELVE["repeating"], standing("repeating", START, dates), unix(now)
    )

    assert isinstance(found, Terms)
    assert found.duration_in_months == 3


def test_a_test_clock_ahead_of_this_machine_decides_as_well() -> None:
    """Any time of the current period leaves the same months where billing is monthly."""
    dates = billed(datetime(2027, 3, 15, tzinfo=UTC))
    began = datetime(2027, 1, 20, tzinfo=UTC)

    found = terms_in_place(
        TEN["repeating"], TWELVE["repeating"], standing("repeating", began, dates), unix(START)
    )

    assert isinstance(found, Terms)
    assert found.duration_in_months == 4  # 15 April to 15 July, before 20 July


def test_an_end_that_no_number_of_months_keeps_leaves_the_discount_as_it_is() -> None:
    """Billed each week, an end in the middle of a month is between two invoices."""
    now = START + timedelta(days=12)
    week = billed(now - timedelta(days=1), unit="week", until=now + timedelta(days=6))

    found = terms_in_place(
        TEN["repeating"], TWELVE["repeating"], standing("repeating", START, week), unix(now)
    )

    assert isinstance(found, Blocked)
    assert found.code == "attachment.replacement_end"
    assert "2026-07-10" in found.details["reason"]


def test_a_later_phase_of_another_rhythm_makes_the_end_unknown() -> None:
    """Its invoices are not known before it begins."""
    now = datetime(2026, 3, 20, tzinfo=UTC)
    dates = billed(datetime(2026, 3, 15, tzinfo=UTC))
    other = BillingDates(dates.items, known_until=unix(datetime(2026, 5, 1, tzinfo=UTC)))

    found = terms_in_place(
        TEN["repeating"], TWELVE["repeating"], standing("repeating", START, other), unix(now)
    )

    assert isinstance(found, Blocked)


def test_a_discount_for_good_that_should_end_ends_as_if_it_had_begun_so() -> None:
    """Six months count from when the customer first had it."""
    now = datetime(2026, 3, 20, tzinfo=UTC)
    dates = billed(datetime(2026, 3, 15, tzinfo=UTC))

    found = terms_in_place(
        TEN["forever"], TWELVE["repeating"], standing("forever", START, dates), unix(now)
    )

    assert isinstance(found, Terms)
    assert found.duration_in_months == 3


@pytest.mark.parametrize(
    ("was", "wanted", "replaced"),
    [
        ("forever", "forever", True),
        ("once", "once", True),
        ("once", "forever", True),
        ("once", "repeating", True),
        ("repeating", "forever", False),
        ("repeating", "once", False),
        ("forever", "once", False),
    ],
)
def test_nobody_gets_a_discount_twice_by_another_duration(
    was: Duration, wanted: Duration, replaced: object
) -> None:
    """One that lasts once would be used up by now if it had been granted in the first place."""
    dates = billed(datetime(2026, 3, 15, tzinfo=UTC))
    now = datetime(2026, 3, 20, tzinfo=UTC)

    found = terms_in_place(TEN[was], TWELVE[wanted], standing(was, START, dates), unix(now))

    assert isinstance(found, Terms) == replaced
    if isinstance(found, Terms):
        assert found == TWELVE[wanted]


def test_before_its_first_invoice_a_discount_may_become_one_that_lasts_once() -> None:
    """Nothing was billed with it yet."""
    now = datetime(2026, 3, 20, tzinfo=UTC)
    dates = billed(datetime(2026, 3, 15, tzinfo=UTC))
    yesterday = standing("forever", now - timedelta(days=1), dates)

    assert terms_in_place(TEN["forever"], TWELVE["once"], yesterday, unix(now)) == TWELVE["once"]


def test_another_length_alone_replaces_nothing() -> None:
    """The end stays, so the new discount would be the old one."""
    now = datetime(2026, 3, 20, tzinfo=UTC)
    longer = Terms.of(duration="repeating", percent_off=Decimal(10), duration_in_months=24)

    found = terms_in_place(
        TEN["repeating"],
        longer,
        standing("repeating", START, billed(datetime(2026, 3, 15, tzinfo=UTC))),
        unix(now),
    )

    assert isinstance(found, Blocked)
    assert "only its length differs" in found.details["reason"]


def test_a_coupon_of_fewer_months_has_an_id_of_its_own() -> None:
    """It must never be taken for the coupon that a new order gets."""
    derived = a_derived_coupon(TWELVE["repeating"])
    shorter = Terms.of(duration="repeating", percent_off=Decimal(12), duration_in_months=3)

    found = coupon_in_place(derived, shorter)

    assert coupon_in_place(derived, derived.terms) is derived
    assert found.coupon_id != derived.coupon_id
    assert found.coupon_id == coupon_id(found.org_id, found.quote_coupon_id, found.terms_hash)


def test_invoices_are_counted_from_the_first_moment_on_and_before_the_last() -> None:
    """An invoice at the very end of a window is not discounted any more."""
    dates = billed(datetime(2026, 3, 15, tzinfo=UTC))
    invoice = unix(datetime(2026, 4, 15, tzinfo=UTC))

    assert dates.any_in(invoice, invoice + 1)
    assert not dates.any_in(invoice - 5, invoice)
    assert not dates.any_in(invoice + 1, unix(datetime(2026, 5, 15, tzinfo=UTC)))
    assert not dates.any_in(invoice, invoice)
    assert from_unix(invoice).day == 15
