"""`discounts` lists become Discount objects (https://docs.stripe.com/billing/subscriptions/coupons)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    StripeError,
    exclusive_parameters,
    missing_parameter,
    no_such,
)
from coupon_pipeline.sandbox.stripe.periods import add_months
from coupon_pipeline.sandbox.stripe.rendering import coupon_of, is_redeemable
from coupon_pipeline.sandbox.stripe.store import StripeObject

MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Holder:
    """What the discounts are put on.

    `existing` are the discounts on it now, `inherited` those on what it belongs to: the
    subscription of an item, the customer. `currency` None takes amounts of any currency.
    """

    customer: str
    currency: str | None
    subscription: str | None = None
    item: str | None = None
    existing: tuple[str, ...] = ()
    inherited: tuple[str, ...] = ()
    start: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One checked entry: a discount to keep, or a coupon to redeem."""

    discount: StripeObject | None
    coupon: StripeObject | None
    promotion_code: StripeObject | None = None


def resolve(
    account: Account, entries: Iterable[dict[str, Any]], holder: Holder, param: str = "discounts"
) -> list[str]:
    """The ids of the discounts that the entries make or keep, in their order.

    Raises StripeError, and then nothing may be kept of what was done.
    """
    result: list[str] = []
    for wanted in check(account, entries, holder, param):
        if wanted.discount is not None:
            result.append(_kept(account, wanted.discount, holder))
        elif wanted.coupon is not None:
            result.append(_redeem(account, wanted.coupon, wanted.promotion_code, holder, param))
    return result


def check(
    account: Account, entries: Iterable[dict[str, Any]], holder: Holder, param: str = "discounts"
) -> list[Wanted]:
    """The entries, each found and allowed, without making anything."""
    listed = list(entries)
    if len(listed) > MOST:
        raise _bad_list(
            account,
            f"You may only specify up to {MOST} discounts; {len(listed)} were passed.",
            param,
        )
    result: list[Wanted] = []
    coupons: set[str] = set()
    for position, entry in enumerate(listed):
        wanted = _one(account, entry, holder, f"{param}[{position}]")
        if wanted is None:
            continue
        coupon_id, serial = _coupon_identity(wanted)
        if serial in coupons:
            raise _bad_list(
                account,
                f"The coupon `{coupon_id}` may not be applied more than once; discounts must be "
                "unique.",
                param,
            )
        coupons.add(serial)
        if wanted.coupon is not None and _counts(account, wanted.coupon, holder):
            _check_redeemable(account, wanted.coupon, account.now(holder.customer), param)
        result.append(wanted)
    return result


def entry_form(
    account: Account, entry: dict[str, Any], discount_id: str | None = None
) -> StripeObject:
    """An entry as a schedule's phase shows it; `discount_id` is what an active phase made of it."""
    form = {"coupon": None, "discount": None, "promotion_code": None} | entry
    if discount_id is None:
        return form
    if account.switches.stripe_active_phase_discount == "discount" or entry.get("discount"):
        return {"coupon": None, "discount": discount_id, "promotion_code": None}
    return form


def live(account: Account, ids: Iterable[str], now: int) -> list[str]:
    """Those discounts whose window has not ended."""
    result = []
    for discount_id in ids:
        discount = account.store.get("discount", discount_id)
        if discount is not None and (discount["end"] is None or discount["end"] > now):
            result.append(discount_id)
    return result


def amount_in(coupon: StripeObject, currency: str) -> int | None:
    """The amount that a coupon takes off in a currency; None when it has none there."""
    if coupon["amount_off"] is not None and coupon["currency"] == currency:
        amount: int = coupon["amount_off"]
        return amount
    option = (coupon["currency_options"] or {}).get(currency)
    return None if option is None else int(option["amount_off"])


def _one(account: Account, entry: dict[str, Any], holder: Holder, param: str) -> Wanted | None:
    given = [name for name in ("coupon", "discount", "promotion_code") if name in entry]
    if not given:
        raise missing_parameter(f"{param}[coupon]")
    if len(given) > 1:
        raise exclusive_parameters([f"{param}[{name}]" for name in given])
    (name,) = given
    value: str = entry[name]
    if name == "discount":
        return _existing(account, value, holder, f"{param}[discount]")
    code: StripeObject | None = None
    if name == "promotion_code":
        code = _usable_code(account, value, holder, f"{param}[promotion_code]")
        coupon = account.need_given("coupon", code["promotion"]["coupon"], param)
    else:
        coupon = account.need_given("coupon", value, f"{param}[coupon]")
    _check_currency(account, coupon, holder, f"{param}[{name}]")
    return Wanted(None, coupon, code)


def _existing(account: Account, discount_id: str, holder: Holder, param: str) -> Wanted | None:
    if discount_id in holder.existing or discount_id in holder.inherited:
        return Wanted(account.store.get("discount", discount_id), None)
    discount = account.store.get("discount", discount_id)
    spent = (
        discount is not None
        and holder.subscription is not None
        and discount["subscription"] == holder.subscription
    )
    if spent and account.switches.stripe_spent_discount_resent == "ignored":
        return None
    raise no_such("discount", discount_id, param, status=400)


def _usable_code(account: Account, code_id: str, holder: Holder, param: str) -> StripeObject:
    code = account.need_given("promotion_code", code_id, param)
    now = account.now(holder.customer)
    expired = code["expires_at"] is not None and code["expires_at"] <= now
    used_up = code["max_redemptions"] is not None and (
        code["times_redeemed"] >= code["max_redemptions"]
    )
    if not code["active"] or expired or used_up:
        raise ConditionError("This promotion code is inactive and cannot be used.", param=param)
    if code["customer"] not in (None, holder.customer):
        raise ConditionError(
            "This promotion code cannot be redeemed by this customer.", param=param
        )
    return code


def _check_currency(account: Account, coupon: StripeObject, holder: Holder, param: str) -> None:
    if holder.currency is None or coupon["percent_off"] is not None:
        return
    if amount_in(coupon, holder.currency) is not None:
        return
    code = account.switches.stripe_currency_mismatch_code
    raise ConditionError(
        f"The coupon `{coupon['id']}` is in {coupon['currency']}, but the currency is "
        f"{holder.currency}. It can only be applied where its currency, or one of its "
        "`currency_options`, is used.",
        code=None if code == "none" else code,
        param=param,
    )


def _redeem(
    account: Account,
    coupon: StripeObject,
    code: StripeObject | None,
    holder: Holder,
    param: str,
) -> str:
    now = account.now(holder.customer)
    current = account.store.edit("coupon", coupon["id"])
    if _counts(account, coupon, holder):
        _check_redeemable(account, current, now, param)
        current["times_redeemed"] += 1
        if code is not None:
            account.store.edit("promotion_code", code["id"])["times_redeemed"] += 1
    start = now if holder.start is None else holder.start
    months = current["duration_in_months"]
    discount = account.store.add(
        "discount",
        {
            "id": account.new_id("discount"),
            "object": "discount",
            "checkout_session": None,
            "customer": holder.customer,
            "customer_account": None,
            "end": add_months(start, months) if current["duration"] == "repeating" else None,
            "invoice": None,
            "invoice_item": None,
            "promotion_code": None if code is None else code["id"],
            "source": {"type": "coupon", "coupon": current["id"]},
            "start": start,
            "subscription": holder.subscription,
            "subscription_item": holder.item,
            "_coupon_serial": current["_serial"],
        },
    )
    discount_id: str = discount["id"]
    return discount_id


def _check_redeemable(account: Account, coupon: StripeObject, now: int, param: str) -> None:
    if is_redeemable(coupon, now):
        return
    if coupon["redeem_by"] is not None and coupon["redeem_by"] <= now:
        raise ConditionError(f"Coupon expired: {coupon['id']}", code="coupon_expired", param=param)
    code = account.switches.stripe_exhausted_coupon_code
    raise ConditionError(
        f"Coupon {coupon['id']} is used up and cannot be applied.",
        code=None if code == "none" else code,
        param=param,
    )


def _kept(account: Account, discount: StripeObject, holder: Holder) -> str:
    discount_id: str = discount["id"]
    own = discount_id in holder.existing
    if own or account.switches.stripe_inherited_discount == "same_id":
        return discount_id
    copy = {
        **discount,
        "id": account.new_id("discount"),
        "subscription": holder.subscription,
        "subscription_item": holder.item,
    }
    copied_id: str = account.store.add("discount", copy)["id"]
    return copied_id


def _counts(account: Account, coupon: StripeObject, holder: Holder) -> bool:
    """Whether to redeem the coupon here uses up one of its redemptions."""
    on_it = (account.store.get("discount", one) for one in holder.existing)
    again = any(
        discount is not None and discount["_coupon_serial"] == coupon["_serial"]
        for discount in on_it
    )
    return not again or account.switches.stripe_resent_coupon == "counts"


def _coupon_identity(wanted: Wanted) -> tuple[str, str]:
    """Id and serial: a coupon made anew under the id of a deleted one is another coupon."""
    if wanted.discount is not None:
        return wanted.discount["source"]["coupon"], wanted.discount["_coupon_serial"]
    assert wanted.coupon is not None
    return wanted.coupon["id"], wanted.coupon["_serial"]


def _bad_list(account: Account, message: str, param: str) -> StripeError:
    code = account.switches.stripe_discount_list_code
    return ConditionError(message, code=None if code == "none" else code, param=param)


def terms_of(account: Account, discount_id: str) -> tuple[StripeObject, StripeObject] | None:
    """A discount with the coupon whose terms it has."""
    discount = account.store.get("discount", discount_id)
    if discount is None:
        return None
    coupon = coupon_of(account, discount)
    return None if coupon is None else (discount, coupon)
