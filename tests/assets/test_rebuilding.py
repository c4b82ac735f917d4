"""A lost ledger is made again from both systems, and a ledger that differs from them is found."""

from datetime import UTC, date, datetime
from typing import Any, cast

import duckdb
import pytest

from coupon_pipeline.assets.agreement import compare_with_systems
from coupon_pipeline.assets.rebuilding import replace_ledger
from coupon_pipeline.ledger.inspection import read_ledger_at_odds
from coupon_pipeline.ledger.verification import inspect
from coupon_pipeline.settings import load_settings
from tests.world import World


def _writes(world: World) -> int:
    report = world.sync_without_dagster(world.selection())
    return report.writes + report.calls.stripe_writes


def _discrepancies(world: World) -> list[str]:
    with world.ledger.reading() as tx:
        found = inspect(tx).discrepancies
    agreement = compare_with_systems(load_settings(), world.ledger)
    return [each.what for each in (*found, *agreement.discrepancies)]


def _company(world: World) -> None:
    """Orders of every kind that a rebuilt ledger has to know again."""
    once = world.quote_coupon()
    forever = world.quote_coupon(Percent_Off__c=5, Duration__c="forever")
    repeating = world.quote_coupon(
        Amount_Off__c=7, Duration__c="repeating", Duration_In_Months__c=1
    )
    world.stripe_create("coupon", id="by-hand", percent_off=15, duration="forever")
    adopted = world.quote_coupon(Percent_Off__c=15, Duration__c="forever")
    world.update("Quote_Stripe_Coupon__c", adopted, Stripe_ID__c="by-hand")
    long = world.bad_quote_coupon(Percent_Off__c=1, Name__c="A name longer than Stripe takes " * 2)
    world.order(coupons=[once, forever], lines=[[repeating], [once]])
    world.order(coupons=[adopted, long])
    world.order(coupons=[once], synced=False)
    managed = world.order(coupons=[forever])
    world.manage(managed)
    world.sync_without_dagster(world.selection())
    renamed = f"https://renamed.example/{adopted}"
    link = {"salesforce_quote_stripe_coupon_link": renamed}
    world.stripe.v1.coupons.update("by-hand", {"metadata": link})
    world.let_time_pass(minutes=1)
    world.update("Quote_Stripe_Coupon__c", forever, Percent_Off__c=6)
    world.order(coupons=[forever])
    world.sync_without_dagster(world.selection())


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["missing", "corrupt", "intact"])
def test_after_a_rebuild_a_sync_writes_nothing_and_the_ledger_agrees_with_both_systems(
    world: World, loss: str
) -> None:
    """Also what is spent is known as granted: the month is over and the `once` is used up."""
    _company(world)
    world.let_time_pass(days=45)
    settings, ledger = load_settings(), world.ledger
    before = world.state_of_both()
    if loss == "missing":
        world.forget_ledger()
    if loss == "corrupt":
        world.db.write_bytes(b"no database")

    rebuilt, kept = replace_ledger(settings, ledger)

    assert (kept is None) == (loss == "missing")
    assert loss != "corrupt" or (kept is not None and kept.read_bytes() == b"no database")
    assert (rebuilt.evidence > 0) == (loss == "intact")
    assert rebuilt.calls.stripe_writes == 0
    assert (rebuilt.attachments, rebuilt.unread_targets, rebuilt.edited) == (7, 0, ())
    assert world.state_of_both() == before
    assert _discrepancies(world) == []
    with duckdb.connect(str(world.db), read_only=True) as connection:
        (latest,) = connection.execute("select max(attached_at) from coupon_attachments").fetchall()
    assert latest[0].date() == date(2026, 11, 2), "granted at activation at the earliest"
    assert _writes(world) == 0
    assert world.state_of_both() == before
    assert _discrepancies(world) == []


def test_whatever_differs_between_ledger_and_systems_is_told(world: World) -> None:
    """Each kind of difference once, by the record that it is about."""
    coupons = [world.quote_coupon(Percent_Off__c=n, Duration__c="forever") for n in range(1, 7)]
    orders = [world.order(coupons=[coupon]) for coupon in coupons]
    world.sync_without_dagster(world.selection())
    assert _discrepancies(world) == []
    made = {
        str(world.record("Quote_Stripe_Coupon__c", coupon)["Stripe_ID__c"]): order
        for coupon, order in zip(coupons, orders, strict=True)
    }
    deleted, renamed, relabelled, unproven, taken, forgotten = made
    coupons_in_stripe = world.stripe.v1.coupons
    coupons_in_stripe.delete(deleted)
    coupons_in_stripe.update(renamed, {"name": "Another name"})
    link = "salesforce_quote_stripe_coupon_link"
    url = world.sandbox.addresses.salesforce_url
    coupons_in_stripe.update(relabelled, {"metadata": {link: f"{url}/elsewhere"}})
    world.metadata_by_hand(made[unproven].subscription_id, {"coupon_pipeline": ""})
    world.discounts_by_hand(made[taken].subscription_id or "", [])
    with duckdb.connect(str(world.db)) as connection:
        connection.execute("delete from coupon_attachments where coupon_id = ?", [forgotten])
        connection.execute("delete from stripe_coupons where coupon_id = ?", [forgotten])

    found = _discrepancies(world)

    def place(coupon_id: str) -> str:
        return f"that order {made[coupon_id].order_id} got its discount on {where(coupon_id)}"

    def where(coupon_id: str) -> str:
        return str(made[coupon_id].subscription_id)

    removed = f"order {made[taken].order_id} on {where(taken)}: attachment.removed_by_hand."
    assert set(found) == {
        f"Stripe coupon {deleted} of quote coupon {coupons[0]} is not there.",
        f"Stripe coupon {renamed} was edited: its terms are others.",
        f"Metadata {link} of Stripe coupon {relabelled} is not what was written.",
        f"The ledger says {place(unproven)}, and no proof in Stripe says so.",
        f"The discount of {removed}",
        f"Stripe coupon {forgotten} was made by the pipeline, and the ledger does not know it.",
        f"A proof in Stripe says {place(forgotten)}, and the ledger does not know it.",
    }


def test_terms_that_only_stripe_remembers_are_found_in_what_is_attached(world: World) -> None:
    """No order coupon was written, the coupon was edited since, and the ledger is lost."""
    world.setting("COUPON_PIPELINE_WRITE_BACK", "false")
    world.sandbox.switches.salesforce_activation_trigger = "fails_silently"
    coupon = world.quote_coupon(Percent_Off__c=10, Duration__c="forever")
    order = world.order(coupons=[coupon])
    world.sync_without_dagster(world.selection())
    (signed,) = world.coupons()
    world.let_time_pass(minutes=1)
    world.update("Quote_Stripe_Coupon__c", coupon, Percent_Off__c=50)
    world.forget_ledger()

    replace_ledger(load_settings(), world.ledger)

    assert _discrepancies(world) == []
    assert _writes(world) == 0
    assert world.discounted(order.subscription_id) == [(10, None)]
    with duckdb.connect(str(world.db), read_only=True) as connection:
        granted = connection.execute("select coupon_id from coupon_attachments").fetchall()
    assert granted == [(signed["id"],)]


def test_what_was_granted_on_another_subscription_is_not_granted_again(world: World) -> None:
    """The order names a new subscription since; the proof is on the one that it had before."""
    order = world.order(coupons=[world.quote_coupon()])
    world.sync_without_dagster(world.selection())
    moved = world.subscribe_later(order)
    assert moved.subscription_id != order.subscription_id
    world.forget_ledger()

    rebuilt, _ = replace_ledger(load_settings(), world.ledger)

    assert rebuilt.attachments == 1
    assert _writes(world) == 0
    assert world.discounted(moved.subscription_id) == []


def test_what_somebody_undid_whole_is_granted_again_within_a_day(world: World) -> None:
    """No proof is left, and the request is the earlier one to the letter.

    Stripe then answers with what it once did instead of doing it.
    """
    order = world.order(coupons=[world.quote_coupon()])
    world.sync_without_dagster(world.selection())
    world.discounts_by_hand(str(order.subscription_id), [])
    world.metadata_by_hand(order.subscription_id, {"coupon_pipeline": ""})
    world.forget_ledger()

    report = world.sync_without_dagster(world.selection())

    assert report.attachments["attached"] == 1
    assert world.discounted(order.subscription_id) == [(10, None)]
    assert _discrepancies(world) == []


def test_what_somebody_took_out_of_a_phase_whole_is_sent_on_again_within_a_day(
    world: World,
) -> None:
    """Only the ledger knew that it was there; the proof is, and does not tell of phases."""
    coupon = world.quote_coupon(Duration__c="repeating", Duration_In_Months__c=30)
    order = world.order(coupons=[coupon])
    schedule_id = world.manage(order)
    for _ in range(2):
        world.sync_without_dagster(world.selection())
    phases = world.phases_to_send(schedule_id)
    phases[-1]["discounts"] = ""
    world.stripe.v1.subscription_schedules.update(
        schedule_id, cast("Any", {"phases": phases, "proration_behavior": "none"})
    )
    world.forget_ledger()
    replace_ledger(load_settings(), world.ledger)

    world.sync_without_dagster(world.selection())

    assert _discrepancies(world) == []
    world.let_time_pass(days=400)
    assert world.discounted(order.subscription_id) == [(10, None)]


@pytest.mark.parametrize("rebuilt", [True, False])
@pytest.mark.parametrize("come", ["before", "after"])
def test_a_discount_goes_on_though_its_coupon_was_deleted_and_the_ledger_lost(
    world: World, come: str, *, rebuilt: bool
) -> None:
    """A discount outlives its coupon; the proof and the frozen terms say what it was."""
    coupon = world.quote_coupon(Duration__c="forever")
    orders = [world.order(coupons=[coupon]) for _ in range(2)]
    schedules = [world.manage(order) for order in orders]
    for _ in range(2):
        world.sync_without_dagster(world.selection())
    (made,) = world.coupons()
    world.stripe.v1.coupons.delete(str(made["id"]))

    def amend() -> None:
        for order, schedule_id in zip(orders, schedules, strict=True):
            world.amend(order, schedule_id)

    if come == "before":
        amend()
    world.forget_ledger()
    if rebuilt:
        replace_ledger(load_settings(), world.ledger)
        told = compare_with_systems(load_settings(), world.ledger).differences
        assert [each.kind for each in told] == ["deleted", *["missing"] * (2 * (come == "before"))]
        assert told[0].record_id == made["id"]
    else:
        world.sync_without_dagster(world.selection())
    with world.ledger.reading() as tx:
        assert read_ledger_at_odds(tx, datetime.now(UTC)) == []
    if come == "after":
        amend()
    for _ in range(2):
        world.sync_without_dagster(world.selection())

    assert world.sync_without_dagster(world.selection()).calls.stripe_reads == 0
    world.let_time_pass(days=800)
    for order in orders:
        assert world.discounted(order.subscription_id) == [(10, None)]


@pytest.mark.parametrize("ended", ["deleted", "another's"])
def test_a_coupon_that_only_a_proof_tells_of_is_written_by_no_run(world: World, ended: str) -> None:
    """It is gone, or somebody made another one under its id, which is none of ours to mark."""
    order = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    world.sync()
    (coupon,) = world.coupons()
    world.stripe.v1.coupons.delete(str(coupon["id"]))
    if ended == "another's":
        world.stripe_create("coupon", id=coupon["id"], percent_off=50, duration="once")
    world.forget_ledger()
    world.sync()
    before = world.coupons()

    for _ in range(2):
        report = world.sync()

        assert report.attachments["unchanged"] == 1
        assert report.calls.stripe_writes == 0
    assert world.coupons() == before
    assert world.discounted(order.subscription_id) == [(10, None)]
