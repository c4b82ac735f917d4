"""What the org is and what the user can see of it."""

import pytest

from coupon_pipeline.domain.mapping import DEFAULT_MAPPING, parse_mapping
from coupon_pipeline.domain.mapping_check import check_against
from coupon_pipeline.salesforce import (
    AccessToken,
    SalesforceEdge,
    SalesforceLoginFailed,
    SalesforceRefused,
)
from coupon_pipeline.salesforce.names import QUOTE_COUPON
from coupon_pipeline.sandbox.calls import CallLog
from coupon_pipeline.sandbox.faults import FaultPlan, FaultRule
from coupon_pipeline.sandbox.salesforce import SalesforceService


def test_the_org_tells_what_it_is_in_one_request(
    salesforce: SalesforceService, edge: SalesforceEdge, calls: CallLog
) -> None:
    """Objects, fields, currencies and the org's id: asked together, and only once."""
    org = edge.read_org()
    edge.read_org()

    assert org.org_id == salesforce.org_id
    assert (org.name, org.is_sandbox, org.is_multi_currency) == ("Acme", False, True)
    assert org.instance_url == salesforce.instance_url
    assert len(calls.all()) == 1


def test_an_org_that_does_not_tell_its_currency_can_be_read(edge: SalesforceEdge) -> None:
    """The field on Organization is in no public list; without it a setting decides."""
    assert edge.read_org().default_currency is None


@pytest.mark.parametrize(
    "object_name",
    [
        "Quote_Stripe_Coupon__c",
        "Order_Stripe_Coupon__c",
        "Quote_Stripe_Coupon_Association__c",
        "Quote_Line_Stripe_Coupon_Association__c",
    ],
)
def test_a_missing_object_is_named_with_its_permission_set(
    salesforce: SalesforceService, edge: SalesforceEdge, object_name: str
) -> None:
    """Whoever runs it first has usually forgotten to assign it."""
    salesforce.integration_user.access.hide_object(object_name)

    with pytest.raises(SalesforceRefused) as caught:
        edge.read_org()

    assert caught.value.code == "salesforce.permission"
    assert caught.value.object_name == f"stripeConnector__{object_name}"
    assert "Stripe Connector Coupon User" in caught.value.fix


@pytest.mark.parametrize(
    ("object_name", "field"),
    [
        ("Quote_Stripe_Coupon__c", "Stripe_ID__c"),
        ("Order_Stripe_Coupon__c", "Percent_Off__c"),
        ("Order", "SBQQ__Quote__c"),
        ("OrderItem", "SBQQ__QuoteLine__c"),
    ],
)
def test_a_hidden_field_is_named(
    salesforce: SalesforceService, edge: SalesforceEdge, object_name: str, field: str
) -> None:
    """A hidden percentage on the order coupon would read as "no discount was signed"."""
    salesforce.integration_user.access.hide_field(object_name, field)

    with pytest.raises(SalesforceRefused) as caught:
        edge.read_org()

    assert caught.value.code == "salesforce.permission"
    assert (caught.value.field_name or "").endswith(field)
    assert object_name in (caught.value.object_name or "")


def test_a_mapped_field_that_is_hidden_stops_the_read(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """It would otherwise be taken for empty on every coupon."""
    salesforce.integration_user.access.hide_field(QUOTE_COUPON, "Region__c")
    mapping = parse_mapping('[coupon.metadata]\nregion = "Region__c"\n')

    with pytest.raises(SalesforceRefused) as caught:
        edge.read_quote_coupons(["a1C000000000001"], mapping.paths)

    assert caught.value.field_name == "Region__c"


def test_objects_that_are_not_needed_may_be_missing(
    salesforce: SalesforceService, edge: SalesforceEdge
) -> None:
    """Older packages have no sync records, and prices may belong to somebody else."""
    for name in ("Sync_Record__c", "PricebookEntry"):
        salesforce.integration_user.access.hide_object(name)

    assert edge.describe().objects.keys().isdisjoint({"Sync_Record__c", "PricebookEntry"})


def test_the_wrong_namespace_is_told_from_missing_permissions(
    salesforce: SalesforceService,
) -> None:
    """Both look alike to Salesforce, so the fix names the setting too."""
    edge = SalesforceEdge(
        salesforce.instance_url,
        AccessToken(salesforce.access_token),
        namespace="otherConnector",
        api_version="67.0",
    )

    with pytest.raises(SalesforceRefused) as caught:
        edge.read_org()

    edge.close()
    assert "SALESFORCE_NAMESPACE" in caught.value.fix


def test_a_passing_fault_of_one_part_is_asked_again(
    edge: SalesforceEdge, faults: FaultPlan, waited: list[float]
) -> None:
    """One bad moment must not look like a missing permission."""
    faults.arm(FaultRule(service="salesforce", kind="server_error", times=2))

    assert edge.read_org().name == "Acme"
    assert len(waited) == 2


def test_a_lasting_401_is_a_login_that_failed(edge: SalesforceEdge, faults: FaultPlan) -> None:
    """An expired token is no missing permission."""
    faults.arm(FaultRule(service="salesforce", kind="session_expired", times=None))

    with pytest.raises(SalesforceLoginFailed):
        edge.read_org()


def test_the_default_mapping_fits_the_package(edge: SalesforceEdge) -> None:
    """One to one, without a file."""
    objects = edge.describe_for_mapping(DEFAULT_MAPPING)

    assert check_against(DEFAULT_MAPPING, objects) == ()


def test_a_path_is_checked_along_all_its_objects(edge: SalesforceEdge, calls: CallLog) -> None:
    """One request for each relationship that the longest path follows."""
    mapping = parse_mapping(
        '[coupon.metadata]\na = "Campaign__r.Parent.Name"\nb = "Partner__r.Stripe_ID__c"\n'
        'c = "Campaign__r.Nme"\nd = "Owner.Name"\n'
    )

    faults = check_against(mapping, edge.describe_for_mapping(mapping))

    assert [(fault.code, fault.path) for fault in faults] == [
        ("mapping.field_unknown", "Campaign__r.Nme")
    ]
    assert faults[0].details["nearest"] == "Name"
    assert len(calls.all()) == 2
