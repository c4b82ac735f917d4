"""What counts as a difference, of which kind, and who may mend it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from coupon_pipeline.domain.attachments import Lacking
from coupon_pipeline.domain.audit import differences
from coupon_pipeline.domain.difference import (
    KINDS,
    Held,
    HeldDiscount,
    HeldSyncRecord,
    LackingOn,
    Mender,
    Seen,
)
from coupon_pipeline.domain.overwritten import Overwritten, RemovedDiscount
from coupon_pipeline.domain.problems import RecordNames
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.reuse import KnownCoupon
from coupon_pipeline.domain.targets import DiscountEntry, FormerSchedule, TargetGone
from coupon_pipeline.domain.terms import Terms, terms_hash
from tests.domain.strategies import (
    ACTIVATED,
    COUPON,
    ORDER,
    ORDER_COUPON,
    a_snapshot,
    a_version,
    an_order_coupon,
    in_stripe,
)
from tests.domain.target_builders import a_phase, a_schedule, a_subscription, at, live

TERMS = Terms.of(duration="forever", percent_off=Decimal(10), max_redemptions=2)
KEPT = KnownCoupon(
    COUPON, terms_hash(TERMS), "sf-1", "created", TERMS, {"campaign": "Spring"}, ORDER, ACTIVATED
)
STRIPE = in_stripe(TERMS, "sf-1", times_redeemed=1)
COPY = replace(an_order_coupon(), stripe_id="sf-1")
SECOND_COPY = replace(COPY, order_coupon_id="a1O000000000002AAA")
GRANTED = HeldDiscount(granted=True, coupon_id="sf-1", target_id="sub_1")
NAMED = replace(a_version(), stripe_id="sf-1")
TOLD_ID = f"{ORDER}-{COUPON}"
BLOCKED = HeldSyncRecord(ORDER, "Error", "coupon.expired: ...")
HELD = Held(
    targets={ORDER: "sub_1"},
    snapshots={"sn_1": a_snapshot()},
    hashes={"sn_1": ("mapping", KEPT.terms_hash)},
    coupons={"sf-1": KEPT},
    discounts={"sn_1": GRANTED},
    order_coupons={ORDER_COUPON: COPY},
    quote_coupons={COUPON: NAMED},
    sync_records={TOLD_ID: BLOCKED},
)
NOTHING = Held({}, {}, {}, {}, {}, {})
UNSYNCED = replace(HELD, coupons={}, discounts={}, sync_records={})
SEEN = Seen({"sf-1": STRIPE}, (a_subscription(discounts=[live("di_1", "sf-1")]),))
ORDERED = "sub_sched_1"
"""An order names the schedule."""
ON_SCHEDULE = replace(
    HELD,
    targets={ORDER: ORDERED},
    discounts={"sn_1": replace(GRANTED, target_id=ORDERED)},
)
REMOVED = RemovedDiscount("di_9", "sf-9", "sub_1", "req_1", "key-1", ACTIVATED)
LOST = Overwritten("sub_1", "run-1", ACTIVATED, REMOVED)
LACKS = LackingOn("sub_1", Lacking("sn_1", "sf-1", "di_1", (at("2027-01-01"),)), None)
AMENDMENT = "801000000000009AAA"
Told = tuple[str, str, Mender]


def _told(ours: Held = HELD, theirs: Held = HELD, seen: Seen = SEEN) -> list[Told]:
    found = differences(ours, theirs, seen, ACTIVATED)
    for each in found:
        assert "{" not in each.what(RecordNames()) + each.fix(RecordNames())
    return [(each.kind, each.record_id, each.mender) for each in found]


def _on(*coupon_ids: str, subscription_id: str = "sub_1") -> Seen:
    """One subscription with discounts `di_1`, `di_2`, ... from these coupons."""
    discounts = [live(f"di_{n}", each) for n, each in enumerate(coupon_ids, start=1)]
    there = replace(a_subscription(discounts=discounts), subscription_id=subscription_id)
    return replace(SEEN, targets=(there,))


def _to_come(*coupon_ids: str) -> Seen:
    """A schedule of which both phases name these coupons."""
    entries = tuple(map(DiscountEntry.granted, coupon_ids))
    years = (("2026-01-01", "2027-01-01"), ("2027-01-01", "2028-01-01"))
    phases = [replace(a_phase(*year), discounts=entries) for year in years]
    return replace(SEEN, targets=(a_schedule(*phases, status="not_started"),))


def _saying(**changes: object) -> Held:
    """The account of a look at both systems, with one discount that is otherwise."""
    return replace(HELD, discounts={"sn_1": replace(GRANTED, **changes)})  # type: ignore[arg-type]  # of HeldDiscount


DIFFERENCES: dict[str, tuple[Held, Held, Seen, Told]] = {
    "a coupon of ours is gone": (
        HELD,
        replace(HELD, coupons={}),
        SEEN,
        ("deleted", "sf-1", Mender.PERSON),
    ),
    "the same where a proof tells of it and the frozen fields say what it was": (
        HELD,
        HELD,
        replace(SEEN, coupons={}),
        ("deleted", "sf-1", Mender.PERSON),
    ),
    "its terms are others": (
        HELD,
        HELD,
        replace(SEEN, edited=frozenset({"sf-1"})),
        ("edited", "sf-1", Mender.PERSON),
    ),
    "its metadata is not what was written": (
        HELD,
        replace(HELD, coupons={"sf-1": replace(KEPT, metadata={"campaign": "Autumn"})}),
        SEEN,
        ("edited", "sf-1", Mender.REBUILD),
    ),
    "a coupon of ours that the ledger does not know": (
        HELD,
        replace(HELD, coupons={**HELD.coupons, "sf-2": replace(KEPT, coupon_id="sf-2")}),
        replace(SEEN, coupons={**SEEN.coupons, "sf-2": replace(STRIPE, coupon_id="sf-2")}),
        ("extra", "sf-2", Mender.REBUILD),
    ),
    "a coupon that serves no order": (
        replace(NOTHING, coupons=HELD.coupons),
        replace(NOTHING, coupons=HELD.coupons),
        Seen(SEEN.coupons, ()),
        ("orphaned", "sf-1", Mender.NOBODY),
    ),
    "others redeemed a coupon until it was used up": (
        HELD,
        HELD,
        replace(SEEN, coupons={"sf-1": replace(STRIPE, times_redeemed=2)}),
        ("exhausted", "sf-1", Mender.NOBODY),
    ),
    "an order names another subscription": (
        HELD,
        replace(HELD, targets={ORDER: "sub_2"}),
        SEEN,
        ("edited", ORDER, Mender.SYNC),
    ),
    "what was signed never came in": (
        NOTHING,
        UNSYNCED,
        Seen({}, ()),
        ("missing", ORDER, Mender.SYNC),
    ),
    "an order coupon has other terms": (
        HELD,
        replace(HELD, hashes={"sn_1": ("mapping", "other")}),
        SEEN,
        ("edited", ORDER_COUPON, Mender.PERSON),
    ),
    "an order coupon is gone": (
        HELD,
        replace(HELD, order_coupons={}),
        SEEN,
        ("deleted", ORDER_COUPON, Mender.SYNC),
    ),
    "an order coupon names another Stripe coupon": (
        HELD,
        replace(HELD, order_coupons={ORDER_COUPON: replace(COPY, stripe_id="by-hand")}),
        SEEN,
        ("edited", ORDER_COUPON, Mender.SYNC),
    ),
    "a second copy of an order coupon": (
        HELD,
        replace(
            HELD, order_coupons={**HELD.order_coupons, SECOND_COPY.order_coupon_id: SECOND_COPY}
        ),
        SEEN,
        ("extra", SECOND_COPY.order_coupon_id, Mender.PERSON),
    ),
    "a quote coupon is gone": (
        HELD,
        replace(HELD, quote_coupons={COUPON: replace(NAMED, is_deleted=True)}),
        SEEN,
        ("deleted", COUPON, Mender.NOBODY),
    ),
    "a quote coupon names another Stripe coupon": (
        HELD,
        replace(HELD, quote_coupons={COUPON: replace(NAMED, stripe_id=None)}),
        SEEN,
        ("edited", COUPON, Mender.SYNC),
    ),
    "a sync record about what is blocked is gone": (
        HELD,
        replace(HELD, sync_records={}),
        SEEN,
        ("deleted", TOLD_ID, Mender.REBUILD),
    ),
    "a sync record says something else": (
        HELD,
        replace(HELD, sync_records={TOLD_ID: replace(BLOCKED, status="Resolved")}),
        SEEN,
        ("edited", TOLD_ID, Mender.REBUILD),
    ),
    "a sync record that the ledger does not know": (
        replace(HELD, sync_records={}),
        HELD,
        SEEN,
        ("extra", TOLD_ID, Mender.REBUILD),
    ),
    "a proof is gone": (
        HELD,
        replace(HELD, discounts={}),
        SEEN,
        ("missing", ORDER, Mender.PERSON),
    ),
    "a proof that the ledger does not know": (
        replace(HELD, discounts={}),
        HELD,
        SEEN,
        ("extra", ORDER, Mender.SYNC),
    ),
    "a discount comes from another coupon": (
        HELD,
        _saying(coupon_id="other"),
        _on("other"),
        ("edited", ORDER, Mender.PERSON),
    ),
    "a discount was taken away": (
        HELD,
        _saying(code="attachment.removed_by_hand"),
        _on(),
        ("deleted", ORDER, Mender.PERSON),
    ),
    "a discount has trouble of another kind": (
        HELD,
        _saying(code="attachment.superseded"),
        SEEN,
        ("edited", ORDER, Mender.PERSON),
    ),
    "the order of a discount is not activated any more": (
        HELD,
        replace(HELD, targets={}, snapshots={}, hashes={}, discounts={}),
        SEEN,
        ("orphaned", ORDER, Mender.PERSON),
    ),
    "no record speaks of a discount any more": (
        HELD,
        replace(HELD, snapshots={}, hashes={}, discounts={}),
        SEEN,
        ("orphaned", ORDER, Mender.PERSON),
    ),
    "somebody's own discount": (
        HELD,
        HELD,
        _on("sf-1", "other"),
        ("foreign", "di_2", Mender.NOBODY),
    ),
    "a second discount from our coupon": (
        HELD,
        HELD,
        _on("sf-1", "sf-1"),
        ("extra", "di_2", Mender.PERSON),
    ),
    "our coupon on a subscription that no order names": (
        HELD,
        HELD,
        _on("sf-1", subscription_id="sub_9"),
        ("orphaned", "di_1", Mender.PERSON),
    ),
    "somebody's own coupon in phases to come": (
        ON_SCHEDULE,
        ON_SCHEDULE,
        _to_come("other", "sf-1"),
        ("foreign", "other", Mender.NOBODY),
    ),
    "our coupon in phases of a schedule that nothing was granted on": (
        replace(ON_SCHEDULE, discounts={}),
        replace(ON_SCHEDULE, discounts={}),
        _to_come("sf-1"),
        ("extra", "sf-1", Mender.PERSON),
    ),
    "our coupon in phases of a schedule that no order names": (
        HELD,
        HELD,
        _to_come("sf-1"),
        ("orphaned", "sf-1", Mender.PERSON),
    ),
    "a later phase lacks a discount that goes on": (
        HELD,
        HELD,
        replace(SEEN, lacking=[LACKS]),
        ("missing", ORDER, Mender.PERSON),
    ),
    "a later phase lacks a coupon that has made no discount": (
        HELD,
        HELD,
        replace(SEEN, lacking=[replace(LACKS, lacking=replace(LACKS.lacking, discount_id=None))]),
        ("missing", ORDER, Mender.PERSON),
    ),
    "the phase of an order that no run has seen lacks a discount": (
        HELD,
        HELD,
        replace(SEEN, lacking=[replace(LACKS, synced_with=AMENDMENT)]),
        ("missing", ORDER, Mender.SYNC),
    ),
    "a later phase has no room for a discount, and the ledger does not say so": (
        HELD,
        _saying(code="target.too_many_discounts"),
        replace(SEEN, lacking=[LACKS]),
        ("edited", ORDER, Mender.PERSON),
    ),
    "a discount that a write of ours took away unknowingly": (
        HELD,
        HELD,
        replace(_on("sf-1"), overwritten=[LOST]),
        ("overwritten", "di_9", Mender.PERSON),
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES.values(), ids=DIFFERENCES)
def test_each_difference_is_told_once_with_who_may_mend_it(
    case: tuple[Held, Held, Seen, Told],
) -> None:
    """Only what a sync may do by the rules is for a sync."""
    ours, theirs, seen, expected = case

    assert _told(ours, theirs, seen) == [expected]


def test_every_kind_has_a_case() -> None:
    """A rule that no case breaks could be dropped unseen."""
    assert {expected[0] for *_, expected in DIFFERENCES.values()} == set(KINDS)


A_DAYS_RATES = ConversionRates(ACTIVATED.date(), "CurrencyType", {"USD": Decimal(1)})
RELEASED = replace(
    a_schedule(status="released", subscription=a_subscription(discounts=[live("di_1", "sf-1")])),
    released_subscription_id="sub_1",
)
LATER = replace(
    a_schedule(
        a_phase("2026-01-01", "2027-01-01"),
        subscription=a_subscription(discounts=[live("di_1", "sf-1")]),
    ),
    schedule_id="sub_sched_2",
    former=(FormerSchedule(ORDERED, {}),),
)
TODAY = replace(HELD.snapshots["sn_1"], evidence="quote_coupon_today")
WITH_TWO_COUPONS = replace(
    ON_SCHEDULE,
    coupons={**HELD.coupons, "sf-2": replace(KEPT, coupon_id="sf-2", terms_hash="other")},
    snapshots={**HELD.snapshots, "sn_2": replace(HELD.snapshots["sn_1"], snapshot_id="sn_2")},
    hashes={**HELD.hashes, "sn_2": ("mapping", "other")},
)

NO_DIFFERENCE: dict[str, tuple[Held, Held, Seen]] = {
    "both say the same": (HELD, HELD, SEEN),
    "what a write of ours took away was put back": (
        HELD,
        HELD,
        replace(SEEN, overwritten=[replace(LOST, undone=replace(REMOVED, coupon_id="sf-1"))]),
    ),
    "others keep their own metadata on a coupon": (
        HELD,
        replace(HELD, coupons={"sf-1": replace(KEPT, metadata={})}),
        SEEN,
    ),
    "a coupon that an earlier mapping asked for is still given": (
        HELD,
        replace(HELD, hashes={"sn_1": ("another mapping", "other")}),
        SEEN,
    ),
    "a coupon that a proof tells of and that Stripe does not have": (
        replace(HELD, coupons={}),
        HELD,
        replace(SEEN, coupons={}),
    ),
    "a coupon ended after everybody got it": (
        HELD,
        HELD,
        replace(SEEN, coupons={"sf-1": replace(STRIPE, valid=False)}),
    ),
    "an order that was never read before": (
        replace(HELD, targets={}),
        HELD,
        SEEN,
    ),
    "today's coupon is no proof of what was signed": (
        replace(HELD, snapshots={"sn_1": TODAY}),
        replace(HELD, snapshots={"sn_1": TODAY}, hashes={"sn_1": ("mapping", "other")}),
        SEEN,
    ),
    "amounts were converted at other rates": (
        HELD,
        replace(
            HELD,
            snapshots={"sn_1": replace(HELD.snapshots["sn_1"], rates=A_DAYS_RATES)},
            hashes={"sn_1": ("mapping", "other")},
        ),
        SEEN,
    ),
    "the pipeline itself wrote an order coupon that was missing": (
        replace(HELD, order_coupons={}),
        HELD,
        SEEN,
    ),
    "a quote coupon was edited by the sales team": (
        HELD,
        replace(HELD, quote_coupons={COUPON: replace(NAMED, fields={"Percent_Off__c": 50})}),
        SEEN,
    ),
    "a quote coupon that was gone already": (
        replace(HELD, quote_coupons={COUPON: replace(NAMED, is_deleted=True)}),
        replace(HELD, quote_coupons={}),
        SEEN,
    ),
    "a sync record that says that all is done was cleaned away": (
        replace(HELD, sync_records={TOLD_ID: replace(BLOCKED, status="Resolved")}),
        replace(HELD, sync_records={}),
        SEEN,
    ),
    "a discount that is used up": (HELD, HELD, _on()),
    "the schedule that got it has released its subscription": (
        ON_SCHEDULE,
        ON_SCHEDULE,
        replace(SEEN, targets=(RELEASED,)),
    ),
    "the subscription has another schedule since": (
        ON_SCHEDULE,
        ON_SCHEDULE,
        replace(SEEN, targets=(LATER,)),
    ),
    "the proof is found on the subscription that the schedule left": (
        replace(ON_SCHEDULE, targets={ORDER: "sub_1"}),
        HELD,
        SEEN,
    ),
    "phases name what was granted": (ON_SCHEDULE, ON_SCHEDULE, _to_come("sf-1")),
    "phases name what a replacement had before": (
        WITH_TWO_COUPONS,
        WITH_TWO_COUPONS,
        replace(_to_come("sf-2"), coupons=dict.fromkeys(WITH_TWO_COUPONS.coupons, STRIPE)),
    ),
    "the ledger says why a later phase lacks a discount": (
        _saying(code="attachment.removed_by_hand"),
        HELD,
        replace(SEEN, lacking=[LACKS]),
    ),
    "a target could not be read": (
        HELD,
        replace(HELD, discounts={}),
        replace(SEEN, targets=(), unread=frozenset({"sub_1"})),
    ),
    "a target is gone": (HELD, HELD, replace(SEEN, targets=(TargetGone("x", "sub_1"),))),
}


@pytest.mark.parametrize("case", NO_DIFFERENCE.values(), ids=NO_DIFFERENCE)
def test_what_is_as_it_should_be_is_no_difference(case: tuple[Held, Held, Seen]) -> None:
    """A false alarm is read once, and the next alarm not at all."""
    assert _told(*case) == []


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


def test_what_a_later_phase_lacks_is_told_with_where_and_by_when() -> None:
    """Whoever left it out on purpose has nothing to do; a sync is named by the order that it is of.

    Only what no sync sends on is otherwise than the ledger says.
    """
    phases = (at("2027-01-01"), at("2028-01-01"))
    lacking = replace(LACKS, lacking=replace(LACKS.lacking, phases=phases))
    names = RecordNames({ORDER: "00000100"})

    (told,) = differences(HELD, HELD, replace(SEEN, lacking=[lacking]), ACTIVATED)
    (coming,) = differences(
        HELD, HELD, replace(SEEN, lacking=[replace(LACKS, synced_with=AMENDMENT)]), ACTIVATED
    )

    assert told.what(names) == (
        f"Discount di_1 from coupon sf-1, which order 00000100 ({ORDER}) was granted, is not in "
        "the phases of sub_1 that begin on 2027-01-01, 2028-01-01, though it should go on there."
    )
    assert "name di_1 in these phases in Stripe" in told.fix(names)
    assert "on purpose" in told.fix(names)
    assert coming.fix(names) == (
        f"Run coupon-pipeline sync --order {AMENDMENT}, which sends it on."
    )
    assert (told.contradicts_ledger, coming.contradicts_ledger) == (True, False)


@pytest.mark.parametrize("is_live", [True, False])
def test_a_coupon_that_is_gone_before_it_made_a_discount_is_told_with_the_days(
    *, is_live: bool
) -> None:
    """What is live from a coupon outlives it."""
    named = [DiscountEntry.granted("sf-1")]
    state = a_schedule(
        a_phase("2026-01-01", "2027-01-01"),
        a_phase("2027-01-01", "2028-01-01", discounts=named),
        a_phase("2028-01-01", "2029-01-01", discounts=named),
        subscription=a_subscription(discounts=[live("di_1", "sf-1")] if is_live else []),
    )
    seen = replace(SEEN, coupons={}, targets=[state])

    told = [
        each.what(RecordNames())
        for each in differences(ON_SCHEDULE, ON_SCHEDULE, seen, ACTIVATED)
        if each.kind == "missing"
    ]

    if is_live:
        assert told == []
    else:
        (sentence,) = told
        assert sentence.startswith(
            "Phases of sub_sched_1 that begin on 2027-01-01, 2028-01-01 name"
        )
