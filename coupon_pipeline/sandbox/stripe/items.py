"""Items of subscriptions: made, changed and removed, by whatever request."""

from collections.abc import Collection, Iterable
from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.catalogue import check_tax_rates, price_of
from coupon_pipeline.sandbox.stripe.discounts import Holder, resolve
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    invalid,
    missing_parameter,
    no_such,
)
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.periods import next_boundary
from coupon_pipeline.sandbox.stripe.settings import plain
from coupon_pipeline.sandbox.stripe.store import StripeObject


def add_item(
    account: Account,
    subscription: StripeObject,
    params: dict[str, Any],
    path: str = "",
    known: Collection[str] = (),
) -> StripeObject:
    """Make an item and put it last. `subscription` is being edited and has its anchor."""
    price = price_of(account, params, path, known)
    if price is None:
        raise missing_parameter(_inner(path, "price"))
    check_currency(price, subscription["currency"], _inner(path, "price"))
    now = account.now(subscription["customer"])
    start, end = first_period(subscription, price, now)
    item: StripeObject = {
        "id": account.new_id("subscription_item"),
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": plain(params.get("billing_thresholds")),
        "created": now,
        "current_period_end": end,
        "current_period_start": start,
        "current_trial": None,
        "discounts": [],
        "metadata": merged({}, params.get("metadata"), _inner(path, "metadata")),
        "price": price["id"],
        "quantity": _quantity(params, path),
        "subscription": subscription["id"],
        "tax_rates": check_tax_rates(account, params.get("tax_rates"), _inner(path, "tax_rates"))
        or [],
    }
    account.store.add("subscription_item", item)
    subscription["_items"].append(item["id"])
    set_item_discounts(account, subscription, item, params.get("discounts"), path)
    return item


def change_item(
    account: Account,
    subscription: StripeObject,
    item_id: str,
    params: dict[str, Any],
    path: str = "",
) -> StripeObject:
    """Change what is given of an item of this subscription."""
    if item_id not in subscription["_items"]:
        raise no_such("subscription_item", item_id, _inner(path, "id"), status=400)
    item = account.store.edit("subscription_item", item_id)
    price = price_of(account, params, path, {item["price"]})
    if price is not None and price["id"] != item["price"]:
        check_currency(price, subscription["currency"], _inner(path, "price"))
        old = account.store.get("price", item["price"])
        item["price"] = price["id"]
        if old is None or old["recurring"] != price["recurring"]:
            now = account.now(subscription["customer"])
            start, end = first_period(subscription, price, now)
            item["current_period_start"], item["current_period_end"] = start, end
    if "quantity" in params:
        item["quantity"] = _quantity(params, path)
    if "billing_thresholds" in params:
        item["billing_thresholds"] = plain(params["billing_thresholds"])
    if "tax_rates" in params:
        item["tax_rates"] = check_tax_rates(account, params["tax_rates"], _inner(path, "tax_rates"))
    item["metadata"] = merged(item["metadata"], params.get("metadata"), _inner(path, "metadata"))
    set_item_discounts(account, subscription, item, params.get("discounts"), path)
    return item


def remove_item(account: Account, subscription: StripeObject, item_id: str, path: str) -> None:
    """Take an item off its subscription."""
    if item_id not in subscription["_items"]:
        raise no_such("subscription_item", item_id, _inner(path, "id"), status=400)
    subscription["_items"].remove(item_id)
    account.store.remove("subscription_item", item_id)


def check_not_empty(subscription: StripeObject) -> None:
    """Refuse a subscription without items."""
    if not subscription["_items"]:
        raise ConditionError(
            "A subscription must have at least one active plan. All plans on the subscription "
            "would be deleted."
        )


def set_item_discounts(
    account: Account,
    subscription: StripeObject,
    item: StripeObject,
    given: list[dict[str, Any]] | str | None,
    path: str = "",
    start: int | None = None,
) -> None:
    """Give an item its discounts: None leaves them, a blank clears them, a list replaces them.

    The last two are documented for subscriptions only; here they are switches.
    """
    if given is None or given == []:
        return
    if isinstance(given, str):
        if account.switches.stripe_item_discounts_blank == "cleared":
            item["discounts"] = []
        return
    holder = Holder(
        customer=subscription["customer"],
        currency=subscription["currency"],
        subscription=subscription["id"],
        item=item["id"],
        existing=tuple(item["discounts"]),
        inherited=(*subscription["discounts"], *customer_discounts(account, subscription)),
        start=start,
    )
    adds = account.switches.stripe_item_discounts == "merge"
    kept = [{"discount": one} for one in item["discounts"]] if adds else []
    entries = kept + [entry for entry in given if entry not in kept]
    item["discounts"] = resolve(account, entries, holder, _inner(path, "discounts"))


def customer_discounts(account: Account, subscription: StripeObject) -> Iterable[str]:
    """The discount of the subscription's customer, if it has one."""
    customer = account.store.get("customer", subscription["customer"])
    found = None if customer is None else customer.get("_discount")
    return () if found is None else (found,)


def first_period(subscription: StripeObject, price: StripeObject, now: int) -> tuple[int, int]:
    """The period that an item begins with: the trial, or up to the next boundary."""
    trial_end = subscription["trial_end"]
    if trial_end is not None and trial_end > now:
        return subscription["trial_start"] or now, trial_end
    anchor = subscription["billing_cycle_anchor"]
    if anchor > now:
        return now, anchor
    recurring = price["recurring"]
    interval, count = recurring["interval"], recurring["interval_count"]
    return now, next_boundary(anchor, interval, count, now)


def check_currency(price: StripeObject, currency: str, param: str) -> None:
    """Refuse a price that has no amount in the subscription's currency."""
    if price["currency"] != currency and currency not in (price["currency_options"] or {}):
        raise ConditionError(
            f"The price specified only supports `{price['currency']}`. This doesn't match the "
            f"expected currency: `{currency}`.",
            param=param,
        )


def _quantity(params: dict[str, Any], path: str) -> int:
    quantity: int = params.get("quantity", 1)
    if quantity < 0:
        raise invalid(
            "Invalid integer: this value must be greater than or equal to 0.",
            _inner(path, "quantity"),
            "parameter_invalid_integer",
        )
    return quantity


def _inner(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
