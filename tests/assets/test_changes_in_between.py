"""What somebody changes between the read of a target and the write is noticed, never left."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

import dagster as dg
import pytest

from coupon_pipeline.assets.agreement import compare_with_systems
from coupon_pipeline.automation.jobs import AGREEMENT_JOB
from coupon_pipeline.definitions import definitions
from coupon_pipeline.domain.difference import Mender
from coupon_pipeline.domain.problems import RecordNames
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.sandbox.switches import turn
from coupon_pipeline.settings import load_settings
from tests.world import MadeOrder, World

EVER = Selection(date(2026, 11, 1), date(2028, 11, 1))


def _meanwhile(
    world: World, change: Callable[[], object], path: str = "/v1/subscription_schedules/"
) -> None:
    """Do something once, when the next change of a target has left and has not arrived."""
    slow = FaultRule(
        service="stripe",
        kind="slow",
        method="POST",
        path=path,
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

    after = world.sync_without_dagster(EVER)
    world.sandbox.calls.clear()
    again = world.sync_without_dagster(EVER)

    assert (after.problems, again.problems, again.calls.stripe_reads) == ((), (), 0)
    assert world.discounted(order.subscription_id) == [(10, None)]


def test_what_was_put_on_a_phase_that_was_over_is_granted_by_the_next_run_once(
    world: World,
) -> None:
    """The proof in the same request speaks of it; the answer showed that nothing came of it."""
    once, months, limited = (
        world.quote_coupon(**terms)
        for terms in (
            {"Duration__c": "once"},
            {"Duration__c": "repeating", "Duration_In_Months__c": 2, "Percent_Off__c": 20},
            {"Duration__c": "forever", "Max_Redemptions__c": 9, "Percent_Off__c": 30},
        )
    )
    on_order, on_item, kept = (
        world.order(coupons=[once]),
        world.order(lines=[[months]]),
        world.order(coupons=[limited]),
    )
    for order in (on_order, on_item, kept):
        world.manage(order)
    _meanwhile(world, lambda: world.sandbox.clock.advance(timedelta(days=45)))

    missed = world.sync_without_dagster(EVER)

    assert [problem.code for problem in missed.problems] == ["target.phase_begun"] * 3
    assert missed.attachments["pending"] == 3
    assert world.discounted(on_order.subscription_id) == []

    world.update("Order", on_item.order_id, Stripe_ID__c=None)
    waiting = world.sync_without_dagster(EVER)
    world.update("Order", on_item.order_id, Stripe_ID__c=on_item.subscription_id)
    made = world.sync_without_dagster(EVER)

    assert [problem.code for problem in waiting.problems] == ["target.none_yet"]
    assert made.problems == ()
    assert world.discounted(on_order.subscription_id) == [(10, None)]
    assert world.discounted_item(on_item.stripe_item_ids[0]) == [(20, None)]
    assert world.discounted(kept.subscription_id) == [(30, None)]

    world.let_time_pass(days=130)
    world.sync_without_dagster(EVER)

    totals = {
        order.order_id: [total for _, total in world.invoiced(order.subscription_id)][2:]
        for order in (on_order, on_item, kept)
    }
    assert totals == {
        on_order.order_id: [9000, 10000, 10000, 10000],
        on_item.order_id: [8000, 8000, 10000, 10000],
        kept.order_id: [7000, 7000, 7000, 7000],
    }
    assert world.discounted(on_order.subscription_id) == []


@pytest.mark.parametrize(
    ("resent", "told"),
    [
        ("refused", ["stripe.rejected", *["attachment.removed_by_hand"] * 2]),
        ("ignored", ["attachment.ended_with_phase"] * 3),
    ],
)
def test_what_ended_with_its_phase_just_when_it_was_sent_on_is_told(
    world: World, resent: str, told: list[str]
) -> None:
    """Stripe gives nobody the same discount again, and a new one would begin anew."""
    turn(world.sandbox.switches, {"stripe_spent_discount_resent": resent})
    coupons = [
        world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=6),
        world.quote_coupon(Duration__c="forever", Max_Redemptions__c=9, Percent_Off__c=20),
    ]
    order = world.order(coupons=coupons)
    world.manage(order)
    world.sync_without_dagster(EVER)
    assert world.discounted(order.subscription_id) == [(10, None), (20, None)]
    _meanwhile(world, lambda: world.sandbox.clock.advance(timedelta(days=45)))

    runs = [world.sync_without_dagster(EVER) for _ in range(3)]

    assert world.discounted(order.subscription_id) == []
    codes = [[problem.code for problem in run.problems] for run in runs]
    assert codes == [[code] * 2 for code in told]


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


def _somebody_adds_a_coupon(world: World, order: MadeOrder) -> tuple[str, str]:
    """While the order's subscription is being written; the coupon and where its discount goes."""
    coupon = str(world.stripe_create("coupon", percent_off=50, duration="forever")["id"])
    path = f"/v1/subscriptions/{order.subscription_id}"
    params = {"discounts": [{"coupon": coupon}]}
    _meanwhile(world, lambda: world.sandbox.stripe.call("POST", path, params), path)
    return coupon, str(order.subscription_id)


def _night(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    """What the job of each night says of changes that writes undid."""
    night = definitions().resolve_job_def(AGREEMENT_JOB).execute_in_process(instance=instance)
    name = "no_change_of_others_was_undone"
    (told,) = (e for e in night.get_asset_check_evaluations() if e.check_name == name)
    return told


def _events_read(world: World) -> int:
    return sum(call.path == "/v1/events" for call in world.sandbox.calls.all("stripe"))


def test_a_discount_that_our_write_took_away_unknowingly_is_told(world: World) -> None:
    """No answer shows it; the events do, in one read for the whole run."""
    world.setting("COUPON_PIPELINE_READ_EVENTS", "true")
    orders = [world.order(coupons=[world.quote_coupon(Duration__c="forever")]) for _ in range(2)]
    coupon, target = _somebody_adds_a_coupon(world, orders[1])

    report = world.sync_without_dagster(EVER)

    assert world.discounted(target) == [(10, None)]
    (problem,) = report.problems
    assert (problem.code, problem.order_id) == ("target.overwritten", orders[1].order_id)
    assert all(word in problem.message for word in (coupon, target, "di_"))
    assert _events_read(world) == 1

    again = world.sync_without_dagster(EVER)

    assert again.problems == (replace(problem, last_seen_at=again.problems[0].last_seen_at),)
    assert _events_read(world) == 1  # nothing was written


@pytest.mark.parametrize("switched_on", ["true", "false"])
def test_who_may_not_read_events_is_told_so_and_the_run_goes_on(
    world: World, switched_on: str
) -> None:
    """Unless switched on, nobody asks for them."""
    key = world.sandbox.stripe.restricted_key(
        "rak_coupon_write", "rak_subscription_write", "rak_customer_read"
    )
    world.setting("STRIPE_API_KEY", key)
    world.setting("COUPON_PIPELINE_READ_EVENTS", switched_on)
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    _somebody_adds_a_coupon(world, order)

    report = world.sync_without_dagster(EVER)

    assert report.attachments["attached"] == 1
    expected = {"true": ["stripe.events_unread"], "false": []}[switched_on]
    assert [problem.code for problem in report.problems] == expected
    assert bool(_events_read(world)) == bool(expected)


def test_the_audit_tells_what_writes_took_away_until_somebody_put_it_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the run did not look; where it cannot be told, it says so."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    coupon, target = _somebody_adds_a_coupon(world, order)
    assert world.sync_without_dagster(EVER).problems == ()

    found = compare_with_systems(load_settings(), world.ledger)

    (lost,) = found.differences
    assert (lost.kind, lost.mender) == ("overwritten", Mender.PERSON)
    said = lost.what(RecordNames())
    assert all(word in said for word in (coupon, target, lost.record_id)), said

    kept = world.discount_ids(target)
    world.discounts_by_hand(target, [*({"discount": d} for d in kept), {"coupon": coupon}])
    kinds = [d.kind for d in compare_with_systems(load_settings(), world.ledger).differences]
    assert kinds == ["foreign"]

    monkeypatch.setenv(
        "STRIPE_API_KEY",
        world.sandbox.stripe.restricted_key(
            "rak_coupon_read", "rak_subscription_read", "rak_customer_read"
        ),
    )
    (unseen,) = compare_with_systems(load_settings(), world.ledger).problems
    assert unseen.code == "stripe.events_unread"


def _somebody_edits_the_last_phase(world: World, schedule_id: str, **edit: object) -> None:
    """While the schedule is being written."""
    phases = world.phases_to_send(schedule_id)
    phases[-1] |= edit
    params = {"phases": phases, "proration_behavior": "none"}
    path = f"/v1/subscription_schedules/{schedule_id}"
    _meanwhile(world, lambda: world.sandbox.stripe.call("POST", path, params))


def test_what_somebody_edited_in_a_later_phase_and_our_write_undid_is_told(world: World) -> None:
    """The answer shows our own phases; the event of the write has those before it."""
    world.setting("COUPON_PIPELINE_READ_EVENTS", "true")
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(order)
    theirs = str(world.stripe_create("coupon", percent_off=50, duration="forever")["id"])

    _somebody_edits_the_last_phase(
        world, schedule_id, description="Agreed by phone", discounts=[{"coupon": theirs}]
    )

    report = world.sync_without_dagster(EVER)

    (problem,) = report.problems
    assert (problem.code, problem.order_id) == ("target.edit_overwritten", order.order_id)
    assert all(word in problem.message for word in (schedule_id, theirs, "Agreed by phone"))
    assert _events_read(world) == 1
    again = world.sync_without_dagster(EVER)
    assert [each.code for each in again.problems] == ["target.edit_overwritten"]


def test_a_write_that_undid_nothing_is_told_of_nothing(world: World) -> None:
    """Coupons on the order and its lines, of each duration, and later sent on by their ids."""
    world.setting("COUPON_PIPELINE_READ_EVENTS", "true")
    terms = (
        {"Duration__c": "once"},
        {"Duration__c": "repeating", "Duration_In_Months__c": 14, "Percent_Off__c": 20},
        {"Duration__c": "forever", "Percent_Off__c": 30},
    )
    coupons = [world.quote_coupon(**each) for each in terms]
    order = world.order(coupons=coupons, lines=[coupons])
    world.manage(order)

    reports = [world.sync_without_dagster(EVER)]
    for _ in range(3):
        world.let_time_pass(days=20)
        reports.append(world.sync_without_dagster(EVER))

    assert [report.problems for report in reports] == [()] * 4
    assert _events_read(world) > 1


def test_each_night_tells_what_a_write_undid_until_somebody_does_it_again(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Without a setting: the runs do not look. So does `audit`."""
    coupon = world.quote_coupon(Duration__c="forever")
    schedule_id = world.manage(world.order(coupons=[coupon]))
    _somebody_edits_the_last_phase(world, schedule_id, description="Agreed by phone")
    assert world.sync_without_dagster(EVER).problems == ()
    theirs, target = _somebody_adds_a_coupon(world, world.order(coupons=[coupon]))
    assert world.sync_without_dagster(EVER).problems == ()

    told = _night(instance)

    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert told.metadata["found"].value == 2
    findings = str(told.metadata["findings"].value)
    assert all(word in findings for word in (schedule_id, "Agreed by phone", theirs, target))
    audited = compare_with_systems(load_settings(), world.ledger).differences
    said = [each.what(RecordNames()) for each in audited if each.kind == "overwritten"]
    assert len(said) == 2
    assert any("Agreed by phone" in each for each in said)

    phases = world.phases_to_send(schedule_id)
    phases[-1]["description"] = "Agreed by phone"
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )
    kept = world.discount_ids(target)
    world.discounts_by_hand(target, [*({"discount": d} for d in kept), {"coupon": theirs}])

    assert _night(instance).passed


def test_a_night_without_the_permission_for_events_says_so_and_passes(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be left out."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    _somebody_adds_a_coupon(world, order)
    world.sync_without_dagster(EVER)
    key = world.sandbox.stripe.restricted_key(
        "rak_coupon_read", "rak_subscription_read", "rak_customer_read"
    )
    monkeypatch.setenv("STRIPE_API_KEY", key)

    told = _night(instance)

    assert told.passed
    assert "Events: Read" in (told.description or "")


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
