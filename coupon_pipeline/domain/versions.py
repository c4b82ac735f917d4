"""Observed states of quote coupons, and which of them was in force at a moment."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from coupon_pipeline.domain.raw_values import text_form
from coupon_pipeline.domain.records import CouponVersion

NOT_AN_EDIT = frozenset(
    {
        "Stripe_ID__c",
        "Stripe_Dashboard_Link__c",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
        "LastViewedDate",
        "LastReferencedDate",
        "LastActivityDate",
        "IsDeleted",
    }
)
"""Fields that change without anybody editing the coupon: our own write-back of the Stripe id, what
Salesforce computes from it, and what Salesforce keeps about the record itself."""


def is_edit(previous: CouponVersion, current: CouponVersion) -> bool:
    """Whether somebody changed the coupon between two observations of it.

    A field that only one of them could read, and fields of other records (paths with a point), say
    nothing about an edit of the coupon.
    """
    return previous.currency != current.currency or any(edited_fields(previous, current))


def edited_fields(previous: CouponVersion, current: CouponVersion) -> Iterator[str]:
    """Names of the fields that somebody changed between two observations of a coupon."""
    return (
        name
        for name, before in previous.fields.items()
        if name in current.fields
        and name not in NOT_AN_EDIT
        and "." not in name
        and text_form(before) != text_form(current.fields[name])
    )


def observe(previous: CouponVersion | None, current: CouponVersion) -> CouponVersion:
    """The version to remember: the latest known one brought up to date, or a new one.

    Writing back a Stripe id moves `LastModifiedDate` like an edit. Where nothing but that changed
    the terms have been in force since the earlier time, which is kept.
    """
    if previous is None or is_edit(previous, current):
        return current
    return replace(current, effective_at=min(previous.effective_at, current.effective_at))


class VersionHistory:
    """The known versions of every quote coupon, by the time they took effect."""

    def __init__(self, versions: Iterable[CouponVersion]) -> None:
        """Takes them in any order."""
        by_coupon: dict[str, list[CouponVersion]] = {}
        for version in versions:
            by_coupon.setdefault(version.quote_coupon_id, []).append(version)
        for known in by_coupon.values():
            known.sort(key=_effective_at)
        self._by_coupon: Mapping[str, list[CouponVersion]] = by_coupon

    def in_force(self, quote_coupon_id: str, at: datetime) -> CouponVersion | None:
        """The latest version that had taken effect by then, if one is known."""
        known = self._by_coupon.get(quote_coupon_id, [])
        position = bisect_right(known, at, key=_effective_at)
        return known[position - 1] if position else None

    def earliest(self, quote_coupon_id: str) -> CouponVersion | None:
        """The oldest known version: where none was in force, the nearest to what was."""
        known = self._by_coupon.get(quote_coupon_id)
        return known[0] if known else None

    def around(
        self, quote_coupon_id: str, at: datetime, window: timedelta
    ) -> tuple[CouponVersion, ...]:
        """The version in force if it is younger than the window, and those up to a window later."""
        known = self._by_coupon.get(quote_coupon_id)
        if not known or known[-1].effective_at < at - window:  # most coupons by far
            return ()
        first = max(bisect_right(known, at, key=_effective_at) - 1, 0)
        last = bisect_right(known, at + window, key=_effective_at)
        return tuple(
            version for version in known[first:last] if version.effective_at >= at - window
        )


def _effective_at(version: CouponVersion) -> datetime:
    return version.effective_at
