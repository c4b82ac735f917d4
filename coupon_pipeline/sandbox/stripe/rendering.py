"""Stored objects in the form in which Stripe shows them, before anything is expanded."""

from collections.abc import Iterable
from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.store import StripeObject

HIDDEN = {
    "coupon": ("applies_to", "currency_options"),
    "price": ("currency_options", "tiers"),
    "customer": ("subscriptions",),
}
"""Fields that are shown only when they are expanded."""


def shown(account: Account, kind: str, thing: StripeObject) -> StripeObject:
    """A new dict in Stripe's form. What is nested in it may still be the stored object's."""
    result = {key: value for key, value in thing.items() if not key.startswith("_")}
    if thing.get("deleted"):
        return result
    for name in HIDDEN.get(kind, ()):
        if not (kind == "coupon" and account.switches.stripe_coupon_hidden_fields == "always"):
            result.pop(name, None)
    special = SPECIAL.get(kind)
    if special is not None:
        special(account, thing, result)
    return result


def hidden_value(account: Account, kind: str, thing: StripeObject, field: str) -> Any:
    """What a hidden field shows once it is expanded."""
    if kind == "customer" and field == "subscriptions":
        found = [
            shown(account, "subscription", one)
            for one in reversed(account.store.having("subscription", "customer", thing["id"]))
            if one["status"] != "canceled"
        ]
        return list_object(found, f"/v1/customers/{thing['id']}/subscriptions")
    return thing.get(field)


def list_object(data: Iterable[StripeObject], url: str, *, has_more: bool = False) -> StripeObject:
    """The envelope of a list."""
    return {"object": "list", "data": list(data), "has_more": has_more, "url": url}


def coupon_of(account: Account, discount: StripeObject) -> StripeObject | None:
    """The coupon that a discount was made from, also when it was deleted or made anew."""
    coupon = account.store.get("coupon", discount["source"]["coupon"])
    if coupon is not None and coupon["_serial"] == discount["_coupon_serial"]:
        return coupon
    return account.store.get("archived_coupon", discount["_coupon_serial"])


def plan_of(price: StripeObject) -> StripeObject:
    """The legacy plan beside a recurring price; both have the same id."""
    recurring = price["recurring"] or {}
    return {
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"],
        "created": price["created"],
        "currency": price["currency"],
        "interval": recurring.get("interval", "month"),
        "interval_count": recurring.get("interval_count", 1),
        "livemode": price["livemode"],
        "metadata": price["metadata"],
        "meter": None,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def is_redeemable(coupon: StripeObject, now: int) -> bool:
    """`valid` (https://docs.stripe.com/api/coupons/object)."""
    used_up = coupon["max_redemptions"] is not None and (
        coupon["times_redeemed"] >= coupon["max_redemptions"]
    )
    expired = coupon["redeem_by"] is not None and coupon["redeem_by"] <= now
    return not used_up and not expired


def _tax_rates(account: Account, ids: Iterable[str] | None) -> list[StripeObject] | None:
    if ids is None:
        return None
    found = (account.store.get("tax_rate", one) for one in ids)
    return [shown(account, "tax_rate", one) for one in found if one is not None]


def _coupon(account: Account, thing: StripeObject, result: StripeObject) -> None:
    result["valid"] = is_redeemable(thing, account.now())


def _customer(account: Account, thing: StripeObject, result: StripeObject) -> None:
    discount = account.store.get("discount", thing["_discount"]) if thing["_discount"] else None
    result["discount"] = None if discount is None else shown(account, "discount", discount)


def _subscription(account: Account, thing: StripeObject, result: StripeObject) -> None:
    items = [account.store.get("subscription_item", one) for one in thing["_items"]]
    url = f"/v1/subscription_items?subscription={thing['id']}"
    data = [shown(account, "subscription_item", one) for one in items if one is not None]
    result["items"] = list_object(data, url) | {"total_count": len(data)}
    result["default_tax_rates"] = _tax_rates(account, thing["default_tax_rates"])


def _subscription_item(account: Account, thing: StripeObject, result: StripeObject) -> None:
    price = account.store.get("price", thing["price"])
    if price is not None:
        result["plan"] = plan_of(price)
        result["price"] = shown(account, "price", price)
    result["tax_rates"] = _tax_rates(account, thing["tax_rates"])


def _schedule(account: Account, thing: StripeObject, result: StripeObject) -> None:
    result["phases"] = [_phase(account, phase) for phase in thing["phases"]]


def _phase(account: Account, phase: StripeObject) -> StripeObject:
    result = {key: value for key, value in phase.items() if not key.startswith("_")}
    result["default_tax_rates"] = _tax_rates(account, phase["default_tax_rates"])
    result["items"] = [_phase_item(account, item) for item in phase["items"]]
    result["add_invoice_items"] = [
        item | {"tax_rates": _tax_rates(account, item["tax_rates"])}
        for item in phase["add_invoice_items"]
    ]
    return result


def _phase_item(account: Account, item: StripeObject) -> StripeObject:
    result = {key: value for key, value in item.items() if not key.startswith("_")}
    result["plan"] = item["price"]
    result["tax_rates"] = _tax_rates(account, item["tax_rates"])
    price = account.store.get("price", item["price"])
    if account.switches.stripe_phase_price == "object" and price is not None:
        result["price"] = shown(account, "price", price)
        result["plan"] = plan_of(price)
    return result


def _event(account: Account, thing: StripeObject, result: StripeObject) -> None:
    if thing["type"] == "subscription_schedule.updated":
        before, after = (
            shown(account, "subscription_schedule", thing[state]) for state in ("_before", "_after")
        )
        result["data"] = {"object": after, "previous_attributes": _previous(before, after)}
        return
    discount = account.store.get("discount", thing["_discount"])
    result["data"] = {} if discount is None else {"object": shown(account, "discount", discount)}


def _previous(before: StripeObject, after: StripeObject) -> StripeObject:
    """What changed, as it was: of an object the members that did, of a list all of it."""
    found: StripeObject = {}
    for name in {**before, **after}:
        was, is_now = before.get(name), after.get(name)
        if isinstance(was, dict) and isinstance(is_now, dict):
            was, is_now = _previous(was, is_now), {}
        if was != is_now:
            found[name] = was
    return found


SPECIAL = {
    "coupon": _coupon,
    "customer": _customer,
    "event": _event,
    "subscription": _subscription,
    "subscription_item": _subscription_item,
    "subscription_schedule": _schedule,
}
