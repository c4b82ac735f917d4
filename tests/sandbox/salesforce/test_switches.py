"""What each choice of a switch changes, where no other test does."""

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError

from tests.sandbox.salesforce.orgs import (
    Deal,
    Served,
    a_coupon,
    a_deal,
    code_of,
    created,
    ns,
    of,
    rest,
)

COUPON = ns("Quote_Stripe_Coupon__c")
ORDER_COUPON = ns("Order_Stripe_Coupon__c")


def places(sf: Salesforce) -> set[tuple[str | None, str | None]]:
    """The order and the item of each order coupon."""
    soql = f"SELECT {ns('Order__c')}, {ns('Order_Item__c')} FROM {ORDER_COUPON}"
    rows = sf.query(soql)["records"]
    return {(row[ns("Order__c")], row[ns("Order_Item__c")]) for row in rows}


def a_twin(sf: Salesforce, deal: Deal) -> str:
    """Another draft order of the same quote, with an item of its first line."""
    body = {"AccountId": deal.account, "EffectiveDate": "2026-09-01", "Status": "Draft"}
    order = created(of(sf, "Order").create(body | {"SBQQ__Quote__c": deal.quote}))
    entry = of(sf, "OrderItem").get(deal.items[0])["PricebookEntryId"]
    body = {"OrderId": order, "PricebookEntryId": entry, "SBQQ__QuoteLine__c": deal.lines[0]}
    of(sf, "OrderItem").create(body | {"Quantity": 1})
    return order


def activate(sf: Salesforce, *orders: str) -> None:
    records = [
        {"attributes": {"type": "Order"}, "Id": order, "Status": "Activated"} for order in orders
    ]
    rest(sf, "composite/sobjects", method="PATCH", json={"records": records})


def test_orders_activated_together_can_each_get_their_coupons(org: Served, sf: Salesforce) -> None:
    """With the other choice only the last does."""
    org.switches.salesforce_orders_activated_together = "each"
    org.switches.salesforce_line_coupons_go_to = "item_of_order"
    deal = a_deal(sf)
    twin = a_twin(sf, deal)

    activate(sf, deal.order, twin)

    assert {order for order, _ in places(sf)} == {deal.order, twin, None}
    assert (None, deal.items[0]) in places(sf)
    assert len(places(sf)) == 4


def test_missing_order_coupons_can_be_completed(org: Served, sf: Salesforce) -> None:
    """With the other choice an order with any coupon is left alone."""
    org.switches.salesforce_order_coupons_present = "complete"
    deal = a_deal(sf)
    source = {ns("Quote_Stripe_Coupon_Id__c"): deal.order_coupon_source}
    of(sf, ORDER_COUPON).create({ns("Order__c"): deal.order} | source)

    activate(sf, deal.order)

    assert places(sf) == {(deal.order, None), (None, deal.items[0])}


def test_a_copy_can_have_the_coupons_currency(org: Served, sf: Salesforce) -> None:
    """With the other choice it has the activating user's."""
    org.switches.salesforce_copied_currency = "coupons"
    deal = a_deal(sf)
    of(sf, COUPON).update(deal.item_coupon_source, {"CurrencyIsoCode": "GBP"})

    activate(sf, deal.order)

    soql = f"SELECT CurrencyIsoCode FROM {ORDER_COUPON} WHERE {ns('Order_Item__c')} != null"
    assert sf.query(soql)["records"][0]["CurrencyIsoCode"] == "GBP"


def test_an_association_can_take_the_users_currency(org: Served, sf: Salesforce) -> None:
    """Then one for a coupon in another currency needs its own named."""
    org.switches.salesforce_association_currency_default = "users"
    quote = created(of(sf, "SBQQ__Quote__c").create({"CurrencyIsoCode": "EUR"}))
    body = {ns("Quote__c"): quote, ns("Quote_Stripe_Coupon__c"): a_coupon(sf)}

    made = created(of(sf, ns("Quote_Stripe_Coupon_Association__c")).create(body))

    row = of(sf, ns("Quote_Stripe_Coupon_Association__c")).get(made)
    assert row["CurrencyIsoCode"] == "USD"


def test_an_activated_order_can_be_left_open(org: Served, sf: Salesforce) -> None:
    """Locked, its items can neither be added nor deleted."""
    deal = a_deal(sf)
    activate(sf, deal.order)
    item = of(sf, "OrderItem").get(deal.items[0])
    body = {"OrderId": deal.order, "PricebookEntryId": item["PricebookEntryId"], "Quantity": 1}

    with pytest.raises(SalesforceError) as added:
        of(sf, "OrderItem").create(body)
    with pytest.raises(SalesforceError) as removed:
        of(sf, "OrderItem").delete(deal.items[1])
    assert code_of(added.value) == "FIELD_INTEGRITY_EXCEPTION"
    assert code_of(removed.value) == "DELETE_FAILED"
    org.switches.salesforce_activated_order_fields = "open"

    created(of(sf, "OrderItem").create(body))
    assert of(sf, "OrderItem").delete(deal.items[1]) == 204
    other = created(of(sf, "Account").create({"Name": "Other"}))
    assert of(sf, "Order").update(deal.order, {"AccountId": other}) == 204


def test_activation_can_require_an_item(org: Served, sf: Salesforce) -> None:
    """Off by default."""
    org.switches.salesforce_activation_needs_items = "yes"
    deal = a_deal(sf)
    body = {"AccountId": deal.account, "EffectiveDate": "2026-09-01", "Status": "Draft"}
    empty = created(of(sf, "Order").create(body))

    with pytest.raises(SalesforceError) as refused:
        of(sf, "Order").update(empty, {"Status": "Activated"})

    assert code_of(refused.value) == "FAILED_ACTIVATION"
    assert of(sf, "Order").update(deal.order, {"Status": "Activated"}) == 204


def test_the_rules_of_quote_coupons_can_be_off(org: Served, sf: Salesforce) -> None:
    """Then bad data can be made as a client would make it."""
    org.switches.salesforce_coupon_rules = "off"

    a_coupon(sf, **{ns("Percent_Off__c"): None})
    a_coupon(sf, **{ns("Amount_Off__c"): 5})


def test_the_statuses_of_refusals_can_be_turned(org: Served, sf: Salesforce) -> None:
    """Codes are what a client should look at."""
    org.switches.salesforce_refused_access_status = "400"
    org.switches.salesforce_locked_row_status = "500"
    deal = a_deal(sf)
    user = org.client(org.service.coupon_user_token)
    org.service.writer.locked[deal.order] = 1

    with pytest.raises(SalesforceError) as locked:
        of(sf, "Order").update(deal.order, {"Description": "x"})
    with pytest.raises(SalesforceError) as denied:
        of(user, "Order").update(deal.order, {"Description": "x"})

    assert (locked.value.status, code_of(locked.value)) == (500, "UNABLE_TO_LOCK_ROW")
    assert (denied.value.status, code_of(denied.value)) == (400, "INSUFFICIENT_ACCESS_OR_READONLY")


def test_an_item_has_the_currency_of_its_order(sf: Salesforce) -> None:
    """It takes it over, and another is refused."""
    deal = a_deal(sf)
    entry = of(sf, "OrderItem").get(deal.items[0])["PricebookEntryId"]
    body = {"OrderId": deal.order, "PricebookEntryId": entry, "Quantity": 1}

    with pytest.raises(SalesforceError) as refused:
        of(sf, "OrderItem").create(body | {"CurrencyIsoCode": "EUR"})

    assert code_of(refused.value) == "FIELD_INTEGRITY_EXCEPTION"
