"""Coupons (https://docs.stripe.com/api/coupons)."""

import re
from decimal import Decimal
from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import Answer, Call, Shown, created, list_page
from coupon_pipeline.sandbox.stripe.currencies import check_multiple, currency
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    StripeError,
    exclusive_parameters,
    invalid,
    missing_parameter,
)
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.periods import add_months
from coupon_pipeline.sandbox.stripe.store import StripeObject

LONGEST_NAME = 40
SAFE_ID = re.compile(r"^[A-Za-z0-9_-]+$")
GENERATED_ID_LENGTH = 8
FURTHEST_MONTHS = 5 * 12
HIGHEST_PERCENT = Decimal(100)
PERCENT_DECIMALS = 2
LARGEST_AMOUNT = {"8_digits": 10**8 - 1, "12_digits": 10**12 - 1}


def create(account: Account, call: Call) -> Answer:
    """Make a coupon; percent, amount, duration and validity are fixed from then on."""
    params = call.params
    _check_value(account, params)
    _check_duration(params)
    _check_validity(account, params)
    coupon_id = params.get("id") or account.random_text(GENERATED_ID_LENGTH)
    _check_id(account, coupon_id)
    percent = params.get("percent_off")
    code = params.get("currency")
    account.store.add(
        "coupon",
        {
            "id": coupon_id,
            "object": "coupon",
            "amount_off": params.get("amount_off"),
            "applies_to": _applies_to(account, params.get("applies_to")),
            "created": account.now(),
            "currency": None if code is None else code.lower(),
            "currency_options": _currency_options(account, params, code),
            "duration": params.get("duration", "once"),
            "duration_in_months": params.get("duration_in_months"),
            "livemode": account.livemode,
            "max_redemptions": params.get("max_redemptions"),
            "metadata": merged({}, params.get("metadata")),
            "name": _name(params),
            "percent_off": None if percent is None else _number(percent),
            "redeem_by": params.get("redeem_by"),
            "times_redeemed": 0,
            "valid": True,
            "_serial": account.random_text(24),
        },
    )
    return Shown("coupon", account.store.edit("coupon", coupon_id))


def retrieve(account: Account, call: Call) -> Answer:
    """One coupon."""
    return Shown("coupon", _needed(account, call.id))


def update(account: Account, call: Call) -> Answer:
    """Change the name, the metadata or the currency options; nothing else can be changed."""
    _needed(account, call.id)
    coupon = account.store.edit("coupon", call.id)
    params = call.params
    if "name" in params:
        coupon["name"] = _name(params)
    coupon["metadata"] = merged(coupon["metadata"], params.get("metadata"))
    if "currency_options" in params:
        if coupon["amount_off"] is None:
            raise _only_with_amount("currency_options")
        given = _currency_options(account, params, None) or {}
        coupon["currency_options"] = (coupon["currency_options"] or {}) | given
    return Shown("coupon", coupon)


def delete(account: Account, call: Call) -> Answer:
    """Nobody can redeem it any more; discounts made from it stay, and its id is free."""
    coupon = _needed(account, call.id)
    account.store.remove("coupon", call.id)
    account.store.add("archived_coupon", {**coupon, "id": coupon["_serial"], "_id": coupon["id"]})
    return Shown("coupon", {"id": call.id, "object": "coupon", "deleted": True})


def list_all(account: Account, call: Call) -> Answer:
    """All coupons, newest first."""
    return list_page(account, "coupon", call, "/v1/coupons", created(call.params))


def _needed(account: Account, coupon_id: str) -> StripeObject:
    return account.need("coupon", coupon_id, param=account.switches.stripe_missing_coupon_param)


def _check_value(account: Account, params: dict[str, Any]) -> None:
    percent, amount = params.get("percent_off"), params.get("amount_off")
    if percent is None and amount is None:
        raise StripeError(
            "You must pass either `percent_off` or `amount_off`.",
            code="parameter_missing",
            param="percent_off",
        )
    if percent is not None and amount is not None:
        raise exclusive_parameters(["percent_off", "amount_off"])
    if amount is None:
        _check_percent(account, params)
        return
    if amount <= 0:
        raise _at_least_one("amount_off")
    if amount > LARGEST_AMOUNT[account.switches.stripe_amount_off_limit]:
        raise invalid(
            f"Invalid integer: {amount} is too large.", "amount_off", "parameter_invalid_integer"
        )
    if "currency" not in params:
        raise missing_parameter("currency")
    check_multiple(amount, currency(params["currency"], "currency", account.switches), "amount_off")


def _check_percent(account: Account, params: dict[str, Any]) -> None:
    percent: Decimal = params["percent_off"]
    if not 0 < percent <= HIGHEST_PERCENT:
        raise invalid(
            "Invalid percent_off: must be greater than 0 and less than or equal to 100.",
            "percent_off",
        )
    exponent = percent.normalize().as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    if decimals > PERCENT_DECIMALS and account.switches.stripe_percent_decimals == "two":
        raise invalid("Invalid percent_off: can have at most two decimal places.", "percent_off")
    for name in ("currency", "currency_options"):
        if name in params:
            raise _only_with_amount(name)


def _check_duration(params: dict[str, Any]) -> None:
    months = params.get("duration_in_months")
    repeating = params.get("duration") == "repeating"
    if repeating and months is None:
        raise StripeError(
            "You must pass `duration_in_months` when passing `duration` as `repeating`.",
            code="parameter_missing",
            param="duration_in_months",
        )
    if months is not None and not repeating:
        raise invalid(
            "`duration_in_months` can only be passed when `duration` is `repeating`.",
            "duration_in_months",
        )
    if months is not None and months <= 0:
        raise _at_least_one("duration_in_months")


def _check_validity(account: Account, params: dict[str, Any]) -> None:
    if params.get("max_redemptions", 1) <= 0:
        raise _at_least_one("max_redemptions")
    redeem_by = params.get("redeem_by")
    if redeem_by is None:
        return
    if redeem_by <= account.now():
        raise invalid("Invalid timestamp: redeem_by must be in the future.", "redeem_by")
    if redeem_by > add_months(account.now(), FURTHEST_MONTHS):
        raise invalid(
            "Invalid timestamp: redeem_by can be at most five years in the future.", "redeem_by"
        )


def _check_id(account: Account, coupon_id: str) -> None:
    if account.switches.stripe_coupon_id_characters == "safe" and not SAFE_ID.match(coupon_id):
        raise invalid(
            "Invalid coupon id: only letters, numbers, dashes and underscores are allowed.", "id"
        )
    taken = account.store.get("coupon", coupon_id) is not None
    if account.switches.stripe_coupon_id_case == "insensitive":
        known = account.store.table("coupon").objects
        taken = taken or coupon_id.lower() in {other.lower() for other in known}
    if taken:
        raise ConditionError("Coupon already exists.", code="resource_already_exists", param="id")


def _name(params: dict[str, Any]) -> str | None:
    name: str | None = params.get("name")
    if name is not None and len(name) > LONGEST_NAME:
        raise invalid(
            f"Invalid string: {name[:10]}...{name[-10:]}; must be at most {LONGEST_NAME} "
            "characters",
            "name",
        )
    return name


def _applies_to(account: Account, given: dict[str, Any] | None) -> StripeObject | None:
    products = (given or {}).get("products")
    if not products:
        return None
    for position, product_id in enumerate(products):
        account.need_given("product", product_id, f"applies_to[products][{position}]")
    return {"products": list(products)}


def _currency_options(
    account: Account, params: dict[str, Any], own: str | None
) -> dict[str, StripeObject] | None:
    """The amounts in other currencies."""
    options: dict[str, StripeObject] = {}
    if own is not None and account.switches.stripe_own_currency_option == "present":
        options[own.lower()] = {"amount_off": params["amount_off"]}
    for code, option in params.get("currency_options", {}).items():
        param = f"currency_options[{code}]"
        money = currency(code, param, account.switches)
        if option["amount_off"] <= 0:
            raise _at_least_one(f"{param}[amount_off]")
        check_multiple(option["amount_off"], money, f"{param}[amount_off]")
        options[money.code] = {"amount_off": option["amount_off"]}
    return options or None


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def _at_least_one(name: str) -> StripeError:
    return invalid(
        "Invalid integer: this value must be greater than or equal to 1.",
        name,
        "parameter_invalid_integer",
    )


def _only_with_amount(name: str) -> StripeError:
    return invalid(f"`{name}` can only be passed together with `amount_off`.", name)
