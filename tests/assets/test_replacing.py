"""Replacing discounts by name on schedules, in the middle of a window, and after a lost answer."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import dagster as dg
import pytest
import stripe

from coupon_pipeline.sandbox.faults import FaultRule
from tests.world import MadeOrder, World

Remap = Callable[[], None]


@pytest.fixture
def remap(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remap:
    """Takes the name out of the mapping, which makes other terms of a coupon that has one.

    The pipeline's clock goes with the one of both services, so that a window is as long as it is
    there.
    """
    for name, module in list(sys.modules.items()):
        if name.startswith("coupon_pipeline.assets.") and getattr(module, "now", None) is not None:
            monkeypatch.setattr(module, "now", world.sandbox.clock.now)
    mapping = tmp_path / "mapping.toml"

    def change() -> None:
        mapping.write_text('[coupon]\nname = ""\n')
        world.setting("COUPON_PIPELINE_MAPPING", str(mapping))

    return change


def _named(world: World, order: MadeOrder) -> list[str | None]:
    """Names of the coupons of a subscription's discounts."""
    subscription = world.stripe.v1.subscriptions.retrieve(
        order.subscription_id or "", {"expand": ["discounts.source.coupon"]}
    )
    coupons = [each.source.coupon for each in subscription.discounts if not isinstance(each, str)]
    return [each.name for each in coupons if isinstance(each, stripe.Coupon)]


def _taken_off(world: World, order: MadeOrder) -> list[list[int]]:
    """What the discounts took off each invoice of a subscription, in cents."""
    invoices = world.stripe.v1.invoices.list(
        {"subscription": order.subscription_id or "", "limit": 100}
    )
    return [[d.amount for d in each.total_discount_amounts or []] for each in invoices.data]


def _all_phases(world: World, schedule_id: str) -> list[list[str | None]]:
    """Names of the coupons of each phase's discounts."""
    names = {str(coupon["id"]): coupon["name"] for coupon in world.coupons()}
    schedule = world.stripe.v1.subscription_schedules.retrieve(
        schedule_id, {"expand": ["phases.discounts.discount"]}
    )
    found: list[list[str | None]] = []
    for phase in schedule.phases:
        row: list[str | None] = []
        for entry in phase.discounts:
            made = entry.discount
            coupon_id = made.source.coupon if isinstance(made, stripe.Discount) else entry.coupon
            row.append(cast("str | None", names[str(coupon_id)]))
        found.append(row)
    return found


def test_every_phase_of_a_schedule_has_the_new_discount_in_the_place_of_the_old(
    world: World, remap: Remap
) -> None:
    """The phase that is on has it as a discount, the one to come names its coupon."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever", Name__c="Ten")])
    schedule_id = world.manage(order)
    world.sync()
    assert _all_phases(world, schedule_id) == [["Ten"], ["Ten"]]
    remap()

    report = world.sync(replace_attached=[order.order_id])
    assert report.attachments["replaced"] == 1
    assert (report.superseded, report.problems) == (0, ())
    assert _named(world, order) == [None]
    assert _all_phases(world, schedule_id) == [[None], [None]]
    made = world.discount_ids(order.subscription_id)

    world.sync()  # which puts the discount that was made into the phase that names its coupon
    again = world.sync(replace_attached=[order.order_id])

    assert world.discount_ids(order.subscription_id) == made
    assert _all_phases(world, schedule_id) == [[None], [None]]
    assert (again.attachments["replaced"], again.calls.stripe_writes) == (0, 0)


def test_a_window_that_is_running_leaves_the_invoices_that_it_would_have_left(
    world: World, remap: Remap
) -> None:
    """Whoever is not replaced is the measure: the same invoices, and not one more or less."""
    coupon = world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=6, Name__c="Ten")
    order, other = (world.order(coupons=[coupon]) for _ in range(2))
    world.let_time_pass(hours=1)
    world.sync()
    world.let_time_pass(days=40)
    remap()

    report = world.sync(replace_attached=[order.order_id])
    world.let_time_pass(days=330)

    assert report.attachments["replaced"] == 1
    taken_off = _taken_off(world, order)
    assert taken_off == _taken_off(world, other)
    assert [amounts for amounts in taken_off if amounts] == [[1000]] * 6


def test_both_stages_count_the_months_that_are_left_in_the_time_of_a_test_clock(
    world: World, tmp_path: Path
) -> None:
    """One makes the coupon, the other puts it on: of other months, it would not be there."""
    coupon = world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=240, Name__c="Ten")
    order = world.order(coupons=[coupon])
    world.sync()
    world.let_time_pass(days=4010)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[coupon]\nname = ""\n')
    world.setting("COUPON_PIPELINE_MAPPING", str(mapping))

    report = world.sync(replace_attached=[order.order_id])

    assert report.problems == ()
    assert report.attachments["replaced"] == 1


def test_a_discount_that_two_orders_share_stays_also_where_a_former_schedule_granted_it(
    world: World, remap: Remap
) -> None:
    """The ledger has the one under the schedule and the other under the subscription."""
    coupon = world.quote_coupon(Duration__c="forever", Name__c="Ten")
    order = world.order(coupons=[coupon])
    schedule_id = world.manage(order)
    for _ in range(2):
        world.sync_without_dagster(world.selection())
    world.stripe.v1.subscription_schedules.release(schedule_id)
    world.another_order_on(order, coupons=[coupon])
    world.sync_without_dagster(world.selection())
    remap()

    report = world.sync(replace_attached=[order.order_id])

    assert "attachment.replacement_shared" in [problem.code for problem in report.problems]
    assert _named(world, order) == ["Ten"]


def test_a_replacement_whose_answer_was_lost_is_recognised_and_not_made_again(
    world: World, remap: Remap
) -> None:
    """By a run in which nobody asks for it any more, and by one in which somebody does."""
    coupon = world.quote_coupon(Duration__c="forever", Name__c="Ten")
    order = world.order(coupons=[coupon])
    world.sync()
    remap()
    _lose_the_answer(world, coupon)
    made = world.discount_ids(order.subscription_id)

    found = world.sync()
    again = world.sync(replace_attached=[coupon])

    assert (found.attachments["replaced"], again.attachments["replaced"]) == (1, 0)
    for report in (found, again):
        assert (report.superseded, report.problems, report.calls.stripe_writes) == (0, (), 0)
    assert _named(world, order) == [None]
    assert world.discount_ids(order.subscription_id) == made


def _lose_the_answer(world: World, coupon: str) -> None:
    """Stripe carries the replacement out, and the connection breaks each time that it is asked."""
    faults = world.sandbox.faults
    rule = FaultRule(
        service="stripe", kind="cut_after", method="POST", path="/v1/subscriptions", times=None
    )
    world.sandbox.run_on_loop(lambda: faults.arm(rule))
    with pytest.raises(dg.Failure, match="Stripe gave no answer"):
        world.sync(replace_attached=[coupon])
    world.sandbox.run_on_loop(faults.disarm)
