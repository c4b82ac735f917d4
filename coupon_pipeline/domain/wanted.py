"""Snapshots that need the same Stripe coupon -> that coupon, wanted once for all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from coupon_pipeline.domain.derivation import DerivedCoupon, full_metadata
from coupon_pipeline.domain.snapshots import Snapshot

CouponKey: TypeAlias = tuple[str, str]
"""Quote coupon and terms hash; the ledger belongs to one org."""

_Age: TypeAlias = tuple[datetime, str]


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
    older day run again would set the metadata back. Each request is looked at once and let go.
    """
    found: dict[CouponKey, _Wanting] = {}
    for request in requests:
        key = (request.derived.quote_coupon_id, request.derived.terms_hash)
        wanting = found.get(key)
        if wanting is None:
            wanting = found[key] = _Wanting(request)
        wanting.add(request)
    return tuple(found[key].wanted(instance_url, prefix) for key in sorted(found))


class _Wanting:
    """What is kept of the requests for one coupon, however many there are."""

    __slots__ = ("_first", "_last", "_new_attachments", "_stripe_ids")

    def __init__(self, request: CouponRequest) -> None:
        self._first = self._last = request
        self._new_attachments = 0
        self._stripe_ids: dict[str, tuple[int, _Age]] = {}
        """By how near they were named and by which request, least first."""

    def add(self, request: CouponRequest) -> None:
        age = _age(request)
        if age < _age(self._first):
            self._first = request
        if age > _age(self._last):
            self._last = request
        self._new_attachments += request.needs_attachment
        for place, stripe_id in enumerate(request.stripe_ids):
            rank = (place, age)
            self._stripe_ids[stripe_id] = min(self._stripe_ids.get(stripe_id, rank), rank)

    def wanted(self, instance_url: str, prefix: str) -> WantedCoupon:
        derived = self._last.derived
        return WantedCoupon(
            derived=derived,
            metadata=full_metadata(derived, instance_url=instance_url, prefix=prefix),
            new_attachments=self._new_attachments,
            first_order_id=self._first.snapshot.scope.order_id,
            stripe_ids=tuple(sorted(self._stripe_ids, key=self._stripe_ids.__getitem__)),
        )


def _age(request: CouponRequest) -> _Age:
    return request.snapshot.activated_at, request.snapshot.snapshot_id
