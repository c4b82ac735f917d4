"""What the org says of its own objects and fields."""

from typing import Any

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceResourceNotFound

from tests.sandbox.salesforce.orgs import Orgs, Served, ns, of


def described(sf: Salesforce, name: str) -> dict[str, Any]:
    return {f["name"]: f for f in of(sf, name).describe()["fields"]}


def test_the_list_of_objects_has_prefixes_and_rights(sf: Salesforce) -> None:
    """Namespace, multi-currency and permissions are found out here."""
    found = {entry["name"]: entry for entry in sf.describe()["sobjects"]}  # type: ignore[index]

    assert found["Order"]["keyPrefix"] == "801"
    assert found["CurrencyType"]["updateable"] is False
    assert found[ns("Quote_Stripe_Coupon__c")]["custom"] is True
    assert found[ns("Order_Stripe_Coupon__c")]["createable"] is True


def test_a_field_says_its_type_its_size_and_what_may_be_done_with_it(sf: Salesforce) -> None:
    """The pipeline checks a mapping against this before anything runs."""
    coupon = described(sf, ns("Quote_Stripe_Coupon__c"))
    order = described(sf, "Order")

    percent = coupon[ns("Percent_Off__c")]
    assert (percent["type"], percent["precision"], percent["scale"]) == ("double", 18, 2)
    duration = coupon[ns("Duration__c")]
    assert duration["restrictedPicklist"] is True
    assert [v["value"] for v in duration["picklistValues"]] == ["once", "repeating", "forever"]
    assert (duration["nillable"], duration["defaultValue"]) == (False, "once")
    stripe_id = coupon[ns("Stripe_ID__c")]
    assert (stripe_id["externalId"], stripe_id["unique"], stripe_id["length"]) == (True, False, 255)
    link = coupon[ns("Stripe_Dashboard_Link__c")]
    assert (link["calculated"], link["updateable"]) == (True, False)
    assert coupon["Campaign__c"]["relationshipName"] == "Campaign__r"
    assert coupon["Campaign__c"]["referenceTo"] == ["Campaign"]
    assert coupon["Redeem_By__c"]["type"] == "date"
    assert order["StatusCode"]["createable"] is False
    assert order["Description"]["filterable"] is False
    assert order["SBQQ__Quote__c"]["relationshipName"] == "SBQQ__Quote__r"
    assert "EUR" in [v["value"] for v in order["CurrencyIsoCode"]["picklistValues"]]


def test_child_relationships_carry_the_names_for_subqueries(sf: Salesforce) -> None:
    """The name in a subquery's FROM is a property of the child's field."""
    children = of(sf, "SBQQ__Quote__c").describe()["childRelationships"]

    named = {child["relationshipName"]: child for child in children}
    association = named[ns("Quote_In_Association__r")]
    assert association["childSObject"] == ns("Quote_Stripe_Coupon_Association__c")
    assert association["field"] == ns("Quote__c")
    assert association["cascadeDelete"] is True


def test_a_single_currency_org_describes_no_currency(orgs: Orgs) -> None:
    """That is how a client tells one from the other."""
    sf = orgs.make(multi_currency=False).client()

    names = {entry["name"] for entry in sf.describe()["sobjects"]}  # type: ignore[index]

    assert "CurrencyType" not in names
    assert "CurrencyIsoCode" not in described(sf, "Order")


def test_an_unknown_object_is_not_found(sf: Salesforce) -> None:
    """404 with a list of errors."""
    with pytest.raises(SalesforceResourceNotFound):
        of(sf, "Nope__c").describe()


def test_the_org_introduces_itself(org: Served, sf: Salesforce) -> None:
    """Versions need no login; limits and resources do."""
    versions = org.ask("GET", "/services/data", headers={"Authorization": ""}).json()
    resources = org.ask("GET", "/services/data/v68.0/").json()
    limits = sf.limits()
    [organization] = sf.query("SELECT Id, IsSandbox FROM Organization")["records"]

    assert [versions[0]["version"], versions[-1]["version"]] == ["52.0", "68.0"]
    assert resources["query"] == "/services/data/v68.0/query"
    assert limits["DailyApiRequests"]["Max"] == 100_000
    assert organization["Id"] == org.service.org_id
