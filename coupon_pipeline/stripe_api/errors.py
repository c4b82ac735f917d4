# ruff: noqa: N818 - these name what Stripe did, and callers read them so
"""What can go wrong at Stripe, as a small tree with stable codes.

    StripeEdgeError
    ├── StripeMisconfigured   key or address can never work; nothing was sent
    ├── StripeLoginFailed     401: the key is wrong, expired or revoked
    ├── StripeWrongMode       an object of the other mode (live or test) came back
    ├── StripeUnavailable     retries are used up; the run ends and can be repeated
    │   ├── StripeObjectBusy  only this object could not be had; the others go on
    │   └── StripeFailureKept the failure is stored under the idempotency key and comes back
    ├── StripeRefused         403: a permission is missing
    └── StripeRejected        this request can never succeed; blocks its record alone

Messages never hold a key: whatever Stripe or the transport says is cleaned first.
"""

import re
from http import HTTPStatus
from typing import ClassVar

from coupon_pipeline.domain.text_as_data import printable

_KEY = re.compile(r"\b((?:sk|rk|pk|ek)_(?:(?:test|live|org)_)?)[A-Za-z0-9_*]{4,}")


def without_keys(text: str) -> str:
    """The text with everything that looks like an API key cut down to its prefix."""
    return _KEY.sub(r"\1[hidden]", text)


class StripeEdgeError(Exception):
    """Something went wrong at Stripe. `fix` says what a person can do."""

    code: ClassVar[str] = "stripe.error"
    default_fix: ClassVar[str] = "Run it again; if it stays, show the request id to Stripe."

    def __init__(
        self, message: str, *, fix: str | None = None, request_id: str | None = None
    ) -> None:
        self.message = printable(without_keys(message))
        self.fix = fix or self.default_fix
        self.request_id = request_id
        super().__init__(f"{self.message} {self.fix}")


class StripeMisconfigured(StripeEdgeError):
    """The key or the address can never work. `setting` names what to change."""

    code = "stripe.misconfigured"

    def __init__(self, message: str, *, setting: str, fix: str) -> None:
        super().__init__(message, fix=fix)
        self.setting = setting


class StripeLoginFailed(StripeEdgeError):
    """Stripe does not know the key."""

    code = "stripe.login"
    default_fix = "Set STRIPE_API_KEY to a key that the Stripe dashboard shows as active."


class StripeWrongMode(StripeEdgeError):
    """A key of one mode met an object of the other."""

    code = "stripe.wrong_mode"
    default_fix = "Check that STRIPE_API_KEY and STRIPE_API_BASE belong to the same account."


class StripeUnavailable(StripeEdgeError):
    """Stripe could not be reached or would not answer within the bounds of attempts and time."""

    code = "stripe.unavailable"
    default_fix = "Nothing is lost: run it again when Stripe can be reached."

    def __init__(
        self,
        message: str,
        *,
        may_have_happened: bool = False,
        fix: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, fix=fix, request_id=request_id)
        self.may_have_happened = may_have_happened
        """Whether a write may have been carried out although no answer tells so."""


class StripeObjectBusy(StripeUnavailable):
    """Only this object could not be had: it is locked, or another request is working on it."""

    code = "stripe.object_busy"
    default_fix = "Run it again: something else was changing the same object in Stripe."


class StripeFailureKept(StripeObjectBusy):
    """Stripe keeps a failure under the idempotency key and gives it again for a day.

    Whether the work was done is unknown: read the object back, and use a new key.
    https://docs.stripe.com/api/idempotent_requests
    """

    code = "stripe.failure_kept"
    default_fix = "Run it again: the state is read back first, and the request gets a new key."


class StripeRefused(StripeEdgeError):
    """The key lacks a permission; `permission` is its name where Stripe said it."""

    code = "stripe.permission"

    def __init__(
        self, message: str, *, permission: str | None, request_id: str | None = None
    ) -> None:
        wanted = permission or "the permission that the message names"
        super().__init__(
            message,
            fix=f"Give the restricted key {wanted} in the Stripe dashboard, or use another key.",
            request_id=request_id,
        )
        self.permission = permission


class StripeRejected(StripeEdgeError):
    """Stripe understood the request and will never carry it out."""

    code = "stripe.rejected"
    default_fix = "Correct what the message names, then run it again."

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        param: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.reason = reason
        """Stripe's own error code, such as `resource_missing`; `unknown` when it gives none."""
        self.param = param
        self.status = status

    @property
    def is_missing(self) -> bool:
        """Whether the object of the path does not exist.

        By status and code, never by the text (https://docs.stripe.com/error-codes): a 404 without
        the code is a wrong address, and a 400 with it is about a parameter.
        """
        return self.status == HTTPStatus.NOT_FOUND and self.reason == "resource_missing"

    @property
    def already_exists(self) -> bool:
        """Whether an object with the wanted id is there already."""
        return self.reason == "resource_already_exists"
