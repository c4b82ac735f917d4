"""What is written back to Salesforce, and what is left as it is."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from coupon_pipeline.assets.salesforce_records import SET_STRIPE_ID, RowWrite, problem_of_row
from coupon_pipeline.domain.problems import Effect
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.salesforce import ORDER_COUPON, STRIPE_ID, RowOutcome, RowResult
from tests.world import World

FIRST, SECOND = (Selection(day, day) for day in (date(2026, 11, 2), date(2026, 11, 3)))


def _map(world: World, folder: Path, text: str) -> None:
    mapping = folder / "mapping.toml"
    mapping.write_text(text)
    world.setting("COUPON_PIPELINE_MAPPING", str(mapping))


def test_an_older_day_that_is_run_again_does_not_set_the_name_back(
    world: World, tmp_path: Path
) -> None:
    """Each day has its own rates and so its own Stripe coupon; the latest one is the coupon's."""
    _map(world, tmp_path, '[currency]\noptions = "corporate_rates"\n')
    rate = {"IsoCode": "EUR", "ConversionRate": Decimal("0.5"), "StartDate": "2026-11-03"}
    world.load("DatedConversionRate", [rate])
    coupon = world.quote_coupon(Amount_Off__c=50)
    world.order(coupons=[coupon])
    world.let_time_pass(days=1)
    world.order(coupons=[coupon])
    world.sync_without_dagster(FIRST)
    world.sync_without_dagster(SECOND)
    named = world.record("Quote_Stripe_Coupon__c", coupon)["Stripe_ID__c"]

    again = world.sync_without_dagster(FIRST)

    assert len(world.coupons()) == 2
    assert world.record("Quote_Stripe_Coupon__c", coupon)["Stripe_ID__c"] == named
    assert (again.writes, again.calls.stripe_writes) == (0, 0)


def test_what_stripe_refuses_each_time_is_told_once(world: World, tmp_path: Path) -> None:
    """The number of the request that was refused is another one each time, and no news."""
    _map(world, tmp_path, '[coupon]\n"applies_to.products" = "Stripe_Products__c"\n')
    world.order(coupons=[world.quote_coupon(Stripe_Products__c="prod_of_nobody")])

    first = world.sync_without_dagster(FIRST)
    second = world.sync_without_dagster(FIRST)

    assert [p.code for p in first.problems] == ["stripe.rejected"]
    assert len(world.records("Sync_Record__c")) == 1
    assert [p.code for p in second.problems] == ["stripe.rejected"]
    assert second.writes == 0


def test_only_the_order_coupon_that_is_missing_is_made(world: World) -> None:
    """The trigger may have left out one of several on the same order."""
    coupon = world.quote_coupon()
    order = world.order(coupons=[coupon], lines=[[coupon]])
    whole = world.order(coupons=[coupon])
    world.forget_order_coupons(order)
    terms = {"Percent_Off__c": 10, "Duration__c": "once"}
    link = {"Order__c": order.order_id, "Quote_Stripe_Coupon_Id__c": coupon}
    world.load(ORDER_COUPON, [{**link, **terms}])

    world.sync_without_dagster(FIRST)

    places = [
        (row.get("Order__c"), row.get("Order_Item__c")) for row in world.records(ORDER_COUPON)
    ]
    expected = [(order.order_id, None), (whole.order_id, None), (None, order.item_ids[0])]
    assert sorted(places, key=str) == sorted(expected, key=str)


def test_terms_that_are_held_back_by_now_are_not_named_on_the_order_coupon(world: World) -> None:
    """It may say what was signed, and the Stripe coupon of other terms is not its."""
    coupon = world.quote_coupon()
    order = world.order(coupons=[coupon], synced=False)
    world.forget_order_coupons(order)
    world.let_time_pass(minutes=5)
    world.update("Quote_Stripe_Coupon__c", coupon, Percent_Off__c=20)
    world.sync_without_dagster(FIRST)
    world.setting("COUPON_PIPELINE_UNCERTAIN_TERMS", "block")
    (copy,) = world.load(
        ORDER_COUPON,
        [
            {
                "Order__c": order.order_id,
                "Quote_Stripe_Coupon_Id__c": coupon,
                "Percent_Off__c": 10,
                "Duration__c": "once",
            }
        ],
    )

    report = world.sync_without_dagster(FIRST)

    assert [(p.code, p.effect) for p in report.problems] == [("coupon.terms_uncertain", "blocked")]
    assert world.record(ORDER_COUPON, copy).get("Stripe_ID__c") is None


@pytest.mark.parametrize(
    ("code", "told", "effect"),
    [
        ("salesforce.row_locked", "salesforce.row_locked", Effect.PENDING),
        ("salesforce.row_refused", "salesforce.row_refused", Effect.WARNING),
        ("salesforce.permission", "salesforce.permission", Effect.WARNING),
    ],
)
def test_a_row_that_was_not_written_says_what_kept_it(code: str, told: str, effect: Effect) -> None:
    """One that somebody held all the time is written by the next run, and nothing is wrong."""
    row = RowWrite(SET_STRIPE_ID, ORDER_COUPON, "a1D1", {STRIPE_ID: "x"}, {}, "801", None, None)

    problem = problem_of_row(row, RowResult(RowOutcome.REFUSED, "a1D1", code, message="No."))

    assert (problem.code, problem.effect) == (told, effect)
