"""What a subscription's next invoice comes to, with the discounts of ours and without.

Stripe calculates it (https://docs.stripe.com/api/invoices/create_preview); it costs one read of the
subscription and two previews, so it is only done when asked for.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.currency import major_units
from coupon_pipeline.domain.targets import (
    LiveDiscount,
    ScheduleState,
    SubscriptionState,
    TargetGone,
)
from coupon_pipeline.stripe_api import JsonObject, StripeEdge, StripeRejected
from coupon_pipeline.stripe_api.targets import read_target


@dataclass(frozen=True, slots=True)
class NextInvoice:
    """Totals in minor units of `currency`."""

    subscription_id: str
    currency: str
    with_ours: int
    without_ours: int

    @property
    def sentence(self) -> str:
        """For people, in major units."""
        code = self.currency.upper()
        return (
            f"next invoice: {major_units(self.with_ours, self.currency)} {code} instead of "
            f"{major_units(self.without_ours, self.currency)} {code}"
        )


@dataclass(frozen=True, slots=True)
class NotPreviewed:
    """A target whose next invoice cannot be calculated, and why."""

    target_id: str
    reason: str

    @property
    def sentence(self) -> str:
        """For people."""
        return f"next invoice: cannot be shown, because {self.reason}"


def next_invoice(
    stripe: StripeEdge, target_id: str, ours: Collection[str]
) -> NextInvoice | NotPreviewed:
    """The next invoice of a target as it is, and without the discounts whose ids are in `ours`.

    Raises:
        StripeEdgeError: Stripe could not be asked.
    """
    state = read_target(stripe, target_id)
    if isinstance(state, ScheduleState):
        state = state.subscription or state
    if not isinstance(state, SubscriptionState):
        return NotPreviewed(target_id, _without_subscription(state))
    without = {
        "discounts": _others(state.discounts, ours),
        "subscription_details": {
            "items": [
                {"id": item.item_id, "discounts": _others(item.discounts, ours)}
                for item in state.items
            ]
        },
    }
    try:
        now = stripe.preview_invoice(state.subscription_id)
        then = stripe.preview_invoice(state.subscription_id, without)
    except StripeRejected as rejected:
        return NotPreviewed(target_id, rejected.message)
    return NextInvoice(state.subscription_id, state.currency, _total(now.body), _total(then.body))


def _without_subscription(state: ScheduleState | TargetGone) -> str:
    if isinstance(state, ScheduleState):
        return f"there is no subscription: the schedule's status is {state.status}"
    if state.code == "target.not_subscription":
        return "it is no subscription"
    return "it is not in the Stripe account"


def planned_invoice(
    stripe: StripeEdge, update: SubscriptionUpdate | ScheduleUpdate
) -> NextInvoice | NotPreviewed:
    """The next invoice after a planned change, and as it is.

    Raises:
        StripeEdgeError: Stripe could not be asked.
    """
    sent = update.params()
    changed: dict[str, object] = {}
    if isinstance(update, ScheduleUpdate):
        changed["schedule_details"] = {"phases": sent["phases"], "proration_behavior": "none"}
    else:
        changed = {name: sent[name] for name in ("discounts",) if name in sent}
        if "items" in sent:
            changed["subscription_details"] = {"items": sent["items"]}
    try:
        now = stripe.preview_invoice(update.target_id)
        then = stripe.preview_invoice(update.target_id, changed)
    except StripeRejected as rejected:
        return NotPreviewed(update.target_id, _why_not(rejected, update))
    currency = now.body["currency"]
    assert isinstance(currency, str), "an invoice has a currency"
    return NextInvoice(update.target_id, currency, _total(then.body), _total(now.body))


def _why_not(rejected: StripeRejected, update: SubscriptionUpdate | ScheduleUpdate) -> str:
    new = sorted(coupon for coupon in _named_coupons(update) if coupon in rejected.message)
    if not new:
        return rejected.message
    return (
        f"the sync makes the coupon {', '.join(new)} first, and Stripe calculates only with "
        "coupons that it has"
    )


def _named_coupons(update: SubscriptionUpdate | ScheduleUpdate) -> set[str]:
    if isinstance(update, ScheduleUpdate):
        lists = [phase.discounts for phase in update.phases]
        lists += [entries for phase in update.phases for _, entries in phase.item_discounts]
    else:
        lists = [update.discounts or (), *(item.discounts for item in update.items)]
    return {e.reference for entries in lists for e in entries if e.kind == "coupon"}


def _others(discounts: Iterable[LiveDiscount], ours: Collection[str]) -> list[dict[str, str]] | str:
    """The list without ours; an empty one clears it, which Stripe spells as an empty text."""
    return [{"discount": d.discount_id} for d in discounts if d.discount_id not in ours] or ""


def _total(invoice: JsonObject) -> int:
    total = invoice["total"]
    assert isinstance(total, int), "Stripe's totals are whole minor units"
    return total
