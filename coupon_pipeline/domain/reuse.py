"""Create, reuse, adopt, update or block: which Stripe coupon serves which terms, and why.

One Stripe coupon per org, quote coupon and terms. Its id is derived from that key, so a coupon is
never made twice; one that somebody else made and that `Stripe_ID__c` names is adopted when its
terms are equal. What Stripe ended (deleted, expired, used up) is not worked around by another.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.raw_values import iso
from coupon_pipeline.domain.terms import (
    Duration,
    TermDifference,
    Terms,
    differences,
)
from coupon_pipeline.domain.wanted import CouponKey, WantedCoupon

Decision: TypeAlias = Literal["create", "reuse", "adopt", "update", "blocked"]

_YEARS_AHEAD = 5
"""How far ahead `redeem_by` may be (https://docs.stripe.com/api/coupons/create)."""

_NONE: Mapping[str, str] = MappingProxyType({})
_STRIPE_ID = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_DERIVED_ID = re.compile(r"sf-[0-9a-z]{18}-[0-9a-f]{16}", re.ASCII)


class Missing(StrEnum):
    """What Stripe answers for an id that it does not give a coupon for."""

    ABSENT = "absent"
    """It knows no such coupon; a deleted one answers the same."""
    DELETED = "deleted"
    """It says that it was deleted."""
    OTHER_MODE = "other_mode"
    """It exists in test mode and the key is live, or the other way round."""


@dataclass(frozen=True, slots=True)
class StripeCoupon:
    """A coupon as read from Stripe, with `applies_to` and `currency_options` expanded."""

    coupon_id: str
    duration: Duration
    name: str | None = None
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: str | None = None
    currency_options: Mapping[str, int] = field(default_factory=dict)
    """Code to amount in minor units."""
    duration_in_months: int | None = None
    max_redemptions: int | None = None
    redeem_by: int | None = None
    applies_to_products: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    times_redeemed: int = 0
    valid: bool = True
    livemode: bool = False


Reading: TypeAlias = StripeCoupon | Missing


@dataclass(frozen=True, slots=True)
class KnownCoupon:
    """A Stripe coupon that the ledger knows to serve a quote coupon's terms."""

    quote_coupon_id: str
    terms_hash: str
    coupon_id: str
    origin: Literal["created", "adopted"]
    terms: Terms
    metadata: Mapping[str, str]
    """The keys of ours as they were last written; none if it is not known to be there."""
    first_order_id: str
    recorded_at: datetime

    @property
    def key(self) -> CouponKey:
        """What it is known by."""
        return self.quote_coupon_id, self.terms_hash


@dataclass(frozen=True, slots=True)
class NearMatch:
    """A coupon that was looked at and rejected, and what made it another one."""

    coupon_id: str
    differences: tuple[TermDifference, ...]


@dataclass(frozen=True, slots=True)
class CouponAction:
    """What is done about one wanted coupon, and why."""

    decision: Decision
    quote_coupon_id: str
    terms_hash: str
    terms: Terms
    coupon_id: str
    """The Stripe coupon that serves, will serve or would have served."""
    reason: str
    metadata: Mapping[str, str]
    """All keys of ours as they shall be."""
    metadata_changes: Mapping[str, str] = field(default_factory=dict)
    """What to send: everything for `create`, only the differing keys else; "" unsets a key."""
    near_matches: tuple[NearMatch, ...] = ()
    blocked: Blocked | None = None
    redemptions_left: int | None = None
    """How many more discounts Stripe will make from it; None without a limit or when not read."""

    @property
    def key(self) -> CouponKey:
        """What it is known by."""
        return self.quote_coupon_id, self.terms_hash


def terms_of_stripe(coupon: StripeCoupon) -> Terms:
    """The terms of a coupon in Stripe, in the same form as derived ones."""
    return Terms.of(
        duration=coupon.duration,
        name=coupon.name,
        percent_off=coupon.percent_off,
        amount_off=coupon.amount_off,
        currency=coupon.currency,
        currency_options=coupon.currency_options,
        duration_in_months=coupon.duration_in_months,
        max_redemptions=coupon.max_redemptions,
        redeem_by=coupon.redeem_by,
        applies_to_products=coupon.applies_to_products,
    )


class CouponPlanner:
    """Decides on wanted coupons against what the ledger knows. Holds no state of its own."""

    def __init__(
        self,
        known: Iterable[KnownCoupon],
        *,
        now: datetime,
        livemode: bool,
        perhaps_granted: Collection[str] = (),
    ) -> None:
        """`known` are all coupons of the ledger, of other terms too; `livemode` is the key's.

        Of the ids in `perhaps_granted` nobody knows whether an interrupted run has made the
        discount: it may itself have used the coupon up, so that their end decides nothing.
        """
        self._perhaps_granted = frozenset(perhaps_granted)
        self._known: dict[CouponKey, KnownCoupon] = {}
        self._siblings: dict[str, list[KnownCoupon]] = {}
        self._owners: dict[str, str] = {}
        for coupon in sorted(known, key=lambda each: (each.recorded_at, each.coupon_id)):
            self._known[coupon.key] = coupon
            self._siblings.setdefault(coupon.quote_coupon_id, []).append(coupon)
            self._owners[coupon.coupon_id] = coupon.quote_coupon_id
        self._now = now
        self._livemode = livemode

    def next_reads(self, wanted: Iterable[WantedCoupon]) -> frozenset[str]:
        """The ids that must be read from Stripe before `plan` can decide.

        None where no discount is to be made, nor where nothing names a coupon: then it is created
        straight away, and `after_conflict` decides if its id is taken.
        """
        return frozenset(
            coupon_id
            for coupon in wanted
            if coupon.new_attachments
            for coupon_id in self._to_read(coupon)
        )

    def plan(
        self, wanted: Iterable[WantedCoupon], readings: Mapping[str, Reading]
    ) -> tuple[CouponAction, ...]:
        """What to do about each wanted coupon, given a reading of every id of `next_reads`.

        Sorted by key. A coupon that is not known and that nothing new is attached to has no action.
        """
        owners = dict(self._owners)
        actions = []
        for coupon in sorted(wanted, key=lambda each: each.key):
            known = self._known.get(coupon.key)
            if known is not None:
                actions.append(self._of_known(coupon, known, readings))
            elif coupon.new_attachments:
                action = self._of_unknown(coupon, readings, owners)
                if action.blocked is None:
                    owners[action.coupon_id] = action.quote_coupon_id
                actions.append(action)
        return tuple(actions)

    def after_conflict(self, wanted: WantedCoupon, reading: Reading) -> CouponAction:
        """What to do when Stripe answered that the derived id exists already."""
        return self._of_reading(
            wanted,
            wanted.derived.coupon_id,
            reading,
            decision="reuse",
            reason=f"Stripe coupon {wanted.derived.coupon_id} was there already, made from the "
            "same terms.",
        )

    def _to_read(self, wanted: WantedCoupon) -> tuple[str, ...]:
        known = self._known.get(wanted.key)
        return (known.coupon_id,) if known is not None else self._candidates(wanted)

    def _candidates(self, wanted: WantedCoupon) -> tuple[str, ...]:
        """Named ids that may be this coupon.

        Not those that the ledger knows to be of other terms, and not an id of our own making other
        than the derived one: it was made from other terms, so what became of it says nothing here.
        """
        derived = wanted.derived
        other = {each.coupon_id for each in self._siblings.get(derived.quote_coupon_id, ())}
        return tuple(
            each
            for each in dict.fromkeys(wanted.stripe_ids)
            if each == derived.coupon_id
            or (
                each not in other and _STRIPE_ID.fullmatch(each) and not _DERIVED_ID.fullmatch(each)
            )
        )

    def _of_known(
        self, wanted: WantedCoupon, known: KnownCoupon, readings: Mapping[str, Reading]
    ) -> CouponAction:
        verb = "Made" if known.origin == "created" else "Adopted"
        reason = (
            f"{verb} at {iso(known.recorded_at)} for order {known.first_order_id}; the terms are "
            "the same."
        )
        if wanted.new_attachments:
            return self._of_reading(
                wanted,
                known.coupon_id,
                readings[known.coupon_id],
                decision="reuse",
                reason=reason,
                written=known.metadata,
            )
        if not known.metadata:  # only a proof tells of it: it may be gone, or somebody else's
            action = self._action(wanted, "reuse", known.coupon_id, reason)
            return replace(action, metadata=_NONE)
        changes = metadata_changes(wanted.metadata, known.metadata, known.metadata)
        return self._action(
            wanted,
            "update" if changes else "reuse",
            known.coupon_id,
            _updating(reason, changes),
            metadata_changes=changes,
        )

    def _of_unknown(
        self,
        wanted: WantedCoupon,
        readings: Mapping[str, Reading],
        owners: Mapping[str, str],
    ) -> CouponAction:
        """`owners` says which quote coupon a Stripe coupon serves already: it serves no other."""
        derived = wanted.derived
        rejected: list[NearMatch] = []
        gone: list[CouponAction] = []
        for coupon_id in self._candidates(wanted):
            reading = readings[coupon_id]
            ours = coupon_id == derived.coupon_id
            found = () if isinstance(reading, Missing) else _identity(derived, reading)
            owner = owners.get(coupon_id, derived.quote_coupon_id)
            if owner != derived.quote_coupon_id:
                found = (TermDifference("quote coupon", derived.quote_coupon_id, owner),)
            if found and not ours:
                rejected.append(NearMatch(coupon_id, found))
                continue
            action = self._of_reading(
                wanted,
                coupon_id,
                reading,
                decision="reuse" if ours else "adopt",
                reason=f"Found again in Stripe as {coupon_id}, made from the same terms."
                if ours
                else f"Stripe_ID__c names {coupon_id}, and its terms are the same.",
            )
            if not isinstance(reading, Missing):
                return replace(action, near_matches=tuple(rejected))
            gone.append(action)
        if gone:
            return replace(gone[0], near_matches=tuple(rejected))
        return self._create(wanted, (*rejected, *self._latest_sibling(derived)))

    def _latest_sibling(self, derived: DerivedCoupon) -> tuple[NearMatch, ...]:
        siblings = self._siblings.get(derived.quote_coupon_id)
        if not siblings:
            return ()
        latest = siblings[-1]
        return (NearMatch(latest.coupon_id, differences(derived.terms, latest.terms)),)

    def _create(self, wanted: WantedCoupon, near: tuple[NearMatch, ...]) -> CouponAction:
        terms = wanted.derived.terms
        fault = self._redeem_by_fault(wanted)
        if fault is not None:
            return self._block(wanted, wanted.derived.coupon_id, fault, near)
        reason = "No Stripe coupon has these terms of the quote coupon yet."
        if near:
            found = "; ".join(str(each) for each in near[0].differences)
            reason = f"{reason} The nearest, {near[0].coupon_id}, is another one: {found}."
        return self._action(
            wanted,
            "create",
            wanted.derived.coupon_id,
            reason,
            metadata_changes=wanted.metadata,
            near_matches=near,
            redemptions_left=terms.max_redemptions,
        )

    def _redeem_by_fault(self, wanted: WantedCoupon) -> Blocked | None:
        """Stripe refuses a coupon that has expired before it is made, or that lasts too long."""
        redeem_by = wanted.derived.terms.redeem_by
        if redeem_by is None:
            return None
        until = datetime.fromtimestamp(redeem_by, UTC)
        details = {"coupon_id": wanted.derived.coupon_id, "redeem_by": iso(until)}
        if until <= self._now:
            return Blocked("coupon.expired", details)
        if until > _years_after(self._now, _YEARS_AHEAD):
            return Blocked("coupon.redeem_by_too_far", details)
        return None

    def _of_reading(
        self,
        wanted: WantedCoupon,
        coupon_id: str,
        reading: Reading,
        *,
        decision: Literal["reuse", "adopt"],
        reason: str,
        written: Mapping[str, str] = _NONE,
    ) -> CouponAction:
        """The action on a coupon that should be the wanted one, as Stripe has it now."""
        fault = self._fault(wanted.derived, coupon_id, reading)
        if fault is not None:
            return self._block(wanted, coupon_id, fault)
        assert isinstance(reading, StripeCoupon), "a missing coupon is a fault"
        changes = metadata_changes(wanted.metadata, reading.metadata, written)
        limit = reading.max_redemptions
        return self._action(
            wanted,
            "update" if changes and decision == "reuse" else decision,
            coupon_id,
            _updating(reason, changes),
            metadata_changes=changes,
            redemptions_left=None if limit is None else limit - reading.times_redeemed,
        )

    def _fault(self, derived: DerivedCoupon, coupon_id: str, reading: Reading) -> Blocked | None:
        """Why no new discount can be made from the coupon, if so."""
        details = {"coupon_id": coupon_id}
        mode = {True: "live", False: "test"}
        if isinstance(reading, Missing):
            if reading is not Missing.OTHER_MODE:
                return Blocked("coupon.deleted_in_stripe", details)
            other = mode[not self._livemode]
        else:
            other = mode[reading.livemode]
        if other != mode[self._livemode]:
            modes = {"coupon_mode": other, "mode": mode[self._livemode]}
            return Blocked("coupon.livemode_mismatch", {**details, **modes})
        assert isinstance(reading, StripeCoupon), "every kind of missing has returned"
        found = _identity(derived, reading)
        if found:
            told = "; ".join(str(each) for each in found)
            return Blocked("coupon.id_conflict", {**details, "differences": told})
        return self._ended(details, reading)

    def _ended(self, details: Mapping[str, str], coupon: StripeCoupon) -> Blocked | None:
        if coupon.coupon_id in self._perhaps_granted:
            return None
        if coupon.redeem_by is not None:
            until = datetime.fromtimestamp(coupon.redeem_by, UTC)
            if until <= self._now:
                return Blocked("coupon.expired", {**details, "redeem_by": iso(until)})
        limit = coupon.max_redemptions
        if limit is not None and coupon.times_redeemed >= limit:
            used = {"redeemed": str(coupon.times_redeemed), "limit": str(limit)}
            return Blocked("coupon.exhausted", {**details, **used})
        return None if coupon.valid else Blocked("coupon.not_valid", details)

    def _block(
        self,
        wanted: WantedCoupon,
        coupon_id: str,
        fault: Blocked,
        near: tuple[NearMatch, ...] = (),
    ) -> CouponAction:
        problem = fault.problem(quote_coupon_id=wanted.derived.quote_coupon_id)
        return self._action(
            wanted, "blocked", coupon_id, problem.message, near_matches=near, blocked=fault
        )

    @staticmethod
    def _action(
        wanted: WantedCoupon,
        decision: Decision,
        coupon_id: str,
        reason: str,
        *,
        metadata_changes: Mapping[str, str] = _NONE,
        near_matches: tuple[NearMatch, ...] = (),
        blocked: Blocked | None = None,
        redemptions_left: int | None = None,
    ) -> CouponAction:
        return CouponAction(
            decision=decision,
            quote_coupon_id=wanted.derived.quote_coupon_id,
            terms_hash=wanted.derived.terms_hash,
            terms=wanted.derived.terms,
            coupon_id=coupon_id,
            reason=reason,
            metadata=wanted.metadata,
            metadata_changes=metadata_changes,
            near_matches=near_matches,
            blocked=blocked,
            redemptions_left=redemptions_left,
        )


def metadata_changes(
    wanted: Mapping[str, str], present: Mapping[str, str], written: Mapping[str, str]
) -> dict[str, str]:
    """The keys to send so that ours are right: those that differ, and "" for those to unset.

    `present` is what the coupon has, `written` what we wrote last: only a key that we wrote is
    ever unset, everybody else's are left alone.
    """
    changes = {
        key: value for key, value in wanted.items() if not _is_same(key, value, present.get(key))
    }
    obsolete = [key for key in written if key not in wanted and key in present]
    return changes | dict.fromkeys(obsolete, "")


def _is_same(key: str, wanted: str, present: str | None) -> bool:
    """A link counts by its path: a My Domain that was renamed still leads to the record."""
    if key.endswith("quote_stripe_coupon_link") and present is not None:
        return urlsplit(wanted).path == urlsplit(present).path
    return wanted == present


def _identity(derived: DerivedCoupon, coupon: StripeCoupon) -> tuple[TermDifference, ...]:
    """What makes a coupon in Stripe another one: a term, or the quote coupon that it names."""
    found = differences(derived.terms, terms_of_stripe(coupon))
    for key, value in coupon.metadata.items():
        if key.endswith("quote_stripe_coupon_id") and value[:15] != derived.quote_coupon_id[:15]:
            found = (*found, TermDifference(f"metadata {key}", derived.quote_coupon_id, value))
    return found


def _updating(reason: str, changes: Mapping[str, str]) -> str:
    if not changes:
        return reason
    return f"{reason} Metadata to bring up to date: {', '.join(sorted(changes))}."


def _years_after(moment: datetime, years: int) -> datetime:
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:  # 29 February
        return moment.replace(year=moment.year + years, day=28)
