"""The activation of an order, and what the package's trigger leaves behind."""

from datetime import timedelta

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from coupon_pipeline.sandbox.salesforce.trigger import Mode
from tests.sandbox.salesforce.orgs import (
    Served,
    a_coupon,
    a_deal,
    code_of,
    created,
    ns,
    of,
    rest,
)

ORDER_COUPONS = (
    f"SELECT Id, {ns('Order__c')}, {ns('Order_Item__c')}, {ns('Quote_Stripe_Coupon_Id__c')}, "
    f"{ns('Name__c')}, {ns('Percent_Off__c')}, {ns('Duration__c')}, CurrencyIsoCode, CreatedDate "
    f"FROM {ns('Order_Stripe_Coupon__c')}"
)


def order_coupons(sf: Salesforce) -> list[dict[str, object]]:
    return list(sf.query_all(ORDER_COUPONS)["records"])


def test_an_activated_order_has_its_date_its_user_and_its_code(org: Served, sf: Salesforce) -> None:
    """The pipeline finds orders by StatusCode and partitions them by ActivatedDate."""
    deal = a_deal(sf)
    org.clock.advance(timedelta(hours=1))

    of(sf, "Order").update(deal.order, {"Status": "Activated"})

    order = of(sf, "Order").get(deal.order)
    assert order["StatusCode"] == "Activated"
    assert order["ActivatedDate"] == "2026-09-01T11:00:00.000+0000"
    assert order["ActivatedById"] == org.service.integration_user.id
    assert order["LastModifiedDate"] == "2026-09-01T11:00:00.000+0000"


def test_activation_copies_the_coupons_onto_the_order_and_its_items(sf: Salesforce) -> None:
    """The order coupon is the best evidence of what was signed."""
    deal = a_deal(sf)

    of(sf, "Order").update(deal.order, {"Status": "Activated"})

    found = {row[ns("Quote_Stripe_Coupon_Id__c")]: row for row in order_coupons(sf)}
    on_order, on_item = found[deal.order_coupon_source], found[deal.item_coupon_source]
    assert on_order[ns("Order__c")] == deal.order
    assert on_order[ns("Order_Item__c")] is None
    assert on_item[ns("Order_Item__c")] == deal.items[0]
    assert on_item[ns("Name__c")] == "Twenty"
    assert on_order[ns("Percent_Off__c")] == 10.0


def test_the_copy_has_the_users_currency_not_the_coupons(sf: Salesforce) -> None:
    """The trigger copies no CurrencyIsoCode, so an amount read with it would be wrong."""
    deal = a_deal(sf)
    quote = created(
        of(sf, "SBQQ__Quote__c").create(
            {"SBQQ__Account__c": deal.account, "CurrencyIsoCode": "EUR"}
        )
    )
    coupon = a_coupon(
        sf,
        **{ns("Percent_Off__c"): None, ns("Amount_Off__c"): 5, "CurrencyIsoCode": "EUR"},
    )
    of(sf, ns("Quote_Stripe_Coupon_Association__c")).create(
        {ns("Quote__c"): quote, ns("Quote_Stripe_Coupon__c"): coupon}
    )
    order = created(
        of(sf, "Order").create(
            {
                "AccountId": deal.account,
                "EffectiveDate": "2026-09-01",
                "Status": "Draft",
                "SBQQ__Quote__c": quote,
                "CurrencyIsoCode": "EUR",
            }
        )
    )

    of(sf, "Order").update(order, {"Status": "Activated"})

    copy = next(row for row in order_coupons(sf) if row[ns("Order__c")] == order)
    assert copy["CurrencyIsoCode"] == "USD"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("works", 2), ("partial", 1), ("fails_silently", 0), ("absent", 0), ("late", 0)],
)
def test_the_trigger_can_be_told_how_to_fail(
    org: Served, sf: Salesforce, mode: Mode, expected: int
) -> None:
    """A failing trigger leaves an activated order without a visible error."""
    org.switches.salesforce_activation_trigger = mode
    deal = a_deal(sf)

    assert of(sf, "Order").update(deal.order, {"Status": "Activated"}) == 204

    assert len(order_coupons(sf)) == expected


def test_a_late_trigger_writes_when_its_time_has_come(org: Served, sf: Salesforce) -> None:
    """A run between activation and trigger sees no order coupon yet."""
    deal = a_deal(sf)
    org.service.trigger.modes[deal.order] = "late"
    of(sf, "Order").update(deal.order, {"Status": "Activated"})
    assert order_coupons(sf) == []

    org.clock.advance(timedelta(minutes=1))

    rows = order_coupons(sf)
    assert {row["CreatedDate"] for row in rows} == {"2026-09-01T10:01:00.000+0000"}


def test_of_two_orders_of_one_quote_activated_together_only_the_last_gets_coupons(
    sf: Salesforce,
) -> None:
    """The trigger maps quotes to orders, so the later order takes the place of the earlier."""
    deal = a_deal(sf)
    twin = created(
        of(sf, "Order").create(
            {
                "AccountId": deal.account,
                "EffectiveDate": "2026-09-01",
                "Status": "Draft",
                "SBQQ__Quote__c": deal.quote,
            }
        )
    )
    records = [
        {"attributes": {"type": "Order"}, "Id": order, "Status": "Activated"}
        for order in (deal.order, twin)
    ]

    answers = rest(sf, "composite/sobjects", method="PATCH", json={"records": records})

    assert [answer["success"] for answer in answers] == [True, True]
    assert {row[ns("Order__c")] for row in order_coupons(sf)} == {twin, None}


def test_an_order_with_any_coupon_is_left_as_it_is(sf: Salesforce) -> None:
    """A partial set is never completed by the trigger."""
    deal = a_deal(sf)
    of(sf, ns("Order_Stripe_Coupon__c")).create(
        {
            ns("Order__c"): deal.order,
            ns("Quote_Stripe_Coupon_Id__c"): deal.order_coupon_source,
            ns("Percent_Off__c"): 10,
        }
    )

    of(sf, "Order").update(deal.order, {"Status": "Activated"})

    assert len(order_coupons(sf)) == 1


def test_an_order_inserted_as_activated_gets_no_coupons(sf: Salesforce) -> None:
    """The trigger runs after update only."""
    deal = a_deal(sf)

    order = created(
        of(sf, "Order").create(
            {
                "AccountId": deal.account,
                "EffectiveDate": "2026-09-01",
                "Status": "Activated",
                "SBQQ__Quote__c": deal.quote,
            }
        )
    )

    assert of(sf, "Order").get(order)["ActivatedDate"] == "2026-09-01T10:00:00.000+0000"
    assert order_coupons(sf) == []


def test_a_custom_status_label_activates_without_the_trigger(org: Served, sf: Salesforce) -> None:
    """StatusCode is stable, labels are not, and the trigger looks at labels."""
    org.service.insert(
        "OrderStatus",
        [{"MasterLabel": "Live", "ApiName": "Live", "StatusCode": "Activated", "SortOrder": 3}],
    )
    deal = a_deal(sf)

    of(sf, "Order").update(deal.order, {"Status": "Live"})

    assert of(sf, "Order").get(deal.order)["StatusCode"] == "Activated"
    assert order_coupons(sf) == []


def test_the_status_code_cannot_be_written(sf: Salesforce) -> None:
    """It follows from the status label."""
    deal = a_deal(sf)

    with pytest.raises(SalesforceMalformedRequest) as refused:
        of(sf, "Order").update(deal.order, {"StatusCode": "Activated"})

    assert code_of(refused.value) == "INVALID_FIELD_FOR_INSERT_UPDATE"


def test_an_activated_orders_account_cannot_be_changed(sf: Salesforce) -> None:
    """Activation fixes what was sold to whom; notes stay editable."""
    deal = a_deal(sf)
    of(sf, "Order").update(deal.order, {"Status": "Activated"})
    other = created(of(sf, "Account").create({"Name": "Other"}))

    with pytest.raises(SalesforceMalformedRequest):
        of(sf, "Order").update(deal.order, {"AccountId": other})
    assert of(sf, "Order").update(deal.order, {"Description": "signed"}) == 204


def test_the_item_coupon_goes_to_the_last_item_of_the_line_on_any_order(
    sf: Salesforce,
) -> None:
    """A line on two orders: the trigger does not limit its search to the order at hand."""
    deal = a_deal(sf)
    twin = created(
        of(sf, "Order").create(
            {"AccountId": deal.account, "EffectiveDate": "2026-09-01", "Status": "Draft"}
        )
    )
    entry = of(sf, "OrderItem").get(deal.items[0])["PricebookEntryId"]
    item = created(
        of(sf, "OrderItem").create(
            {
                "OrderId": twin,
                "PricebookEntryId": entry,
                "Quantity": 1,
                "SBQQ__QuoteLine__c": deal.lines[0],
            }
        )
    )

    of(sf, "Order").update(deal.order, {"Status": "Activated"})

    assert {row[ns("Order_Item__c")] for row in order_coupons(sf)} == {None, item}


def test_only_the_step_from_draft_to_activated_runs_the_trigger(
    org: Served, sf: Salesforce
) -> None:
    """A later change of the activated order does not make up for what was missed."""
    deal = a_deal(sf)
    org.service.trigger.modes[deal.order] = "absent"
    of(sf, "Order").update(deal.order, {"Status": "Activated"})
    del org.service.trigger.modes[deal.order]

    of(sf, "Order").update(deal.order, {"Status": "Activated", "Description": "again"})
    assert order_coupons(sf) == []

    of(sf, "Order").update(deal.order, {"Status": "Draft"})
    assert of(sf, "Order").get(deal.order)["ActivatedDate"] is None
    of(sf, "Order").update(deal.order, {"Status": "Activated"})
    assert len(order_coupons(sf)) == 2


def test_all_terms_are_copied_and_the_stripe_id_is_not(sf: Salesforce) -> None:
    """The copy is what was signed; which Stripe coupon it becomes is decided later."""
    deal = a_deal(sf)
    terms = {
        ns("Name__c"): "Three months",
        ns("Percent_Off__c"): 12.5,
        ns("Amount_Off__c"): None,
        ns("Duration__c"): "repeating",
        ns("Duration_In_Months__c"): 3.0,
        ns("Max_Redemptions__c"): 7.0,
    }
    coupon = of(sf, ns("Quote_Stripe_Coupon__c"))
    coupon.update(deal.order_coupon_source, terms | {ns("Stripe_ID__c"): "co_1"})

    of(sf, "Order").update(deal.order, {"Status": "Activated"})

    columns = ", ".join([*terms, ns("Stripe_ID__c")])
    soql = f"SELECT {columns} FROM {ns('Order_Stripe_Coupon__c')} WHERE {ns('Order__c')} != null"
    [copy] = sf.query(soql)["records"]
    assert {name: copy[name] for name in terms} == terms
    assert copy[ns("Stripe_ID__c")] is None


def test_an_edited_item_keeps_its_place_among_the_items_of_its_line(sf: Salesforce) -> None:
    """Last means made last, not changed last."""
    deal = a_deal(sf)
    body = {"AccountId": deal.account, "EffectiveDate": "2026-09-01", "Status": "Draft"}
    later = created(of(sf, "Order").create(body))
    entry = of(sf, "OrderItem").get(deal.items[0])["PricebookEntryId"]
    body = {"OrderId": later, "PricebookEntryId": entry, "SBQQ__QuoteLine__c": deal.lines[0]}
    last = created(of(sf, "OrderItem").create(body | {"Quantity": 1}))
    soql = f"SELECT Id FROM OrderItem WHERE SBQQ__QuoteLine__c = '{deal.lines[0]}'"
    assert sf.query(soql)["totalSize"] == 2

    of(sf, "OrderItem").update(deal.items[0], {"Description": "edited"})
    of(sf, "Order").update(deal.order, {"Status": "Activated"})

    assert {row[ns("Order_Item__c")] for row in order_coupons(sf)} == {None, last}
