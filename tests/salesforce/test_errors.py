"""What an answer that is not a success becomes."""

import pytest

from coupon_pipeline.salesforce.errors import (
    SalesforceError,
    SalesforceQuotaExhausted,
    SalesforceRefused,
    SalesforceUnavailable,
    error_of,
    refusal_of,
)
from coupon_pipeline.salesforce.json_values import Json


def _body(code: str, message: str = "No.") -> Json:
    return [{"errorCode": code, "message": message, "fields": []}]


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, _body("INVALID_FIELD"), SalesforceRefused, "salesforce.permission"),
        (400, _body("INVALID_TYPE"), SalesforceRefused, "salesforce.permission"),
        (403, _body("INSUFFICIENT_ACCESS"), SalesforceRefused, "salesforce.permission"),
        (403, "Forbidden", SalesforceRefused, "salesforce.permission"),
        (400, _body("MALFORMED_QUERY"), SalesforceRefused, "salesforce.refused"),
        (404, _body("NOT_FOUND"), SalesforceRefused, "salesforce.refused"),
        (
            403,
            _body("REQUEST_LIMIT_EXCEEDED"),
            SalesforceQuotaExhausted,
            "salesforce.quota_exhausted",
        ),
        (400, _body("UNABLE_TO_LOCK_ROW"), SalesforceUnavailable, "salesforce.row_locked"),
        (429, None, SalesforceUnavailable, "salesforce.unavailable"),
        (500, _body("UNKNOWN_EXCEPTION"), SalesforceUnavailable, "salesforce.unavailable"),
        (503, "<html>maintenance</html>", SalesforceUnavailable, "salesforce.unavailable"),
    ],
)
def test_an_answer_becomes_the_error_that_fits(
    status: int, body: Json, kind: type[SalesforceError], code: str
) -> None:
    """Permanent or transient decides whether a run waits, stops or blocks one record."""
    error = error_of(status, body, "Reading orders")

    assert type(error) is kind
    assert error.code == code
    assert "Reading orders" in error.message
    assert error.fix


def test_a_permission_error_names_the_permission_set() -> None:
    """Whoever reads it has to tell an administrator what to assign."""
    error = error_of(400, _body("INVALID_FIELD"), "Reading orders")

    assert isinstance(error, SalesforceRefused)
    assert error.permission == "Stripe Connector Coupon User"
    assert "Stripe Connector Coupon User" in error.fix
    assert error.error_code == "INVALID_FIELD"


@pytest.mark.parametrize("body", [None, [], {}, "", [None], [[]], {"errorCode": 3}, 7, True])
def test_any_body_can_be_read_for_its_reason(body: Json) -> None:
    """A proxy or a maintenance page answers in a shape of its own."""
    assert isinstance(error_of(500, body, "Reading").message, str)


def test_a_page_in_place_of_an_error_is_cut_short() -> None:
    """A maintenance page of many kilobytes would bury the message."""
    assert len(refusal_of("<p>\n" * 10_000).message) <= 300
