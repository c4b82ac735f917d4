"""What is still to be done about a snapshot, from what the ledger and the order say."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.targets import WantedAttachment
from coupon_pipeline.domain.terms import Terms

_INVOICE = "in_"
FINAL_CODES = frozenset({"target.ended", "target.not_subscription", "target.item_removed"})
"""What cannot change as long as the order names the same target."""


class Decided(Protocol):
    """The latest decision on a snapshot's discount, as the ledger keeps it."""

    @property
    def granted(self) -> bool:
        """Whether it was attached or adopted at some time."""

    @property
    def code(self) -> str | None:
        """Why it was not."""

    @property
    def target_id(self) -> str | None:
        """The target that the decision is about."""


def is_settled(decided: Decided | None, order: Order) -> bool:
    """Whether nothing is left to decide: granted once, or impossible on this very target."""
    if decided is None:
        return False
    if decided.granted:
        return True
    return decided.code in FINAL_CODES and decided.target_id == order.target_id


def is_attachable(order: Order) -> bool:
    """Whether the order names something in Stripe that can carry a discount."""
    return order.target_id is not None and not order.target_id.startswith(_INVOICE)


def names_disagree(order: Order) -> bool:
    """Whether an amendment and the initial order of its contract name different things in Stripe.

    They may still be the same target: a schedule and the subscription that it manages. An invoice
    is no target; one of the two may bill once only.
    """
    own, initial = order.stripe_id, order.initial_stripe_id
    if not order.is_amendment or own is None or initial is None or own == initial:
        return False
    return not own.startswith(_INVOICE) and not initial.startswith(_INVOICE)


def wanted_attachment(snapshot: Snapshot, terms: Terms, coupon_id: str) -> WantedAttachment:
    """The attachment that a snapshot asks for, once its Stripe coupon exists."""
    created = snapshot.association_created_at or snapshot.activated_at
    return WantedAttachment(
        snapshot_id=snapshot.snapshot_id,
        scope=snapshot.scope,
        quote_coupon_id=snapshot.quote_coupon_id,
        coupon_id=coupon_id,
        duration=terms.duration,
        months=terms.duration_in_months,
        percent=terms.percent_off is not None,
        currencies=frozenset(
            {
                *([terms.currency] if terms.currency else []),
                *(code for code, _ in terms.currency_options),
            }
        ),
        stack_key=(created.isoformat(), snapshot.association_id or snapshot.snapshot_id),
        activated_at=snapshot.activated_at,
        limited=terms.max_redemptions is not None,
    )


def beyond_the_limit(
    attached: Iterable[WantedAttachment], left: Mapping[str, int]
) -> frozenset[str]:
    """Of snapshots that would be attached, those for which their coupon has no redemption left.

    `left` is by coupon id, for coupons with a limit only. Who was activated first comes first, so
    that it does not depend on the order of requests.
    """
    remaining = dict(left)
    beyond = set()
    for wanted in sorted(attached, key=lambda w: (w.activated_at, w.snapshot_id)):
        if wanted.coupon_id not in remaining:
            continue
        remaining[wanted.coupon_id] -= 1
        if remaining[wanted.coupon_id] < 0:
            beyond.add(wanted.snapshot_id)
    return frozenset(beyond)
