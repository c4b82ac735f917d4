"""Promotion codes, another way to a discount (https://docs.stripe.com/api/promotion_codes)."""

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import (
    Answer,
    Call,
    Shown,
    all_of,
    created,
    equals,
    list_page,
)
from coupon_pipeline.sandbox.stripe.errors import ConditionError, invalid, missing_parameter
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.settings import plain
from coupon_pipeline.sandbox.stripe.store import StripeObject

CODE_LENGTH = 8


def create(account: Account, call: Call) -> Answer:
    """Make a code for a coupon."""
    params = call.params
    if "coupon" not in params["promotion"]:
        raise missing_parameter("promotion[coupon]")
    coupon = account.need_given("coupon", params["promotion"]["coupon"], "promotion[coupon]")
    if "customer" in params:
        account.need_given("customer", params["customer"], "customer")
    if params.get("max_redemptions", 1) < 1:
        raise invalid(
            "Invalid integer: this value must be greater than or equal to 1.",
            "max_redemptions",
            "parameter_invalid_integer",
        )
    code = params.get("code") or account.random_text(CODE_LENGTH).upper()
    active = [
        one for one in account.store.table("promotion_code").objects.values() if one["active"]
    ]
    if any(one["code"].lower() == code.lower() for one in active):
        raise ConditionError(
            "An active promotion code with this `code` exists already.", param="code"
        )
    restrictions: StripeObject = {
        "first_time_transaction": False,
        "minimum_amount": None,
        "minimum_amount_currency": None,
    }
    thing: StripeObject = {
        "id": account.new_id("promotion_code"),
        "object": "promotion_code",
        "active": params.get("active", True),
        "code": code,
        "created": account.now(),
        "customer": params.get("customer"),
        "customer_account": None,
        "expires_at": params.get("expires_at"),
        "livemode": account.livemode,
        "max_redemptions": params.get("max_redemptions"),
        "metadata": merged({}, params.get("metadata")),
        "promotion": {"coupon": coupon["id"], "type": "coupon"},
        "restrictions": restrictions | plain(params.get("restrictions", {})),
        "times_redeemed": 0,
        "_coupon": coupon["id"],
    }
    return Shown("promotion_code", account.store.add("promotion_code", thing))


def retrieve(account: Account, call: Call) -> Answer:
    """One promotion code."""
    return Shown("promotion_code", account.need("promotion_code", call.id))


def update(account: Account, call: Call) -> Answer:
    """Switch the code on or off, or change its metadata."""
    account.need("promotion_code", call.id)
    thing = account.store.edit("promotion_code", call.id)
    thing["active"] = call.params.get("active", thing["active"])
    thing["metadata"] = merged(thing["metadata"], call.params.get("metadata"))
    return Shown("promotion_code", thing)


def list_all(account: Account, call: Call) -> Answer:
    """Promotion codes, newest first."""
    params = call.params
    wanted = all_of(created(params), equals(params, "active", "code", "customer"))
    among = (
        account.store.having("promotion_code", "_coupon", params["coupon"])
        if "coupon" in params
        else None
    )
    return list_page(account, "promotion_code", call, "/v1/promotion_codes", wanted, among)
