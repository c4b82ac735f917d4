"""A phase of a schedule: from the form in which Stripe shows it to the form in which it takes it.

An update replaces every phase with what is sent, and unsets what is not
(https://docs.stripe.com/billing/subscriptions/subscription-schedules), so a phase goes back with
everything that was on it: objects become ids, nulls and what only a reply has are left out, dates
stay exact. What a reply has and no parameter takes is named, never dropped in silence.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

from coupon_pipeline.domain.targets import DiscountEntry, JsonValue, PhaseState

Shape: TypeAlias = "str | Sequence[Shape] | Mapping[str, Shape]"
"""What a parameter takes: one of the four words below, a list of one shape, or keys with shapes."""

VALUE = "value"
ID = "id"
FREE = "free"
DISCOUNTS = "discounts"

_ACCOUNT = {"account": ID, "type": VALUE}
_BOUND = {"timestamp": VALUE, "type": VALUE}

PHASE: Mapping[str, Shape] = {
    "add_invoice_items": [
        {
            "discountable": VALUE,
            "discounts": DISCOUNTS,
            "metadata": FREE,
            "period": {"start": _BOUND, "end": _BOUND},
            "price": ID,
            "quantity": VALUE,
            "tax_rates": [ID],
        }
    ],
    "application_fee_percent": VALUE,
    "automatic_tax": {"enabled": VALUE, "liability": _ACCOUNT},
    "billing_cycle_anchor": VALUE,
    "billing_thresholds": {"amount_gte": VALUE, "reset_billing_cycle_anchor": VALUE},
    "collection_method": VALUE,
    "currency": VALUE,
    "default_payment_method": ID,
    "default_tax_rates": [ID],
    "description": VALUE,
    "discounts": DISCOUNTS,
    "end_date": VALUE,
    "invoice_settings": {
        "account_tax_ids": [ID],
        "custom_fields": [{"name": VALUE, "value": VALUE}],
        "days_until_due": VALUE,
        "description": VALUE,
        "footer": VALUE,
        "issuer": _ACCOUNT,
    },
    "items": [
        {
            "billing_thresholds": {"usage_gte": VALUE},
            "discounts": DISCOUNTS,
            "metadata": FREE,
            "price": ID,
            "quantity": VALUE,
            "tax_rates": [ID],
        }
    ],
    "metadata": FREE,
    "on_behalf_of": ID,
    "proration_behavior": VALUE,
    "start_date": VALUE,
    "transfer_data": {"amount_percent": VALUE, "destination": ID},
    "trial": VALUE,
    "trial_end": VALUE,
}

REPLY_ONLY = frozenset({"automatic_tax.disabled_reason", "items.plan"})
"""What a reply says besides: a diagnosis, and the older name of the price."""


def phase_params(
    phase: PhaseState,
    discounts: Sequence[DiscountEntry],
    item_discounts: Sequence[Sequence[DiscountEntry]],
) -> dict[str, JsonValue]:
    """The phase as `POST /v1/subscription_schedules/{id}` takes it, with these discount lists.

    Every list is explicit: one left out would inherit the customer's discount.
    """
    params = _written(phase.body, PHASE)
    assert isinstance(params, dict)
    items = params.setdefault("items", [])
    assert isinstance(items, list)
    params["discounts"] = _listed(discounts)
    if params.get("trial") is True:  # which means until the end: nothing that could disagree
        params.pop("trial_end", None)
    for item, entries in zip(items, item_discounts, strict=True):
        item["discounts"] = _listed(entries)
    return params


def writable(body: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """What of a phase as shown an update can send, in the form of a request."""
    params = _written(body, PHASE)
    return params if isinstance(params, Mapping) else {}


def unwritable(body: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Paths of what the phase has and no parameter takes; empty if it can be sent back whole."""
    return tuple(sorted(set(_beyond(body, PHASE, ""))))


def entry_of(shown: Mapping[str, JsonValue]) -> DiscountEntry | None:
    """A discount of a phase as shown: up to three ids, of which the most specific counts."""
    promotion = shown.get("promotion_code")
    coupon = _id(shown.get("coupon"))
    if discount := _id(shown.get("discount")):
        return DiscountEntry("discount", discount, coupon or _coupon_behind(shown["discount"]))
    if code := _id(promotion):
        return DiscountEntry("promotion_code", code, coupon or _coupon_behind(promotion))
    return DiscountEntry("coupon", coupon, coupon) if coupon else None


def entries_of(shown: JsonValue) -> tuple[DiscountEntry, ...]:
    """The discount list of a phase or of a part of it."""
    listed = shown if isinstance(shown, list | tuple) else ()
    entries = (entry_of(each) for each in listed if isinstance(each, Mapping))
    return tuple(entry for entry in entries if entry)


def _coupon_behind(shown: JsonValue) -> str | None:
    """The coupon of an expanded discount or promotion code."""
    if not isinstance(shown, Mapping):
        return None
    inner = shown.get("source") or shown.get("promotion")
    return _id(inner.get("coupon")) if isinstance(inner, Mapping) else None


def _id(shown: JsonValue) -> str | None:
    if isinstance(shown, Mapping):
        shown = shown.get("id")
    return shown if isinstance(shown, str) and shown else None


def _listed(entries: Sequence[DiscountEntry]) -> JsonValue:
    return [entry.param() for entry in entries] if entries else ""


def _written(shown: JsonValue, shape: Shape) -> JsonValue:
    """In the form of a request; None where there is nothing to send."""
    if isinstance(shape, str):
        return _WRITERS[shape](shown)
    if isinstance(shape, Mapping):
        members = shown if isinstance(shown, Mapping) else {}
        parts = {key: _written(members.get(key), inner) for key, inner in shape.items()}
        return {key: part for key, part in parts.items() if part is not None} or None
    listed = shown if isinstance(shown, list | tuple) else ()
    written = [_written(each, shape[0]) for each in listed]
    return [each for each in written if each is not None] or None


_WRITERS: Mapping[str, Callable[[JsonValue], JsonValue]] = {
    VALUE: lambda shown: shown,
    ID: _id,
    FREE: lambda shown: dict(shown) if isinstance(shown, Mapping) and shown else None,
    DISCOUNTS: lambda shown: [entry.param() for entry in entries_of(shown)] or None,
}


def _beyond(shown: JsonValue, shape: Shape, path: str) -> list[str]:
    if isinstance(shape, str) or not shown:
        return []
    if isinstance(shape, Mapping):
        if not isinstance(shown, Mapping):
            return [path]
        found = []
        for key, value in shown.items():
            inner = f"{path}.{key}" if path else key
            if key in shape:
                found += _beyond(value, shape[key], inner)
            elif not _is_nothing(value) and inner not in REPLY_ONLY:
                found.append(inner)
        return found
    members = shown if isinstance(shown, list | tuple) else ()
    return [each for member in members for each in _beyond(member, shape[0], path)]


def _is_nothing(value: JsonValue) -> bool:
    return value is None or (not isinstance(value, bool | int | Decimal) and not value)
