"""Names with and without the managed package's namespace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.salesforce.names import PACKAGE_NAMES, Names

namespaces = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,14}", fullmatch=True)


@given(namespaces, st.sampled_from(sorted(PACKAGE_NAMES)))
def test_stripping_undoes_qualifying(namespace: str, name: str) -> None:
    """One mapping serves every namespace only if the way there and back is the same."""
    names = Names(namespace)

    assert names.strip(names.qualify(name)) == name


@pytest.mark.parametrize("name", sorted(PACKAGE_NAMES))
def test_without_a_namespace_names_stay(name: str) -> None:
    """The package's code may be deployed unpackaged; then nothing has a prefix."""
    assert Names("").qualify(name) == name
    assert Names("").strip(name) == name


@pytest.mark.parametrize(
    ("path", "qualified"),
    [
        ("Stripe_ID__c", "stripeConnector__Stripe_ID__c"),
        ("Campaign__r.Name", "Campaign__r.Name"),
        ("Region__c", "Region__c"),
        ("SBQQ__Quote__c", "SBQQ__Quote__c"),
        ("Account__r.Stripe_ID__c", "Account__r.stripeConnector__Stripe_ID__c"),
    ],
)
def test_only_the_packages_names_are_qualified(path: str, qualified: str) -> None:
    """A customer's own field with a prefix would not exist."""
    assert Names("stripeConnector").qualify_path(path) == qualified
    assert Names("stripeConnector").strip_path(qualified) == path
