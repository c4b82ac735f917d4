"""A phase of a schedule is put into force on its subscription.

https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.discounts import Holder, entry_form, resolve
from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.stripe.items import (
    add_item,
    check_not_empty,
    customer_discounts,
)
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.phases import PUT_ON_SUBSCRIPTION, discount_entries
from coupon_pipeline.sandbox.stripe.settings import invoice_settings, read_form
from coupon_pipeline.sandbox.stripe.store import StripeObject


def put_in_force(
    account: Account,
    subscription: StripeObject,
    phase: StripeObject,
    *,
    strict: bool,
    entered: bool = True,
) -> None:
    """Make the subscription what the phase says. Both are being edited.

    Items are recognised by their price. What the phase does not say is unset, but metadata,
    which is merged; whether it is of a phase that was on before (not `entered`) is a switch.
    `strict` refuses a coupon that cannot be redeemed; at a transition, with nobody there to be
    told, it is left out.
    """
    _put_settings(account, subscription, phase)
    if entered or account.switches.stripe_phase_metadata == "on_update_too":
        subscription["metadata"] = merged(subscription["metadata"], phase["_metadata"])
    _set_trial(account, subscription, phase)
    _put_items(account, subscription, phase, strict=strict)
    holder = Holder(
        customer=subscription["customer"],
        currency=subscription["currency"],
        subscription=subscription["id"],
        existing=tuple(subscription["discounts"]),
        inherited=tuple(customer_discounts(account, subscription)),
    )
    subscription["_inherits_nothing"] = phase["_discounts"] == ""
    subscription["discounts"] = _force(account, phase, holder, strict=strict)


def _put_settings(account: Account, subscription: StripeObject, phase: StripeObject) -> None:
    """What the phase says, or else the defaults of its schedule."""
    schedule = account.store.get("subscription_schedule", subscription["schedule"] or "")
    defaults = {} if schedule is None else schedule["default_settings"]
    for name in PUT_ON_SUBSCRIPTION:
        subscription[name] = defaults.get(name) if phase[name] is None else phase[name]
    subscription["collection_method"] = subscription["collection_method"] or "charge_automatically"
    subscription["automatic_tax"] = subscription["automatic_tax"] or read_form(
        "automatic_tax", {"enabled": False}
    )
    given = phase["invoice_settings"] or defaults.get("invoice_settings")
    if given is not None:
        settings = invoice_settings(given)
        subscription["days_until_due"] = settings.pop("days_until_due", None)
        subscription["invoice_settings"] = settings


def _put_items(
    account: Account,
    subscription: StripeObject,
    phase: StripeObject,
    *,
    strict: bool,
) -> None:
    left = list(subscription["_items"])
    order: list[str] = []
    for one in phase["items"]:
        match = _matching(account, left, one)
        params = {"price": one["price"], "quantity": one["quantity"]}
        if match is None:
            item = add_item(account, subscription, params, known={one["price"]})
        else:
            left.remove(match)
            item = account.store.edit("subscription_item", match)
            item["quantity"] = one["quantity"]
        item["metadata"] = merged(item["metadata"], one["_metadata"])
        item["tax_rates"] = list(one["tax_rates"] or [])
        item["billing_thresholds"] = one["billing_thresholds"]
        holder = Holder(
            customer=subscription["customer"],
            currency=subscription["currency"],
            subscription=subscription["id"],
            item=item["id"],
            existing=tuple(item["discounts"]),
            inherited=(*subscription["discounts"], *customer_discounts(account, subscription)),
        )
        item["discounts"] = _force(account, one, holder, strict=strict)
        order.append(item["id"])
    for item_id in left:
        account.store.remove("subscription_item", item_id)
    subscription["_items"] = order
    check_not_empty(subscription)


def _matching(account: Account, candidates: list[str], one: StripeObject) -> str | None:
    """The item with this price; of several the one with the most equal metadata."""
    best: str | None = None
    best_score = -1
    for item_id in candidates:
        item = account.store.get("subscription_item", item_id)
        if item is None or item["price"] != one["price"]:
            continue
        score = sum(item["metadata"].get(key) == value for key, value in one["_metadata"].items())
        if score > best_score:
            best, best_score = item_id, score
    return best


def _force(account: Account, phase: StripeObject, holder: Holder, *, strict: bool) -> list[str]:
    """Redeem and keep what the phase, or an item of it, lists, and show what came of it."""
    entries = [one for one in discount_entries(phase["_discounts"]) if _still_there(one, holder)]
    made: list[str] = []
    shown: list[StripeObject] = []
    for entry in entries:
        try:
            (discount_id,) = resolve(account, [entry], holder)
        except StripeError:
            if strict:
                raise
            shown.append(entry_form(account, entry))
            continue
        made.append(discount_id)
        shown.append(entry_form(account, entry, discount_id))
    phase["discounts"] = shown
    if isinstance(phase["_discounts"], list):
        phase["_discounts"] = [{"discount": one} for one in made]
    return made


def _still_there(entry: dict[str, Any], holder: Holder) -> bool:
    """A discount that is used up by the time its phase begins is not granted again."""
    if "discount" not in entry:
        return True
    return entry["discount"] in holder.existing or entry["discount"] in holder.inherited


def _set_trial(account: Account, subscription: StripeObject, phase: StripeObject) -> None:
    now = account.now(subscription["customer"])
    trial_end = phase["trial_end"]
    if trial_end is not None and trial_end > now:
        if subscription["status"] != "trialing":
            subscription["trial_start"] = now
        subscription["trial_end"] = trial_end
        subscription["status"] = "trialing"
        for item_id in subscription["_items"]:
            account.store.edit("subscription_item", item_id)["current_period_end"] = trial_end
    elif subscription["status"] == "trialing" and subscription["trial_end"] > now:
        subscription["status"] = "active"
        subscription["trial_end"] = now
