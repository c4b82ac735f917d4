"""Invoices of subscriptions (https://docs.stripe.com/api/invoices)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.discounts import live, terms_of
from coupon_pipeline.sandbox.stripe.items import customer_discounts
from coupon_pipeline.sandbox.stripe.rendering import list_object
from coupon_pipeline.sandbox.stripe.stacking import Discountable, apply
from coupon_pipeline.sandbox.stripe.store import StripeObject

FAILING_CARDS: Final = frozenset({"pm_card_chargeCustomerFail", "pm_card_visa_chargeDeclined"})
"""Stripe's own test payment methods whose charges fail (https://docs.stripe.com/testing)."""


@dataclass(frozen=True, slots=True)
class Due:
    """An item to be billed for a period; nothing is charged for a trial."""

    item: StripeObject
    start: int
    end: int
    trial: bool = False


def make_invoice(
    account: Account, subscription: StripeObject, due: Sequence[Due], reason: str
) -> StripeObject:
    """Bill the items, finalise the invoice, and use up the `once` discounts that were on it.

    `subscription` is being edited; its `latest_invoice` and discounts change.
    """
    now = account.now(subscription["customer"])
    whole = subscription_discounts(account, subscription, now)
    lines = [_line(account, subscription, one) for one in due]
    parts = [
        Discountable(line["pricing"]["price_details"]["product"], line["amount"]) for line in lines
    ]
    currency = subscription["currency"]
    for one, part in zip(due, parts, strict=True):
        apply(account, live(account, one.item["discounts"], now), [part], currency)
    apply(account, whole, parts, currency)
    invoice = _invoice(account, subscription, due, lines, parts, whole, reason)
    account.store.add("invoice", invoice)
    subscription["latest_invoice"] = invoice["id"]
    if invoice["status"] != "draft":
        _use_up(account, subscription, due, whole, parts)
    return invoice


def subscription_discounts(account: Account, subscription: StripeObject, now: int) -> list[str]:
    """The discounts of the whole subscription: its own, or else the customer's."""
    own: list[str] = subscription["discounts"]
    hides = account.switches.stripe_item_discount_hides_customers == "yes" and any(
        item is not None and item["discounts"]
        for item in (account.store.get("subscription_item", one) for one in subscription["_items"])
    )
    if own or hides or subscription["_inherits_nothing"]:
        return live(account, own, now)
    return live(account, customer_discounts(account, subscription), now)


def pays(account: Account, subscription: StripeObject) -> bool:
    """Whether charges succeed: always, but with a test card that fails."""
    customer = account.store.get("customer", subscription["customer"])
    settings = (customer or {}).get("invoice_settings") or {}
    used = subscription["default_payment_method"] or settings.get("default_payment_method")
    return used not in FAILING_CARDS


def price_amount(price: StripeObject, currency: str) -> Decimal:
    """The unit amount of a price in one of its currencies, exactly, in minor units."""
    option = (price["currency_options"] or {}).get(currency)
    return Decimal((option or price)["unit_amount_decimal"])


def _line(account: Account, subscription: StripeObject, due: Due) -> StripeObject:
    item = due.item
    price = account.store.get("price", item["price"])
    assert price is not None
    quantity = item["quantity"]
    unit = Decimal(0) if due.trial else price_amount(price, subscription["currency"])
    amount = int((unit * quantity).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    product = account.store.get("product", price["product"])
    name = price["product"] if product is None else product["name"]
    return {
        "id": account.new_id("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": subscription["currency"],
        "description": f"{quantity} x {name}",
        "discount_amounts": [],
        "discountable": True,
        "discounts": list(item["discounts"]),
        "invoice": None,
        "livemode": account.livemode,
        "metadata": dict(item["metadata"]),
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"start": due.start, "end": due.end},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": format(unit.normalize(), "f"),
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    }


def _invoice(
    account: Account,
    subscription: StripeObject,
    due: Sequence[Due],
    lines: list[StripeObject],
    parts: Sequence[Discountable],
    whole: Sequence[str],
    reason: str,
) -> StripeObject:
    now = account.now(subscription["customer"])
    invoice_id = account.new_id("invoice")
    totals: dict[str, int] = {}
    for line, part in zip(lines, parts, strict=True):
        line["invoice"] = invoice_id
        line["discount_amounts"] = _amounts(part.off)
        for discount_id, amount in part.off.items():
            totals[discount_id] = totals.get(discount_id, 0) + amount
    for discount_id in whole:
        totals.setdefault(discount_id, 0)
    subtotal = sum(part.amount for part in parts)
    total = sum(part.left for part in parts)
    customer = account.store.get("customer", subscription["customer"]) or {}
    invoice: StripeObject = dict.fromkeys(EMPTY)
    invoice |= {
        "id": invoice_id,
        "object": "invoice",
        "amount_due": total,
        "amount_overpaid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": subscription["automatic_tax"]["enabled"],
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": reason,
        "collection_method": subscription["collection_method"],
        "created": now,
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "customer_email": customer.get("email"),
        "customer_name": customer.get("name"),
        "customer_tax_exempt": "none",
        "default_tax_rates": [],
        "discounts": list(whole),
        "effective_at": now,
        "ending_balance": 0,
        "issuer": {"type": "self"},
        "lines": list_object(lines, f"/v1/invoices/{invoice_id}/lines")
        | {"total_count": len(lines)},
        "livemode": account.livemode,
        "metadata": {},
        "number": _number(account, subscription),
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(subscription["metadata"]),
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": max((one.end for one in due), default=now),
        "period_start": min((one.start for one in due), default=now),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "test_clock": customer.get("test_clock"),
        "total": total,
        "total_discount_amounts": _amounts(totals),
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "_subscription": subscription["id"],
    }
    _settle(account, subscription, invoice, now)
    return invoice


def _settle(account: Account, subscription: StripeObject, invoice: StripeObject, now: int) -> None:
    """Finalise and collect; the real service keeps a renewal as a draft for about an hour."""
    pause = subscription["pause_collection"]
    status = "open"
    if pause is not None:
        outcomes = {"keep_as_draft": "draft", "mark_uncollectible": "uncollectible", "void": "void"}
        status = outcomes[pause["behavior"]]
    elif invoice["total"] == 0 or (
        subscription["collection_method"] == "charge_automatically" and pays(account, subscription)
    ):
        status = "paid"
    charged = status == "paid" and invoice["total"] > 0
    tried = pause is None and subscription["collection_method"] == "charge_automatically"
    invoice["status"] = status
    invoice["attempted"] = tried
    invoice["attempt_count"] = int(tried and invoice["total"] > 0)
    invoice["amount_paid"] = invoice["total"] if charged else 0
    invoice["amount_remaining"] = invoice["total"] - invoice["amount_paid"]
    invoice["status_transitions"] = {
        "finalized_at": None if status == "draft" else now,
        "marked_uncollectible_at": now if status == "uncollectible" else None,
        "paid_at": now if status == "paid" else None,
        "voided_at": now if status == "void" else None,
    }


def _use_up(
    account: Account,
    subscription: StripeObject,
    due: Sequence[Due],
    whole: Sequence[str],
    parts: Sequence[Discountable],
) -> None:
    """A `once` discount is for one invoice; a trial's invoice over nothing does not count."""
    if not any(part.amount for part in parts):
        return
    had_effect = {discount_id for part in parts for discount_id in part.off}
    keeps = account.switches.stripe_once_without_effect == "kept"

    def spent(discount_id: str) -> bool:
        found = terms_of(account, discount_id)
        is_once = found is not None and found[1]["duration"] == "once"
        return is_once and (discount_id in had_effect or not keeps)

    gone = {one for one in whole if spent(one)}
    subscription["discounts"] = [one for one in subscription["discounts"] if one not in gone]
    customer = account.store.get("customer", subscription["customer"])
    if customer is not None and customer["_discount"] in gone:
        account.store.edit("customer", customer["id"])["_discount"] = None
    for one, part in zip(due, parts, strict=True):
        used = [di for di in one.item["discounts"] if part.amount and spent(di)]
        if used:
            item = account.store.edit("subscription_item", one.item["id"])
            item["discounts"] = [di for di in item["discounts"] if di not in used]


def _amounts(by_discount: dict[str, int]) -> list[StripeObject]:
    return [{"amount": amount, "discount": one} for one, amount in by_discount.items()]


def _number(account: Account, subscription: StripeObject) -> str:
    customer = account.store.edit("customer", subscription["customer"])
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    return f"{customer['invoice_prefix']}-{sequence:04d}"


EMPTY: Final = (
    "account_country",
    "account_name",
    "account_tax_ids",
    "amount_paid_off_stripe",
    "application",
    "automatically_finalizes_at",
    "custom_fields",
    "customer_account",
    "customer_address",
    "customer_phone",
    "customer_shipping",
    "customer_tax_ids",
    "default_payment_method",
    "default_source",
    "description",
    "due_date",
    "footer",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "on_behalf_of",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
    "threshold_reason",
    "webhooks_delivered_at",
)
"""Members of an invoice that the sandbox has nothing to say about."""
