"""Amendments: orders of their own, in the schedule of the initial order."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
import stripe

from coupon_pipeline.assets.report import RunReport
from coupon_pipeline.ledger.automation import read_days_not_done
from tests.world import MadeOrder, World


def _sync(world: World) -> RunReport:
    return world.sync_without_dagster(world.selection())


def _granted_on_a_schedule(world: World, months: int | None) -> tuple[MadeOrder, str]:
    """An order whose discount is in both phases of its schedule, and that schedule."""
    order = world.order(coupons=[_lasting(world, months)])
    schedule_id = world.manage(order)
    _sync(world)
    _sync(world)
    return order, schedule_id


def _schedule(world: World, schedule_id: str) -> stripe.SubscriptionSchedule:
    return world.stripe.v1.subscription_schedules.retrieve(
        schedule_id, {"expand": ["phases.discounts.discount"]}
    )


def _phases(world: World, schedule_id: str) -> list[list[str]]:
    """What the phases take off: a coupon's percentage, at most one of each in a test."""
    worth = {str(coupon["id"]): str(coupon["percent_off"]) for coupon in world.coupons()}
    return [
        [worth.get(str(each.coupon), "a discount that goes on") for each in phase.discounts]
        for phase in _schedule(world, schedule_id).phases
    ]


def test_an_amendment_is_found_through_its_contract(world: World) -> None:
    """The order sync may leave its Stripe id empty: the phase is the initial order's schedule's."""
    initial = world.order(coupons=[world.quote_coupon(Percent_Off__c=7, Duration__c="forever")])
    schedule_id = world.manage(initial)
    amendment = world.order(
        coupons=[world.quote_coupon(Percent_Off__c=9)],
        synced=False,
        amends=world.contract_of(initial),
    )

    before = _sync(world)
    world.extend(schedule_id, amendment)
    after = _sync(world)

    assert [problem.code for problem in before.problems] == ["target.no_phase_yet"]
    assert after.problems == ()
    assert after.attachments["attached"] == 1
    _, second, third = _phases(world, schedule_id)
    assert second in (["7"], ["a discount that goes on"])
    assert third[0] in ("7", "a discount that goes on")
    assert third[1:] == ["9"]


def test_an_amendment_and_its_contract_must_lead_to_the_same_target(world: World) -> None:
    """Otherwise a discount would be granted to whichever of the two was read."""
    initial, other = world.order(), world.order()
    amendment = world.order(
        coupons=[world.quote_coupon()], synced=False, amends=world.contract_of(initial)
    )
    world.update("Order", amendment.order_id, Stripe_ID__c=other.subscription_id)

    (problem,) = _sync(world).problems

    assert problem.code == "target.contract_conflict"
    assert initial.order_id in problem.fix
    assert world.discounted(other.subscription_id) == []

    world.update("Order", amendment.order_id, Stripe_ID__c=None)
    report = _sync(world)
    assert report.problems == ()
    assert world.discounted(initial.subscription_id) == [(10, None)]


def test_a_schedule_and_its_subscription_are_read_once(world: World) -> None:
    """The amendment may name the schedule, and the initial order what the schedule manages."""
    initial = world.order(coupons=[world.quote_coupon(Percent_Off__c=7)])
    schedule_id = world.manage(initial)
    amendment = world.order(
        coupons=[world.quote_coupon(Percent_Off__c=9)],
        synced=False,
        amends=world.contract_of(initial),
    )
    world.update("Order", amendment.order_id, Stripe_ID__c=schedule_id)
    world.extend(schedule_id, amendment)

    report = _sync(world)

    assert report.problems == ()
    assert report.attachments["attached"] == 2
    account, coupons = 1, 2
    assert report.calls.stripe_reads == account + 1
    assert report.calls.stripe_writes == coupons + 1


@pytest.mark.parametrize("months", [None, 24])
def test_discounts_go_on_in_a_phase_that_comes_after_its_order(
    world: World, months: int | None
) -> None:
    """A run may see an amendment without coupons before the order sync has made its phase."""
    initial, schedule_id = _granted_on_a_schedule(world, months)
    amendment = world.order(synced=False, amends=world.contract_of(initial))

    before = _sync(world)
    world.extend(schedule_id, amendment)
    _sync(world)
    after = _sync(world)

    assert before.calls.stripe_writes == 0
    assert after.calls.stripe_reads == 0
    first, second, third = _phases(world, schedule_id)
    assert first == second == third == ["a discount that goes on"]


@pytest.mark.parametrize("shows_in", ["the order", "nothing"])
def test_discounts_go_on_in_a_schedule_that_is_made_after_an_amendment_was_seen(
    world: World, shows_in: str
) -> None:
    """An amendment without coupons comes to a subscription that no schedule manages so far."""
    initial = world.order(coupons=[_lasting(world, None)])
    amendment = world.order(
        synced=False,
        amends=world.contract_of(initial),
        effective=date(2099, 1, 1) if shows_in == "nothing" else None,
    )
    _sync(world)
    before = _sync(world)
    schedule_id = world.manage(initial)
    if shows_in == "the order":
        world.let_time_pass(seconds=5)
        world.update("Order", amendment.order_id, Stripe_ID__c=initial.subscription_id)
    world.extend(schedule_id, amendment)

    report = _sync(world)
    after = _sync(world)

    assert before.calls.stripe_writes == 0
    assert report.problems == ()
    assert after.calls.stripe_reads == 0
    first, second, third = _phases(world, schedule_id)
    assert first == second == third == ["a discount that goes on"]


def test_the_day_of_an_amendment_whose_phase_may_still_come_is_run_however_old(
    world: World,
) -> None:
    initial = world.order(coupons=[_lasting(world, None)])
    amendment = world.order(
        synced=False, amends=world.contract_of(initial), effective=date(2099, 1, 1)
    )
    _sync(world)
    still_to_come = _days_not_done(world)

    world.extend(world.manage(initial), amendment)
    _sync(world)

    assert still_to_come == [date(2026, 11, 2)]
    assert _days_not_done(world) == []


def test_an_amendment_that_took_effect_without_a_schedule_is_looked_at_no_more(
    world: World,
) -> None:
    initial = world.order(coupons=[_lasting(world, None)])
    world.order(synced=False, amends=world.contract_of(initial))

    _sync(world)

    assert _sync(world).calls.stripe_reads == 0
    assert _days_not_done(world) == []


@pytest.mark.parametrize("initial_names", ["subscription", "schedule"])
def test_discounts_go_on_whatever_an_amendment_without_coupons_calls_the_target(
    world: World, initial_names: str
) -> None:
    """One of the two orders may name the schedule, and the other what the schedule manages."""
    initial = world.order(coupons=[_lasting(world, None)])
    schedule_id = world.manage(initial)
    names = [initial.subscription_id, schedule_id]
    if initial_names == "schedule":
        names.reverse()
    world.update("Order", initial.order_id, Stripe_ID__c=names[0])
    _sync(world)
    _sync(world)
    amendment = world.order(synced=False)
    world.update("Order", amendment.order_id, Stripe_ID__c=names[1])
    world.extend(schedule_id, amendment)

    _sync(world)
    after = _sync(world)

    assert after.calls.stripe_reads == 0
    first, second, third = _phases(world, schedule_id)
    assert first == second == third == ["a discount that goes on"]


def test_discounts_go_on_in_a_new_schedule_of_a_subscription_that_the_first_one_released(
    world: World,
) -> None:
    """The initial order still names the schedule that granted them."""
    initial = world.order(coupons=[_lasting(world, 20)], synced=False)
    former = world.schedule_later(initial, starts_in=timedelta(hours=1))
    _sync(world)
    world.let_time_pass(hours=2)
    _sync(world)
    released = world.stripe.v1.subscription_schedules.release(former)
    schedule = world.stripe.v1.subscription_schedules.create(
        {"from_subscription": str(released.released_subscription)}
    )
    amendment = world.order(synced=False, amends=world.contract_of(initial))
    world.update("Order", amendment.order_id, Stripe_ID__c=schedule.id)
    world.extend(schedule.id, amendment)

    report = _sync(world)

    assert report.problems == ()
    first, second = _phases(world, schedule.id)
    assert first == second == ["a discount that goes on"]


def test_discounts_go_on_in_a_schedule_that_is_made_again_with_the_same_phases(
    world: World,
) -> None:
    """Nobody took them out of phases that never had them."""
    initial = world.order(coupons=[_lasting(world, 20)])
    amendment = world.order(synced=False, amends=world.contract_of(initial))
    first = world.manage(initial)
    _sync(world)
    _sync(world)
    starts = [phase.start_date for phase in _schedule(world, first).phases]
    world.stripe.v1.subscription_schedules.release(first)
    again = world.manage(initial)
    world.let_time_pass(seconds=5)
    world.update("Order", amendment.order_id, Stripe_ID__c=again)
    world.extend(again, amendment)

    report = _sync(world)
    after = _sync(world)

    assert [phase.start_date for phase in _schedule(world, again).phases][:2] == starts
    assert report.problems == ()
    assert after.calls.stripe_reads == 0
    assert _phases(world, again) == [["a discount that goes on"]] * 3


def test_discounts_go_on_in_a_new_schedule_also_when_the_order_has_got_the_subscription_s_id(
    world: World,
) -> None:
    """The ledger has them under a schedule that named no subscription yet, as nothing does now."""
    initial = world.order(coupons=[_lasting(world, 20)], synced=False)
    former = world.schedule_later(initial, starts_in=timedelta(hours=1))
    world.extend(former, initial)
    world.sync_without_dagster(world.selection())
    world.let_time_pass(hours=2)
    world.sync_without_dagster(world.selection())
    released = world.stripe.v1.subscription_schedules.release(former).released_subscription
    world.update("Order", initial.order_id, Stripe_ID__c=released)
    schedule = world.stripe.v1.subscription_schedules.create({"from_subscription": str(released)})
    amendment = world.order(synced=False, amends=world.contract_of(initial))
    world.extend(schedule.id, amendment)

    report = world.sync_without_dagster(world.selection())

    assert report.problems == ()
    first, second = _phases(world, schedule.id)
    assert first == second == ["a discount that goes on"]


def test_discounts_go_on_in_a_schedule_that_has_no_phase_of_their_order(world: World) -> None:
    """It was made anew when the phase of an amendment was on already."""
    initial, first = _granted_on_a_schedule(world, None)
    earlier = world.order(synced=False, amends=world.contract_of(initial))
    world.extend(first, earlier)
    later = world.order(
        coupons=[world.quote_coupon(Percent_Off__c=9)],
        synced=False,
        amends=world.contract_of(initial),
    )
    _sync(world)
    world.let_time_pass(days=32 + 366)
    world.stripe.v1.subscription_schedules.release(first)
    again = world.manage(_on_subscription_of(initial, earlier))
    world.extend(again, later)

    report = _sync(world)

    assert initial.order_id not in str(world.phases_to_send(again))
    assert world.metadata(initial.subscription_id)["salesforce_order_id"] == earlier.order_id
    assert report.problems == ()
    assert _phases(world, again)[-1] == ["a discount that goes on", "9"]

    world.let_time_pass(seconds=5)
    world.update("Order", initial.order_id, Stripe_ID__c=again)
    _sync(world)
    assert _sync(world).calls.stripe_reads == 0


@pytest.mark.parametrize("names", ["the next schedule", "the subscription", "the first schedule"])
@pytest.mark.parametrize("duration", ["once", "forever"])
def test_what_a_schedule_named_for_later_is_granted_by_the_next_one_where_the_first_has_ended(
    world: World, names: str, duration: str
) -> None:
    """No discount came of it, so it is no second one; it counts as granted all the same."""
    initial = world.order(coupons=[_lasting(world, None)])
    first = world.manage(initial)
    coupon = world.quote_coupon(Percent_Off__c=9, Duration__c=duration)
    amendment = world.order(coupons=[coupon], synced=False, amends=world.contract_of(initial))
    world.extend(first, amendment)
    if names == "the first schedule":
        world.update("Order", amendment.order_id, Stripe_ID__c=first)
    _sync(world)
    _sync(world)
    world.let_time_pass(seconds=5)
    world.stripe.v1.subscription_schedules.release(first)
    again = world.manage(initial)
    world.extend(again, amendment)
    stripe_id = again if names == "the next schedule" else initial.subscription_id
    if names != "the first schedule":
        world.update("Order", amendment.order_id, Stripe_ID__c=stripe_id)
    else:
        world.update("Order", amendment.order_id, Description="synced again")

    report = _sync(world)
    _sync(world)
    after = _sync(world)

    assert report.problems == ()
    assert report.attachments["attached"] == 1
    assert (after.calls.stripe_reads, after.problems) == (0, ())
    goes_on = "a discount that goes on"
    assert _phases(world, again) == [[goes_on], [goes_on], [goes_on, "9"]]
    coupons = {str(each["percent_off"]): each["times_redeemed"] for each in world.coupons()}
    assert coupons["9"] == 0


@pytest.mark.parametrize("days", [10, 90])
def test_what_a_schedule_named_that_was_canceled_before_its_start_is_granted_by_the_next_one(
    world: World, days: int
) -> None:
    """Also when its start has passed before a run looks."""
    order = world.order(coupons=[_lasting(world, 3)], synced=False)
    first = world.schedule_later(order, starts_in=timedelta(days=days))
    _sync(world)
    world.let_time_pass(seconds=5)
    world.stripe.v1.subscription_schedules.cancel(first)
    again = world.schedule_later(order, starts_in=timedelta(days=60))

    report = _sync(world)

    assert report.problems == ()
    assert report.attachments["attached"] == 1
    assert _phases(world, again) == [["10"]]
    assert _sync(world).calls.stripe_reads == 0


def test_what_a_schedule_has_begun_is_not_granted_again_by_the_next_one(world: World) -> None:
    """It was used up or ended with the first one; nobody owes it twice."""
    order = world.order(coupons=[world.quote_coupon()], synced=False)
    first = world.schedule_later(order, starts_in=timedelta(hours=1))
    _sync(world)
    world.let_time_pass(hours=2)
    world.stripe.v1.subscription_schedules.cancel(first)
    again = world.schedule_later(order, starts_in=timedelta(days=60))

    report = _sync(world)

    assert report.attachments["attached"] == 0
    assert _phases(world, again) == [[]]


def _hand_over_the_last_phase(world: World, schedule_id: str, order: MadeOrder) -> None:
    """The order sync writes a phase anew that was another order's before."""
    phases = world.phases_to_send(schedule_id)
    phases[-1] |= {"discounts": "", "metadata": {"salesforce_order_id": order.order_id}}
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )


@pytest.mark.parametrize("months", [None, 24])
def test_discounts_go_on_in_a_phase_that_an_amendment_takes_over(
    world: World, months: int | None
) -> None:
    """It starts when the phase before it did; nobody took anything out of the amendment's."""
    initial, schedule_id = _granted_on_a_schedule(world, months)
    amendment = world.order(synced=False, amends=world.contract_of(initial))
    _hand_over_the_last_phase(world, schedule_id, amendment)

    report = _sync(world)
    after = _sync(world)

    assert report.problems == ()
    assert after.calls.stripe_reads == 0
    assert _phases(world, schedule_id) == [["a discount that goes on"]] * 2

    _hand_over_the_last_phase(world, schedule_id, amendment)
    world.let_time_pass(seconds=5)
    world.update("Order", amendment.order_id, Stripe_ID__c=initial.subscription_id)
    (problem,) = _sync(world).problems
    assert problem.code == "attachment.removed_by_hand"
    assert _phases(world, schedule_id) == [["a discount that goes on"], []]


@pytest.mark.parametrize("months", [None, 24])
@pytest.mark.parametrize("phases", [1, 2])
def test_what_has_not_begun_begins_in_the_phase_that_an_amendment_takes_over(
    world: World, months: int | None, phases: int
) -> None:
    """It takes effect when the initial order would have; the coupon was in nobody's invoice yet."""
    initial = world.order(coupons=[_lasting(world, months)], synced=False)
    schedule_id = world.schedule_later(initial, starts_in=timedelta(days=20_000))
    if phases > 1:
        world.extend(schedule_id, initial)
    world.sync_without_dagster(world.selection())
    before = _phases(world, schedule_id)
    amendment = world.order(synced=False, amends=world.contract_of(initial))
    taken_over = world.phases_to_send(schedule_id)
    taken_over[0] |= {"discounts": "", "metadata": {"salesforce_order_id": amendment.order_id}}
    _send(world, schedule_id, taken_over)

    report = world.sync_without_dagster(world.selection())
    again = world.sync_without_dagster(world.selection())

    assert report.problems == again.problems == ()
    assert again.calls.stripe_writes == 0
    assert _phases(world, schedule_id) == before

    emptied = world.phases_to_send(schedule_id)
    for phase in emptied:
        phase["discounts"] = ""
    _send(world, schedule_id, emptied)
    world.let_time_pass(seconds=5)
    world.update("Order", amendment.order_id, Stripe_ID__c=schedule_id)
    (problem,) = world.sync_without_dagster(world.selection()).problems
    assert problem.code == "attachment.removed_by_hand"
    assert _phases(world, schedule_id) == [[]] * phases


def test_the_last_redemption_is_still_there_for_a_schedule_that_is_made_again(
    world: World,
) -> None:
    """The first one was canceled before it began, so that it never redeems the coupon."""
    initial = world.order(coupons=[world.quote_coupon(Max_Redemptions__c=1)], synced=False)
    first = world.schedule_later(initial, starts_in=timedelta(days=20_000))
    world.sync_without_dagster(world.selection())
    world.stripe.v1.subscription_schedules.cancel(first)
    world.let_time_pass(seconds=5)
    again = world.schedule_later(initial, starts_in=timedelta(days=20_001))

    report = world.sync_without_dagster(world.selection())

    assert report.problems == ()
    assert _phases(world, again) == [["10"]]


@pytest.mark.parametrize("duration", ["once", "forever"])
def test_what_has_not_begun_and_has_no_phase_any_more_is_told(world: World, duration: str) -> None:
    """An amendment has the only phase, on another day than the ledger knows."""
    initial = world.order(coupons=[world.quote_coupon(Duration__c=duration)], synced=False)
    schedule_id = world.schedule_later(initial, starts_in=timedelta(days=20_000))
    world.sync_without_dagster(world.selection())
    amendment = world.order(synced=False, amends=world.contract_of(initial))
    (phase,) = world.phases_to_send(schedule_id)
    phase |= {"discounts": "", "metadata": {"salesforce_order_id": amendment.order_id}}
    for end in ("start_date", "end_date"):
        phase[end] = cast("int", phase[end]) + timedelta(days=30) // timedelta(seconds=1)
    _send(world, schedule_id, [phase])

    (problem,) = world.sync_without_dagster(world.selection()).problems

    assert problem.code == "attachment.removed_by_hand"


def test_discounts_go_on_in_a_phase_that_only_its_date_makes_an_amendment_s(world: World) -> None:
    """The order sync writes it anew and marks it for no order."""
    initial = world.order(coupons=[_lasting(world, None)])
    schedule_id = world.manage(initial)
    world.sync_without_dagster(world.selection())
    world.sync_without_dagster(world.selection())
    taken_over = world.phases_to_send(schedule_id)
    begins = datetime.fromtimestamp(cast("int", taken_over[-1]["start_date"]), UTC).date()
    world.order(synced=False, amends=world.contract_of(initial), effective=begins)
    taken_over[-1] |= {"discounts": "", "metadata": {}}
    _send(world, schedule_id, taken_over)

    report = world.sync_without_dagster(world.selection())

    assert report.problems == ()
    assert _phases(world, schedule_id) == [["a discount that goes on"]] * 2


def test_a_discount_that_somebody_took_out_of_a_phase_is_told_and_sent_to_none_after_it(
    world: World,
) -> None:
    """It ends with that phase, so Stripe could not keep it in the amendment's."""
    initial, schedule_id = _granted_on_a_schedule(world, None)
    phases = world.phases_to_send(schedule_id)
    phases[-1]["discounts"] = ""
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )
    amendment = world.order(
        coupons=[world.quote_coupon(Percent_Off__c=9)],
        synced=False,
        amends=world.contract_of(initial),
    )
    world.extend(schedule_id, amendment)

    report = _sync(world)

    assert [problem.code for problem in report.problems] == ["attachment.removed_by_hand"]
    assert _phases(world, schedule_id) == [["a discount that goes on"], [], ["9"]]


def _on_subscription_of(initial: MadeOrder, amendment: MadeOrder) -> MadeOrder:
    """An amendment with the subscription of its initial order."""
    return replace(amendment, subscription_id=initial.subscription_id)


def _days_not_done(world: World) -> list[date]:
    with world.ledger.reading() as tx:
        return read_days_not_done(tx, datetime.now(UTC))


def test_a_line_s_discount_goes_on_in_a_phase_that_does_not_say_which_line_its_item_is(
    world: World,
) -> None:
    """Stripe's dashboard copies no metadata to the items of a phase that somebody adds there."""
    initial = world.order(lines=[[_lasting(world, None)], []])
    schedule_id = world.manage(initial)
    phases = world.phases_to_send(schedule_id)
    items = cast("list[dict[str, object]]", phases[-1]["items"])
    for item in items:
        del item["metadata"]
    _send(world, schedule_id, phases)
    world.sync_without_dagster(world.selection())
    world.sync_without_dagster(world.selection())
    before = world.invoiced(initial.subscription_id)

    world.let_time_pass(days=100)

    totals = [total for _, total in world.invoiced(initial.subscription_id)[len(before) :]]
    assert totals == [19000] * len(totals) != []


def test_a_line_of_an_amendment_to_come_takes_no_discount_of_another_order_s_item(
    world: World,
) -> None:
    """The item with its price says nothing of who sold it; the amendment's is not there yet."""
    initial = world.order()
    schedule_id = world.manage(initial)
    phases = world.phases_to_send(schedule_id)
    for phase in phases:
        del cast("list[dict[str, object]]", phase["items"])[0]["metadata"]
    _send(world, schedule_id, phases)
    (item_id,) = initial.stripe_item_ids
    world.stripe.v1.subscription_items.update(item_id, {"metadata": ""})
    amendment = world.order(
        lines=[[world.quote_coupon()]], synced=False, amends=world.contract_of(initial)
    )
    entry = str(world.record("OrderItem", amendment.item_ids[0])["PricebookEntryId"])
    price = world.stripe.v1.subscription_items.retrieve(item_id).price.id
    world.update("PricebookEntry", entry, Stripe_ID__c=price)

    report = world.sync_without_dagster(world.selection())

    assert [problem.code for problem in report.problems] == ["target.no_phase_yet"]
    assert world.discounted_item(item_id) == []


def test_two_orders_with_one_coupon_have_their_months_one_after_the_other(world: World) -> None:
    """Signed together, the amendment's must not take away what is left of the first one's."""
    coupon = _lasting(world, 3)
    initial = world.order(coupons=[coupon])
    schedule_id = world.manage(initial)
    amendment = world.order(coupons=[coupon], synced=False, amends=world.contract_of(initial))
    phases = world.phases_to_send(schedule_id)
    phases[-1]["metadata"] = {"salesforce_order_id": amendment.order_id}
    _send(world, schedule_id, phases)

    codes = []
    for _ in range(9):
        for _ in range(2):  # the second sends on what the first granted
            report = world.sync_without_dagster(world.selection())
        codes += [problem.code for problem in report.problems]
        world.let_time_pass(days=30)

    assert set(codes) == {"target.coupon_in_use"}
    totals = [total for _, total in world.invoiced(initial.subscription_id)]
    assert sorted(totals) == [*[9000] * 6, *[10000] * (len(totals) - 6)]


def test_months_are_sent_on_also_when_somebody_has_put_off_the_phase_that_they_begin_with(
    world: World,
) -> None:
    """The ledger knows the phase by a date that it does not have any more."""
    initial = world.order(coupons=[_lasting(world, 18)], synced=False)
    schedule_id = world.schedule_later(initial, starts_in=timedelta(days=30))
    world.extend(schedule_id, initial)
    world.sync_without_dagster(world.selection())
    phases = world.phases_to_send(schedule_id)
    put_off = timedelta(days=60) // timedelta(seconds=1)
    for phase in phases:
        for end in ("start_date", "end_date"):
            phase[end] = cast("int", phase[end]) + put_off
    _send(world, schedule_id, phases)

    put_off_run = world.sync_without_dagster(world.selection())
    world.let_time_pass(days=95)
    world.sync_without_dagster(world.selection())

    assert put_off_run.problems == ()
    first, second = _phases(world, schedule_id)
    assert first == second == ["a discount that goes on"]


@pytest.mark.parametrize(("limit", "months"), [(1, 24), (1, None), (None, 24)])
def test_a_discount_goes_on_also_when_its_coupon_has_ended_and_the_ledger_is_lost(
    world: World, limit: int | None, months: int | None
) -> None:
    """A coupon that is used up or deleted makes no discount any more; what it has made goes on."""
    duration = "forever" if months is None else "repeating"
    coupon = world.quote_coupon(
        Duration__c=duration, Duration_In_Months__c=months, Max_Redemptions__c=limit
    )
    schedule_id = world.manage(world.order(coupons=[coupon]))
    world.sync_without_dagster(world.selection())
    if limit is None:
        world.stripe.v1.coupons.delete(str(world.coupons()[0]["id"]))
    world.forget_ledger()

    world.sync_without_dagster(world.selection())
    again = world.sync_without_dagster(world.selection())
    third = world.sync_without_dagster(world.selection())

    assert again.problems == ()
    assert third.calls.stripe_writes == 0
    first, second = _phases(world, schedule_id)
    assert first == second == ["a discount that goes on"]


def _send(world: World, schedule_id: str, phases: list[dict[str, object]]) -> None:
    """Somebody rewrites a schedule."""
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )


def _lasting(world: World, months: int | None) -> str:
    duration = "forever" if months is None else "repeating"
    return world.quote_coupon(Duration__c=duration, Duration_In_Months__c=months)
