"""Snapshots that need the same Stripe coupon -> that coupon, wanted once for all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from coupon_pipeline.domain.derivation import DerivedCoupon, full_metadata
from coupon_pipeline.domain.snapshots import Snapshot

CouponKey: TypeAlias = tuple[str, str]
"""Quote coupon and terms hash; the ledger belongs to one org."""


@dataclass(frozen=True, slots=True)
class CouponRequest:
    """One snapshot's need of a coupon."""

    snapshot: Snapshot
    derived: DerivedCoupon
    needs_attachment: bool
    """Whether its discount is still to be made."""
    stripe_ids: tuple[str, ...] = ()
    """What `Stripe_ID__c` names: the order coupon's first, then the quote coupon's."""


@dataclass(frozen=True, slots=True)
class WantedCoupon:
    """A coupon that orders need, once for all of them."""

    derived: DerivedCoupon
    metadata: dict[str, str]
    """All keys of ours, as `derivation.full_metadata` gives them."""
    new_attachments: int
    """How many discounts are still to be made from it."""
    first_order_id: str
    """The order that was activated first among those that use it."""
    stripe_ids: tuple[str, ...] = ()
    """What `Stripe_ID__c` names, on order coupons first and then on the quote coupon."""

    @property
    def key(self) -> CouponKey:
        """What it is known by."""
        return self.derived.quote_coupon_id, self.derived.terms_hash


def wanted_coupons(
    requests: Iterable[CouponRequest], *, instance_url: str, prefix: str = "salesforce_"
) -> tuple[WantedCoupon, ...]:
    """One wanted coupon for each quote coupon and terms, sorted by that key.

    Snapshots with the same terms may differ in metadata; those of the order that was activated
    last count. So give all snapshots that use the coupon, not only those of the days at hand, or an
    older day run again would set the metadata back.
    """
    by_key: dict[CouponKey, list[CouponRequest]] = {}
    for request in requests:
        key = (request.derived.quote_coupon_id, request.derived.terms_hash)
        by_key.setdefault(key, []).append(request)
    return tuple(
        _wanted(sorted(by_key[key], key=_age), instance_url, prefix) for key in sorted(by_key)
    )


def _wanted(requests: list[CouponRequest], instance_url: str, prefix: str) -> WantedCoupon:
    derived = requests[-1].derived
    depth = max(len(request.stripe_ids) for request in requests)
    stripe_ids = (
        request.stripe_ids[place]
        for place in range(depth)
        for request in requests
        if place < len(request.stripe_ids)
    )
    return WantedCoupon(
        derived=derived,
        metadata=full_metadata(derived, instance_url=instance_url, prefix=prefix),
        new_attachments=sum(request.needs_attachment for request in requests),
        first_order_id=requests[0].snapshot.scope.order_id,
        stripe_ids=tuple(dict.fromkeys(stripe_ids)),
    )


def _age(request: CouponRequest) -> tuple[datetime, str]:
    return request.snapshot.activated_at, request.snapshot.snapshot_id
