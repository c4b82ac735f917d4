"""The company in both services."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.company.deals import STORY_ORDERS, plan_deals
from coupon_pipeline.sandbox.company.tables import company_tables
from coupon_pipeline.sandbox.serving import Sandbox

PRESENT = datetime(2026, 11, 2, 9, tzinfo=UTC)


def company(orders: int = 200, seed: int = 7, *, multi_currency: bool = True) -> Sandbox:
    """A filled sandbox that is not served."""
    clock = Clock(PRESENT, frozen=True)
    return Sandbox(orders=orders, seed=seed, multi_currency=multi_currency, clock=clock)


@pytest.fixture(scope="module")
def filled() -> Iterator[Sandbox]:
    """One company that the tests of this module only read."""
    made = company()
    yield made
    made.stop()


def order_of(sandbox: Sandbox, scenario: str) -> dict[str, object]:
    """The first order of a scenario."""
    deals = plan_deals(company_tables(), 200, 7, PRESENT, multi_currency=True)
    number = next(deal.number for deal in deals if deal.scenario.key == scenario)
    found = sandbox.salesforce.where("Order", "OrderNumber", f"{number:08d}")
    return dict(found[0])


def records(sandbox: Sandbox) -> dict[str, list[dict[str, object]]]:
    """Everything in Salesforce but the links, which hold the port."""
    salesforce = sandbox.salesforce
    return {
        name: [
            {key: value for key, value in row.items() if not key.endswith("Link__c")}
            for row in salesforce.all(name)
        ]
        for name in salesforce.schema.objects
    }


def test_the_same_seed_gives_the_same_company(filled: Sandbox) -> None:
    """What somebody saw, somebody else can look at."""
    again = company()
    other = company(seed=8)

    assert records(again) == records(filled)
    for kind in ("customer", "price", "subscription", "subscription_schedule", "coupon"):
        ids = [one["id"] for one in filled.stripe.all(kind)]
        assert [one["id"] for one in again.stripe.all(kind)] == ids
    assert records(other) != records(filled)
    again.stop()
    other.stop()


def test_its_orders_are_active_and_spread_over_ninety_days_and_four_currencies(
    filled: Sandbox,
) -> None:
    """Partitions are days and amounts have currencies; both need variety."""
    orders = filled.salesforce.all("Order")

    assert len(orders) == 200
    assert {order["StatusCode"] for order in orders} == {"Activated"}
    assert len({str(order["ActivatedDate"])[:10] for order in orders}) > 50
    assert min(str(order["ActivatedDate"]) for order in orders) >= "2026-08-04"
    assert max(str(order["ActivatedDate"]) for order in orders) < "2026-11-02T09"
    currencies = Counter(order["CurrencyIsoCode"] for order in orders)
    assert min(currencies[code] for code in ("USD", "EUR", "GBP", "JPY")) >= 8


@pytest.mark.parametrize("orders", [20, 50, 200, 1000])
def test_most_orders_are_clean(orders: int) -> None:
    """A demonstration that is mostly errors demonstrates nothing."""
    deals = plan_deals(company_tables(), orders, 7, PRESENT, multi_currency=True)

    assert sum(deal.scenario.clean for deal in deals) > 0.85 * orders


@pytest.mark.parametrize("scenario", [one.key for one in company_tables().scenarios])
def test_every_scenario_happens(filled: Sandbox, scenario: str) -> None:
    """Each line of the table is there to be seen."""
    assert order_of(filled, scenario)["StatusCode"] == "Activated"


def test_everyday_patterns_happen_too(filled: Sandbox) -> None:
    """Stacking, both levels, and shared coupons are the everyday of it."""
    del filled
    deals = plan_deals(company_tables(), 200, 7, PRESENT, multi_currency=True)

    assert {pattern.key for pattern in company_tables().patterns} <= {
        deal.scenario.key for deal in deals
    }


def test_coupons_are_of_every_kind(filled: Sandbox) -> None:
    """Percent and amount; once, repeating, forever; limited and not; in four currencies."""
    coupons = filled.salesforce.all("Quote_Stripe_Coupon__c")

    kinds = {(row["Percent_Off__c"] is None, row["Duration__c"]) for row in coupons}
    assert {
        (by, kind) for by in (True, False) for kind in ("once", "repeating", "forever")
    } <= kinds
    assert {bool(row["Max_Redemptions__c"]) for row in coupons} == {True, False}
    assert any(row["Name__c"] is None for row in coupons)
    amounts = {row["CurrencyIsoCode"] for row in coupons if row["Amount_Off__c"]}
    assert amounts >= {"USD", "EUR", "GBP", "JPY", "GHS"}


def test_several_orders_share_a_coupon_and_some_orders_stack_three(filled: Sandbox) -> None:
    """Reuse and stacking are what the pipeline is for."""
    associations = filled.salesforce.all("Quote_Stripe_Coupon_Association__c")

    assert max(Counter(row["Quote_Stripe_Coupon__c"] for row in associations).values()) > 10
    assert max(Counter(row["Quote__c"] for row in associations).values()) == 3


def test_the_edited_coupon_was_serialised_as_it_stood(filled: Sandbox) -> None:
    """Two orders of one coupon with different terms must become two Stripe coupons."""
    copies = [
        row
        for row in filled.salesforce.all("Order_Stripe_Coupon__c")
        if str(row["Name__c"]).startswith("Switch and save")
    ]
    edit = PRESENT - timedelta(days=35)

    for copy in copies:
        before = str(copy["CreatedDate"]) < edit.isoformat()
        assert copy["Percent_Off__c"] == (20 if before else 15)
    assert {copy["Percent_Off__c"] for copy in copies} == {20, 15}


def test_a_synced_order_and_its_subscription_name_each_other(filled: Sandbox) -> None:
    """Targets are found by the metadata that the order sync writes."""
    for order in filled.salesforce.all("Order"):
        subscription = filled.stripe.get("subscription", str(order.get("Stripe_ID__c")))
        if subscription is None:
            continue
        assert subscription["metadata"]["salesforce_order_id"] == order["Id"]
        items = filled.salesforce.where("OrderItem", "OrderId", order["Id"])
        for item in items:
            if item.get("Stripe_ID__c") is not None:
                found = filled.stripe.get("subscription_item", str(item["Stripe_ID__c"]))
                assert found is not None
                assert found["metadata"]["salesforce_order_item_id"] == item["Id"]


def test_no_discount_of_an_order_is_there_before_the_pipeline_has_run(filled: Sandbox) -> None:
    """The connector's own coupons stay out of it: only the two made by hand exist."""
    assert {one["id"] for one in filled.stripe.all("coupon")} == {"HANDSHAKE-5", "FOUNDERS-3"}


@pytest.mark.parametrize(
    ("scenario", "prefix"),
    [
        ("no_subscription_yet", None),
        ("unsupported_currency", None),
        ("schedule", "sub_sched_"),
        ("future_schedule", "sub_sched_"),
        ("scheduled_subscription", "sub_"),
        ("one_time", "in_"),
        ("canceled", "sub_"),
    ],
)
def test_the_order_names_what_its_scenario_says(
    filled: Sandbox, scenario: str, prefix: str | None
) -> None:
    """Each kind of target is handled in its own way."""
    stripe_id = order_of(filled, scenario).get("Stripe_ID__c")

    assert stripe_id is None if prefix is None else str(stripe_id).startswith(prefix)


def test_the_trigger_that_failed_left_associations_and_no_order_coupons(filled: Sandbox) -> None:
    """The pipeline has to notice what nobody was told."""
    order = order_of(filled, "trigger_failed")
    salesforce = filled.salesforce

    assert salesforce.where("Order_Stripe_Coupon__c", "Order__c", str(order["Id"])) == []
    quote = str(order["SBQQ__Quote__c"])
    assert len(salesforce.where("Quote_Stripe_Coupon_Association__c", "Quote__c", quote)) == 2


def test_the_late_association_is_later_than_the_activation(filled: Sandbox) -> None:
    """What was not signed must not be granted."""
    order = order_of(filled, "late_association")
    made = [
        str(row["CreatedDate"])
        for row in filled.salesforce.where(
            "Quote_Stripe_Coupon_Association__c", "Quote__c", str(order["SBQQ__Quote__c"])
        )
    ]

    assert min(made) < str(order["ActivatedDate"]) < max(made)


def test_an_org_with_one_currency_has_a_company_too() -> None:
    """Such an org has no currency field at all."""
    made = company(50, multi_currency=False)

    assert len(made.salesforce.all("Order")) == 50
    assert all("CurrencyIsoCode" not in row for row in made.salesforce.all("Order"))
    assert {one["currency"] for one in made.stripe.all("subscription")} == {"usd"}
    made.stop()


@pytest.mark.slow
def test_the_earlier_orders_of_a_large_company_are_whole_too() -> None:
    """They are written as they ended, without their story; nobody should be able to tell."""
    made = company(STORY_ORDERS + 60)
    earlier = made.salesforce.all("Order")[:60]

    for order in earlier:
        subscription = made.stripe.shown("subscription", str(order["Stripe_ID__c"]))
        assert subscription is not None
        assert subscription["metadata"]["salesforce_order_id"] == order["Id"]
        assert made.stripe.get("customer", subscription["customer"]) is not None
        items = made.salesforce.where("OrderItem", "OrderId", str(order["Id"]))
        assert [item["Stripe_ID__c"] for item in items] == [
            one["id"] for one in subscription["items"]["data"]
        ]
        start, end = (
            subscription["items"]["data"][0][f"current_period_{side}"] for side in ("start", "end")
        )
        assert start <= PRESENT.timestamp() < end
        assert made.stripe.preview_invoice(subscription["id"]) is not None
    quotes = {order["SBQQ__Quote__c"] for order in earlier}
    associations = [
        row
        for row in made.salesforce.all("Quote_Stripe_Coupon_Association__c")
        if row["Quote__c"] in quotes
    ]
    ids = {order["Id"] for order in earlier}
    copies = [
        row for row in made.salesforce.all("Order_Stripe_Coupon__c") if row.get("Order__c") in ids
    ]
    assert len(copies) == len(associations) > 20
    assert all(str(row["LastModifiedDate"]) > str(row["ActivatedDate"]) for row in earlier)
    made.stop()
