"""Ends: of subscriptions, and of schedules' hold on them."""

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.store import StripeObject


def end_subscription(
    account: Account, subscription: StripeObject, now: int, status: str = "canceled"
) -> None:
    """Cancel a subscription, being edited, and a schedule that is still running with it."""
    subscription |= {"status": status, "ended_at": now}
    subscription["canceled_at"] = subscription["canceled_at"] or now
    schedule_id = subscription["schedule"]
    schedule = (
        None if schedule_id is None else account.store.get("subscription_schedule", schedule_id)
    )
    if schedule is not None and schedule["status"] == "active":
        edited = account.store.edit("subscription_schedule", schedule["id"])
        edited |= {"status": "canceled", "canceled_at": now, "current_phase": None}


def let_go(account: Account, schedule: StripeObject, status: str) -> None:
    """Detach a schedule, being edited, from its subscription: released or completed."""
    now = account.now(schedule["customer"])
    if schedule["subscription"] is not None:
        account.store.edit("subscription", schedule["subscription"])["schedule"] = None
        if schedule["end_behavior"] == "release" or status == "released":
            schedule["released_subscription"] = schedule["subscription"]
    schedule |= {"status": status, "subscription": None, "current_phase": None}
    schedule["completed_at" if status == "completed" else "released_at"] = now
