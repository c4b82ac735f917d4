"""What a subscription's next invoice comes to, with the discounts of ours and without.

Stripe calculates it (https://docs.stripe.com/api/invoices/create_preview); it costs one read of the
subscription and two previews, so it is only done when asked for.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from coupon_pipeline.domain.attachments import SubscriptionUpdate
from coupon_pipeline.domain.currency import major_units
from coupon_pipeline.domain.targets import LiveDiscount, ScheduleState, SubscriptionState
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


def next_invoice(stripe: StripeEdge, target_id: str, ours: Collection[str]) -> NextInvoice | None:
    """The next invoice of a target, or None where there is none to come.

    `ours` are the ids of the discounts that the pipeline granted.

    Raises:
        StripeEdgeError: Stripe could not be asked.
    """
    state = read_target(stripe, target_id)
    if isinstance(state, ScheduleState):
        state = state.subscription or state
    if not isinstance(state, SubscriptionState):
        return None
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
    except StripeRejected:
        return None
    return NextInvoice(state.subscription_id, state.currency, _total(now.body), _total(then.body))


def planned_invoice(stripe: StripeEdge, update: SubscriptionUpdate) -> NextInvoice | None:
    """The next invoice after a planned change, and as it is.

    None where there is no next invoice, or where a coupon of the change does not exist yet: Stripe
    only calculates with coupons that it has.

    Raises:
        StripeEdgeError: Stripe could not be asked.
    """
    sent = update.params()
    changed = {name: sent[name] for name in ("discounts",) if name in sent}
    if "items" in sent:
        changed["subscription_details"] = {"items": sent["items"]}
    try:
        now = stripe.preview_invoice(update.target_id)
        then = stripe.preview_invoice(update.target_id, changed)
    except StripeRejected:
        return None
    currency = now.body["currency"]
    assert isinstance(currency, str), "an invoice has a currency"
    return NextInvoice(update.target_id, currency, _total(then.body), _total(now.body))


def _others(discounts: Iterable[LiveDiscount], ours: Collection[str]) -> list[dict[str, str]] | str:
    """The list without ours; an empty one clears it, which Stripe spells as an empty text."""
    return [{"discount": d.discount_id} for d in discounts if d.discount_id not in ours] or ""


def _total(invoice: JsonObject) -> int:
    total = invoice["total"]
    assert isinstance(total, int), "Stripe's totals are whole minor units"
    return total
