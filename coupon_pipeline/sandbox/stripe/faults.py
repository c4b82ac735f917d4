"""Answers to armed faults, in Stripe's shape."""

from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.stripe.limits import locked, too_many


def stripe_fault(kind: str) -> StripeError:
    """The error that a kind of fault stands for; ValueError when there is no such kind."""
    name, _, detail = kind.partition(":")
    if name == "rate_limit":
        return too_many(detail or None)
    if name == "lock_timeout":
        return locked(retry=detail == "retry")
    if name == "conflict":
        return StripeError(
            "There is currently another in-progress request using this Stripe-Account and "
            "Idempotency-Key. Please try again later.",
            status=409,
            code="idempotency_key_in_use",
            error_type="idempotency_error",
        )
    if name == "server_error":
        return server_error()
    if name == "unavailable":
        return StripeError(
            "Stripe is temporarily unavailable. Please try again.",
            status=503,
            error_type="api_error",
        )
    raise ValueError(f"There is no fault {kind!r}.")


def server_error() -> StripeError:
    """500: the work may have been done or not."""
    return StripeError(
        "An unknown error occurred. Please contact support@stripe.com.",
        status=500,
        error_type="api_error",
        stored=True,
    )
