"""What counts as a difference, of which kind, and who may mend it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from coupon_pipeline.domain.audit import differences
from coupon_pipeline.domain.difference import Held, HeldDiscount, Mender, Seen
from coupon_pipeline.domain.problems import RecordNames
from coupon_pipeline.domain.reuse import KnownCoupon
from coupon_pipeline.domain.targets import DiscountEntry
from coupon_pipeline.domain.terms import Terms, terms_hash
from tests.domain.strategies import (
    ACTIVATED,
    COUPON,
    ORDER,
    ORDER_COUPON,
    a_snapshot,
    an_order_coupon,
    in_stripe,
)
from tests.domain.target_builders import a_phase, a_schedule, a_subscription, live

TERMS = Terms.of(duration="forever", percent_off=Decimal(10), max_redemptions=2)
KEPT = KnownCoupon(
    COUPON, terms_hash(TERMS), "sf-1", "created", TERMS, {"campaign": "Spring"}, ORDER, ACTIVATED
)
STRIPE = in_stripe(TERMS, "sf-1", times_redeemed=1)
COPY = replace(an_order_coupon(), stripe_id="sf-1")
HELD = Held(
    targets={ORDER: "sub_1"},
    snapshots={"sn_1": a_snapshot()},
    hashes={"sn_1": ("mapping", KEPT.terms_hash)},
    coupons={"sf-1": KEPT},
    discounts={"sn_1": HeldDiscount(granted=True, coupon_id="sf-1", target_id="sub_1")},
    order_coupons={ORDER_COUPON: COPY},
)
SEEN = Seen({"sf-1": STRIPE}, (a_subscription(discounts=[live("di_1", "sf-1")]),))
Told = tuple[str, str, Mender]


def _told(ours: Held = HELD, theirs: Held = HELD, seen: Seen = SEEN) -> list[Told]:
    found = differences(ours, theirs, seen, ACTIVATED)
    for each in found:
        assert "{" not in each.what(RecordNames()) + each.fix(RecordNames())
    return [(each.kind, each.record_id, each.mender) for each in found]


def test_two_accounts_that_say_the_same_differ_in_nothing() -> None:
    assert _told() == []


@pytest.mark.parametrize(
    ("theirs", "seen", "expected"),
    [
        (replace(HELD, coupons={}), SEEN, ("deleted", "sf-1", Mender.PERSON)),
        (
            replace(HELD, coupons={"sf-1": replace(KEPT, metadata={"campaign": "Autumn"})}),
            SEEN,
            ("edited", "sf-1", Mender.REBUILD),
        ),
        (HELD, replace(SEEN, edited=frozenset({"sf-1"})), ("edited", "sf-1", Mender.PERSON)),
        (
            replace(HELD, coupons={**HELD.coupons, "sf-2": replace(KEPT, coupon_id="sf-2")}),
            SEEN,
            ("extra", "sf-2", Mender.REBUILD),
        ),
        (
            HELD,
            replace(SEEN, coupons={"sf-1": replace(STRIPE, times_redeemed=2)}),
            ("exhausted", "sf-1", Mender.NOBODY),
        ),
        (replace(HELD, targets={ORDER: "sub_2"}), SEEN, ("edited", ORDER, Mender.SYNC)),
        (
            replace(HELD, hashes={"sn_1": ("mapping", "other")}),
            SEEN,
            ("edited", ORDER_COUPON, Mender.PERSON),
        ),
        (replace(HELD, order_coupons={}), SEEN, ("deleted", ORDER_COUPON, Mender.SYNC)),
        (
            replace(HELD, order_coupons={ORDER_COUPON: replace(COPY, stripe_id="by-hand")}),
            SEEN,
            ("edited", ORDER_COUPON, Mender.SYNC),
        ),
        (replace(HELD, discounts={}), SEEN, ("missing", ORDER, Mender.PERSON)),
        (
            replace(
                HELD,
                discounts={
                    "sn_1": replace(HELD.discounts["sn_1"], code="attachment.removed_by_hand")
                },
            ),
            SEEN,
            ("deleted", ORDER, Mender.PERSON),
        ),
        (
            replace(HELD, targets={}, snapshots={}, hashes={}, discounts={}),
            SEEN,
            ("orphaned", ORDER, Mender.PERSON),
        ),
        (
            HELD,
            replace(
                SEEN, targets=(*SEEN.targets, a_subscription(discounts=[live("di_2", "other")]))
            ),
            ("foreign", "di_2", Mender.NOBODY),
        ),
        (
            HELD,
            replace(
                SEEN,
                targets=(a_subscription(discounts=[live("di_1", "sf-1"), live("di_2", "sf-1")]),),
            ),
            ("extra", "di_2", Mender.PERSON),
        ),
        (
            HELD,
            replace(
                SEEN,
                targets=(
                    replace(
                        a_subscription(discounts=[live("di_2", "sf-1")]), subscription_id="sub_9"
                    ),
                ),
            ),
            ("orphaned", "di_2", Mender.PERSON),
        ),
    ],
)
def test_each_difference_is_told_once_with_who_may_mend_it(
    theirs: Held, seen: Seen, expected: Told
) -> None:
    """Only what a sync may do by the rules is for a sync."""
    assert _told(theirs=theirs, seen=seen) == [expected]


def test_what_was_signed_and_never_came_in_is_for_a_sync() -> None:
    """The ledger is empty, and Stripe has no proof."""
    nothing = replace(HELD, targets={}, snapshots={}, hashes={}, coupons={}, discounts={})
    theirs = replace(HELD, coupons={}, discounts={})

    assert _told(replace(nothing, order_coupons={}), theirs, Seen({}, ())) == [
        ("missing", ORDER, Mender.SYNC)
    ]


def test_a_proof_that_the_ledger_does_not_know_is_taken_over_by_a_sync() -> None:
    """Nothing is written for it: the proof is believed."""
    assert _told(replace(HELD, discounts={})) == [("extra", ORDER, Mender.SYNC)]


def test_nothing_is_said_of_a_target_that_could_not_be_read() -> None:
    """Its proof would seem to be missing."""
    unread = Seen(SEEN.coupons, (), unread=frozenset({"sub_1"}))

    assert _told(theirs=replace(HELD, discounts={}), seen=unread) == []


def test_a_coupon_that_ended_is_for_a_person_while_somebody_waits_for_it() -> None:
    """By its limit, its date, or because Stripe says so."""
    waiting = replace(HELD, discounts={})
    for ended in (
        replace(STRIPE, times_redeemed=2),
        replace(STRIPE, redeem_by=int(ACTIVATED.timestamp())),
        replace(STRIPE, valid=False),
    ):
        assert _told(waiting, waiting, Seen({"sf-1": ended}, ())) == [
            ("exhausted", "sf-1", Mender.PERSON)
        ]


def test_a_coupon_of_others_in_phases_to_come_is_foreign_once() -> None:
    """However many phases name it; ours there is no difference."""
    entries = [DiscountEntry.granted("other"), DiscountEntry.granted("sf-1")]
    phases = [
        replace(a_phase("2026-01-01", "2027-01-01"), discounts=tuple(entries)),
        replace(a_phase("2027-01-01", "2028-01-01"), discounts=tuple(entries)),
    ]
    schedule = a_schedule(*phases)

    assert _told(seen=Seen(SEEN.coupons, (schedule,))) == [("foreign", "other", Mender.NOBODY)]
