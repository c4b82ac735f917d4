"""What a direct change of a subscription does to the schedule that manages it."""

from typing import Any, Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.phases import PUT_ON_SUBSCRIPTION, show_discounts
from coupon_pipeline.sandbox.stripe.store import StripeObject, copy_json

IN_A_PHASE: Final = frozenset({"items", "discounts", "invoice_settings", *PUT_ON_SUBSCRIPTION})


def split_active_phase(
    account: Account, subscription: StripeObject, params: dict[str, Any]
) -> None:
    """Let the active phase end now, and a new one begin that says what was changed.

    Later phases stay as they were and overwrite the change when they begin. Metadata never gets
    into the schedule. https://docs.stripe.com/billing/subscriptions/subscription-schedules
    """
    if subscription["schedule"] is None or not IN_A_PHASE & set(params):
        return
    if account.switches.stripe_edit_under_schedule == "keeps_phase":
        return
    schedule = account.store.edit("subscription_schedule", subscription["schedule"])
    now = account.now(subscription["customer"])
    for position, phase in enumerate(schedule["phases"]):
        if phase["start_date"] <= now < phase["end_date"]:
            if phase["start_date"] == now:
                _take_over(account, subscription, phase)
                return
            rest = copy_json(phase)
            rest["start_date"] = now
            phase["end_date"] = now
            _take_over(account, subscription, rest)
            schedule["phases"].insert(position + 1, rest)
            schedule["current_phase"] = {"start_date": now, "end_date": rest["end_date"]}
            return


def _take_over(account: Account, subscription: StripeObject, phase: StripeObject) -> None:
    for name in PUT_ON_SUBSCRIPTION:
        phase[name] = copy_json(subscription[name])
    show_discounts(account, subscription, phase)
