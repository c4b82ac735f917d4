"""Subscription schedules (https://docs.stripe.com/api/subscription_schedules)."""

from typing import Any

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import (
    Answer,
    Call,
    Shown,
    all_of,
    created,
    in_range,
    list_page,
)
from coupon_pipeline.sandbox.stripe.billing import start_schedule
from coupon_pipeline.sandbox.stripe.entering import put_in_force
from coupon_pipeline.sandbox.stripe.errors import (
    ConditionError,
    exclusive_parameters,
    missing_parameter,
)
from coupon_pipeline.sandbox.stripe.lifecycle import end_subscription, let_go
from coupon_pipeline.sandbox.stripe.metadata import merged
from coupon_pipeline.sandbox.stripe.phases import phase_of_subscription
from coupon_pipeline.sandbox.stripe.settings import ISSUER, invoice_settings, read_form
from coupon_pipeline.sandbox.stripe.store import StripeObject
from coupon_pipeline.sandbox.stripe.subscription_form import billing_mode, current_period
from coupon_pipeline.sandbox.stripe.timeline import new_timeline, replace_phases

DEFAULTS = (
    "application_fee_percent",
    "automatic_tax",
    "billing_thresholds",
    "collection_method",
    "default_payment_method",
    "description",
    "on_behalf_of",
    "transfer_data",
)
LEGACY_END_BEHAVIORS = {"none": "release", "renew": "release"}
RUNNING = ("not_started", "active")


def create(account: Account, call: Call) -> Answer:
    """Make a schedule for a customer, or of a subscription as it is."""
    params = call.params
    if "from_subscription" in params:
        return _of_subscription(account, params)
    if "customer" not in params:
        raise missing_parameter("customer")
    if not params.get("phases"):
        raise missing_parameter("phases")
    customer = account.need_given("customer", params["customer"], "customer")
    now = account.now(customer["id"])
    given_start = params.get("start_date", "now")
    start = now if given_start == "now" else given_start
    schedule = _blank(account, customer["id"], now)
    schedule["billing_mode"] = billing_mode(params.get("billing_mode"), now)
    schedule["test_clock"] = customer["test_clock"]
    _change_settings(schedule, params)
    schedule["phases"] = new_timeline(account, schedule, params["phases"], start)
    account.store.add("subscription_schedule", schedule)
    if start <= now:
        start_schedule(account, schedule, strict=True)
    return Shown("subscription_schedule", schedule)


def retrieve(account: Account, call: Call) -> Answer:
    """One schedule."""
    return Shown("subscription_schedule", account.need("subscription_schedule", call.id))


def update(account: Account, call: Call) -> Answer:
    """Change settings, and replace all current and future phases if any is given."""
    _running(account, call.id, "update")
    return Shown("subscription_schedule", change_schedule(account, call.id, call.params))


def change_schedule(account: Account, schedule_id: str, params: dict[str, Any]) -> StripeObject:
    """Carry out an update of a schedule that is not over."""
    schedule = account.store.edit("subscription_schedule", schedule_id)
    _change_settings(schedule, params)
    if "phases" in params:
        _replace(account, schedule, params["phases"])
    return schedule


def list_all(account: Account, call: Call) -> Answer:
    """Schedules, newest first; there is no filter by subscription."""
    params = call.params
    times = ("canceled_at", "completed_at", "released_at")

    def in_times(thing: StripeObject) -> bool:
        return all(in_range(params[name], thing[name]) for name in times if name in params)

    def not_started(thing: StripeObject) -> bool:
        return not params.get("scheduled") or thing["status"] == "not_started"

    among = (
        account.store.having("subscription_schedule", "customer", params["customer"])
        if "customer" in params
        else None
    )
    wanted = all_of(created(params), in_times, not_started)
    url = "/v1/subscription_schedules"
    return list_page(account, "subscription_schedule", call, url, wanted, among)


def cancel(account: Account, call: Call) -> Answer:
    """End the schedule and its subscription at once."""
    _running(account, call.id, "cancel")
    schedule = account.store.edit("subscription_schedule", call.id)
    now = account.now(schedule["customer"])
    if schedule["subscription"] is not None:
        subscription = account.store.edit("subscription", schedule["subscription"])
        end_subscription(account, subscription, now)
    schedule |= {"status": "canceled", "canceled_at": now, "current_phase": None}
    return Shown("subscription_schedule", schedule)


def release(account: Account, call: Call) -> Answer:
    """Let go of the subscription, which stays as it is."""
    _running(account, call.id, "release")
    schedule = account.store.edit("subscription_schedule", call.id)
    if schedule["subscription"] is not None and not call.params.get("preserve_cancel_date", True):
        subscription = account.store.edit("subscription", schedule["subscription"])
        subscription |= {"cancel_at": None, "cancel_at_period_end": False}
    let_go(account, schedule, "released")
    return Shown("subscription_schedule", schedule)


def _running(account: Account, schedule_id: str, action: str) -> StripeObject:
    schedule = account.need("subscription_schedule", schedule_id)
    if schedule["status"] in RUNNING:
        return schedule
    code = account.switches.stripe_ended_schedule_code
    raise ConditionError(
        f"You cannot {action} a subscription schedule that is currently in the "
        f"`{schedule['status']}` status. It must be in one of these statuses: "
        f"{', '.join(f'`{one}`' for one in RUNNING)}.",
        code=None if code == "none" else code,
    )


def _of_subscription(account: Account, params: dict[str, Any]) -> Answer:
    others = [name for name in params if name not in {"from_subscription", "expand"}]
    if others:
        raise exclusive_parameters(["from_subscription", *others])
    given = params["from_subscription"]
    subscription = account.need_given("subscription", given, "from_subscription")
    if subscription["schedule"] is not None:
        raise ConditionError(
            f"You cannot migrate a subscription that is already attached to a schedule: "
            f"{subscription['schedule']}",
            param="from_subscription",
        )
    if subscription["status"] in {"canceled", "incomplete_expired", "incomplete"}:
        raise ConditionError(
            f"You cannot migrate a subscription in the `{subscription['status']}` status.",
            param="from_subscription",
        )
    now = account.now(subscription["customer"])
    start, end = current_period(account, subscription)
    schedule = _blank(account, subscription["customer"], now)
    schedule |= {
        "billing_mode": subscription["billing_mode"],
        "current_phase": {"start_date": start, "end_date": end},
        "phases": [phase_of_subscription(account, subscription, start, end)],
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": subscription["test_clock"],
    }
    account.store.add("subscription_schedule", schedule)
    account.store.edit("subscription", subscription["id"])["schedule"] = schedule["id"]
    return Shown("subscription_schedule", schedule)


def _blank(account: Account, customer_id: str, now: int) -> StripeObject:
    return {
        "id": account.new_id("subscription_schedule"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": billing_mode(None, now),
        "canceled_at": None,
        "completed_at": None,
        "created": now,
        "current_phase": None,
        "customer": customer_id,
        "customer_account": None,
        "default_settings": {
            "billing_cycle_anchor": "automatic",
            "invoice_settings": {"account_tax_ids": None, "days_until_due": None, "issuer": ISSUER},
        }
        | dict.fromkeys(DEFAULTS)
        | {"automatic_tax": read_form("automatic_tax", {"enabled": False})},
        "end_behavior": "release",
        "livemode": account.livemode,
        "metadata": {},
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": None,
    }


def _change_settings(schedule: StripeObject, params: dict[str, Any]) -> None:
    if "end_behavior" in params:
        given = params["end_behavior"]
        schedule["end_behavior"] = LEGACY_END_BEHAVIORS.get(given, given)
    schedule["metadata"] = merged(schedule["metadata"], params.get("metadata"))
    settings = schedule["default_settings"]
    for name, value in params.get("default_settings", {}).items():
        if name == "invoice_settings":
            settings[name] = invoice_settings(value, settings[name], days_until_due=True)
        else:
            settings[name] = read_form(name, value)


def _replace(account: Account, schedule: StripeObject, given: list[dict[str, Any]]) -> None:
    now = account.now(schedule["customer"])
    schedule["phases"] = replace_phases(account, schedule, given, now)
    if schedule["status"] == "not_started":
        if schedule["phases"] and schedule["phases"][0]["start_date"] <= now:
            start_schedule(account, schedule, strict=True)
        return
    subscription = account.store.edit("subscription", schedule["subscription"])
    for phase in schedule["phases"]:
        if phase["start_date"] <= now < phase["end_date"]:
            was_on = phase["start_date"] == schedule["current_phase"]["start_date"]
            put_in_force(account, subscription, phase, strict=True, entered=not was_on)
            schedule["current_phase"] = {
                "start_date": phase["start_date"],
                "end_date": phase["end_date"],
            }
