"""An empty Stripe account on this machine, and an edge that talks to it over HTTP."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from coupon_pipeline.sandbox.serving import Sandbox
from coupon_pipeline.stripe_api import StripeEdge
from tests.stripe_api.accounts import StripeAccount


@pytest.fixture
def account() -> Iterator[StripeAccount]:
    """An account without any object."""
    with Sandbox(company=False) as sandbox:
        yield StripeAccount(sandbox)


@pytest.fixture
def edge(account: StripeAccount) -> Iterator[StripeEdge]:
    """An edge to that account whose pauses take no time."""
    addresses = account.sandbox.addresses
    edge = StripeEdge(
        SecretStr(addresses.stripe_api_key),
        base_url=addresses.stripe_url,
        pause=lambda _seconds: None,
        workers=4,
    )
    yield edge
    edge.close()
