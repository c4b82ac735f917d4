"""The schemas that hold the pipeline and the sandbox against the installed SDK."""

import pytest

from tests.contract.stripe_types import validate_request, validate_response

GOOD_REQUESTS = [
    ("POST", "/v1/coupons", "percent_off=10&duration=once&metadata[1]=a"),
    ("POST", "/v1/coupons/X", "name=New&metadata="),
    ("POST", "/v1/subscriptions/sub_1", "discounts[0][discount]=di_1&discounts[1][coupon]=X"),
    ("POST", "/v1/subscriptions/sub_1", "discounts="),
    ("GET", "/v1/subscriptions", "limit=100&created[gte]=1&expand[0]=data.discounts"),
    (
        "POST",
        "/v1/subscription_schedules/s",
        "phases[0][items][0][price]=p&phases[0][start_date]=1",
    ),
    ("POST", "/v1/invoices/create_preview", "subscription=sub_1&discounts[0][coupon]=X"),
    ("DELETE", "/v1/subscriptions/sub_1", ""),
]
BAD_REQUESTS = [
    ("POST", "/v1/coupons", "percent_of=10"),
    ("POST", "/v1/coupons", "amount_off=5.5&currency=usd"),
    ("POST", "/v1/coupons", "duration=always"),
    ("POST", "/v1/coupons/X", "percent_off=10"),
    ("POST", "/v1/subscriptions/sub_1", "discounts[0][cupon]=X"),
    ("POST", "/v1/subscriptions/sub_1", "coupon=X"),
    (
        "POST",
        "/v1/subscription_schedules/s",
        "phases[0][iterations]=1&phases[0][items][0][price]=p",
    ),
    ("POST", "/v1/subscription_schedules/s", "phases[0][start_date]=1"),
    ("POST", "/v1/upcoming", ""),
]


@pytest.mark.parametrize(("method", "path", "body"), GOOD_REQUESTS)
def test_a_request_that_the_sdk_can_make_conforms(method: str, path: str, body: str) -> None:
    """A schema that refused it would say nothing about the requests that it refuses."""
    assert validate_request(method, path, body) == []


@pytest.mark.parametrize(("method", "path", "body"), BAD_REQUESTS)
def test_an_unknown_or_removed_or_ill_typed_parameter_does_not_conform(
    method: str, path: str, body: str
) -> None:
    """Stripe refuses what it does not know, at every depth."""
    assert validate_request(method, path, body) != []


def test_a_discount_without_source_does_not_conform() -> None:
    """Older stand-ins show `coupon` on the discount; the pinned version has `source`."""
    old = {"id": "di_1", "object": "discount", "start": 1, "coupon": {"id": "X"}}
    new = {"id": "di_1", "object": "discount", "start": 1, "source": {"type": "coupon"}}

    assert validate_response("discount", old) != []
    assert validate_response("discount", new) == []


def test_objects_inside_an_answer_are_held_against_their_own_types() -> None:
    """An expanded object is as much an answer as the one that it is in."""
    source = {"type": "coupon", "coupon": {"id": "X", "object": "coupon"}}
    faults = validate_response(
        "discount", {"id": "di_1", "object": "discount", "start": 1, "source": source}
    )

    assert any(fault.startswith("coupon: 'times_redeemed'") for fault in faults)
