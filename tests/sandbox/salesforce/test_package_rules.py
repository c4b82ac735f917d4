"""What the package refuses on quote coupons and associations, and not on order coupons."""

from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest

from tests.sandbox.salesforce.orgs import Served, a_coupon, code_of, created, ns, of

COUPON = ns("Quote_Stripe_Coupon__c")


def refused(sf: Salesforce, object_name: str, body: dict[str, Any]) -> str | None:
    try:
        of(sf, object_name).create({ns(name): value for name, value in body.items()})
    except SalesforceMalformedRequest as error:
        return code_of(error)
    return None


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ({"Percent_Off__c": 10}, True),
        ({"Amount_Off__c": 10}, True),
        ({}, False),
        ({"Percent_Off__c": 10, "Amount_Off__c": 10}, False),
        ({"Percent_Off__c": 100}, True),
        ({"Percent_Off__c": 100.01}, False),
        ({"Percent_Off__c": 0}, True),
        ({"Percent_Off__c": -5}, True),
        ({"Amount_Off__c": -5}, True),
        ({"Percent_Off__c": 10, "Duration__c": "repeating"}, False),
        ({"Percent_Off__c": 10, "Duration__c": "repeating", "Duration_In_Months__c": 3}, True),
        ({"Percent_Off__c": 10, "Duration__c": "forever", "Duration_In_Months__c": 3}, True),
    ],
)
def test_a_quote_coupon_has_one_discount_and_months_when_it_repeats(
    sf: Salesforce, body: dict[str, Any], *, allowed: bool
) -> None:
    """Zero and negative values pass here, so the pipeline has to refuse them itself."""
    expected = None if allowed else "FIELD_CUSTOM_VALIDATION_EXCEPTION"

    assert refused(sf, COUPON, body) == expected
    source = {"Quote_Stripe_Coupon_Id__c": "a1C000000000001AAA"}
    assert refused(sf, ns("Order_Stripe_Coupon__c"), body | source) is None


def test_terms_are_locked_by_a_stripe_id_only_if_the_switch_says_so(
    org: Served, sf: Salesforce
) -> None:
    """Public documentation says that modifying a coupon makes a new Stripe coupon."""
    coupon = a_coupon(sf, **{ns("Stripe_ID__c"): "co_1"})
    assert of(sf, COUPON).update(coupon, {ns("Percent_Off__c"): 20}) == 204
    org.switches.salesforce_coupon_terms_lock = "on"

    with pytest.raises(SalesforceMalformedRequest) as locked:
        of(sf, COUPON).update(coupon, {ns("Percent_Off__c"): 30})

    assert code_of(locked.value) == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert of(sf, COUPON).update(coupon, {ns("Name__c"): "Renamed"}) == 204


def test_an_associations_currencies_must_agree_for_amounts(org: Served, sf: Salesforce) -> None:
    """Checked when the association is saved; a later change of the quote is not."""
    quote = created(of(sf, "SBQQ__Quote__c").create({"CurrencyIsoCode": "EUR"}))
    amount = {ns("Percent_Off__c"): None, ns("Amount_Off__c"): 5}
    euros = a_coupon(sf, **amount, CurrencyIsoCode="EUR")
    dollars = a_coupon(sf, **amount, CurrencyIsoCode="USD")
    percent = a_coupon(sf, CurrencyIsoCode="USD")
    negative = a_coupon(sf, **amount | {ns("Amount_Off__c"): -5}, CurrencyIsoCode="USD")
    association = of(sf, ns("Quote_Stripe_Coupon_Association__c"))

    def body(coupon: str, **more: str) -> dict[str, str]:
        return {ns("Quote__c"): quote, ns("Quote_Stripe_Coupon__c"): coupon} | more

    made = created(association.create(body(euros)))
    created(association.create(body(percent)))
    created(association.create(body(negative)))
    for wrong in (body(dollars), body(euros, CurrencyIsoCode="USD")):
        with pytest.raises(SalesforceMalformedRequest) as mismatch:
            association.create(wrong)
        assert code_of(mismatch.value) == "FIELD_CUSTOM_VALIDATION_EXCEPTION"

    assert association.get(made)["CurrencyIsoCode"] == "EUR"
    assert of(sf, "SBQQ__Quote__c").update(quote, {"CurrencyIsoCode": "USD"}) == 204
    org.switches.salesforce_association_currency_check = "off"
    created(association.create(body(dollars)))


def test_the_dashboard_link_follows_the_stripe_id(sf: Salesforce) -> None:
    """It is a formula and cannot be written."""
    coupon = a_coupon(sf, **{ns("Stripe_ID__c"): "co_1"})

    row = of(sf, COUPON).get(coupon)

    link = ns("Stripe_Dashboard_Link__c")
    assert row[link] == "https://dashboard.stripe.com/coupons/co_1"
    assert row["Name"] == "0001"
    with pytest.raises(SalesforceMalformedRequest):
        of(sf, COUPON).update(coupon, {link: "x"})
