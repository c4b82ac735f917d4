"""The amounts that `explain --invoice` shows are those that the next invoices then have."""

import json
from datetime import timedelta

import pytest

from tests.cli.commands import Command
from tests.world import MadeOrder, World


def _shown(command: Command, order: MadeOrder) -> tuple[int, int]:
    (story,) = json.loads(command("explain", order.order_id, "--invoice", "--json").out)["stories"]
    invoice = story["next_invoice"]
    return invoice["with_ours"], invoice["without_ours"]


@pytest.mark.parametrize(("policy", "total"), [("keep", 5400), ("replace", 9000)])
def test_without_ours_the_customer_s_own_discount_counts(
    world: World, command: Command, policy: str, total: int
) -> None:
    """Nothing hides it then, so the customer would not pay the full price."""
    world.setting("COUPON_PIPELINE_CUSTOMER_DISCOUNT", policy)
    order = world.order(coupons=[world.quote_coupon()])
    world.customer_discount(order.subscription_id, percent_off=40)
    world.sync()

    assert _shown(command, order) == (total, 6000)
    world.let_time_pass(days=35)
    assert world.invoiced(order.subscription_id)[-1][1] == total

    assert _shown(command, order) == (6000, 6000)
    world.let_time_pass(days=30)
    assert world.invoiced(order.subscription_id)[-1][1] == 6000


def test_without_ours_on_an_item_the_customer_s_own_discount_counts(
    world: World, command: Command
) -> None:
    """The list of the subscription is empty before and after, which is no wish to clear it."""
    order = world.order(lines=[[world.quote_coupon()]])
    world.customer_discount(order.subscription_id, percent_off=40)
    world.sync()

    assert _shown(command, order) == (5400, 6000)


def test_a_discount_that_goes_on_in_the_next_phase_is_seen_to_be_ours(
    world: World, command: Command
) -> None:
    """The next invoice is the first one of the next phase, which names the coupon.

    Once that has begun, the discount has another id than the ledger knows.
    """
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    world.manage(order)
    world.sync()

    assert _shown(command, order) == (9000, 10000)
    world.let_time_pass(days=70)
    assert [total for _, total in world.invoiced(order.subscription_id)] == [10000, 9000, 9000]
    assert _shown(command, order) == (9000, 10000)


def test_a_schedule_that_has_not_started_has_a_next_invoice(world: World, command: Command) -> None:
    """It is the first one of the subscription to come."""
    order = world.order(
        coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]], synced=False
    )
    world.schedule_later(order, starts_in=timedelta(days=30))
    world.sync()

    assert _shown(command, order) == (8100, 10000)
    world.let_time_pass(days=31)
    assert _shown(command, order) == (10000, 10000)
