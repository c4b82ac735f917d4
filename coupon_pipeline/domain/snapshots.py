"""Associations, order coupons and coupon versions -> snapshots with their evidence.

A snapshot is the coupon as it stood when the order activated, for one order or one order item. It
is made on first sight and never rewritten; what is missing or doubtful about it is reported anew
by every run.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Literal, TypeAlias

from coupon_pipeline.domain.grants import Grant, group_grants
from coupon_pipeline.domain.problems import Effect, Problem
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.raw_values import iso, text_form
from coupon_pipeline.domain.records import (
    Association,
    CouponVersion,
    Order,
    OrderCoupon,
    OrderItem,
    RawFields,
    Scope,
)
from coupon_pipeline.domain.versions import VersionHistory

Evidence: TypeAlias = Literal["order_coupon", "coupon_version", "quote_coupon_today"]

COPIED_FIELDS = (
    "Name__c",
    "Amount_Off__c",
    "Percent_Off__c",
    "Duration__c",
    "Duration_In_Months__c",
    "Max_Redemptions__c",
)
"""What the order coupon holds of the quote coupon's terms. The currency is not among them."""

_CURRENCY = "CurrencyIsoCode"
_NO_RATES: Mapping[date, ConversionRates] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """What an operator may decide about snapshots."""

    uncertain: Literal["use", "block"] = "use"
    """Whether a coupon without proof of its terms is used with a warning or held back."""
    apply_late: bool = False
    """Whether associations made after activation count."""
    race_window: timedelta = timedelta(seconds=60)
    """How near to the activation a change of the coupon is suspected of a race."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A quote coupon for one scope, frozen as it stood when the order activated."""

    snapshot_id: str
    org_id: str
    scope: Scope
    quote_coupon_id: str
    association_id: str | None
    """None where an order coupon is all that is left."""
    association_created_at: datetime | None
    activated_at: datetime
    evidence: Evidence
    evidence_record_id: str
    """The order coupon's id, else the quote coupon's."""
    evidence_at: datetime
    """When the order coupon was made, else when the version took effect."""
    terms_uncertain: bool
    currency: str | None
    """The quote coupon's `CurrencyIsoCode`; None in an org with a single currency."""
    quote_currency: str | None
    order_currency: str | None
    association_currency: str | None
    fields: RawFields
    rates: ConversionRates | None = None
    """The org's rates on the day of activation, where the mapping converts amounts."""


@dataclass(frozen=True, slots=True)
class MissingOrderCoupon:
    """An order coupon that the trigger should have left and did not."""

    snapshot_id: str
    scope: Scope
    quote_coupon_id: str
    fields: RawFields
    """The copied term fields, to be written as they are."""
    currency: str | None
    terms_uncertain: bool
    """Whether it would state as a fact what nobody can prove."""


@dataclass(frozen=True, slots=True)
class SnapshotResult:
    """What a look at the records gives: new snapshots, and what is to be said about all."""

    new: tuple[Snapshot, ...]
    problems: tuple[Problem, ...]
    missing_order_coupons: tuple[MissingOrderCoupon, ...]


def snapshot_id(org_id: str, scope: Scope, quote_coupon_id: str) -> str:
    """The id that the snapshot of a coupon for a scope has, whoever makes it and whenever."""
    key = f"{org_id}|{scope.order_id}|{scope.order_item_id or ''}|{quote_coupon_id}"
    return f"sn_{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def is_snapshot_id(text: str) -> bool:
    """Whether the text has the form that `snapshot_id` gives."""
    return re.fullmatch(r"sn_[0-9a-f]{24}", text, re.ASCII) is not None


def take_snapshots(
    org_id: str,
    *,
    orders: Iterable[Order],
    items: Iterable[OrderItem],
    associations: Iterable[Association],
    order_coupons: Iterable[OrderCoupon],
    versions: Iterable[CouponVersion],
    frozen: Mapping[str, Snapshot],
    policy: SnapshotPolicy = SnapshotPolicy(),
    rates: Mapping[date, ConversionRates] = _NO_RATES,
) -> SnapshotResult:
    """The snapshots that the given orders need and do not have yet, and what is odd about any.

    `versions` are all that are known, today's observations included. `frozen` holds the snapshots
    made before, by id. `rates` holds the org's rates by day of activation and is given only where
    amounts are converted. The result does not depend on the order of the rows.
    """
    grants = group_grants(
        orders=orders,
        items=items,
        associations=associations,
        order_coupons=order_coupons,
    )
    taker = _Taker(org_id, VersionHistory(versions), frozen, policy, rates)
    taker.with_copies = {grant.order.order_id for grant in grants if grant.order_coupons}
    for grant in grants:
        taker.take(grant)
    return SnapshotResult(tuple(taker.new), tuple(taker.problems), tuple(taker.missing))


class _Taker:
    """Goes through the grants once and collects what comes of them."""

    def __init__(
        self,
        org_id: str,
        history: VersionHistory,
        frozen: Mapping[str, Snapshot],
        policy: SnapshotPolicy,
        rates: Mapping[date, ConversionRates],
    ) -> None:
        self._org_id = org_id
        self._history = history
        self._frozen = frozen
        self._policy = policy
        self._rates = rates
        self.with_copies: set[str] = set()
        self.new: list[Snapshot] = []
        self.problems: list[Problem] = []
        self.missing: list[MissingOrderCoupon] = []

    def take(self, grant: Grant) -> None:
        """One grant: its snapshot if it is new, and what is odd about it."""
        promised = bool(grant.in_time or grant.order_coupons)
        if not promised:
            self._report_late(grant)
            if not self._policy.apply_late:
                return
        its_id = snapshot_id(self._org_id, grant.scope, grant.quote_coupon_id)
        known = self._frozen.get(its_id)
        snapshot = known or self._make(grant, its_id)
        if snapshot is None:
            return
        if snapshot.terms_uncertain:
            self._report_uncertain(grant, snapshot, is_new=known is None)
            if known is None and self._policy.uncertain == "block":
                return
        if known is None:
            self.new.append(snapshot)
        self._report_copies(grant, snapshot)
        if promised:
            self._report_race(grant, snapshot)
        self._report_duplicates(grant)

    def _make(self, grant: Grant, its_id: str) -> Snapshot | None:
        """The snapshot by the best evidence there is; None (and a problem) where there is none."""
        first = next(iter(grant.in_time or grant.late), None)
        at = grant.order.activated_at
        if not grant.order_coupons and not grant.in_time and first is not None:
            at = first.created_at
        in_force = self._history.in_force(grant.quote_coupon_id, at)
        version = in_force or self._history.earliest(grant.quote_coupon_id)
        copy = next(iter(grant.order_coupons), None)
        if copy is None and (version is None or not version.fields):
            self._tell("coupon.record_missing", grant)
            return None
        if copy is not None and version is None and _amount_without_currency(copy, grant.order):
            amount = text_form(copy.fields.get("Amount_Off__c")) or ""
            self._tell("currency.missing", grant, {"amount": amount})
            return None
        evidence, record_id, evidence_at = _evidence(copy, in_force, version)
        order = grant.order
        return Snapshot(
            snapshot_id=its_id,
            org_id=self._org_id,
            scope=grant.scope,
            quote_coupon_id=grant.quote_coupon_id,
            association_id=first.association_id if first else None,
            association_created_at=first.created_at if first else None,
            activated_at=order.activated_at,
            evidence=evidence,
            evidence_record_id=record_id,
            evidence_at=evidence_at,
            terms_uncertain=evidence == "quote_coupon_today",
            currency=version.currency if version else None,
            quote_currency=order.quote_currency,
            order_currency=order.currency,
            association_currency=first.currency if first else None,
            fields=_fields(version, copy),
            rates=self._rates.get(order.activation_day),
        )

    def _report_late(self, grant: Grant) -> None:
        code = "association.late_applied" if self._policy.apply_late else "association.late"
        for association in grant.late:
            self._tell(
                code,
                grant,
                {
                    "association_id": association.association_id,
                    "created_at": iso(association.created_at),
                    "activated_at": iso(grant.order.activated_at),
                },
            )

    def _report_uncertain(self, grant: Grant, snapshot: Snapshot, *, is_new: bool) -> None:
        """A frozen one that policy holds back is blocked where its terms are derived."""
        blocks = self._policy.uncertain == "block"
        if blocks and not is_new:
            return
        self._tell(
            "coupon.terms_uncertain",
            grant,
            {
                "activated_at": iso(snapshot.activated_at),
                "effective_at": iso(snapshot.evidence_at),
            },
            Effect.BLOCKED if blocks else None,
        )

    def _report_copies(self, grant: Grant, snapshot: Snapshot) -> None:
        if not grant.order_coupons:
            if grant.in_time:
                self._report_missing(grant, snapshot)
            return
        first = grant.order_coupons[0]
        if len(grant.order_coupons) > 1:
            ids = [each.order_coupon_id for each in grant.order_coupons]
            self._tell(
                "order_coupon.duplicate",
                grant,
                {
                    "count": str(len(ids)),
                    "order_coupon_ids": ", ".join(ids),
                    "order_coupon_id": ids[0],
                },
            )
        theirs, ours = text_form(first.fields.get(_CURRENCY)), snapshot.currency
        has_amount = snapshot.fields.get("Amount_Off__c") is not None
        if has_amount and theirs and ours and theirs != ours:
            self._tell(
                "order_coupon.currency_differs",
                grant,
                {
                    "order_coupon_id": first.order_coupon_id,
                    "order_coupon_currency": theirs,
                    "quote_coupon_currency": ours,
                },
            )

    def _report_missing(self, grant: Grant, snapshot: Snapshot) -> None:
        some = grant.order.order_id in self.with_copies
        self._tell("order_coupon.partial" if some else "order_coupon.missing", grant)
        fields = snapshot.fields
        self.missing.append(
            MissingOrderCoupon(
                snapshot_id=snapshot.snapshot_id,
                scope=snapshot.scope,
                quote_coupon_id=snapshot.quote_coupon_id,
                fields={name: fields[name] for name in COPIED_FIELDS if name in fields},
                currency=snapshot.currency,
                terms_uncertain=snapshot.terms_uncertain,
            )
        )

    def _report_race(self, grant: Grant, snapshot: Snapshot) -> None:
        at = snapshot.activated_at
        for version in self._history.around(snapshot.quote_coupon_id, at, self._policy.race_window):
            found = list(_copied_differences(snapshot.fields, version.fields))
            if found:
                self._tell(
                    "coupon.race",
                    grant,
                    {
                        "activated_at": iso(at),
                        "effective_at": iso(version.effective_at),
                        "differences": "; ".join(found),
                    },
                )

    def _report_duplicates(self, grant: Grant) -> None:
        live = [each.association_id for each in grant.in_time if not each.is_deleted]
        if len(live) > 1:
            self._tell(
                "association.duplicate",
                grant,
                {"count": str(len(live)), "association_ids": ", ".join(live)},
            )

    def _tell(
        self,
        code: str,
        grant: Grant,
        details: Mapping[str, str] = MappingProxyType({}),
        effect: Effect | None = None,
    ) -> None:
        self.problems.append(
            Problem(
                code,
                details,
                order_id=grant.order.order_id,
                order_item_id=grant.scope.order_item_id,
                quote_coupon_id=grant.quote_coupon_id,
                effect_override=effect,
            )
        )


def _evidence(
    copy: OrderCoupon | None, in_force: CouponVersion | None, version: CouponVersion | None
) -> tuple[Evidence, str, datetime]:
    if copy is not None:
        return "order_coupon", copy.order_coupon_id, copy.created_at
    if in_force is not None:
        return "coupon_version", in_force.quote_coupon_id, in_force.effective_at
    assert version is not None, "without any evidence no snapshot is made"
    return "quote_coupon_today", version.quote_coupon_id, version.effective_at


def _fields(version: CouponVersion | None, copy: OrderCoupon | None) -> RawFields:
    """The version's fields under the terms of the copy, a null in the copy included.

    The version's own mapping is shared where the copy says the same: most orders by far.
    """
    base = version.fields if version else {}
    if copy is None:
        return base
    copied = {name: copy.fields[name] for name in COPIED_FIELDS if name in copy.fields}
    if all(name in base and base[name] == value for name, value in copied.items()):
        return base
    return {**base, **copied}


def _amount_without_currency(copy: OrderCoupon, order: Order) -> bool:
    """An amount in an org with several currencies, whose currency only the quote coupon knows."""
    return order.currency is not None and copy.fields.get("Amount_Off__c") is not None


def _copied_differences(frozen: RawFields, other: RawFields) -> Iterator[str]:
    for name in COPIED_FIELDS:
        if name in frozen and name in other:
            ours, theirs = text_form(frozen[name]), text_form(other[name])
            if ours != theirs:
                yield f"{name} is {ours or 'empty'} on the order and became {theirs or 'empty'}"
