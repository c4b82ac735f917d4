"""Subscriptions (https://docs.stripe.com/api/subscriptions)."""

from typing import Any, Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import (
    Answer,
    Call,
    Shown,
    Test,
    all_of,
    created,
    equals,
    in_range,
    list_page,
)
from coupon_pipeline.sandbox.stripe.billing import open_subscription
from coupon_pipeline.sandbox.stripe.catalogue import price_of
from coupon_pipeline.sandbox.stripe.currencies import currency as known_currency
from coupon_pipeline.sandbox.stripe.discounts import Holder, resolve
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    exclusive_parameters,
    invalid,
    missing_parameter,
    no_such,
)
from coupon_pipeline.sandbox.stripe.invoicing import Due, make_invoice
from coupon_pipeline.sandbox.stripe.items import (
    add_item,
    change_item,
    check_not_empty,
    customer_discounts,
    remove_item,
)
from coupon_pipeline.sandbox.stripe.lifecycle import end_subscription
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.periods import DAY, next_boundary
from coupon_pipeline.sandbox.stripe.settings import read_form
from coupon_pipeline.sandbox.stripe.splitting import split_active_phase
from coupon_pipeline.sandbox.stripe.store import StripeObject
from coupon_pipeline.sandbox.stripe.subscription_form import (
    billing_mode,
    change_cancellation,
    change_settings,
    new_subscription,
)

ENDED: Final = frozenset({"canceled", "incomplete_expired"})
AFTER_THE_END: Final = frozenset({"metadata", "cancellation_details", "expand"})
CANCELLATION: Final = ("cancel_at", "cancel_at_period_end")


def create(account: Account, call: Call) -> Answer:
    """Subscribe a customer; the first invoice is made at once."""
    params = call.params
    if "customer" not in params:
        raise missing_parameter("customer")
    customer = account.need_given("customer", params["customer"], "customer")
    if not params.get("items"):
        raise missing_parameter("items")
    now = account.now(customer["id"])
    subscription = new_subscription(account, customer, _currency(account, params), now)
    subscription["billing_mode"] = billing_mode(params.get("billing_mode"), now)
    change_settings(account, subscription, params)
    _set_start(subscription, params, now)
    subscription["metadata"] = merged({}, params.get("metadata"))
    for position, one in enumerate(params["items"]):
        add_item(
            account,
            subscription,
            {key: value for key, value in one.items() if key != "discounts"},
            f"items[{position}]",
        )
    start = params.get("backdate_start_date")
    _set_discounts(account, subscription, params.get("discounts"), start, new=True)
    for item_id, (position, one) in zip(
        subscription["_items"], enumerate(params["items"]), strict=True
    ):
        given = {"discounts": one["discounts"]} if "discounts" in one else {}
        change_item(account, subscription, item_id, given, f"items[{position}]")
    change_cancellation(account, subscription, params)
    open_subscription(account, subscription, params.get("payment_behavior", "allow_incomplete"))
    if customer["currency"] is None:
        account.store.edit("customer", customer["id"])["currency"] = subscription["currency"]
    return Shown("subscription", subscription)


def retrieve(account: Account, call: Call) -> Answer:
    """One subscription."""
    return Shown("subscription", account.need("subscription", call.id))


def update(account: Account, call: Call) -> Answer:
    """Change what is given, all of it or, if anything is refused, nothing."""
    params = call.params
    before = account.need("subscription", call.id)
    _check_may_change(before, params)
    subscription = account.store.edit("subscription", call.id)
    change(account, subscription, params)
    split_active_phase(account, subscription, params)
    return Shown("subscription", subscription)


def change(account: Account, subscription: StripeObject, params: dict[str, Any]) -> None:
    """Carry out an update on a subscription that is being edited."""
    change_settings(account, subscription, params)
    if subscription["status"] not in ENDED:
        change_cancellation(account, subscription, params)
    subscription["metadata"] = merged(subscription["metadata"], params.get("metadata"))
    _set_trial(account, subscription, params)
    _set_discounts(account, subscription, params.get("discounts"), None, new=False)
    if "items" in params:
        _change_items(account, subscription, params["items"])
    if params.get("billing_cycle_anchor", {}).get("type") == "now":
        restart_period(account, subscription)


def cancel(account: Account, call: Call) -> Answer:
    """Cancel at once."""
    before = account.need("subscription", call.id)
    if before["status"] in ENDED:
        raise no_such("subscription", call.id, "id")
    subscription = account.store.edit("subscription", call.id)
    details = read_form(
        "cancellation_details",
        call.params.get("cancellation_details", {}),
        subscription["cancellation_details"],
    )
    subscription["cancellation_details"] = details | {"reason": "cancellation_requested"}
    end_subscription(account, subscription, account.now(subscription["customer"]))
    return Shown("subscription", subscription)


def list_all(account: Account, call: Call) -> Answer:
    """Subscriptions, newest first; cancelled ones only where they are asked for."""
    params = call.params
    wanted = all_of(
        created(params),
        equals(params, "collection_method", "test_clock"),
        _status_test(params.get("status")),
        _price_test(account, params),
        _period_test(account, params),
        _tax_test(params),
    )
    among = (
        account.store.having("subscription", "customer", params["customer"])
        if "customer" in params
        else None
    )
    return list_page(account, "subscription", call, "/v1/subscriptions", wanted, among)


def delete_discount(account: Account, call: Call) -> Answer:
    """The old endpoint for the one discount; what it does to several is a switch."""
    before = account.need("subscription", call.id)
    if not before["discounts"]:
        raise no_such("discount", call.id, "id")
    several = len(before["discounts"]) > 1
    if several and account.switches.stripe_delete_discount == "refused":
        raise ConditionError("This subscription has several discounts; update `discounts` instead.")
    subscription = account.store.edit("subscription", call.id)
    gone = account.store.get("discount", subscription["discounts"][-1])
    if account.switches.stripe_delete_discount == "last":
        subscription["discounts"].pop()
    else:
        subscription["discounts"] = []
    split_active_phase(account, subscription, {"discounts": ""})
    return Shown("discount", {**(gone or {}), "deleted": True})


def _currency(account: Account, params: dict[str, Any]) -> str:
    if "currency" in params:
        return known_currency(params["currency"], "currency", account.switches).code
    first = params["items"][0]
    if "price_data" in first:
        data = first["price_data"]
        path = "items[0][price_data][currency]"
        return known_currency(data["currency"], path, account.switches).code
    price = price_of(account, first, "items[0]")
    if price is None:
        raise missing_parameter("items[0][price]")
    found: str = price["currency"]
    return found


def _set_start(subscription: StripeObject, params: dict[str, Any], now: int) -> None:
    if "trial_period_days" in params and "trial_end" in params:
        raise exclusive_parameters(["trial_period_days", "trial_end"])
    backdated = params.get("backdate_start_date")
    if backdated is not None:
        if backdated > now:
            raise invalid("`backdate_start_date` must be in the past.", "backdate_start_date")
        subscription["start_date"] = backdated
        subscription["billing_cycle_anchor"] = backdated
    if "billing_cycle_anchor" in params:
        if params["billing_cycle_anchor"] < now:
            raise invalid("`billing_cycle_anchor` cannot be in the past.", "billing_cycle_anchor")
        subscription["billing_cycle_anchor"] = params["billing_cycle_anchor"]
    _set_new_trial(subscription, params, now)


def _set_new_trial(subscription: StripeObject, params: dict[str, Any], now: int) -> None:
    if "trial_period_days" in params:
        if params["trial_period_days"] < 1:
            raise invalid("`trial_period_days` must be at least 1.", "trial_period_days")
        subscription["trial_end"] = now + params["trial_period_days"] * DAY
    elif isinstance(params.get("trial_end"), int):
        if params["trial_end"] <= now:
            raise invalid(
                "Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end"
            )
        subscription["trial_end"] = params["trial_end"]
    if subscription["trial_end"] is not None:
        subscription["trial_start"] = now


def _set_discounts(
    account: Account,
    subscription: StripeObject,
    given: list[dict[str, Any]] | str | None,
    start: int | None,
    *,
    new: bool,
) -> None:
    """None and an empty list leave the discounts, a blank clears them, a list replaces them."""
    if given is None or given == []:
        return
    if isinstance(given, str):
        subscription["discounts"] = []
        inherits = not new or account.switches.stripe_blank_discounts_on_create == "inherits"
        subscription["_inherits_nothing"] = not inherits
        return
    holder = Holder(
        customer=subscription["customer"],
        currency=subscription["currency"],
        subscription=subscription["id"],
        existing=tuple(subscription["discounts"]),
        inherited=tuple(customer_discounts(account, subscription)),
        start=start,
    )
    subscription["discounts"] = resolve(account, given, holder)
    subscription["_inherits_nothing"] = False


def _check_may_change(subscription: StripeObject, params: dict[str, Any]) -> None:
    if subscription["status"] in ENDED and set(params) - AFTER_THE_END:
        raise ConditionError(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    if subscription["schedule"] is not None and any(name in params for name in CANCELLATION):
        raise ConditionError(
            f"The subscription is managed by the subscription schedule "
            f"`{subscription['schedule']}`, and updating any cancelation behavior directly is not "
            "allowed. Please update the schedule instead."
        )


def _change_items(
    account: Account, subscription: StripeObject, given: list[dict[str, Any]]
) -> None:
    for position, one in enumerate(given):
        path = f"items[{position}]"
        changes = {key: value for key, value in one.items() if key not in {"id", "deleted"}}
        if "id" not in one:
            if one.get("deleted"):
                raise missing_parameter(f"{path}[id]")
            add_item(account, subscription, changes, path)
        elif one.get("deleted"):
            remove_item(account, subscription, one["id"], path)
        else:
            change_item(account, subscription, one["id"], changes, path)
    check_not_empty(subscription)


def _set_trial(account: Account, subscription: StripeObject, params: dict[str, Any]) -> None:
    given = params.get("trial_end")
    if given is None:
        return
    now = account.now(subscription["customer"])
    if given == "now":
        if subscription["status"] == "trialing":
            subscription["trial_end"] = now
            for item_id in subscription["_items"]:
                account.store.edit("subscription_item", item_id)["current_period_end"] = now
        return
    if given <= now:
        raise invalid(
            "Invalid timestamp: must be an integer Unix timestamp in the future.", "trial_end"
        )
    subscription["trial_start"] = subscription["trial_start"] or now
    subscription["trial_end"] = given
    subscription["status"] = "trialing"
    subscription["billing_cycle_anchor"] = given
    for item_id in subscription["_items"]:
        account.store.edit("subscription_item", item_id)["current_period_end"] = given


def restart_period(account: Account, subscription: StripeObject) -> None:
    """Begin a new period now, and bill it."""
    now = account.now(subscription["customer"])
    subscription["billing_cycle_anchor"] = now
    due: list[Due] = []
    for item_id in subscription["_items"]:
        item = account.store.edit("subscription_item", item_id)
        price = account.store.get("price", item["price"])
        assert price is not None
        recurring = price["recurring"]
        item["current_period_start"] = now
        item["current_period_end"] = next_boundary(
            now, recurring["interval"], recurring["interval_count"], now
        )
        due.append(Due(item, now, item["current_period_end"]))
    make_invoice(account, subscription, due, "subscription_update")


def _status_test(status: str | None) -> Test | None:
    if status == "all":
        return None
    if status == "ended":
        return lambda thing: thing["status"] in ENDED
    if status is None:
        return lambda thing: thing["status"] != "canceled"
    return lambda thing: thing["status"] == status


def _price_test(account: Account, params: dict[str, Any]) -> Test | None:
    price_id = params.get("price") or params.get("plan")
    if price_id is None:
        return None

    def has_price(thing: StripeObject) -> bool:
        items = (account.store.get("subscription_item", one) for one in thing["_items"])
        return any(item is not None and item["price"] == price_id for item in items)

    return has_price


def _period_test(account: Account, params: dict[str, Any]) -> Test | None:
    if "current_period_end" not in params and "current_period_start" not in params:
        return None

    def in_period(thing: StripeObject) -> bool:
        items = (account.store.get("subscription_item", one) for one in thing["_items"])
        return any(
            item is not None
            and in_range(params.get("current_period_end"), item["current_period_end"])
            and in_range(params.get("current_period_start"), item["current_period_start"])
            for item in items
        )

    return in_period


def _tax_test(params: dict[str, Any]) -> Test | None:
    if "automatic_tax" not in params:
        return None
    wanted = params["automatic_tax"]["enabled"]
    return lambda thing: thing["automatic_tax"]["enabled"] == wanted
