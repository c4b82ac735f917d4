"""The table of statuses: what is tried again, what is not, and what each failure is called."""

from dataclasses import dataclass, field

import pytest
import requests
import stripe
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.stripe_api.errors import (
    StripeFailureKept,
    StripeLoginFailed,
    StripeObjectBusy,
    StripeRefused,
    StripeRejected,
    StripeUnavailable,
)
from coupon_pipeline.stripe_api.retries import Retries, verdict_on


@dataclass(frozen=True)
class Reply:
    """A reply as it comes over the wire."""

    status: int
    code: str | None = None
    kind: str = "invalid_request_error"
    message: str = "No."
    headers: dict[str, str] = field(default_factory=dict)


def error_of(reply: Reply) -> stripe.StripeError:
    """The exception that the SDK makes of a reply."""
    body = {"type": reply.kind, "message": reply.message, "param": "coupon"}
    if reply.code is not None:
        body["code"] = reply.code
    headers = requests.structures.CaseInsensitiveDict(
        {"Request-Id": "req_1", **reply.headers},
    )
    requestor = stripe.StripeClient("sk_test_none")._requestor
    with pytest.raises(stripe.StripeError) as caught:
        requestor.handle_error_response("{}", reply.status, {"error": body}, headers, "V1")
    return caught.value


REASON = "Stripe-Rate-Limited-Reason"
TRANSIENT = {
    "the account's rate": Reply(429, "rate_limit", headers={REASON: "global-rate"}),
    "the account's concurrency": Reply(429, headers={REASON: "global-concurrency"}),
    "the endpoint's rate": Reply(429, headers={REASON: "endpoint-rate"}),
    "the endpoint's concurrency": Reply(429, headers={REASON: "endpoint-concurrency"}),
    "the object's own limit": Reply(429, headers={REASON: "resource-specific"}),
    "too many without a reason": Reply(429),
    "a locked object": Reply(429, "lock_timeout"),
    "a locked object, to be retried": Reply(
        429, "lock_timeout", headers={"Stripe-Should-Retry": "true"}
    ),
    "the old spelling of too many": Reply(400, "rate_limit"),
    "the same key at work": Reply(409, "idempotency_key_in_use"),
    "an error of the server": Reply(500, kind="api_error"),
    "maintenance": Reply(503, kind="api_error"),
    "a request that Stripe wants again": Reply(400, headers={"Stripe-Should-Retry": "true"}),
}
PERMANENT = {
    "a wrong parameter": Reply(400, "parameter_unknown"),
    "a payment": Reply(402, kind="card_error"),
    "a missing object": Reply(404, "resource_missing"),
    "a wrong key": Reply(401),
    "a missing permission": Reply(403),
    "a key used for something else": Reply(400, kind="idempotency_error"),
    "too many, not to be retried": Reply(429, headers={"Stripe-Should-Retry": "false"}),
    "an error of the server, not to be retried": Reply(
        500, kind="api_error", headers={"Stripe-Should-Retry": "false"}
    ),
    "a conflict, not to be retried": Reply(409, headers={"Stripe-Should-Retry": "false"}),
    "an error of the server that is stored": Reply(
        500, kind="api_error", headers={"Idempotent-Replayed": "true"}
    ),
}


@pytest.mark.parametrize("reply", TRANSIENT.values(), ids=TRANSIENT.keys())
def test_what_passes_by_itself_is_tried_again(reply: Reply) -> None:
    """The SDK tries none of these again, or only some."""
    assert verdict_on(error_of(reply)).retry


@pytest.mark.parametrize("reply", PERMANENT.values(), ids=PERMANENT.keys())
def test_what_would_fail_again_is_not_tried_again(reply: Reply) -> None:
    """Repeating it costs time and the account's limit."""
    assert not verdict_on(error_of(reply)).retry


@pytest.mark.parametrize(
    ("reason", "scope"),
    [
        ("global-rate", "account"),
        ("global-concurrency", "account"),
        ("endpoint-rate", "endpoint"),
        ("endpoint-concurrency", "endpoint"),
        ("resource-specific", None),
        (None, None),
    ],
)
def test_a_429_slows_down_what_its_reason_names(reason: str | None, scope: str | None) -> None:
    """A locked object says nothing about how fast we are."""
    headers = {} if reason is None else {REASON: reason}

    assert verdict_on(error_of(Reply(429, headers=headers))).slow_down == scope


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(401), StripeLoginFailed),
        (Reply(403), StripeRefused),
        (Reply(404, "resource_missing"), StripeRejected),
        (Reply(400, "coupon_expired"), StripeRejected),
        (Reply(429, headers={REASON: "global-rate"}), StripeUnavailable),
        (Reply(503, kind="api_error"), StripeUnavailable),
        (Reply(500, headers={"Idempotent-Replayed": "true"}), StripeFailureKept),
    ],
    ids=str,
)
def test_a_failure_has_the_class_that_says_what_to_do(reply: Reply, kind: type) -> None:
    """The run ends, or one record is blocked: that depends on the class alone."""
    assert type(verdict_on(error_of(reply)).error) is kind


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, "lock_timeout"),
        Reply(409),
        Reply(429, headers={REASON: "resource-specific"}),
        Reply(500, headers={"Idempotent-Replayed": "true"}),
    ],
    ids=str,
)
def test_trouble_with_one_object_is_no_outage(reply: Reply) -> None:
    """A subscription that is locked for an hour must not stop the other ten thousand."""
    assert isinstance(verdict_on(error_of(reply)).error, StripeObjectBusy)


def test_a_refusal_names_the_permission_that_is_missing() -> None:
    """Otherwise a person has to find it among a hundred."""
    said = "The provided key 'rk_test_51HxYz' lacks rak_coupon_write on account 'acct_1'."

    error = verdict_on(error_of(Reply(403, message=said))).error

    assert isinstance(error, StripeRefused)
    assert error.permission == "rak_coupon_write"
    assert "rak_coupon_write" in error.fix
    assert error.request_id == "req_1"


@given(
    st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", min_size=8)
)
def test_no_error_shows_a_key(secret: str) -> None:
    """Stripe repeats keys in some messages, and messages end up in logs and in Dagster's pages."""
    said = f"Invalid API Key provided: sk_live_{secret}, or rk_test_{secret}"

    error = verdict_on(error_of(Reply(401, message=said))).error

    assert secret not in str(error)
    assert secret not in repr(error)


def test_the_code_is_found_where_the_sdk_leaves_it() -> None:
    """`e.code` is empty for several classes although the body has a code."""
    error = verdict_on(error_of(Reply(404, "resource_missing"))).error
    mismatch = verdict_on(error_of(Reply(400, kind="idempotency_error"))).error

    assert isinstance(error, StripeRejected)
    assert (error.reason, error.param, error.status) == ("resource_missing", "coupon", 404)
    assert error.is_missing
    assert isinstance(mismatch, StripeRejected)
    assert mismatch.reason == "idempotency_error"


@pytest.mark.parametrize(
    ("reply", "missing"),
    [
        (Reply(404, "resource_missing"), True),
        (Reply(404), False),
        (Reply(400, "resource_missing"), False),
    ],
    ids=["object", "address", "parameter"],
)
def test_only_the_object_itself_can_be_missing(reply: Reply, *, missing: bool) -> None:
    """A wrong address must not look like an account that lost all its coupons."""
    error = verdict_on(error_of(reply)).error

    assert isinstance(error, StripeRejected)
    assert error.is_missing is missing


@pytest.mark.parametrize(
    ("cause", "retry", "executed"),
    [
        (requests.exceptions.ConnectTimeout(), True, False),
        (requests.exceptions.ReadTimeout(), True, True),
        (requests.exceptions.ConnectionError(), True, True),
        (requests.exceptions.ChunkedEncodingError(), True, True),
        (requests.exceptions.SSLError(), False, False),
        (requests.exceptions.InvalidURL(), False, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_no_answer_is_judged_by_its_cause(cause: Exception, *, retry: bool, executed: bool) -> None:
    """The SDK calls only some of them worth a retry; a body cut short is one that it does not."""
    with pytest.raises(stripe.APIConnectionError) as caught:
        stripe.RequestsClient()._handle_request_error(cause)

    verdict = verdict_on(caught.value)

    assert (verdict.retry, verdict.executed) == (retry, executed)


@pytest.mark.parametrize(("status", "retry"), [(200, True), (502, True), (404, True), (302, False)])
def test_an_answer_that_is_no_json_is_asked_for_again(status: int, *, retry: bool) -> None:
    """Gateways answer with pages of their own; a redirect would lead the key elsewhere."""
    error = stripe.APIError("Invalid response", "<html>", status)

    verdict = verdict_on(error)

    assert verdict.retry is retry
    assert isinstance(verdict.error, StripeUnavailable)


@given(attempt=st.integers(1, 30), jitter=st.floats(0, 1, exclude_max=True))
def test_a_pause_grows_and_is_bounded(attempt: int, jitter: float) -> None:
    """Exponential up to a bound, and anywhere below it, so that workers come back apart."""
    retries = Retries(first_pause=0.5, longest_pause=8)

    pause = retries.pause(attempt, jitter, at_least=0)

    assert 0 <= pause <= min(8, 0.5 * 2 ** (attempt - 1))


def test_a_pause_is_as_long_as_the_reply_asks() -> None:
    """A gateway in front of Stripe may say when to come back."""
    verdict = verdict_on(error_of(Reply(503, headers={"Retry-After": "7"})))

    assert Retries().pause(1, 0.1, verdict.at_least) == 7
