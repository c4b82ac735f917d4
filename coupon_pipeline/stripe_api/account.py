"""The account behind the key, and the invoices that it would make, without writing anything."""

from collections.abc import Mapping
from dataclasses import dataclass

from coupon_pipeline.stripe_api.messages import ACCOUNT, INVOICE_PREVIEW, Answer, Request, Send
from coupon_pipeline.stripe_api.reading import Reader
from coupon_pipeline.stripe_api.targets import is_schedule_id


@dataclass(frozen=True, slots=True)
class Account:
    """The Stripe account that the key belongs to."""

    account_id: str
    default_currency: str | None
    country: str | None
    name: str | None


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
    send: Send, target_id: str, params: Mapping[str, object] | None = None
) -> Answer:
    """The next invoice of a subscription or schedule, as it is or with changes; none is made.

    https://docs.stripe.com/api/invoices/create_preview

    Raises:
        StripeEdgeError: there is no next invoice, or it could not be had.
    """
    kind = "schedule" if is_schedule_id(target_id) else "subscription"
    return send(Request(INVOICE_PREVIEW, None, {kind: target_id, **(params or {})}))
