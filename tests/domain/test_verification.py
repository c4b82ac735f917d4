"""Reading back what was written."""

from dataclasses import replace

import pytest

from coupon_pipeline.domain.attachments import (
    AttachmentOutcome,
    Carried,
    ItemUpdate,
    PhaseUpdate,
    ScheduleUpdate,
    SubscriptionUpdate,
    TargetPlan,
)
from coupon_pipeline.domain.targets import DiscountEntry, PhaseItemState, ScheduleState
from coupon_pipeline.domain.verification import (
    ended_with_phase,
    verify_schedule,
    verify_subscription,
    without_effect,
)
from tests.domain.target_builders import a_phase, a_schedule, a_subscription, an_item, at, live

KEPT = DiscountEntry("discount", "di_1", "x")
NEW = DiscountEntry.granted("y")

SENT = SubscriptionUpdate(
    "sub_1", (KEPT, NEW), (ItemUpdate("si_1", (NEW,)),), {"coupon_pipeline": "proof"}
)
AS_SENT = a_subscription(
    discounts=[live("di_1", "x"), live("di_2", "y")],
    items=[an_item("si_1", discounts=[live("di_3", "y")])],
    metadata={"coupon_pipeline": "proof", "team": "sales"},
)


def a_phase_update(start: str, end: str, *entries: DiscountEntry) -> PhaseUpdate:
    """A phase as it was sent, with one item at price_1."""
    return PhaseUpdate(at(start), at(end), entries, (("price_1", ()),), {})


SCHEDULE_SENT = ScheduleUpdate(
    "sub_sched_1",
    (
        a_phase_update("2026-01-01", "2026-06-01", KEPT, NEW),
        a_phase_update("2026-06-01", "2027-01-01", KEPT),
    ),
    {"coupon_pipeline": "proof"},
)
FIRST = a_phase("2026-01-01", "2026-06-01", discounts=[DiscountEntry.granted("x"), NEW])
SECOND = a_phase("2026-06-01", "2027-01-01", discounts=[KEPT])
SCHEDULE_AS_SENT = a_schedule(
    FIRST,
    SECOND,
    subscription=a_subscription(discounts=[live("di_1", "x"), live("di_2", "y")]),
    metadata={"coupon_pipeline": "proof"},
)


def test_a_subscription_as_it_was_sent_has_no_differences() -> None:
    """A coupon that was sent is a discount when it is read back."""
    assert verify_subscription(SENT, AS_SENT) == ()


def test_a_discount_that_somebody_took_away_is_noticed() -> None:
    """It was removed between the write and the reading back."""
    (found,) = verify_subscription(SENT, replace(AS_SENT, discounts=(live("di_1", "x"),)))

    assert (found.where, found.sent, found.found) == (
        "sub_1",
        "discount di_1, coupon y",
        "discount di_1",
    )


def test_the_customers_own_discount_may_come_back_under_another_id() -> None:
    """On the subscription it may become a discount of its own."""
    sent = SubscriptionUpdate("sub_1", (replace(KEPT, inherited=True),), (), {})

    assert verify_subscription(sent, a_subscription(discounts=[live("di_9", "x")])) == ()


def test_an_item_that_is_gone_is_noticed() -> None:
    """Its discount is gone with it."""
    assert [d.where for d in verify_subscription(SENT, replace(AS_SENT, items=()))] == ["si_1"]


def test_a_proof_that_did_not_arrive_is_noticed() -> None:
    """Without it a lost ledger grants everything again."""
    found = verify_subscription(SENT, replace(AS_SENT, metadata={}))

    assert [d.where for d in found] == ["metadata coupon_pipeline"]


def test_lists_that_were_not_sent_are_not_compared() -> None:
    """What others do to them is theirs."""
    sent = SubscriptionUpdate("sub_1", None, (), {})

    assert verify_subscription(sent, AS_SENT) == ()


def test_a_schedule_as_it_was_sent_has_no_differences() -> None:
    """A running phase may show coupons where the subscription has their discounts."""
    assert verify_schedule(SCHEDULE_SENT, SCHEDULE_AS_SENT) == ()


def test_a_phase_that_has_begun_meanwhile_is_noticed() -> None:
    """What was sent as current was applied to a past phase."""
    after = replace(SCHEDULE_AS_SENT, current_phase=(SECOND.start_date, SECOND.end_date))

    found = verify_schedule(SCHEDULE_SENT, after)

    assert "current phase" in [d.where for d in found]


def test_a_phase_that_somebody_removed_is_noticed() -> None:
    """Discounts that were carried into it are lost."""
    found = verify_schedule(SCHEDULE_SENT, replace(SCHEDULE_AS_SENT, phases=(FIRST,)))

    assert [(d.where, d.found) for d in found] == [(f"phase {SECOND.start_date}", "not there")]


def test_a_phase_that_somebody_added_is_noticed() -> None:
    """An amendment came in between; its phase lacks what carries over."""
    third = a_phase("2027-01-01", "2028-01-01")
    past = a_phase("2025-01-01", "2026-01-01")
    after = replace(SCHEDULE_AS_SENT, phases=(past, FIRST, SECOND, third))

    found = verify_schedule(SCHEDULE_SENT, after)

    assert [(d.where, d.found) for d in found] == [(f"phase {third.start_date}", "there")]


def test_a_phase_with_other_items_or_another_end_is_noticed() -> None:
    """Lists of items can only be compared item by item."""
    shorter = replace(SECOND, end_date=SECOND.end_date - 1)
    other = replace(shorter, items=(PhaseItemState("price_2"),))

    found = verify_schedule(SCHEDULE_SENT, replace(SCHEDULE_AS_SENT, phases=(FIRST, other)))

    assert [d.where.removeprefix(f"phase {SECOND.start_date} ") for d in found] == ["end", "items"]


def test_a_list_of_a_future_phase_that_differs_is_noticed() -> None:
    """Somebody edited the phase."""
    edited = replace(SECOND, discounts=())

    found = verify_schedule(SCHEDULE_SENT, replace(SCHEDULE_AS_SENT, phases=(FIRST, edited)))

    assert [d.where for d in found] == [f"phase {SECOND.start_date}"]


def test_a_write_of_the_proof_alone_compares_no_phases() -> None:
    """An adoption sends nothing else."""
    sent = ScheduleUpdate("sub_sched_1", (), {"coupon_pipeline": "proof"})

    assert verify_schedule(sent, SCHEDULE_AS_SENT) == ()


ATTACHED = AttachmentOutcome(
    "a", "attached", "it was not attached before", coupon_id="y", phases=(at("2026-01-01"),)
)
BEGUN = a_schedule(replace(FIRST, discounts=()), replace(SECOND, discounts=()), current=1)


def _without_effect(after: ScheduleState, outcome: AttachmentOutcome = ATTACHED) -> list[str]:
    plan = TargetPlan("sub_sched_1", SCHEDULE_SENT, (outcome,))
    return sorted(without_effect(plan, after))


def test_a_discount_on_a_phase_that_was_over_was_not_granted() -> None:
    """The answer shows the next phase as the current one, and the coupon nowhere."""
    assert _without_effect(BEGUN) == ["a"]
    running = replace(BEGUN, subscription=a_subscription(discounts=[live("di_1", "x")]))
    assert _without_effect(running) == ["a"]


@pytest.mark.parametrize(
    "after",
    [
        SCHEDULE_AS_SENT,
        replace(BEGUN, subscription=a_subscription(discounts=[live("di_2", "y")])),
        replace(
            BEGUN,
            subscription=a_subscription(items=[an_item(discounts=[live("di_2", "y")])]),
        ),
        replace(BEGUN, phases=(FIRST, replace(SECOND, discounts=(NEW,)))),
        a_schedule(FIRST, SECOND, status="not_started"),
    ],
    ids=["as sent", "live", "live on an item", "in the phase that is on", "not started"],
)
def test_what_is_there_or_comes_was_granted(after: ScheduleState) -> None:
    """Also where Stripe parted the phase that is on, so that it begins later than was sent."""
    assert _without_effect(after) == []


@pytest.mark.parametrize(
    "outcome",
    [
        replace(ATTACHED, outcome="adopted"),
        replace(ATTACHED, outcome="unchanged", phases=()),
        replace(ATTACHED, phases=(at("2026-01-01"), at("2026-06-01"))),
    ],
)
def test_only_what_is_new_and_only_in_past_phases_can_have_had_no_effect(
    outcome: AttachmentOutcome,
) -> None:
    """What was granted earlier may be spent, and what later phases name comes."""
    assert _without_effect(BEGUN, outcome) == []


def test_a_discount_that_the_next_phase_took_away_before_it_was_sent_on_has_ended() -> None:
    """One that is still there goes on, and one that does not exist yet cannot have ended."""
    carried = [
        Carried("gone", "di_9", (at("2026-06-01"),)),
        Carried("there", "di_1", (at("2026-06-01"),)),
        Carried("to come", None, (at("2026-06-01"),)),
    ]
    plan = TargetPlan("sub_sched_1", SCHEDULE_SENT, (), tuple(carried))
    running = a_subscription(discounts=[live("di_1", "x")])

    assert ended_with_phase(plan, replace(BEGUN, subscription=running)) == {"gone"}
    assert ended_with_phase(plan, SCHEDULE_AS_SENT) == frozenset()
    assert ended_with_phase(plan, BEGUN) == frozenset()
