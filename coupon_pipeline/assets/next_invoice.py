"""What a subscription's next invoice comes to, with the discounts of ours and without.

Stripe calculates it (https://docs.stripe.com/api/invoices/create_preview); it costs one read of the
subscription and two previews, so it is only done when asked for.
"""

from collections.abc import Collection
from dataclasses import dataclass

from coupon_pipeline.assets.run import now
from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.currency import major_units
from coupon_pipeline.domain.targets import (
    ScheduleState,
    SubscriptionState,
    TargetGone,
    TargetPolicy,
)
from coupon_pipeline.domain.without_ours import (
    OurDiscount,
    lists_without,
    phases_without,
    why_not_sent,
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
    stripe: StripeEdge, target_id: str, ours: Collection[OurDiscount], policy: TargetPolicy
) -> NextInvoice | NotPreviewed:
    """The next invoice of a target as it is, and without what is `ours`.

    What a schedule does when its next phase begins is in that invoice too, so a target that has
    one is asked for with its phases.

    Raises:
        StripeEdgeError: Stripe could not be asked.
    """
    state = read_target(stripe, target_id)
    if isinstance(state, ScheduleState) and not state.is_open:
        state = state.subscription or state
    if isinstance(state, TargetGone) or (isinstance(state, ScheduleState) and not state.is_open):
        return NotPreviewed(target_id, _without_subscription(state))
    without = _without(state, ours, policy)
    if isinstance(without, NotPreviewed):
        return without
    try:
        as_it_is = stripe.preview_invoice(state.target_id)
        then = stripe.preview_invoice(state.target_id, without) if without else as_it_is
    except StripeRejected as rejected:
        return NotPreviewed(target_id, rejected.message)
    running = state.subscription if isinstance(state, ScheduleState) else state
    shown_as = state.target_id if running is None else running.subscription_id
    return NextInvoice(shown_as, _currency(as_it_is.body), _total(as_it_is.body), _total(then.body))


def _without(
    state: SubscriptionState | ScheduleState, ours: Collection[OurDiscount], policy: TargetPolicy
) -> dict[str, object] | NotPreviewed:
    """What to change for a preview without ours; empty where nothing of ours is there."""
    if isinstance(state, ScheduleState):
        if reason := why_not_sent(state, policy, now()):
            return NotPreviewed(state.target_id, reason)
        phases = phases_without(state, ours, policy, now())
        if phases is None:
            return {}
        return {"schedule_details": {"phases": phases, "proration_behavior": "none"}}
    own, items = lists_without(state, ours)
    changed: dict[str, object] = {} if own is None else {"discounts": own}
    return {**changed, "subscription_details": {"items": items}} if items else changed


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
        as_it_is = stripe.preview_invoice(update.target_id)
        then = stripe.preview_invoice(update.target_id, changed)
    except StripeRejected as rejected:
        return NotPreviewed(update.target_id, _why_not(rejected, update))
    return NextInvoice(
        update.target_id, _currency(as_it_is.body), _total(then.body), _total(as_it_is.body)
    )


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


def _currency(invoice: JsonObject) -> str:
    currency = invoice["currency"]
    assert isinstance(currency, str), "an invoice has a currency"
    return currency


def _total(invoice: JsonObject) -> int:
    total = invoice["total"]
    assert isinstance(total, int), "Stripe's totals are whole minor units"
    return total
