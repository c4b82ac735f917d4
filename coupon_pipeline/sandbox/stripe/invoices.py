"""Invoices made by the clock, and previews (https://docs.stripe.com/api/invoices)."""

from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.agenda import Agenda
from coupon_pipeline.sandbox.stripe.answers import (
    Answer,
    Call,
    Page,
    Shown,
    all_of,
    created,
    equals,
    list_page,
)
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    StripeError,
    exclusive_parameters,
    missing_parameter,
    not_implemented,
)
from coupon_pipeline.sandbox.stripe.schedules import change_schedule
from coupon_pipeline.sandbox.stripe.store import StripeObject
from coupon_pipeline.sandbox.stripe.subscriptions import ENDED, change

DETAILS = ("cancel_at", "cancel_at_period_end", "default_tax_rates", "items", "trial_end")
DETAILS_WITHOUT_EFFECT = ("metadata", "proration_behavior", "proration_date")


def retrieve(account: Account, call: Call) -> Answer:
    """One invoice."""
    return Shown("invoice", account.need("invoice", call.id))


def list_all(account: Account, call: Call) -> Answer:
    """Invoices, newest first."""
    params = call.params
    wanted = all_of(created(params), equals(params, "customer", "status", "collection_method"))
    among = None
    if "subscription" in params:
        among = account.store.having("invoice", "_subscription", params["subscription"])
    elif "customer" in params:
        among = account.store.having("invoice", "customer", params["customer"])
    return list_page(account, "invoice", call, "/v1/invoices", wanted, among)


def list_lines(account: Account, call: Call) -> Answer:
    """The lines of one invoice."""
    invoice = account.need("invoice", call.id)
    lines: list[StripeObject] = invoice["lines"]["data"]
    return Page("line_item", lines, f"/v1/invoices/{call.id}/lines", has_more=False)


def create_preview(account: Account, call: Call, agenda: Agenda) -> Answer:
    """The next invoice, as it is or with changes; afterwards nothing has happened."""
    params = call.params
    if "subscription" in params and "schedule" in params:
        raise exclusive_parameters(["subscription", "schedule"])
    if "schedule" in params:
        kind, target = _preview_schedule(account, params)
    else:
        kind, target = _preview_subscription(account, params)
    invoice = agenda.first_invoice(kind, target["id"])
    if invoice is None:
        raise _none_upcoming(target["customer"])
    _as_preview(account, invoice)
    return Shown("invoice", invoice, undo=True)


def _preview_subscription(account: Account, params: dict[str, Any]) -> tuple[str, StripeObject]:
    subscription_id = params.get("subscription")
    if subscription_id is None:
        subscription_id = _only_subscription(account, params)
    before = account.need_given("subscription", subscription_id, "subscription")
    _check_customer(params, before)
    if before["status"] in ENDED:
        raise _none_upcoming(before["customer"])
    details = params.get("subscription_details", {})
    for name in details:
        if name not in DETAILS and name not in DETAILS_WITHOUT_EFFECT:
            raise not_implemented(f"subscription_details[{name}]")
    changes = {name: details[name] for name in DETAILS if name in details}
    if "discounts" in params:
        changes["discounts"] = params["discounts"]
    subscription = account.store.edit("subscription", subscription_id)
    change(account, subscription, changes)
    if params.get("discounts") == "":
        subscription["_inherits_nothing"] = True
    return "subscription", subscription


def _preview_schedule(account: Account, params: dict[str, Any]) -> tuple[str, StripeObject]:
    schedule = account.need_given("subscription_schedule", params["schedule"], "schedule")
    _check_customer(params, schedule)
    if schedule["status"] not in {"active", "not_started"}:
        raise _none_upcoming(schedule["customer"])
    details = params.get("schedule_details", {})
    for name in details:
        if name not in {"phases", "end_behavior", "proration_behavior"}:
            raise not_implemented(f"schedule_details[{name}]")
    change_schedule(account, schedule["id"], details)
    schedule = account.need("subscription_schedule", schedule["id"])
    if schedule["subscription"] is None:
        return "subscription_schedule", schedule
    subscription = account.store.edit("subscription", schedule["subscription"])
    if "discounts" in params:
        change(account, subscription, {"discounts": params["discounts"]})
        subscription["_inherits_nothing"] = params["discounts"] == ""
    return "subscription", subscription


def _only_subscription(account: Account, params: dict[str, Any]) -> str:
    if "customer" not in params:
        raise missing_parameter("customer")
    if "subscription_details" in params:
        raise not_implemented("subscription_details")
    account.need_given("customer", params["customer"], "customer")
    found = [
        one
        for one in account.store.having("subscription", "customer", params["customer"])
        if one["status"] not in ENDED
    ]
    if not found:
        raise _none_upcoming(params["customer"])
    first: str = min(found, key=lambda one: int(one["billing_cycle_anchor"]))["id"]
    return first


def _check_customer(params: dict[str, Any], thing: StripeObject) -> None:
    if params.get("customer", thing["customer"]) != thing["customer"]:
        raise ConditionError(
            f"The customer {params['customer']} does not have `{thing['id']}`.", param="customer"
        )


def _as_preview(account: Account, invoice: StripeObject) -> None:
    invoice["id"] = "upcoming_" + invoice["id"]
    invoice |= {
        "amount_paid": 0,
        "amount_remaining": invoice["total"],
        "attempt_count": 0,
        "attempted": False,
        "billing_reason": "upcoming",
        "effective_at": None,
        "number": None,
        "status": "draft",
        "status_transitions": dict.fromkeys(invoice["status_transitions"]),
    }
    for line in invoice["lines"]["data"]:
        line["invoice"] = invoice["id"]
    invoice["livemode"] = account.livemode


def _none_upcoming(customer_id: str) -> StripeError:
    return ConditionError(
        f"No upcoming invoices for customer: {customer_id}",
        status=404,
        code="invoice_upcoming_none",
    )
