"""`audit` tells every difference, `repair --plan` proposes what may be mended, `apply` does it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from tests.cli.commands import Command, Ran
from tests.world import World

REPAIR = "repair.json"


def _told(ran: Ran, key: str = "differences") -> list[tuple[str, str]]:
    found = ran.document[key]
    assert isinstance(found, list)
    assert all(each["message"] and each["fix"] for each in found)
    return sorted((each["kind"], each["record_id"]) for each in found)


def _copy_on(world: World, order_id: str) -> str:
    copies = [r for r in world.records("Order_Stripe_Coupon__c") if r["Order__c"] == order_id]
    (copy,) = copies
    return str(copy["Id"])


def test_audit_tells_each_kind_and_apply_makes_the_repairs_that_are_the_pipelines(
    world: World, command: Command
) -> None:
    """What is of others, or was taken away by somebody, is told and never in the plan."""
    coupons = [world.quote_coupon(Percent_Off__c=n, Duration__c="forever") for n in (1, 2, 3)]
    removed, doubled, cleared = (world.order(coupons=[coupon]) for coupon in coupons)
    world.sync_without_dagster(world.selection())
    clean = command("audit", "--json")
    assert (clean.status, clean.document["ok"], _told(clean)) == (0, True, [])
    calls = clean.document["calls"]
    assert isinstance(calls, dict)
    assert (calls["stripe_writes"], calls["stripe_reads"] < 10) == (0, True)
    made = {
        coupon: str(world.record("Quote_Stripe_Coupon__c", coupon)["Stripe_ID__c"])
        for coupon in coupons
    }
    copy, lost = (_copy_on(world, each.order_id) for each in (cleared, doubled))
    labelled = made[coupons[0]]

    unsynced = world.order(coupons=[world.quote_coupon(Percent_Off__c=20)])
    world.discounts_by_hand(removed.subscription_id or "", [])
    world.put_by_hand(cleared.subscription_id, made[coupons[1]])
    by_hand = str(world.stripe_create("coupon", percent_off=5, duration="forever")["id"])
    kept = world.discount_ids(doubled.subscription_id)
    world.discounts_by_hand(
        doubled.subscription_id or "", [*({"discount": d} for d in kept), {"coupon": by_hand}]
    )
    world.update("Order_Stripe_Coupon__c", copy, Stripe_ID__c=None)
    world.delete("Order_Stripe_Coupon__c", lost)
    key = "salesforce_quote_stripe_coupon_link"
    link = f"{world.sandbox.addresses.salesforce_url}/elsewhere"
    world.stripe.v1.coupons.update(labelled, {"metadata": {key: link}})
    before = world.state_of_both()

    found = command("audit", "--json")
    (extra,) = world.discount_ids(cleared.subscription_id)
    foreign = world.discount_ids(doubled.subscription_id)[-1]
    assert found.status == 3
    assert _told(found) == sorted(
        [
            ("deleted", removed.order_id),
            ("deleted", cleared.order_id),
            ("deleted", lost),
            ("edited", copy),
            ("edited", labelled),
            ("extra", extra),
            ("foreign", foreign),
            ("missing", unsynced.order_id),
        ]
    )
    number = str(world.record("Order", unsynced.order_id)["OrderNumber"])
    assert f"order {number} ({unsynced.order_id})" in command("audit", "--kind", "missing").out

    proposed = command("repair", "--plan", "--out", REPAIR, "--json")
    assert (proposed.status, world.state_of_both()) == (4, before)
    assert _told(proposed, "not_planned") == sorted(
        [
            ("deleted", removed.order_id),
            ("deleted", cleared.order_id),
            ("edited", labelled),
            ("extra", extra),
            ("foreign", foreign),
        ]
    )
    assert command("apply", REPAIR, "--json").status == 0

    assert world.discounted(unsynced.subscription_id) == [(20, None)]
    assert world.record("Order_Stripe_Coupon__c", copy)["Stripe_ID__c"] == made[coupons[2]]
    assert _copy_on(world, doubled.order_id) != lost
    assert world.discounted(removed.subscription_id) == []
    assert world.discounted(doubled.subscription_id) == [(2, None), (5, None)]
    left = command("repair", "--plan", "--out", "nothing.json", "--json")
    assert (left.status, left.document["plan"], Path("nothing.json").exists()) == (3, None, False)

    assert command("rebuild-ledger", "--json").status == 0
    world.sync_without_dagster(world.selection())
    (mended,) = (each for each in world.coupons() if each["id"] == labelled)
    assert link not in str(mended["metadata"])
    assert ("edited", labelled) not in _told(command("audit", "--json"))


def test_whoever_gives_a_discount_back_in_stripe_has_mended_it(
    world: World, command: Command
) -> None:
    """Nothing proves that a second grant is the only one, so it is for people: once is enough."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    world.sync_without_dagster(world.selection())
    (made,) = world.coupons()
    world.discounts_by_hand(order.subscription_id or "", [])
    removed = command("repair", "--plan", "--json")
    assert _told(removed, "not_planned") == [("deleted", order.order_id)]
    assert f"add coupon {made['id']} to {order.subscription_id} in Stripe" in removed.out

    world.put_by_hand(order.subscription_id, str(made["id"]))

    given_back = world.discount_ids(order.subscription_id)
    assert _told(command("audit", "--json")) == []
    assert world.sync_without_dagster(world.selection(order.order_id)).calls.stripe_writes == 0
    assert world.discount_ids(order.subscription_id) == given_back


def test_a_look_at_schedules_costs_pages_and_what_is_on_salesforce_records_is_compared(
    world: World, command: Command
) -> None:
    """Also schedules that have not begun, and those that let their subscription go."""
    coupon = world.quote_coupon(Percent_Off__c=5, Duration__c="forever")
    begun = [world.order(coupons=[coupon]) for _ in range(3)]
    later = [world.order(coupons=[coupon], synced=False) for _ in range(3)]
    bad = world.bad_quote_coupon()
    blocked = world.order(coupons=[bad])
    schedules = [world.manage(order) for order in begun]
    for order, schedule in zip(begun[:2], schedules[:2], strict=True):
        world.update("Order", order.order_id, Stripe_ID__c=schedule)
    for order in later:
        world.schedule_later(order, starts_in=timedelta(days=30))
    world.sync_without_dagster(world.selection())
    for schedule in schedules[1:]:
        world.stripe.v1.subscription_schedules.release(schedule)

    world.create(
        "Sync_Record__c",
        Compound_ID__c=f"connector-{blocked.order_id}",
        Primary_Record_ID__c=blocked.order_id,
        Primary_Object_Type__c="Order",
        Secondary_Record_ID__c=bad,
        Secondary_Object_Type__c="Quote_Stripe_Coupon__c",
        Resolution_Status__c="Error",
    )

    found = command("audit", "--json")

    calls = found.document["calls"]
    assert isinstance(calls, dict)
    assert (found.document["attachments"], _told(found)) == (6, [])
    pages = "the account; a page of coupons, subscriptions, schedules, events"
    assert calls["stripe_reads"] == 5, pages

    (told,) = (
        r for r in world.records("Sync_Record__c") if "connector" not in str(r["Compound_ID__c"])
    )
    world.delete("Sync_Record__c", str(told["Id"]))
    world.update("Quote_Stripe_Coupon__c", coupon, Stripe_ID__c=None)
    differing = command("audit", "--json")
    assert _told(differing) == [
        ("deleted", f"{blocked.order_id}-{bad}"),
        ("edited", coupon),
    ]
    assert command("repair", "--plan", "--out", REPAIR).status == 4
    assert command("apply", REPAIR).status == 0
    (made,) = world.coupons()
    assert world.record("Quote_Stripe_Coupon__c", coupon)["Stripe_ID__c"] == made["id"]
    assert command("rebuild-ledger").status == 0
    world.sync_without_dagster(world.selection())
    assert _told(command("audit", "--json")) == []
    assert len(world.records("Sync_Record__c")) == 2


def test_what_makes_no_sense_is_refused(world: World, command: Command) -> None:
    """Without a ledger there is nothing to compare, and repair never writes."""
    assert not world.db.exists()
    missing = command("audit", "--json")
    assert (missing.status, missing.error_code) == (1, "ledger.missing")
    assert command("repair", "--json").status == 2


def _empty_last_phase(world: World, schedule_id: str, **changes: object) -> None:
    """Somebody writes the schedule again, with a last phase that discounts nothing."""
    phases = world.phases_to_send(schedule_id)
    phases[-1] |= {"discounts": "", **changes}
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )


@pytest.mark.parametrize("months", [None, 30])
def test_a_discount_that_a_phase_to_come_lacks_is_told_before_it_ends_there(
    world: World, command: Command, months: int | None
) -> None:
    """Nothing is wanted there any more, so no sync looks; whoever puts it in has mended it."""
    duration = "forever" if months is None else "repeating"
    coupon = world.quote_coupon(Duration__c=duration, Duration_In_Months__c=months)
    order = world.order(coupons=[coupon])
    schedule_id = world.manage(order)
    for _ in range(2):
        world.sync_without_dagster(world.selection())
        assert _told(command("audit", "--json")) == [], "what the ledger does by itself"
    world.extend(schedule_id, order)
    last = world.stripe.v1.subscription_schedules.retrieve(schedule_id).phases[-1].start_date

    found = command("audit", "--kind", "missing", "--json")
    assert (found.status, _told(found)) == (3, [("missing", order.order_id)])
    (discount,) = world.discount_ids(order.subscription_id)
    assert all(
        each in found.out
        for each in (discount, schedule_id, f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d}")
    )
    proposed = command("repair", "--plan", "--json")
    assert (proposed.status, proposed.document["plan"]) == (3, None)
    assert world.sync_without_dagster(world.selection()).calls.stripe_reads == 0
    assert not command("verify", "--systems", "--json").document["ok"]

    phases = world.phases_to_send(schedule_id)
    phases[-1]["discounts"] = [{"discount": discount}]
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )
    assert _told(command("audit", "--json")) == []
    world.let_time_pass(days=800)
    assert world.discount_ids(order.subscription_id) == [discount]


def test_a_coupon_that_is_deleted_before_the_phase_that_names_it_is_told(
    world: World, command: Command
) -> None:
    order = world.order(coupons=[world.quote_coupon()], synced=False)
    schedule_id = world.schedule_later(order, starts_in=timedelta(days=90))
    world.sync_without_dagster(world.selection())
    assert _told(command("audit", "--json")) == []

    (coupon,) = world.coupons()
    world.stripe.v1.coupons.delete(str(coupon["id"]))

    found = command("audit", "--kind", "missing", "--json")
    assert (found.status, _told(found)) == (3, [("missing", schedule_id)])


@pytest.mark.parametrize("shows_in", ["a new order", "the order"])
def test_a_discount_that_the_phase_of_an_order_not_seen_since_lacks_is_for_a_sync_of_that(
    world: World, command: Command, shows_in: str
) -> None:
    """An amendment has come, or the order itself has changed: the next sync of it looks."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(order)
    for _ in range(2):
        world.sync_without_dagster(world.selection())
    world.let_time_pass(seconds=5)
    if shows_in == "a new order":
        mends = world.amend(order, schedule_id).order_id
    else:
        mends = order.order_id
        world.extend(schedule_id, order)
        world.update("Order", mends, Stripe_ID__c=order.subscription_id)

    found = command("audit", "--json")
    assert _told(found) == [("missing", order.order_id)]
    assert f"sync --order {mends}," in found.out
    assert command("verify", "--systems", "--json").document["ok"], "no sync, no contradiction"
    proposed = command("repair", "--plan", "--out", REPAIR, "--json")
    assert (proposed.status, _told(proposed, "not_planned")) == (4, [])
    assert command("apply", REPAIR).status == 0

    assert _told(command("audit", "--json")) == []
    world.let_time_pass(days=800)
    assert world.discounted(order.subscription_id) == [(10, None)]


def test_a_discount_that_somebody_took_out_of_a_phase_to_come_is_told_once(
    world: World, command: Command
) -> None:
    """A run that looks for another reason says that it was removed by hand, and sends none on."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(order)
    for _ in range(2):
        world.sync_without_dagster(world.selection())
    _empty_last_phase(world, schedule_id)
    found = command("repair", "--plan", "--json")
    assert _told(found, "not_planned") == [("missing", order.order_id)]

    amendment = world.order(
        coupons=[world.quote_coupon(Percent_Off__c=7)],
        synced=False,
        amends=world.contract_of(order),
    )
    world.extend(schedule_id, amendment)
    report = world.sync_without_dagster(world.selection())

    assert [each.code for each in report.problems] == ["attachment.removed_by_hand"]
    assert _told(command("audit", "--json")) == []


def test_a_coupon_that_waited_for_its_phase_and_is_in_none_any_more_is_told(
    world: World, command: Command
) -> None:
    """The order sync wrote a schedule anew that has not begun; nothing is granted a second time."""
    coupon = world.quote_coupon()
    order = world.order(coupons=[coupon], synced=False)
    schedule_id = world.schedule_later(order, starts_in=timedelta(days=30))
    world.sync_without_dagster(world.selection())
    (made,) = world.coupons()
    _empty_last_phase(world, schedule_id)

    found = command("repair", "--plan", "--json")

    assert _told(found, "not_planned") == [("missing", order.order_id)]
    assert f"name {made['id']} in these phases in Stripe" in found.out
    world.put_on_last_phase_by_hand(schedule_id, str(made["id"]))
    assert _told(command("audit", "--json")) == []
    assert world.sync_without_dagster(world.selection()).calls.stripe_writes == 0


def test_what_the_phases_of_a_schedule_lack_that_took_the_place_of_another_is_told(
    world: World, command: Command
) -> None:
    """The order still names the schedule that granted it, and a run has looked before."""
    coupon = world.quote_coupon(Duration__c="forever")
    order = world.order(coupons=[coupon], synced=False)
    former = world.schedule_later(order, starts_in=timedelta(hours=1))
    world.sync_without_dagster(world.selection())
    world.let_time_pass(hours=2)
    world.sync_without_dagster(world.selection())
    released = world.stripe.v1.subscription_schedules.release(former)
    running = str(released.released_subscription)
    schedule = world.stripe.v1.subscription_schedules.create({"from_subscription": running})
    assert _told(command("audit", "--json")) == []
    world.extend(schedule.id, order)

    found = command("audit", "--json")

    assert _told(found) == [("missing", order.order_id)]
    assert schedule.id in found.out
