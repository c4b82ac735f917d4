"""Customers, and the discount of a customer (https://docs.stripe.com/api/customers)."""

import re
from typing import Any

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
from coupon_pipeline.sandbox.stripe.discounts import Holder, resolve
from coupon_pipeline.sandbox.stripe.errors import ConditionError, invalid, no_such
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.store import StripeObject

EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
PLAIN = (
    "address",
    "business_name",
    "description",
    "email",
    "individual_name",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
)
"""Stored and given back as they came."""
DISCOUNTING = ("coupon", "promotion_code")
"""Parameters of API versions before 2025-03-31.basil, which removed them."""


def create(account: Account, call: Call) -> Answer:
    """Make a customer."""
    params = call.params
    customer_id = account.new_id("customer")
    if "test_clock" in params:
        account.need_given("test_clock", params["test_clock"], "test_clock")
    customer: StripeObject = {
        "id": customer_id,
        "object": "customer",
        "balance": params.get("balance", 0),
        "created": account.now(),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "invoice_prefix": account.random_text(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": account.livemode,
        "metadata": {},
        "next_invoice_sequence": 1,
        "tax_exempt": "none",
        "test_clock": params.get("test_clock"),
        "_discount": None,
    } | dict.fromkeys(PLAIN)
    customer["preferred_locales"] = []
    account.store.add("customer", customer)
    _change(account, customer, params)
    return Shown("customer", customer)


def retrieve(account: Account, call: Call) -> Answer:
    """One customer; of a deleted one only that it is."""
    stored = account.store.get("customer", call.id)
    if stored is not None and stored.get("deleted"):
        return Shown("customer", stored)
    return Shown("customer", account.need("customer", call.id))


def update(account: Account, call: Call) -> Answer:
    """Change what is given."""
    account.need("customer", call.id)
    customer = account.store.edit("customer", call.id)
    _change(account, customer, call.params)
    return Shown("customer", customer)


def delete(account: Account, call: Call) -> Answer:
    """Delete the customer and cancel what it has subscribed to."""
    account.need("customer", call.id)
    now = account.now(call.id)
    for subscription in account.store.having("subscription", "customer", call.id):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            ended = account.store.edit("subscription", subscription["id"])
            ended |= {"status": "canceled", "canceled_at": now, "ended_at": now}
    for schedule in account.store.having("subscription_schedule", "customer", call.id):
        if schedule["status"] in {"not_started", "active"}:
            ended = account.store.edit("subscription_schedule", schedule["id"])
            ended |= {"status": "canceled", "canceled_at": now, "current_phase": None}
    customer = account.store.edit("customer", call.id)
    tombstone = {"id": call.id, "object": "customer", "deleted": True}
    created_at = customer["created"]
    customer.clear()
    customer |= tombstone | {"_created": created_at}
    return Shown("customer", customer)


def list_all(account: Account, call: Call) -> Answer:
    """All customers, newest first."""
    wanted = all_of(created(call.params), equals(call.params, "email", "test_clock"))
    return list_page(account, "customer", call, "/v1/customers", wanted)


def delete_discount(account: Account, call: Call) -> Answer:
    """Take the customer's discount away."""
    account.need("customer", call.id)
    customer = account.store.edit("customer", call.id)
    if customer["_discount"] is None:
        raise no_such("discount", call.id, "id")
    discount = account.store.get("discount", customer["_discount"])
    customer["_discount"] = None
    return Shown("discount", {**(discount or {}), "deleted": True})


def give_discount(account: Account, customer_id: str, entry: dict[str, Any]) -> StripeObject:
    """Put a discount on a customer, in place of the one it has.

    `entry` is `{"coupon": id}` or `{"promotion_code": id}`. The current API has no parameter
    for it; the Dashboard and older versions have.
    """
    account.need("customer", customer_id)
    holder = Holder(customer=customer_id, currency=None)
    (discount_id,) = resolve(account, [entry], holder, "coupon")
    customer = account.store.edit("customer", customer_id)
    customer["_discount"] = discount_id
    return customer


def _change(account: Account, customer: StripeObject, params: dict[str, Any]) -> None:
    if "email" in params and not EMAIL.match(params["email"]):
        raise ConditionError(
            f"Invalid email address: {params['email']}", code="email_invalid", param="email"
        )
    for name in PLAIN:
        if name in params:
            customer[name] = None if params[name] == "" else params[name]
    if customer["shipping"]:
        customer["shipping"] = {"carrier": None, "tracking_number": None} | customer["shipping"]
    if "tax_exempt" in params:
        customer["tax_exempt"] = params["tax_exempt"] or "none"
    if "balance" in params:
        customer["balance"] = params["balance"]
    if "invoice_settings" in params:
        given = params["invoice_settings"]
        customer["invoice_settings"] |= {key: value or None for key, value in given.items()}
    if "payment_method" in params:
        customer["invoice_settings"]["default_payment_method"] = params["payment_method"]
    customer["metadata"] = merged(customer["metadata"], params.get("metadata"))
    _change_discount(account, customer, params)


def _change_discount(account: Account, customer: StripeObject, params: dict[str, Any]) -> None:
    """Only API versions before basil get here with something to do."""
    given_discounts = [name for name in DISCOUNTING if name in params]
    if len(given_discounts) > 1:
        raise invalid(
            "You may only specify one of these parameters: coupon, promotion_code.", "coupon"
        )
    for name in given_discounts:
        if params[name] == "":
            customer["_discount"] = None
        else:
            give_discount(account, customer["id"], {name: params[name]})
