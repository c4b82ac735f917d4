"""The log of requests."""

import pytest

from coupon_pipeline.sandbox.calls import CallLog, path_form


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/v1/coupons", "/v1/coupons"),
        ("/v1/coupons/sf-a1c8x000001abcdeaq-0f3c", "/v1/coupons/{id}"),
        ("/v1/subscriptions/sub_1NabC", "/v1/subscriptions/{id}"),
        (
            "/v1/subscription_schedules/sub_sched_1N/cancel",
            "/v1/subscription_schedules/{id}/cancel",
        ),
        ("/v1/invoices/create_preview", "/v1/invoices/create_preview"),
        ("/services/data/v64.0/query/", "/services/data/v64.0/query/"),
        ("/services/data/v64.0/query/01gXX-2000", "/services/data/v64.0/query/{id}"),
        (
            "/services/data/v64.0/sobjects/Order/8018X000001AbCdEAQ",
            "/services/data/v64.0/sobjects/Order/{id}",
        ),
        (
            "/services/data/v64.0/sobjects/stripeConnector__Quote_Stripe_Coupon__c/describe",
            "/services/data/v64.0/sobjects/stripeConnector__Quote_Stripe_Coupon__c/describe",
        ),
    ],
)
def test_paths_are_counted_without_their_ids(path: str, form: str) -> None:
    """A table of a hundred thousand lines tells nobody anything."""
    assert path_form(path) == form


def test_requests_are_numbered_and_counted_for_each_service() -> None:
    """`the second run writes nothing` is a count of zero."""
    log = CallLog()
    log.begin("stripe", "GET", "/v1/coupons")
    log.begin("stripe", "POST", "/v1/coupons")
    log.begin("salesforce", "PATCH", "/services/data/v64.0/composite/sobjects")

    assert [call.number for call in log.all()] == [1, 2, 1]
    assert [call.method for call in log.writes()] == ["POST", "PATCH"]
    assert log.counts() == [
        ("salesforce", "PATCH", "/services/data/v64.0/composite/sobjects", 1),
        ("stripe", "GET", "/v1/coupons", 1),
        ("stripe", "POST", "/v1/coupons", 1),
    ]
    assert log.total("stripe") == 2


def test_a_cleared_log_counts_from_one_again() -> None:
    """Tests look at one run at a time."""
    log = CallLog()
    log.begin("stripe", "GET", "/v1/coupons")
    log.clear()

    assert log.begin("stripe", "GET", "/v1/coupons").number == 1
    assert log.total("stripe") == 1


def test_a_log_that_does_not_keep_still_counts() -> None:
    """A benchmark must not fill the memory with what it sends."""
    log = CallLog(keep=False)
    log.begin("stripe", "GET", "/v1/coupons")

    assert log.all() == []
    assert log.counts() == [("stripe", "GET", "/v1/coupons", 1)]
