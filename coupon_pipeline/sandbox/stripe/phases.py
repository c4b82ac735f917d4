"""Phases of a subscription schedule: sent, shown, and put into force on the subscription.

https://docs.stripe.com/billing/subscriptions/subscription-schedules
"""

from collections.abc import Collection
from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.catalogue import check_tax_rates, price_of
from coupon_pipeline.sandbox.stripe.discounts import Holder, check, entry_form
from coupon_pipeline.sandbox.stripe.errors import (
    invalid,
    missing_parameter,
)
from coupon_pipeline.sandbox.stripe.items import (
    check_currency,
)
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.settings import invoice_settings, plain, read_form
from coupon_pipeline.sandbox.stripe.store import StripeObject

PLAIN = (
    "application_fee_percent",
    "automatic_tax",
    "billing_cycle_anchor",
    "billing_thresholds",
    "collection_method",
    "default_payment_method",
    "description",
    "on_behalf_of",
    "transfer_data",
    "trial",
)
"""Settings of a phase that are kept as they came and shown with all their members."""
PUT_ON_SUBSCRIPTION = (
    "application_fee_percent",
    "automatic_tax",
    "billing_thresholds",
    "collection_method",
    "default_payment_method",
    "default_tax_rates",
    "description",
    "on_behalf_of",
    "transfer_data",
)
PERIOD = {
    "start": {"timestamp": None, "type": "phase_start"},
    "end": {"timestamp": None, "type": "phase_end"},
}


def new_phase(
    account: Account,
    params: dict[str, Any],
    start: int,
    end: int,
    holder: Holder,
    path: str,
    before: StripeObject | None = None,
    known: Collection[str] = (),
) -> StripeObject:
    """A stored phase; what is not given is unset. `before` is the phase that it replaces.

    `known` are prices in use on the schedule, which may have become inactive.
    """
    currency = _currency(account, params, path)
    holder = Holder(
        customer=holder.customer,
        currency=currency,
        subscription=holder.subscription,
        existing=holder.existing,
        inherited=holder.inherited,
    )
    given = params.get("discounts")
    if given is None and before is not None:
        kept = account.switches.stripe_phase_discounts_omitted == "kept"
        given = before["_discounts"] if kept else None
    if isinstance(params.get("discounts"), list):
        check(account, params["discounts"], holder, f"{path}[discounts]")
    phase: StripeObject = {
        "add_invoice_items": [
            _invoice_item(account, one, holder, f"{path}[add_invoice_items][{position}]")
            for position, one in enumerate(params.get("add_invoice_items", []))
        ],
        "currency": currency,
        "default_tax_rates": check_tax_rates(
            account, params.get("default_tax_rates"), f"{path}[default_tax_rates]"
        ),
        "discounts": [entry_form(account, one) for one in discount_entries(given)],
        "end_date": end,
        "invoice_settings": invoice_settings(params["invoice_settings"], days_until_due=True)
        if "invoice_settings" in params
        else None,
        "items": _items(account, params, holder, path, before, known),
        "metadata": merged({}, params.get("metadata"), f"{path}[metadata]"),
        "proration_behavior": params.get("proration_behavior", "create_prorations"),
        "start_date": start,
        "trial_end": _trial_end(account, params, start, end, holder, path),
        "_discounts": given,
        "_metadata": params.get("metadata") or {},
    } | {name: read_form(name, params.get(name)) for name in PLAIN}
    return phase


def phase_at(schedule: StripeObject, moment: int) -> StripeObject | None:
    """The phase in which a moment lies."""
    for phase in schedule["phases"]:
        if phase["start_date"] <= moment < phase["end_date"]:
            found: StripeObject = phase
            return found
    return None


def phase_of_subscription(
    account: Account, subscription: StripeObject, start: int, end: int
) -> StripeObject:
    """A phase that says what the subscription is now."""
    phase: StripeObject = {
        "add_invoice_items": [],
        "billing_cycle_anchor": None,
        "currency": subscription["currency"],
        "discounts": [],
        "end_date": end,
        "invoice_settings": {
            **subscription["invoice_settings"],
            "days_until_due": subscription["days_until_due"],
        },
        "items": [],
        "metadata": {},
        "proration_behavior": "create_prorations",
        "start_date": start,
        "trial": None,
        "trial_end": _running_trial(subscription, start, end),
        "_discounts": "" if subscription["_inherits_nothing"] else None,
        "_metadata": {},
    } | {name: subscription[name] for name in PUT_ON_SUBSCRIPTION}
    show_discounts(account, subscription, phase)
    return phase


def show_discounts(account: Account, subscription: StripeObject, phase: StripeObject) -> None:
    """Copy the subscription's items and discounts into the phase, as an active phase shows them."""
    phase["items"] = []
    for item_id in subscription["_items"]:
        item = account.store.get("subscription_item", item_id)
        assert item is not None
        phase["items"].append(
            {
                "billing_thresholds": item["billing_thresholds"],
                "discounts": [_of_discount(account, one) for one in item["discounts"]],
                "metadata": dict(item["metadata"]),
                "price": item["price"],
                "quantity": item["quantity"],
                "tax_rates": list(item["tax_rates"]),
                "_discounts": [{"discount": one} for one in item["discounts"]] or None,
                "_metadata": {},
            }
        )
    phase["discounts"] = [_of_discount(account, one) for one in subscription["discounts"]]
    kept = [{"discount": one} for one in subscription["discounts"]]
    phase["_discounts"] = kept or ("" if subscription["_inherits_nothing"] else None)


def _of_discount(account: Account, discount_id: str) -> StripeObject:
    discount = account.store.get("discount", discount_id)
    assert discount is not None
    code = discount["promotion_code"]
    made_from = {"promotion_code": code} if code else {"coupon": discount["source"]["coupon"]}
    return entry_form(account, made_from, discount_id)


def discount_entries(given: Any) -> list[dict[str, Any]]:
    """The entries of a phase's `discounts`: none when it is left out or blank."""
    return given if isinstance(given, list) else []


def _items(
    account: Account,
    params: dict[str, Any],
    holder: Holder,
    path: str,
    before: StripeObject | None,
    known: Collection[str],
) -> list[StripeObject]:
    if not params["items"]:
        raise missing_parameter(f"{path}[items]")
    result: list[StripeObject] = []
    for position, one in enumerate(params["items"]):
        where = f"{path}[items][{position}]"
        price = price_of(account, one, where, known)
        if price is None:
            raise missing_parameter(f"{where}[price]")
        assert holder.currency is not None
        check_currency(price, holder.currency, f"{where}[price]")
        given = one.get("discounts")
        if given is None and before is not None:
            given = _kept_item_discounts(account, before, position, price["id"])
        if isinstance(one.get("discounts"), list):
            check(account, one["discounts"], holder, f"{where}[discounts]")
        result.append(
            {
                "billing_thresholds": plain(one.get("billing_thresholds")),
                "discounts": [entry_form(account, entry) for entry in discount_entries(given)],
                "metadata": merged({}, one.get("metadata"), f"{where}[metadata]"),
                "price": price["id"],
                "quantity": one.get("quantity", 1),
                "tax_rates": check_tax_rates(account, one.get("tax_rates"), f"{where}[tax_rates]"),
                "_discounts": given,
                "_metadata": one.get("metadata") or {},
            }
        )
    return result


def _kept_item_discounts(
    account: Account, before: StripeObject, position: int, price_id: str
) -> Any:
    if account.switches.stripe_phase_discounts_omitted == "unset":
        return None
    if position < len(before["items"]) and before["items"][position]["price"] == price_id:
        return before["items"][position]["_discounts"]
    return None


def _invoice_item(
    account: Account, params: dict[str, Any], holder: Holder, path: str
) -> StripeObject:
    """Carried along and shown; the sandbox does not bill it."""
    price_id = params.get("price")
    if price_id is None:
        raise missing_parameter(f"{path}[price]")
    account.need_given("price", price_id, f"{path}[price]")
    given = params.get("discounts", [])
    check(account, given, holder, f"{path}[discounts]")
    period = plain(params.get("period", {}))
    return {
        "discountable": params.get("discountable"),
        "discounts": [entry_form(account, one) for one in given],
        "metadata": merged({}, params.get("metadata"), f"{path}[metadata]"),
        "period": {side: form | period.get(side, {}) for side, form in PERIOD.items()},
        "price": price_id,
        "quantity": params.get("quantity", 1),
        "tax_rates": check_tax_rates(account, params.get("tax_rates"), f"{path}[tax_rates]"),
    }


def _currency(account: Account, params: dict[str, Any], path: str) -> str:
    if "currency" in params:
        currency: str = params["currency"].lower()
        return currency
    first = params["items"][0] if params["items"] else {}
    if "price_data" in first:
        return str(first["price_data"]["currency"]).lower()
    price_id = first.get("price") or first.get("plan")
    if price_id is None:
        raise missing_parameter(f"{path}[items][0][price]")
    price = account.need_given("price", price_id, f"{path}[items][0][price]")
    found: str = price["currency"]
    return found


def _trial_end(
    account: Account, params: dict[str, Any], start: int, end: int, holder: Holder, path: str
) -> int | None:
    given = params.get("trial_end")
    if params.get("trial"):
        if given is not None:
            raise invalid(
                "You can't set both `trial` and `trial_end` on a phase.", f"{path}[trial]"
            )
        return end
    if given == "now":
        return account.now(holder.customer)
    if given is not None and not start <= given <= end:
        raise invalid("`trial_end` must be within the phase.", f"{path}[trial_end]")
    return given


def _running_trial(subscription: StripeObject, start: int, end: int) -> int | None:
    trial_end: int | None = subscription["trial_end"]
    return trial_end if trial_end is not None and start < trial_end <= end else None
