"""What somebody changes between the read of a target and the write is noticed, never left."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from coupon_pipeline.domain.records import Selection
from coupon_pipeline.sandbox.faults import FaultRule
from tests.world import World

EVER = Selection(date(2026, 11, 1), date(2028, 11, 1))


def _meanwhile(world: World, change: Callable[[], object]) -> None:
    """Do something once, when the next change of a schedule has left and has not arrived."""
    slow = FaultRule(
        service="stripe",
        kind="slow",
        method="POST",
        path="/v1/subscription_schedules/",
        milliseconds=0,
    )
    world.sandbox.faults.arm(slow)

    def struck(_: FaultRule) -> None:
        change()

    world.sandbox.faults.on_strike = struck


def test_a_phase_that_has_begun_meanwhile_is_noticed(world: World) -> None:
    """What was put on the phase before is in no phase any more: somebody has to look at it."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    world.manage(order)
    _meanwhile(world, lambda: world.sandbox.clock.advance(timedelta(days=45)))

    report = world.sync_without_dagster(EVER)

    assert [problem.code for problem in report.problems] == ["target.changed_meanwhile"]
    assert "current phase" in report.problems[0].message
    assert world.discounted(order.subscription_id) == [(10, None)]


def test_a_discount_that_somebody_took_away_meanwhile_is_told_and_then_left_out(
    world: World,
) -> None:
    """Stripe refuses a list with a discount that is gone, and the next run reads anew."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    theirs = world.stripe_create("coupon", percent_off=50, duration="forever")
    world.put_by_hand(order.subscription_id, str(theirs["id"]))
    world.manage(order)

    def take_away() -> None:
        held = world.sandbox.stripe.get("subscription", order.subscription_id or "")
        assert held is not None
        held["discounts"].clear()

    _meanwhile(world, take_away)

    refused = world.sync_without_dagster(EVER)
    after = world.sync_without_dagster(EVER)

    assert [problem.code for problem in refused.problems] == ["stripe.rejected"]
    assert after.problems == ()
    assert world.discounted(order.subscription_id) == [(10, None)]


@pytest.mark.slow
def test_what_is_to_be_sent_on_is_remembered_while_stripe_refuses(world: World) -> None:
    """A refused write must not make the next run forget that a discount has to go on."""
    coupon = world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=14)
    order = world.order(coupons=[coupon])
    world.manage(order)
    world.sync_without_dagster(EVER)
    before = world.discount_ids(order.subscription_id)
    number = world.sandbox.faults.arm(
        FaultRule(
            service="stripe", kind="lock_timeout", method="POST", path="schedules/", times=None
        )
    )
    world.sync_without_dagster(EVER)
    world.sandbox.faults.disarm(number)

    world.sync_without_dagster(EVER)
    world.let_time_pass(days=370)

    assert world.discount_ids(order.subscription_id) == before
