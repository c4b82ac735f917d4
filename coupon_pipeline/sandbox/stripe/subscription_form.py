"""What every subscription has (https://docs.stripe.com/api/subscriptions/object)."""

from typing import Any, Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.catalogue import check_tax_rates
from coupon_pipeline.sandbox.stripe.errors import StripeError, invalid
from coupon_pipeline.sandbox.stripe.settings import FORMS, invoice_settings, plain, read_form
from coupon_pipeline.sandbox.stripe.store import StripeObject, copy_json

EMPTY: Final = (
    "application",
    "application_fee_percent",
    "billing_cycle_anchor_config",
    "billing_thresholds",
    "cancel_at",
    "canceled_at",
    "customer_account",
    "days_until_due",
    "default_payment_method",
    "default_source",
    "description",
    "ended_at",
    "latest_invoice",
    "managed_payments",
    "next_pending_invoice_item_invoice",
    "on_behalf_of",
    "pause_collection",
    "pending_invoice_item_interval",
    "pending_setup_intent",
    "pending_update",
    "presentment_details",
    "schedule",
    "status_details",
    "test_clock",
    "transfer_data",
    "trial_end",
    "trial_start",
)
SETTINGS: Final = (
    "application_fee_percent",
    "automatic_tax",
    "billing_thresholds",
    "cancellation_details",
    "collection_method",
    "days_until_due",
    "default_payment_method",
    "default_source",
    "description",
    "on_behalf_of",
    "pause_collection",
    "payment_settings",
    "pending_invoice_item_interval",
    "transfer_data",
    "trial_settings",
)
"""Parameters that are stored and shown, of create and update alike."""


def new_subscription(
    account: Account, customer: StripeObject, currency: str, now: int
) -> StripeObject:
    """A stored subscription without items, active and anchored now."""
    subscription: StripeObject = dict.fromkeys(EMPTY)
    subscription |= {
        "id": account.new_id("subscription"),
        "object": "subscription",
        "automatic_tax": copy_json(FORMS["automatic_tax"]),
        "billing_cycle_anchor": now,
        "billing_mode": billing_mode(None, now),
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": copy_json(FORMS["cancellation_details"]),
        "collection_method": "charge_automatically",
        "created": now,
        "currency": currency,
        "customer": customer["id"],
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": invoice_settings(None),
        "livemode": account.livemode,
        "metadata": {},
        "payment_settings": copy_json(FORMS["payment_settings"]),
        "start_date": now,
        "status": "active",
        "test_clock": customer["test_clock"],
        "trial_settings": copy_json(FORMS["trial_settings"]),
        "_inherits_nothing": False,
        "_items": [],
    }
    return account.store.add("subscription", subscription)


def billing_mode(given: dict[str, Any] | None, now: int) -> StripeObject:
    """The billing mode as Stripe shows it; flexible unless asked otherwise."""
    mode = plain(given or {"type": "flexible"})
    flexible = None
    if mode["type"] == "flexible":
        flexible = {"proration_discounts": "included"} | (mode.get("flexible") or {})
    return {"flexible": flexible, "type": mode["type"], "updated_at": now}


def change_settings(account: Account, subscription: StripeObject, params: dict[str, Any]) -> None:
    """Take over the settings that are given."""
    for name in SETTINGS:
        if name in params:
            subscription[name] = read_form(name, params[name], subscription[name])
    if "default_tax_rates" in params:
        rates = check_tax_rates(account, params["default_tax_rates"], "default_tax_rates")
        subscription["default_tax_rates"] = rates
    if "invoice_settings" in params:
        old = subscription["invoice_settings"]
        subscription["invoice_settings"] = invoice_settings(params["invoice_settings"], old)
    if subscription["collection_method"] == "send_invoice":
        if subscription["days_until_due"] is None:
            raise StripeError(
                "You must specify `days_until_due` when `collection_method` is `send_invoice`.",
                code="parameter_missing",
                param="days_until_due",
            )
    elif params.get("days_until_due") is not None:
        raise invalid(
            "`days_until_due` is only for `collection_method` `send_invoice`.", "days_until_due"
        )


def change_cancellation(
    account: Account, subscription: StripeObject, params: dict[str, Any]
) -> None:
    """Set or clear when the subscription is to be cancelled."""
    now = account.now(subscription["customer"])
    ends = period_ends(account, subscription)
    if "cancel_at_period_end" in params:
        at_end = params["cancel_at_period_end"]
        subscription["cancel_at_period_end"] = at_end
        subscription["cancel_at"] = max(ends) if at_end else None
    if "cancel_at" in params:
        given = params["cancel_at"]
        if given == "max_billed_until":
            raise invalid("The sandbox does not implement `max_billed_until`.", "cancel_at")
        if isinstance(given, int) and given <= now:
            raise invalid("`cancel_at` must be in the future.", "cancel_at")
        named = {"": None, "min_period_end": min(ends), "max_period_end": max(ends)}
        subscription["cancel_at"] = given if isinstance(given, int) else named[given]
        subscription["cancel_at_period_end"] = False
    if "cancel_at_period_end" in params or "cancel_at" in params:
        planned = subscription["cancel_at"] is not None
        subscription["canceled_at"] = now if planned else None
        reason = "cancellation_requested" if planned else None
        subscription["cancellation_details"]["reason"] = reason


def period_ends(account: Account, subscription: StripeObject) -> list[int]:
    """When the present periods of the items end."""
    items = (account.store.get("subscription_item", one) for one in subscription["_items"])
    return [item["current_period_end"] for item in items if item is not None]


def current_period(account: Account, subscription: StripeObject) -> tuple[int, int]:
    """The period of the first item."""
    item = account.store.get("subscription_item", subscription["_items"][0])
    assert item is not None
    return item["current_period_start"], item["current_period_end"]
