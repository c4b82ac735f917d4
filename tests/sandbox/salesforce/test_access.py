"""Users with fewer rights: what is hidden looks as if it did not exist."""

import pytest
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError

from tests.sandbox.salesforce.orgs import Served, a_coupon, a_deal, code_of, message_of, ns, of

ORDER_COUPON = ns("Order_Stripe_Coupon__c")


@pytest.fixture
def coupon_user(org: Served) -> Salesforce:
    return org.client(org.service.coupon_user_token)


def refusal(error: pytest.ExceptionInfo[SalesforceError]) -> str:
    return code_of(error.value)


def test_a_hidden_field_looks_like_one_that_does_not_exist(org: Served, sf: Salesforce) -> None:
    """In queries, describes, reads and writes alike."""
    a_deal(sf)
    org.service.integration_user.access.hide_field("Order", "Stripe_ID__c")

    with pytest.raises(SalesforceError) as selected:
        sf.query(f"SELECT {ns('Stripe_ID__c')} FROM Order")
    with pytest.raises(SalesforceError) as filtered:
        sf.query(f"SELECT Id FROM OrderItem WHERE Order.{ns('Stripe_ID__c')} = null")

    assert f"No such column '{ns('Stripe_ID__c')}' on entity 'Order'" in message_of(selected.value)
    assert refusal(filtered) == "INVALID_FIELD"
    assert ns("Stripe_ID__c") not in {f["name"] for f in of(sf, "Order").describe()["fields"]}


def test_a_hidden_object_is_not_supported(org: Served, sf: Salesforce) -> None:
    """INVALID_TYPE in a query, 404 as an address, and no parent path leads there."""
    org.service.integration_user.access.hide_object("SBQQ__Quote__c")

    with pytest.raises(SalesforceError) as queried:
        sf.query("SELECT Id FROM SBQQ__Quote__c")
    with pytest.raises(SalesforceError) as described:
        of(sf, "SBQQ__Quote__c").describe()
    with pytest.raises(SalesforceError) as followed:
        sf.query("SELECT SBQQ__Quote__r.Name FROM Order")

    assert refusal(queried) == "INVALID_TYPE"
    assert described.value.status == 404
    assert refusal(followed) == "INVALID_FIELD"


def test_the_coupon_user_can_make_order_coupons_but_not_edit_them(
    sf: Salesforce, coupon_user: Salesforce
) -> None:
    """With only the coupon permission set, Stripe ids cannot be written back."""
    deal = a_deal(sf)
    of(sf, "Order").update(deal.order, {"Status": "Activated"})
    [row] = sf.query(f"SELECT Id FROM {ORDER_COUPON} WHERE {ns('Order__c')} != null")["records"]

    with pytest.raises(SalesforceError) as edited:
        of(coupon_user, ORDER_COUPON).update(row["Id"], {ns("Stripe_ID__c"): "co_1"})
    with pytest.raises(SalesforceError) as given:
        of(coupon_user, ORDER_COUPON).create(
            {ns("Quote_Stripe_Coupon_Id__c"): deal.order_coupon_source, ns("Name__c"): "x"}
        )
    of(coupon_user, ORDER_COUPON).create(
        {ns("Quote_Stripe_Coupon_Id__c"): deal.order_coupon_source}
    )

    assert (edited.value.status, refusal(edited)) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert refusal(given) == "INVALID_FIELD_FOR_INSERT_UPDATE"
    flags = {f["name"]: f for f in of(coupon_user, ORDER_COUPON).describe()["fields"]}
    assert flags[ns("Stripe_ID__c")]["updateable"] is False


def test_the_coupon_user_edits_quote_coupons_and_reads_orders(
    sf: Salesforce, coupon_user: Salesforce
) -> None:
    """That is what the permission set is for."""
    deal = a_deal(sf)

    coupon = a_coupon(coupon_user)

    assert coupon_user.query("SELECT Id FROM Order")["records"][0]["Id"] == deal.order
    assert of(coupon_user, ns("Quote_Stripe_Coupon__c")).delete(coupon) == 204
    with pytest.raises(SalesforceError):
        of(coupon_user, "Order").update(deal.order, {"Description": "x"})
    with pytest.raises(SalesforceError):
        of(coupon_user, "Account").create({"Name": "x"})


def test_permission_sets_are_readable_by_the_integration_user(sf: Salesforce) -> None:
    """Assignments name the set, its namespace and the user."""
    rows = sf.query(
        "SELECT PermissionSet.Name, PermissionSet.NamespacePrefix, Assignee.Username "
        "FROM PermissionSetAssignment WHERE IsActive = true ORDER BY PermissionSet.Name LIMIT 1"
    )["records"]

    assert rows[0]["PermissionSet"]["Name"] == "Stripe_Connector_Coupon_User"
    assert rows[0]["PermissionSet"]["NamespacePrefix"] == "stripeConnector"
