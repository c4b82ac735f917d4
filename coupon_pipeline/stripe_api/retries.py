"""Permanent or transient, decided in one table, and how long to wait between attempts.

The SDK does not retry a plain 429, and it leaves `code` empty on several of its errors, so the
status, the headers and the error's own body decide here.
https://docs.stripe.com/error-low-level and https://docs.stripe.com/rate-limits
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

import requests
import stripe
from urllib3.exceptions import MaxRetryError, NewConnectionError

from coupon_pipeline.stripe_api.errors import (
    StripeEdgeError,
    StripeFailureKept,
    StripeLoginFailed,
    StripeObjectBusy,
    StripeRefused,
    StripeRejected,
    StripeUnavailable,
    without_keys,
)
from coupon_pipeline.stripe_api.limits import Scope

_SCOPE_OF_REASON: Mapping[str, Scope] = {
    "global-rate": "account",
    "global-concurrency": "account",
    "endpoint-rate": "endpoint",
    "endpoint-concurrency": "endpoint",
}
"""Which bucket a 429 names. `resource-specific` and no reason at all concern one object."""

Headers: TypeAlias = Mapping[str, str]
"""Of a reply, names in lower case."""

_PERMISSION = re.compile(r"\brak_[a-z_]+")
_FIRST_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Retries:
    """The bounds of trying again: whichever is reached first ends it."""

    attempts: int = 6
    total_seconds: float = 90.0
    first_pause: float = 0.5
    longest_pause: float = 8.0

    def pause(self, attempt: int, jitter: float, at_least: float) -> float:
        """Seconds before the attempt after this one (the first is 1).

        Exponential with full jitter: many workers that were refused together come back apart.
        """
        ceiling = min(self.longest_pause, self.first_pause * 2.0 ** (attempt - 1))
        return max(at_least, ceiling * jitter)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failed attempt means."""

    retry: bool
    error: StripeEdgeError
    """What to raise when it is not tried again."""
    executed: bool
    """Whether Stripe may have carried the request out all the same."""
    slow_down: Scope | None = None
    at_least: float = 0.0
    """Seconds that the reply asked to wait."""


def verdict_on(error: stripe.StripeError) -> Verdict:
    """What a failed attempt means."""
    if isinstance(error, stripe.APIConnectionError):
        return _no_answer(error)
    status = error.http_status or 0
    if error.error is None:
        return _unreadable(status)
    if isinstance(error, stripe.RateLimitError):
        status = HTTPStatus.TOO_MANY_REQUESTS
    others = _server_error if status >= _FIRST_SERVER_ERROR else _rejected
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return _JUDGES.get(status, others)(error, headers)


def unreadable_reply() -> Verdict:
    """A reply with a good status whose body is no JSON object."""
    return _unreadable(HTTPStatus.OK)


def _no_answer(error: stripe.APIConnectionError) -> Verdict:
    cause = error.__cause__
    if isinstance(cause, requests.exceptions.SSLError):
        return Verdict(
            retry=False,
            executed=False,
            error=StripeUnavailable(
                "Stripe's certificate could not be verified.",
                fix="Check that nothing on the network intercepts https, then run it again.",
            ),
        )
    transient = isinstance(
        cause,
        (
            requests.exceptions.ConnectionError,
            requests.exceptions.Timeout,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ),
    )
    kind = type(cause).__name__ if cause is not None else type(error).__name__
    return Verdict(
        retry=transient,
        executed=not _never_connected(cause),
        error=StripeUnavailable(f"Stripe gave no answer ({kind})."),
    )


def _never_connected(cause: BaseException | None) -> bool:
    """Whether the request cannot have left: nobody was there to take it."""
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return True
    inner = cause.args[0] if cause is not None and cause.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)


def _unreadable(status: int) -> Verdict:
    redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    if redirect:
        error = StripeUnavailable(
            f"The Stripe address answered with a redirect (status {status}).",
            fix="Set STRIPE_API_BASE to the final address; redirects are never followed.",
        )
    else:
        error = StripeUnavailable(f"Stripe's answer could not be read (status {status}).")
    return Verdict(retry=not redirect, executed=not redirect, error=error)


def _too_many(error: stripe.StripeError, headers: Headers) -> Verdict:
    reason = headers.get("stripe-rate-limited-reason")
    scope = _SCOPE_OF_REASON.get(reason or "")
    failure: StripeUnavailable
    if scope is None:
        why = reason or _code(error) or "no reason given"
        failure = StripeObjectBusy(
            f"The object was locked or too busy ({why}).", request_id=error.request_id
        )
    else:
        failure = StripeUnavailable(
            f"Stripe keeps refusing for too many requests ({reason}).",
            request_id=error.request_id,
            fix="Run it again later, or leave a larger share of the limit to other traffic.",
        )
    return Verdict(
        retry=_should_retry(headers, default=True),
        error=failure,
        executed=False,
        slow_down=scope,
        at_least=_retry_after(headers),
    )


def _server_error(error: stripe.StripeError, headers: Headers) -> Verdict:
    """A stored 5xx comes back for as long as the key is the same, so repeating it is no use."""
    if headers.get("idempotent-replayed") == "true":
        kept = StripeFailureKept(
            "Stripe repeats an earlier failure of this very request.", request_id=error.request_id
        )
        return Verdict(retry=False, error=kept, executed=True)
    failure = StripeUnavailable(
        f"Stripe failed with status {error.http_status}.", request_id=error.request_id
    )
    return Verdict(
        retry=_should_retry(headers, default=True),
        error=failure,
        executed=True,
        at_least=_retry_after(headers),
    )


def _should_retry(headers: Headers, *, default: bool) -> bool:
    said = headers.get("stripe-should-retry")
    return default if said not in ("true", "false") else said == "true"


def _retry_after(headers: Headers) -> float:
    """Seconds, if the reply asks for some. Stripe documents none, gateways may send it."""
    asked = headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else 0.0


def _conflict(error: stripe.StripeError, headers: Headers) -> Verdict:
    """An earlier request with the same key may be at work this very moment."""
    busy = StripeObjectBusy(_said(error), request_id=error.request_id)
    return Verdict(retry=_should_retry(headers, default=True), error=busy, executed=True)


def _login_failed(error: stripe.StripeError, headers: Headers) -> Verdict:
    del headers
    failed = StripeLoginFailed(_said(error), request_id=error.request_id)
    return Verdict(retry=False, error=failed, executed=False)


def _refused(error: stripe.StripeError, headers: Headers) -> Verdict:
    del headers
    named = _PERMISSION.search(_said(error))
    refused = StripeRefused(
        _said(error),
        permission=named.group(0) if named else None,
        request_id=error.request_id,
    )
    return Verdict(retry=False, error=refused, executed=False)


def _rejected(error: stripe.StripeError, headers: Headers) -> Verdict:
    rejected = StripeRejected(
        _said(error),
        reason=_code(error) or "unknown",
        param=_body_text(error, "param"),
        status=error.http_status,
        request_id=error.request_id,
    )
    return Verdict(retry=_should_retry(headers, default=False), error=rejected, executed=False)


_JUDGES: Mapping[int, Callable[[stripe.StripeError, Headers], Verdict]] = {
    HTTPStatus.UNAUTHORIZED: _login_failed,
    HTTPStatus.FORBIDDEN: _refused,
    HTTPStatus.CONFLICT: _conflict,
    HTTPStatus.TOO_MANY_REQUESTS: _too_many,
}
"""The one table of statuses: above 499 the server failed, at any other the request was wrong."""


def _code(error: stripe.StripeError) -> str | None:
    """`e.code` is empty on several classes; the body has it. Failing that, the type tells."""
    code = _body_text(error, "code")
    if code is None and isinstance(error, stripe.IdempotencyError):
        return "idempotency_error"
    return code


def _said(error: stripe.StripeError) -> str:
    return without_keys(error.user_message or "Stripe gave no reason.")


def _body_text(error: stripe.StripeError, name: str) -> str | None:
    body = error.error
    if body is None or name not in body:
        return None
    value = body[name]
    return value if isinstance(value, str) else None
