"""Discounts that were granted from other terms than the mapping would make today.

A grant stays as it is: what a customer was given is not taken back because a file changed. It is
reported, so that somebody can decide about it.
"""

from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.problems import Blocked, Problem
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.terms import Terms, differences


def superseded(
    snapshot: Snapshot, derived: DerivedCoupon | Blocked, granted_id: str, granted: Terms | None
) -> Problem | None:
    """What to say of a snapshot whose discount was made from `granted`; None if it is right.

    `granted_id` is the Stripe coupon that it was made from, and its terms are None where nobody
    knows them any more; `derived` is what the mapping in force asks for.
    """
    if isinstance(derived, Blocked):
        said = derived.problem(quote_coupon_id=snapshot.quote_coupon_id).message
    elif granted is None or granted == derived.terms:
        return None
    else:
        said = "; ".join(str(each) for each in differences(derived.terms, granted))
    if not said:
        return None
    return Problem(
        "attachment.superseded",
        {
            "granted_id": granted_id,
            "name": snapshot.scope.order_item_id or snapshot.quote_coupon_id,
            "differences": said.rstrip("."),
        },
        order_id=snapshot.scope.order_id,
        order_item_id=snapshot.scope.order_item_id,
        quote_coupon_id=snapshot.quote_coupon_id,
    )
