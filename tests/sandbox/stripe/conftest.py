"""The real SDK against the sandbox, with every answer held against the SDK's own types."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
import stripe

from coupon_pipeline.sandbox.serving import Sandbox
from tests.contract.stripe_types import validate_response
from tests.sandbox.stripe.shop import Shop


class CheckedClient(stripe.RequestsClient):
    """Fails the test when an answer is not what the SDK's types promise."""

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body, status, answered = super().request(method, url, headers, post_data)
        if status == 200:
            thing = json.loads(body)
            assert validate_response(thing["object"], thing) == []
        return body, status, answered


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    """A customer, a product with a monthly price of 10.00 USD, and a client."""
    client = stripe.StripeClient(
        sandbox.addresses.stripe_api_key,
        base_addresses={"api": sandbox.addresses.stripe_url},
        http_client=CheckedClient(),
    )
    return Shop(sandbox, client)
