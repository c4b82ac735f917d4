"""The account behind the key: who it is, and what the key may do, without writing anything."""

from collections.abc import Mapping
from dataclasses import dataclass

from coupon_pipeline.stripe_api.errors import StripeRefused, StripeRejected
from coupon_pipeline.stripe_api.messages import (
    ACCOUNT,
    COUPON_UPDATE,
    COUPONS,
    CUSTOMERS,
    INVOICE_PREVIEW,
    SCHEDULES,
    SUBSCRIPTION_UPDATE,
    SUBSCRIPTIONS,
    Answer,
    Endpoint,
    Request,
    Send,
)
from coupon_pipeline.stripe_api.reading import Reader

NO_SUCH_ID = "coupon-pipeline-probe-of-permissions"
"""Changing an object that cannot exist is refused either for the permission or as missing."""


@dataclass(frozen=True, slots=True)
class Account:
    """The Stripe account that the key belongs to."""

    account_id: str
    default_currency: str | None
    country: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether the key may do one thing. `missing` is the permission's name where known."""

    purpose: str
    granted: bool
    missing: str | None = None


def retrieve_account(send: Send) -> Account:
    """Who we are in Stripe.

    Raises:
        StripeEdgeError: it could not be read.
    """
    reader = Reader(send(Request(ACCOUNT)).body)
    profile = Reader(reader.inner("business_profile"))
    return Account(
        account_id=reader.text("id"),
        default_currency=reader.optional_text("default_currency"),
        country=reader.optional_text("country"),
        name=profile.optional_text("name"),
    )


def preview_invoice(
    send: Send, subscription_id: str, params: Mapping[str, object] | None = None
) -> Answer:
    """The next invoice of a subscription, as it is or with changes; nothing is changed.

    https://docs.stripe.com/api/invoices/create_preview

    Raises:
        StripeEdgeError: there is no next invoice, or it could not be had.
    """
    return send(Request(INVOICE_PREVIEW, None, {"subscription": subscription_id, **(params or {})}))


def probe_permissions(send: Send) -> tuple[Permission, ...]:
    """What the key may do of all that the pipeline needs. Nothing is written.

    Raises:
        StripeEdgeError: Stripe could not be asked.
    """
    first = {"limit": 1}
    metadata = {"metadata": {"coupon_pipeline_probe": ""}}
    return (
        _probe(send, "read coupons", COUPONS, first),
        _probe(send, "write coupons", COUPON_UPDATE, metadata),
        _probe(send, "read subscriptions", SUBSCRIPTIONS, first),
        _probe(send, "read subscription schedules", SCHEDULES, first),
        _probe(send, "read customers", CUSTOMERS, first),
        _probe(send, "write subscriptions", SUBSCRIPTION_UPDATE, metadata),
    )


def _probe(
    send: Send, purpose: str, endpoint: Endpoint, params: Mapping[str, object]
) -> Permission:
    request = Request(
        endpoint,
        NO_SUCH_ID if "{id}" in endpoint.path else None,
        params,
        idempotency_key=f"probe-{purpose.replace(' ', '-')}" if endpoint.writes else None,
    )
    try:
        send(request)
    except StripeRefused as refused:
        return Permission(purpose, granted=False, missing=refused.permission)
    except StripeRejected:
        return Permission(purpose, granted=True)
    return Permission(purpose, granted=True)
