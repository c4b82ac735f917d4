"""Subscriptions are paused and resumed (https://docs.stripe.com/billing/subscriptions/pause)."""

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import Answer, Call, Shown
from coupon_pipeline.sandbox.stripe.errors import ConditionError
from coupon_pipeline.sandbox.stripe.subscription_form import period_ends
from coupon_pipeline.sandbox.stripe.subscriptions import restart_period


def pause(account: Account, call: Call) -> Answer:
    """Stop billing until the subscription is resumed."""
    before = account.need("subscription", call.id)
    if before["schedule"] is not None:
        raise ConditionError("You cannot pause a subscription that has a schedule.")
    if before["status"] not in {"active", "trialing", "past_due"}:
        raise ConditionError(f"You cannot pause a subscription that is {before['status']}.")
    subscription = account.store.edit("subscription", call.id)
    subscription["status"] = "paused"
    subscription["status_details"] = {
        "paused": {
            "subscription": {"type": "pause_requested"},
            "transitioned_at": account.now(subscription["customer"]),
            "type": "subscription",
        }
    }
    return Shown("subscription", subscription)


def resume(account: Account, call: Call) -> Answer:
    """Go on, with a new period and its invoice unless the old period is to go on."""
    before = account.need("subscription", call.id)
    if before["status"] != "paused":
        raise ConditionError(f"You cannot resume a subscription that is {before['status']}.")
    subscription = account.store.edit("subscription", call.id)
    subscription |= {"status": "active", "status_details": None}
    anchor = call.params.get("billing_cycle_anchor", {}).get("type", "now")
    over = min(period_ends(account, subscription)) <= account.now(subscription["customer"])
    if anchor == "now" or over:
        restart_period(account, subscription)
    return Shown("subscription", subscription)
