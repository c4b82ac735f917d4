"""What orders become in Stripe: subscriptions and schedules in every state, changed by others."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from coupon_pipeline.ledger.automation import read_days_not_done
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.sandbox.switches import turn
from tests.world import MadeOrder, World


def _codes(world: World) -> list[str]:
    return [problem.code for problem in world.sync().problems]


def test_the_proof_is_written_in_the_request_that_attaches(world: World) -> None:
    """Neither can be there without the other, and it fits Stripe's metadata."""
    order = world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])
    world.metadata_by_hand(order.subscription_id, {"team": "blue"})

    world.sync()

    metadata = world.metadata(order.subscription_id)
    assert 0 < len(metadata["coupon_pipeline"]) <= 500
    assert metadata["team"] == "blue"


def test_a_discount_that_somebody_removed_is_reported_and_not_granted_again(
    world: World,
) -> None:
    """A person decided so; seen when the subscription is read for something new."""
    coupon = world.quote_coupon(Duration__c="forever")
    order = world.order(coupons=[coupon])
    world.sync()
    world.stripe.v1.subscriptions.update(order.subscription_id or "", {"discounts": ""})
    world.another_order_on(order, coupons=[world.quote_coupon(Percent_Off__c=20)])

    assert "attachment.removed_by_hand" in _codes(world)
    assert world.discounted(order.subscription_id) == [(20, None)]


def test_the_customer_s_own_discount_is_carried_along(world: World) -> None:
    """A discount on the subscription would otherwise hide it."""
    order = world.order(coupons=[world.quote_coupon()])
    world.customer_discount(order.subscription_id, percent_off=4)

    world.sync()

    assert sorted(world.discounted(order.subscription_id)) == [(4, None), (10, None)]


@pytest.mark.parametrize(("policy", "total"), [("keep", 5400), ("replace", 9000)])
def test_the_customer_s_own_discount_in_a_later_phase_is_kept_or_replaced_as_well(
    world: World, policy: str, total: int
) -> None:
    """Whether ours was there at once or is sent on to the phase by a later run."""
    world.setting("COUPON_PIPELINE_CUSTOMER_DISCOUNT", policy)
    order = world.order(coupons=[world.quote_coupon()])
    schedule_id = world.manage(order)
    phases = [
        {key: value for key, value in phase.items() if key != "discounts"}
        for phase in world.phases_to_send(schedule_id)
    ]
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )
    world.customer_discount(order.subscription_id, percent_off=40)
    world.sync()
    world.sync()

    world.let_time_pass(days=70)

    assert [each for _, each in world.invoiced(order.subscription_id)] == [10000, total, 6000]


def test_a_canceled_subscription_says_so_and_is_not_read_again(world: World) -> None:
    """It can never carry a discount any more."""
    order = world.order(coupons=[world.quote_coupon()])
    world.stripe.v1.subscriptions.cancel(order.subscription_id or "")

    assert _codes(world) == ["target.ended"]
    again = world.sync()
    assert [problem.code for problem in again.problems] == ["target.ended"]
    assert again.calls.stripe_reads == 0


def test_an_item_without_its_subscription_item_blocks_only_itself(world: World) -> None:
    """The order's own coupon is attached all the same."""
    order = world.order(coupons=[world.quote_coupon()], lines=[[], [world.quote_coupon()]])
    world.stripe.v1.subscription_items.delete(order.stripe_item_ids[1])

    assert _codes(world) == ["target.item_not_found"]
    assert world.discounted(order.subscription_id) == [(10, None)]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("association", [(None, 500), (10, None)]),
        ("percent_first", [(10, None), (None, 500)]),
        ("amount_first", [(None, 500), (10, None)]),
    ],
)
def test_the_stacking_order_is_a_setting(
    world: World, setting: str, expected: list[tuple[object, object]]
) -> None:
    """A percentage before an amount is another price than after it."""
    world.setting("COUPON_PIPELINE_STACKING_ORDER", setting)
    order = world.order(
        coupons=[world.quote_coupon(Amount_Off__c=5), world.quote_coupon(Percent_Off__c=10)]
    )

    world.sync()

    assert world.discounted(order.subscription_id) == expected


def test_two_orders_on_one_subscription_take_one_read_and_one_write(world: World) -> None:
    """They are decided together, so neither overwrites the other."""
    first = world.order(coupons=[world.quote_coupon(Percent_Off__c=1)])
    world.another_order_on(first, coupons=[world.quote_coupon(Percent_Off__c=2)])

    report = world.sync()

    assert world.discounted(first.subscription_id) == [(1, None), (2, None)]
    coupons_and_account = 2 + 1
    assert (report.calls.stripe_reads, report.calls.stripe_writes) == (
        1 + 1,
        coupons_and_account,
    )


def _phases(world: World, schedule_id: str) -> list[list[str | None]]:
    schedule = world.stripe.v1.subscription_schedules.retrieve(schedule_id)
    return [[str(d.coupon or d.discount) for d in phase.discounts] for phase in schedule.phases]


def test_a_managed_subscription_is_changed_through_its_schedule(world: World) -> None:
    """The schedule would overwrite a direct edit at its next phase, and everything on it stays."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(order)

    world.sync()
    assert world.discounted(order.subscription_id) == [(10, None)]
    world.let_time_pass(days=400)

    assert world.discounted(order.subscription_id) == [(10, None)]
    assert world.sync().attachments["unchanged"] == 1
    assert all(_phases(world, schedule_id))


def test_a_coupon_deleted_before_the_next_phase_takes_nothing_away(world: World) -> None:
    """Its discount outlives it, so the later phase names that as soon as there is one."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    world.manage(order)
    for _ in range(2):
        world.sync_without_dagster(world.selection())
    before = world.discount_ids(order.subscription_id)
    world.stripe.v1.coupons.delete(str(world.coupons()[0]["id"]))

    world.let_time_pass(days=400)

    assert world.discount_ids(order.subscription_id) == before != []


@pytest.mark.parametrize("end", ["released", "completed"])
def test_an_ended_schedule_s_subscription_takes_what_orders_sign(world: World, end: str) -> None:
    """Orders go on naming the schedule; its subscription is read and written once for all."""
    coupons = [world.quote_coupon(Percent_Off__c=each) for each in (7, 9)]
    first, second = (world.order(coupons=[each], synced=False) for each in coupons)
    schedule_id = world.schedule_later(first, starts_in=timedelta(days=1))
    world.let_time_pass(days=2)
    running = world.stripe.v1.subscription_schedules.retrieve(schedule_id).subscription
    if end == "released":
        world.stripe.v1.subscription_schedules.release(schedule_id)
    world.let_time_pass(days=1 if end == "released" else 370)
    world.update("Order", second.order_id, Stripe_ID__c=running)

    report = world.sync_without_dagster(world.selection())

    assert report.problems == ()
    assert world.discounted(str(running)) == [(7, None), (9, None)]
    account, made, schedule_and_subscription = 1, 2, 2
    assert report.calls.stripe_reads == account + schedule_and_subscription
    assert report.calls.stripe_writes == made + 1
    again = world.sync_without_dagster(world.selection()).calls
    assert (again.stripe_reads, again.stripe_writes) == (0, 0)


@pytest.mark.parametrize("managed", [False, True])
def test_an_item_that_may_be_two_lines_of_an_order_is_discounted_for_neither(
    world: World, *, managed: bool
) -> None:
    """What is off one line would come off the other's money too."""
    made = world.order(lines=[[world.quote_coupon()], [], [world.quote_coupon()]], synced=False)
    first, second, third = made.item_ids
    lines = world.sandbox.salesforce.store["OrderItem"].rows
    same = {"PricebookEntryId": lines[first]["PricebookEntryId"]}
    world.sandbox.run_on_loop(lambda: lines[second].update(same))
    order = world.subscribe_later(replace(made, item_ids=(first, third)))
    for item_id in order.stripe_item_ids:
        world.stripe.v1.subscription_items.update(
            item_id, {"metadata": {"salesforce_order_item_id": ""}}
        )
    if managed:
        world.manage(order)

    (problem,) = world.sync().problems

    assert problem.code == "target.item_not_found"
    assert problem.order_item_id == first
    shared, own = order.stripe_item_ids
    assert world.discounted_item(shared) == []
    assert world.discounted_item(own) == [(10, None)]


@pytest.mark.parametrize("taken", [1, 2])
def test_a_line_that_an_amendment_took_away_has_no_item_to_be_discounted(
    world: World, taken: int
) -> None:
    """The amendment's line says how much less there is; one that takes less leaves an item."""
    made = world.order(lines=[[], [world.quote_coupon()]], synced=False)
    first, second = made.item_ids
    order = world.subscribe_later(replace(made, item_ids=(first,)))
    amendment = world.order(synced=False, amends=world.contract_of(order))
    lines = world.sandbox.salesforce.store["OrderItem"].rows
    world.sandbox.run_on_loop(
        lambda: (
            lines[second].update(Quantity=Decimal(2)),
            lines[amendment.item_ids[0]].update(
                PricebookEntryId=lines[second]["PricebookEntryId"], Quantity=Decimal(-taken)
            ),
        )
    )

    report = world.sync()

    assert report.attachments["not_applicable"] == (taken == 2)
    assert report.attachments["blocked"] == (taken == 1)
    assert (world.sync().calls.stripe_reads == 0) == (taken == 2)


def _days_not_done(world: World) -> list[date]:
    with world.ledger.reading() as tx:
        return read_days_not_done(tx, datetime.now(UTC))


def test_a_repeating_window_is_not_restarted_by_the_next_phase(world: World) -> None:
    """The discount goes on by its own id, so its end stays where it was signed."""
    coupon = world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=14)
    order = world.order(coupons=[coupon])
    world.manage(order)
    world.sync()
    assert _days_not_done(world) == [date(2026, 11, 2)]
    world.sync()
    assert _days_not_done(world) == []
    before = world.discount_ids(order.subscription_id)
    assert before

    world.let_time_pass(days=370)

    assert world.discount_ids(order.subscription_id) == before


def test_an_amendment_without_coupons_does_not_lose_the_earlier_discounts(world: World) -> None:
    """Its new phase has to carry what earlier orders granted for good."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(order)
    world.sync()
    world.amend(order, schedule_id)

    world.sync()
    world.let_time_pass(days=400)

    assert world.discounted(order.subscription_id) == [(10, None)]


@pytest.mark.parametrize("read_fails", [False, True])
def test_a_discount_goes_on_in_a_full_phase_once_somebody_has_made_room(
    world: World, *, read_fails: bool
) -> None:
    """As the remedy says, and whether or not a run before that could read the target."""
    order = world.order(
        coupons=[world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=9)]
    )
    schedule_id = world.manage(order)
    others = [str(world.stripe_create("coupon", percent_off=1)["id"]) for _ in range(20)]

    def put(coupons: list[str]) -> None:
        phases = world.phases_to_send(schedule_id)
        phases[-1]["discounts"] = [{"coupon": each} for each in coupons]
        world.stripe.v1.subscription_schedules.update(
            schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
        )

    put(others)
    world.sync()
    assert _codes(world) == ["target.too_many_discounts"]
    if read_fails:
        busy = FaultRule(
            service="stripe",
            kind="lock_timeout",
            method="GET",
            path=str(order.subscription_id),
            times=None,
        )
        number = world.sandbox.faults.arm(busy)
        assert _codes(world) == ["stripe.object_busy"]
        world.sandbox.faults.disarm(number)
    put(others[:19])

    assert _codes(world) == []
    first, second = _phases(world, schedule_id)
    assert second == [*others[:19], *first]


def test_an_order_named_by_its_schedule_before_it_starts(world: World) -> None:
    """Nothing runs yet: the first phase takes the coupons, and the subscription has them later."""
    order = world.order(coupons=[world.quote_coupon()], synced=False)
    schedule_id = world.schedule_later(order, starts_in=timedelta(days=30))

    report = world.sync()
    assert report.attachments["attached"] == 1
    world.let_time_pass(days=31)

    assert isinstance(order, MadeOrder)
    schedule = world.stripe.v1.subscription_schedules.retrieve(schedule_id)
    assert schedule.status == "active"
    assert world.sync().attachments["unchanged"] == 1


@pytest.mark.parametrize(
    ("reading", "adopted", "writes"),
    [("on_update_too", False, 2), ("on_entering", False, 3), ("on_entering", True, 2)],
)
def test_a_spent_discount_stays_spent_when_schedule_and_ledger_are_gone(
    world: World, reading: str, adopted: object, writes: int
) -> None:
    """The proof of what the schedule granted goes over to the subscription, adoptions too."""
    turn(world.sandbox.switches, {"stripe_phase_metadata": reading})
    coupon = world.quote_coupon()
    if adopted:
        world.sync(world.order(coupons=[coupon]).order_id)
    order = world.order(coupons=[coupon])
    if adopted:
        world.put_by_hand(order.subscription_id, str(world.coupons()[0]["id"]))
    world.stripe.v1.subscription_schedules.create(
        {"from_subscription": order.subscription_id or ""}
    )
    report = world.sync()
    assert report.attachments["adopted" if adopted else "attached"] == 1
    assert report.calls.stripe_writes == writes
    world.let_time_pass(days=45)
    assert world.stripe.v1.subscriptions.retrieve(order.subscription_id or "").schedule is None
    assert world.discounted(order.subscription_id) == []
    world.forget_ledger()

    again = world.sync()

    assert again.attachments["unchanged"] == 1 + bool(adopted)
    assert world.discounted(order.subscription_id) == []


def test_a_window_that_opens_in_the_time_of_a_test_clock_is_carried_on(world: World) -> None:
    """A test account's time may be ahead of ours, and what is due there must not wait for us."""
    coupon = world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=14)
    order = world.order(coupons=[coupon], synced=False)
    schedule_id = world.schedule_later(order, starts_in=timedelta(days=4000))
    amendment = world.order(synced=False)
    world.update("Order", amendment.order_id, Stripe_ID__c=schedule_id)
    world.extend(schedule_id, amendment)
    world.sync()
    world.let_time_pass(days=4001)

    world.sync()

    first, second = _phases(world, schedule_id)
    assert len(first) == 1
    assert second == first


def test_a_window_that_begins_in_the_time_of_a_test_clock_is_carried_on(world: World) -> None:
    """What is granted on a phase that is on has its months from a time that is not ours."""
    coupon = world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=14)
    order = world.order(coupons=[coupon], synced=False)
    schedule_id = world.schedule_later(order, starts_in=timedelta(days=4000))
    world.extend(schedule_id, world.order(synced=False))
    world.let_time_pass(days=4010)

    world.sync()
    world.sync()

    first, second = _phases(world, schedule_id)
    assert len(first) == 1
    assert second == first


@pytest.mark.parametrize("through", ["another order", "somebody"])
def test_a_discount_that_is_there_is_adopted_though_its_coupon_is_used_up(
    world: World, through: str
) -> None:
    """Who has it needs no redemption, and to grant it by hand as well would double it."""
    forever = through == "another order"
    coupon = world.quote_coupon(
        Duration__c="forever" if forever else "once", Max_Redemptions__c=1 if forever else 2
    )
    first = world.order(coupons=[coupon])
    world.sync()
    subscription_id = first.subscription_id
    if forever:
        world.another_order_on(first, coupons=[coupon])
    else:
        subscription_id = world.order(coupons=[coupon]).subscription_id
        world.put_by_hand(subscription_id, str(world.coupons()[0]["id"]))
    before = world.discount_ids(subscription_id)

    report = world.sync()

    assert report.attachments["adopted"] == 1
    assert world.discount_ids(subscription_id) == before
    again = world.sync()
    assert again.problems == ()
    assert (again.calls.stripe_reads, again.calls.stripe_writes) == (0, 0)
    world.forget_ledger()
    assert world.sync().attachments["unchanged"] == 2


def test_a_discount_that_waits_for_a_used_up_coupon_stays_blocked(world: World) -> None:
    """The one that is there is the other order's; there will be none when it has run out."""
    coupon = world.quote_coupon(Max_Redemptions__c=1)
    first = world.order(coupons=[coupon])
    world.sync()
    world.another_order_on(first, coupons=[coupon])

    for _ in range(2):
        assert world.sync().attachments["blocked"] == 1
