"""The main job, end to end: real assets, HTTP to both services, DuckDB on disk."""

from datetime import timedelta

import pytest

from tests.world import World


def test_coupons_of_quote_and_line_become_stacked_discounts(world: World) -> None:
    """The product in one sentence."""
    ten, fifty = (
        world.quote_coupon(Name__c="Ten"),
        world.quote_coupon(
            Name__c="Fifty", Amount_Off__c=50, Duration__c="repeating", Duration_In_Months__c=3
        ),
    )
    on_line = world.quote_coupon(Percent_Off__c=5, Duration__c="forever")
    order = world.order(coupons=[ten, fifty], lines=[[on_line], []])

    report = world.sync()

    assert report.coupons == {"created": 3, "reused": 0, "adopted": 0, "updated": 0, "blocked": 0}
    assert report.attachments["attached"] == 3
    assert not report.has_blocked
    assert world.discounted(order.subscription_id) == [(10, None), (None, 5000)]
    assert world.discounted_item(order.stripe_item_ids[0]) == [(5, None)]
    assert world.discounted_item(order.stripe_item_ids[1]) == []


def test_a_second_sync_writes_nothing(world: World) -> None:
    """A schedule runs it every hour."""
    order = world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])
    world.sync()
    before = world.state_of_both()

    report = world.sync()

    assert report.writes == 0
    assert report.attachments["unchanged"] == 2
    assert report.calls.stripe_reads == report.calls.stripe_writes == 0
    assert world.state_of_both() == before
    assert order.subscription_id


def test_a_lost_ledger_makes_no_second_coupon_and_no_second_discount(world: World) -> None:
    """Ids are derived and the proof is in Stripe, so the file is not what at-most-once rests on."""
    world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])
    world.sync()
    before = world.state_of_both()
    world.forget_ledger()

    report = world.sync()

    assert report.coupons["created"] == 0
    assert report.attachments["attached"] == 0
    assert report.attachments["unchanged"] == 2
    assert world.state_of_both() == before


def test_a_coupon_found_again_after_the_ledger_is_lost_serves_new_orders(world: World) -> None:
    """No write tells the ledger of it, yet it has to be known."""
    coupon = world.quote_coupon()
    world.order(coupons=[coupon])
    world.sync()
    world.forget_ledger()
    later = world.order(coupons=[coupon])

    report = world.sync()

    assert (report.coupons["created"], report.attachments["attached"]) == (0, 1)
    assert world.discounted(later.subscription_id) == [(10, None)]


def test_a_spent_once_discount_is_not_granted_again_after_the_ledger_is_lost(
    world: World,
) -> None:
    """Absence proves nothing: the invoice used it up."""
    order = world.order(coupons=[world.quote_coupon()])
    world.sync()
    world.let_time_pass(days=40)
    assert world.discounted(order.subscription_id) == []
    world.forget_ledger()

    world.sync()

    assert world.discounted(order.subscription_id) == []


def test_orders_with_the_same_coupon_share_one_stripe_coupon(world: World) -> None:
    """Reuse while unchanged."""
    coupon = world.quote_coupon()
    world.order(coupons=[coupon])
    world.order(coupons=[coupon])

    report = world.sync()

    assert (report.coupons["created"], report.coupons["reused"]) == (1, 1)
    assert len(world.coupons()) == 1


def test_an_edit_between_two_orders_makes_a_second_coupon(world: World) -> None:
    """Each customer gets what was signed."""
    coupon = world.quote_coupon(Percent_Off__c=10)
    first = world.order(coupons=[coupon])
    world.sync()
    world.update("Quote_Stripe_Coupon__c", coupon, Percent_Off__c=20)
    world.let_time_pass(seconds=30)
    second = world.order(coupons=[coupon])

    world.sync()

    assert len(world.coupons()) == 2
    assert world.discounted(first.subscription_id) == [(10, None)]
    assert world.discounted(second.subscription_id) == [(20, None)]


def test_stripe_ids_are_written_back(world: World) -> None:
    """People follow the link from the order coupon to Stripe."""
    coupon = world.quote_coupon()
    world.order(coupons=[coupon])

    world.sync()

    made = world.coupons()[0]["id"]
    assert world.record("Quote_Stripe_Coupon__c", coupon)["Stripe_ID__c"] == made
    assert [r["Stripe_ID__c"] for r in world.records("Order_Stripe_Coupon__c")] == [made]


def test_an_order_without_a_subscription_waits_and_is_done_later(world: World) -> None:
    """The order sync may be minutes behind."""
    order = world.order(coupons=[world.quote_coupon()], synced=False)

    waiting = world.sync()
    assert waiting.attachments["pending"] == 1
    assert [p.code for p in waiting.problems] == ["target.none_yet"]

    order = world.subscribe_later(order)
    done = world.sync()
    assert done.attachments["attached"] == 1
    assert done.problems == ()
    assert world.discounted(order.subscription_id) == [(10, None)]


def test_a_foreign_discount_is_kept(world: World) -> None:
    """`discounts` replaces the whole list, so what is not sent back is lost."""
    order = world.order(coupons=[world.quote_coupon()])
    foreign = world.stripe_create("coupon", percent_off=3, duration="forever")
    world.put_by_hand(order.subscription_id, str(foreign["id"]))
    kept = world.discount_ids(order.subscription_id)

    world.sync()

    assert world.discounted(order.subscription_id) == [(3, None), (10, None)]
    assert world.discount_ids(order.subscription_id)[:1] == kept


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("coupon.no_discount", {}),
        ("coupon.amount_and_percent", {"Amount_Off__c": 5, "Percent_Off__c": 5}),
        ("coupon.percent_out_of_range", {"Percent_Off__c": 0}),
        ("coupon.percent_out_of_range", {"Percent_Off__c": 101}),
        ("coupon.amount_not_positive", {"Amount_Off__c": -5}),
        ("coupon.months_missing", {"Percent_Off__c": 5, "Duration__c": "repeating"}),
        ("coupon.name_too_long", {"Percent_Off__c": 5, "Name__c": "n" * 41}),
        ("coupon.redemptions_invalid", {"Percent_Off__c": 5, "Max_Redemptions__c": 0}),
    ],
)
def test_bad_data_blocks_its_own_record_only(
    world: World, code: str, fields: dict[str, object]
) -> None:
    """A rounded or guessed discount is a wrong invoice that nobody notices."""
    bad = world.bad_quote_coupon(**fields)
    blocked = world.order(coupons=[bad])
    fine = world.order(coupons=[world.quote_coupon()])

    report = world.sync()

    found = [p for p in report.problems if p.effect == "blocked"]
    assert [(p.code, p.order_id, p.quote_coupon_id) for p in found] == [
        (code, blocked.order_id, bad)
    ]
    assert found[0].fix
    assert world.discounted(blocked.subscription_id) == []
    assert world.discounted(fine.subscription_id) == [(10, None)]
    again = world.sync()
    assert [p.code for p in again.problems if p.effect == "blocked"] == [code]


def test_a_plan_says_what_a_sync_then_does_and_writes_nothing(world: World) -> None:
    """People look before they leap."""
    world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon(Percent_Off__c=7)]])
    before = world.state_of_both()

    planned = world.plan().report
    assert world.state_of_both() == before
    done = world.sync()

    assert planned.coupons == done.coupons
    assert planned.attachments == done.attachments
    assert planned.salesforce == done.salesforce
    assert world.plan().report.writes == 0


def test_the_last_redemption_goes_to_the_order_that_was_activated_first(world: World) -> None:
    """The limit is shared by all orders, and a plan must not promise more than there is."""
    coupon = world.quote_coupon(Max_Redemptions__c=1)
    first = world.order(coupons=[coupon])
    second = world.order(coupons=[coupon])

    planned = world.plan().report
    report = world.sync()

    assert planned.attachments == report.attachments
    assert (report.attachments["attached"], report.attachments["blocked"]) == (1, 1)
    assert [(p.code, p.order_id) for p in report.problems] == [
        ("coupon.exhausted", second.order_id)
    ]
    assert world.discounted(first.subscription_id) == [(10, None)]
    assert world.discounted(second.subscription_id) == []
    again = world.sync()
    assert [(p.code, p.order_id) for p in again.problems] == [("coupon.exhausted", second.order_id)]


def test_the_last_redemption_is_kept_for_a_phase_that_names_the_coupon(world: World) -> None:
    """It is redeemed when the phase begins; until then Stripe counts nothing."""
    coupon = world.quote_coupon(Max_Redemptions__c=1)
    first = world.order(coupons=[coupon], synced=False)
    schedule_id = world.schedule_later(first, starts_in=timedelta(days=30))
    world.sync_without_dagster(world.selection())
    second = world.order(coupons=[coupon])

    report = world.sync_without_dagster(world.selection())
    world.let_time_pass(days=31)
    after = world.sync_without_dagster(world.selection())

    assert [(p.code, p.order_id) for p in report.problems] == [
        ("coupon.exhausted", second.order_id)
    ]
    assert [p.code for p in after.problems] == ["coupon.exhausted"]
    running = world.stripe.v1.subscription_schedules.retrieve(schedule_id).subscription
    assert [total for _, total in world.invoiced(str(running))] == [9000]


def test_a_lost_ledger_remembers_by_the_proof_what_an_ended_coupon_granted(world: World) -> None:
    """The coupon makes no new discount any more, and the old one was granted all the same."""
    coupon = world.quote_coupon(Max_Redemptions__c=1)
    granted = world.order(coupons=[coupon])
    world.sync()
    before = world.discount_ids(granted.subscription_id)
    world.forget_ledger()

    report = world.sync()
    again = world.sync()

    assert report.attachments["unchanged"] == again.attachments["unchanged"] == 1
    assert again.problems == ()
    assert world.discount_ids(granted.subscription_id) == before
