"""What happens to subscriptions and schedules when their time comes.

Whatever falls into an hour, a month or a year that the clock is moved by happens in its order
and at its own moment: discounts end, phases begin, periods are renewed and invoiced.
"""

from collections.abc import Callable
from typing import Final

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.entering import put_in_force
from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.stripe.invoicing import Due, make_invoice, pays
from coupon_pipeline.sandbox.stripe.lifecycle import end_subscription, let_go
from coupon_pipeline.sandbox.stripe.periods import next_boundary
from coupon_pipeline.sandbox.stripe.store import StripeObject
from coupon_pipeline.sandbox.stripe.subscription_form import new_subscription

BILLED: Final = frozenset({"active", "trialing", "past_due", "unpaid"})
PAYMENT_WINDOW_SECONDS: Final = 23 * 60 * 60
"""How long the first invoice may stay unpaid (https://docs.stripe.com/billing/subscriptions/overview)."""


def open_subscription(
    account: Account, subscription: StripeObject, payment_behavior: str = "allow_incomplete"
) -> None:
    """Start a subscription, being edited: on trial, or with its first invoice."""
    now = account.now(subscription["customer"])
    if subscription["trial_end"] is not None and subscription["trial_end"] > now:
        subscription["status"] = "trialing"
        subscription["trial_start"] = subscription["trial_start"] or now
        subscription["billing_cycle_anchor"] = subscription["trial_end"]
    trial = subscription["status"] == "trialing"
    items = _items(account, subscription)
    due = [Due(one, one["current_period_start"], one["current_period_end"], trial) for one in items]
    invoice = make_invoice(account, subscription, due, "subscription_create")
    unpaid = (
        invoice["status"] == "open" and subscription["collection_method"] == "charge_automatically"
    )
    waits = payment_behavior == "default_incomplete" and invoice["total"] > 0
    if waits and invoice["status"] == "paid":
        invoice |= {"status": "open", "amount_paid": 0, "amount_remaining": invoice["total"]}
    if unpaid and payment_behavior == "error_if_incomplete":
        raise StripeError(
            "Your card was declined.", status=402, code="card_declined", error_type="card_error"
        )
    if unpaid or waits:
        subscription["status"] = "incomplete"


def start_schedule(account: Account, schedule: StripeObject, *, strict: bool) -> None:
    """Make the subscription of a schedule, being edited, from the phase that it is in."""
    now = account.now(schedule["customer"])
    phase = next(one for one in schedule["phases"] if one["end_date"] > now)
    customer = account.store.get("customer", schedule["customer"])
    assert customer is not None
    subscription = new_subscription(account, customer, phase["currency"], now)
    subscription["billing_mode"] = schedule["billing_mode"]
    subscription["start_date"] = phase["start_date"]
    subscription["billing_cycle_anchor"] = phase["start_date"]
    subscription["trial_end"] = phase["trial_end"]
    subscription["schedule"] = schedule["id"]
    put_in_force(account, subscription, phase, strict=strict)
    schedule |= {
        "status": "active",
        "subscription": subscription["id"],
        "current_phase": {"start_date": phase["start_date"], "end_date": phase["end_date"]},
    }
    open_subscription(account, subscription)


def next_event(account: Account, subscription: StripeObject) -> int | None:
    """When something happens to a subscription next by itself."""
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        return None
    if subscription["status"] == "incomplete":
        created: int = subscription["created"]
        return created + PAYMENT_WINDOW_SECONDS
    moments: list[int] = []
    items = _items(account, subscription)
    if subscription["status"] in BILLED:
        moments += [item["current_period_end"] for item in items]
    for discount_id in (
        *subscription["discounts"],
        *(one for item in items for one in item["discounts"]),
    ):
        discount = account.store.get("discount", discount_id)
        if discount is not None and discount["end"] is not None:
            moments.append(discount["end"])
    schedule = _schedule(account, subscription)
    if schedule is not None:
        moments.append(schedule["current_phase"]["end_date"])
    pause = subscription["pause_collection"] or {}
    moments += [one for one in (subscription["cancel_at"], pause.get("resumes_at")) if one]
    return min(moments, default=None)


def pass_moment(account: Account, subscription_id: str, moment: int) -> None:
    """Let everything happen that is due for a subscription at this moment."""
    steps: tuple[Callable[[Account, StripeObject, int], None], ...] = (
        _expire_unpaid,
        _end_discounts,
        _next_phase,
        _cancel,
        _resume,
        _renew,
    )
    for step in steps:
        subscription = account.store.get("subscription", subscription_id)
        if subscription is None or subscription["status"] in {"canceled", "incomplete_expired"}:
            return
        step(account, account.store.edit("subscription", subscription_id), moment)


def end_customer_discount(account: Account, customer_id: str, moment: int) -> None:
    """Take away a customer's discount whose window has ended."""
    customer = account.store.get("customer", customer_id)
    if customer is None or customer.get("_discount") is None:
        return
    discount = account.store.get("discount", customer["_discount"])
    if discount is not None and discount["end"] is not None and discount["end"] <= moment:
        account.store.edit("customer", customer_id)["_discount"] = None


def _items(account: Account, subscription: StripeObject) -> list[StripeObject]:
    found = (account.store.get("subscription_item", one) for one in subscription["_items"])
    return [item for item in found if item is not None]


def _schedule(account: Account, subscription: StripeObject) -> StripeObject | None:
    schedule_id = subscription["schedule"]
    if schedule_id is None:
        return None
    schedule = account.store.get("subscription_schedule", schedule_id)
    active = schedule is not None and schedule["status"] == "active"
    return schedule if active else None


def _expire_unpaid(account: Account, subscription: StripeObject, moment: int) -> None:
    if subscription["status"] == "incomplete":
        end_subscription(account, subscription, moment, "incomplete_expired")


def _end_discounts(account: Account, subscription: StripeObject, moment: int) -> None:
    def running(discount_id: str) -> bool:
        discount = account.store.get("discount", discount_id)
        return discount is not None and (discount["end"] is None or discount["end"] > moment)

    subscription["discounts"] = [one for one in subscription["discounts"] if running(one)]
    for item in _items(account, subscription):
        if not all(running(one) for one in item["discounts"]):
            edited = account.store.edit("subscription_item", item["id"])
            edited["discounts"] = [one for one in item["discounts"] if running(one)]


def _next_phase(account: Account, subscription: StripeObject, moment: int) -> None:
    """Overwrite the subscription with the phase that begins, or end the schedule."""
    running = _schedule(account, subscription)
    if running is None or running["current_phase"]["end_date"] > moment:
        return
    schedule = account.store.edit("subscription_schedule", running["id"])
    ripe = any(one["current_period_end"] <= moment for one in _items(account, subscription))
    for phase in schedule["phases"]:
        if phase["start_date"] <= moment < phase["end_date"]:
            put_in_force(account, subscription, phase, strict=False)
            if ripe:
                _bill_new_items(account, subscription, moment)
            if phase["billing_cycle_anchor"] == "phase_start":
                _anchor_at(account, subscription, moment)
            schedule["current_phase"] = {
                "start_date": phase["start_date"],
                "end_date": phase["end_date"],
            }
            return
    if schedule["end_behavior"] == "cancel":
        let_go(account, schedule, "completed")
        end_subscription(account, subscription, moment)
    else:
        let_go(account, schedule, account.switches.stripe_released_by_end)


def _bill_new_items(account: Account, subscription: StripeObject, moment: int) -> None:
    """Items that come with a phase at the end of a period are on the invoice of that moment."""
    for item in _items(account, subscription):
        if item["created"] == moment:
            account.store.edit("subscription_item", item["id"])["current_period_end"] = moment


def _anchor_at(account: Account, subscription: StripeObject, moment: int) -> None:
    subscription["billing_cycle_anchor"] = moment
    for item in _items(account, subscription):
        account.store.edit("subscription_item", item["id"])["current_period_end"] = moment


def _cancel(account: Account, subscription: StripeObject, moment: int) -> None:
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= moment:
        end_subscription(account, subscription, moment)


def _resume(_account: Account, subscription: StripeObject, moment: int) -> None:
    pause = subscription["pause_collection"]
    if pause is not None and pause["resumes_at"] is not None and pause["resumes_at"] <= moment:
        subscription["pause_collection"] = None


def _renew(account: Account, subscription: StripeObject, moment: int) -> None:
    """Begin the next period of each item whose period is over, and bill those items."""
    ripe = [one for one in _items(account, subscription) if one["current_period_end"] <= moment]
    if not ripe or subscription["status"] not in BILLED:
        return
    if subscription["status"] == "trialing":
        if not _goes_on_after_trial(account, subscription, moment):
            return
        subscription["status"] = "active"
        subscription["billing_cycle_anchor"] = moment
    due: list[Due] = []
    for one in ripe:
        item = account.store.edit("subscription_item", one["id"])
        price = account.store.get("price", item["price"])
        assert price is not None
        recurring = price["recurring"]
        item["current_period_start"] = moment
        item["current_period_end"] = next_boundary(
            subscription["billing_cycle_anchor"],
            recurring["interval"],
            recurring["interval_count"],
            moment,
        )
        due.append(Due(item, moment, item["current_period_end"]))
    invoice = make_invoice(account, subscription, due, "subscription_cycle")
    if subscription["collection_method"] == "charge_automatically":
        subscription["status"] = "past_due" if invoice["status"] == "open" else "active"
        if invoice["status"] == "open" and pays(account, subscription):
            subscription["status"] = "active"


def _goes_on_after_trial(account: Account, subscription: StripeObject, moment: int) -> bool:
    """Without a payment method a trial may end in a pause or a cancellation."""
    customer = account.store.get("customer", subscription["customer"]) or {}
    method = (customer.get("invoice_settings") or {}).get("default_payment_method")
    end_behavior = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    if method or subscription["default_payment_method"] or end_behavior == "create_invoice":
        return True
    if end_behavior == "cancel":
        end_subscription(account, subscription, moment)
    else:
        subscription["status"] = "paused"
        paused = {"type": "trial_end_without_payment_method"}
        subscription["status_details"] = {
            "paused": {"subscription": paused, "transitioned_at": moment, "type": "subscription"}
        }
    return False
