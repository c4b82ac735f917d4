"""What was decided: snapshots, their terms, Stripe coupons, attachments."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, cast

from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.records import Order, RawFields, Scope
from coupon_pipeline.domain.snapshots import Evidence, Snapshot
from coupon_pipeline.domain.targets import GrantedAttachment
from coupon_pipeline.domain.terms import Terms, canonical, coupon_id, terms_from_canonical
from coupon_pipeline.ledger.rows import (
    Cell,
    decode_fields,
    decode_list,
    decode_texts,
    encode_fields,
    json_text,
    utc,
)
from coupon_pipeline.ledger.transaction import Transaction

CouponOrigin: TypeAlias = Literal["created", "adopted"]


@dataclass(frozen=True, slots=True)
class RecordedCoupon:
    """A Stripe coupon that stands for the terms of a quote coupon."""

    quote_coupon_id: str
    terms_hash: str
    coupon_id: str
    origin: CouponOrigin
    reason: str
    terms: Terms
    metadata: Mapping[str, str]
    """The keys of ours as they were last written."""
    mapping_hash: str
    first_order_id: str
    recorded_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class CouponDecision:
    """The latest decision on the coupon of a snapshot."""

    snapshot_id: str
    decision: str
    coupon_id: str | None
    code: str | None
    reason: str
    differences: tuple[str, ...]
    redemptions_left: int | None
    """How many more discounts Stripe would make from the coupon; None without a limit."""
    decided_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """The latest decision on the discount of a snapshot.

    `attached_at` is set once it was attached or adopted and is never unset.
    """

    snapshot_id: str
    outcome: str
    code: str | None
    details: Mapping[str, str]
    reason: str
    coupon_id: str | None
    target_id: str | None
    place: str | None
    """The subscription or subscription item that has the discount."""
    discount_id: str | None
    phases: tuple[int, ...]
    """Starts of the phases that it was put on, for a schedule."""
    attached_at: datetime | None
    decided_at: datetime
    run_id: str
    schedule_id: str | None
    """The schedule whose phases those are."""

    @property
    def granted(self) -> bool:
        """Whether it was attached or adopted at some time."""
        return self.attached_at is not None


@dataclass(frozen=True, slots=True)
class Carry:
    """A discount that later phases of a target need and that does not exist yet."""

    target_id: str
    snapshot_id: str
    coupon_id: str
    due_from: datetime
    before: datetime
    phases: tuple[int, ...]


def record_snapshots(
    tx: Transaction, snapshots: Iterable[Snapshot], frozen_at: datetime, run_id: str
) -> None:
    """Freeze snapshots; one that is frozen already is left as it is."""
    texts: dict[int, str] = {}

    def text_of(fields: RawFields) -> str:
        """Snapshots of a coupon share their fields, which are so many that it pays to look."""
        return texts.get(id(fields)) or texts.setdefault(id(fields), encode_fields(fields))

    tx.stage("coupon_snapshots", ["frozen_at", "run_id"], [(frozen_at, run_id)], name="freezing")
    tx.stage(
        "coupon_snapshots",
        _SNAPSHOT_COLUMNS,
        [
            (
                s.snapshot_id,
                s.org_id,
                s.scope.order_id,
                s.scope.order_item_id,
                s.quote_coupon_id,
                s.association_id,
                s.association_created_at,
                s.activated_at,
                s.evidence,
                s.evidence_record_id,
                s.evidence_at,
                s.terms_uncertain,
                s.currency,
                s.quote_currency,
                s.order_currency,
                s.association_currency,
                text_of(s.fields),
                None if s.rates is None else s.rates.to_json(),
            )
            for s in snapshots
        ],
    )
    tx.run("freeze_snapshots")


def read_snapshots(tx: Transaction) -> list[Snapshot]:
    """Frozen snapshots of the selected orders, in the order of association."""
    return [_snapshot(row) for row in tx.rows("snapshots")]


def count_snapshots(tx: Transaction) -> tuple[int, int]:
    """How many snapshots the selected orders have, and of how many the coupon is blocked.

    One whose discount was granted is not blocked by what was found out later.
    """
    return cast("tuple[int, int]", tx.rows("snapshots_and_blocked")[0])


def record_rates(tx: Transaction, snapshots: Iterable[Snapshot]) -> None:
    """Complete snapshots that were frozen while nothing was converted with the rates of their day.

    Rates that a snapshot has are left as they are.
    """
    rows = [(s.snapshot_id, s.rates.to_json()) for s in snapshots if s.rates is not None]
    if rows:
        tx.stage("coupon_snapshots", ["snapshot_id", "rates"], rows)
        tx.run("complete_rates")


def read_ungranted_terms(tx: Transaction) -> list[Terms]:
    """The terms of what the selected orders may still be granted, one of each discount."""
    return [
        terms_from_canonical(cast("str", terms))
        for terms, number in tx.rows("ungranted_terms")
        for _ in range(cast("int", number))
    ]


def read_siblings(tx: Transaction) -> list[Snapshot]:
    """Snapshots of other orders that use the same coupons: the first and last of each terms."""
    return [_snapshot(row) for row in tx.rows("sibling_snapshots")]


def record_terms(
    tx: Transaction, mapping_hash: str, derived: Mapping[str, DerivedCoupon | Blocked]
) -> None:
    """Keep what the mapping makes of frozen fields, by snapshot id."""
    cells: dict[int, tuple[Cell, ...]] = {}

    def cells_of(made: DerivedCoupon | Blocked) -> tuple[Cell, ...]:
        """Most snapshots share what was derived with others, and it is put into text once."""
        return cells.get(id(made)) or cells.setdefault(id(made), _derived_cells(made))

    tx.upsert(
        "snapshot_terms",
        ["snapshot_id"],
        ["snapshot_id", "mapping_hash", "terms", "terms_hash", "metadata", "code", "details"],
        [(snapshot_id, mapping_hash, *cells_of(made)) for snapshot_id, made in derived.items()],
    )


def read_terms(
    tx: Transaction, snapshots: Iterable[Snapshot]
) -> dict[str, DerivedCoupon | Blocked]:
    """What `record_terms` kept for these snapshots, by snapshot id."""
    by_id = {s.snapshot_id: s for s in snapshots}
    tx.stage("snapshot_terms", ["snapshot_id"], [(snapshot_id,) for snapshot_id in by_id])
    return {
        cast("str", row[0]): _derived(by_id[cast("str", row[0])], row)
        for row in tx.rows("snapshot_terms")
    }


def record_coupons(tx: Transaction, coupons: Iterable[RecordedCoupon]) -> None:
    """Keep Stripe coupons; metadata and mapping of a known one are brought up to date."""
    tx.upsert(
        "stripe_coupons",
        ["quote_coupon_id", "terms_hash"],
        _COUPON_COLUMNS,
        [
            (
                c.quote_coupon_id,
                c.terms_hash,
                c.coupon_id,
                c.origin,
                c.reason,
                canonical(c.terms),
                json_text(dict(c.metadata)),
                c.mapping_hash,
                c.first_order_id,
                c.recorded_at,
                c.run_id,
            )
            for c in coupons
        ],
    )


def read_coupons(tx: Transaction) -> dict[tuple[str, str], RecordedCoupon]:
    """Stripe coupons of the selected orders' quote coupons, by quote coupon and terms hash."""
    known = [_coupon(row) for row in tx.rows("known_coupons")]
    return {(coupon.quote_coupon_id, coupon.terms_hash): coupon for coupon in known}


def read_all_coupons(tx: Transaction) -> list[RecordedCoupon]:
    """Every Stripe coupon that the ledger knows."""
    return [_coupon(row) for row in tx.rows("all_coupons")]


def record_coupon_decisions(tx: Transaction, decisions: Iterable[CouponDecision]) -> None:
    """Keep the latest decision on each snapshot's coupon."""
    tx.upsert(
        "coupon_decisions",
        ["snapshot_id"],
        _DECISION_COLUMNS,
        (
            (
                d.snapshot_id,
                d.decision,
                d.coupon_id,
                d.code,
                d.reason,
                json_text(list(d.differences)),
                d.redemptions_left,
                d.decided_at,
                d.run_id,
            )
            for d in decisions
        ),
    )


def read_coupon_decisions(tx: Transaction) -> dict[str, CouponDecision]:
    """The latest decisions on the selected orders' coupons, by snapshot id."""
    return {
        cast("str", row[0]): CouponDecision(
            snapshot_id=cast("str", row[0]),
            decision=cast("str", row[1]),
            coupon_id=cast("str | None", row[2]),
            code=cast("str | None", row[3]),
            reason=cast("str", row[4]),
            differences=decode_list(cast("str", row[5])),
            redemptions_left=cast("int | None", row[6]),
            decided_at=utc(cast("datetime", row[7])),
            run_id=cast("str", row[8]),
        )
        for row in tx.rows("coupon_decisions")
    }


def record_attachments(tx: Transaction, attachments: Iterable[Attachment]) -> None:
    """Keep the latest decision on each snapshot's discount."""
    tx.upsert(
        "coupon_attachments",
        ["snapshot_id"],
        _ATTACHMENT_COLUMNS,
        [
            (
                a.snapshot_id,
                a.outcome,
                a.code,
                json_text(dict(a.details)),
                a.reason,
                a.coupon_id,
                a.target_id,
                a.place,
                a.discount_id,
                json_text(list(a.phases)),
                a.attached_at,
                a.decided_at,
                a.run_id,
                a.schedule_id,
            )
            for a in attachments
        ],
    )


def read_attachments(tx: Transaction) -> dict[str, Attachment]:
    """The latest decisions on the selected orders' discounts, by snapshot id."""
    return {
        cast("str", row[0]): Attachment(
            snapshot_id=cast("str", row[0]),
            outcome=cast("str", row[1]),
            code=cast("str | None", row[2]),
            details=decode_texts(cast("str", row[3])),
            reason=cast("str", row[4]),
            coupon_id=cast("str | None", row[5]),
            target_id=cast("str | None", row[6]),
            place=cast("str | None", row[7]),
            discount_id=cast("str | None", row[8]),
            phases=tuple(json.loads(cast("str", row[9]))),
            attached_at=None if row[10] is None else utc(cast("datetime", row[10])),
            decided_at=utc(cast("datetime", row[11])),
            run_id=cast("str", row[12]),
            schedule_id=cast("str | None", row[13]),
        )
        for row in tx.rows("attachments")
    }


def read_grants(tx: Transaction, target_ids: Iterable[str]) -> dict[str, GrantedAttachment]:
    """What was granted on these targets or items, and to the selected orders, by snapshot id.

    The ids of the discounts that are there find what was granted by a schedule that is over.
    """
    tx.stage("coupon_attachments", ["target_id"], [(target_id,) for target_id in target_ids])
    return {cast("str", row[0]): _granted(row) for row in tx.rows("grants_on_targets")}


def read_promised(
    tx: Transaction, coupon_ids: Iterable[str], now: datetime, never_began: AbstractSet[str]
) -> Counter[str]:
    """How often phases to come name each of these coupons: that is redeemed when they begin.

    Those of the snapshots `never_began` never will, and two orders may share what a phase names.
    """
    tx.stage("coupon_attachments", ["coupon_id"], [(coupon_id,) for coupon_id in coupon_ids])
    named = {row[:4] for row in tx.rows("promised_redemptions") if row[4] not in never_began}
    return Counter(
        cast("str", row[0])
        for row in named
        if min(json.loads(cast("str", row[3])), default=0) > now.timestamp()
    )


def record_carries(tx: Transaction, target_ids: Iterable[str], carries: Iterable[Carry]) -> None:
    """Keep what has to be sent on later, in place of what was kept for these targets."""
    tx.stage("carry_later", ["target_id"], [(target_id,) for target_id in target_ids])
    tx.run("forget_carries")
    tx.append(
        "carry_later",
        ["target_id", "snapshot_id", "coupon_id", "due_from", "before", "phases"],
        [
            (c.target_id, c.snapshot_id, c.coupon_id, c.due_from, c.before, json_text(c.phases))
            for c in carries
        ],
    )


def read_due_targets(tx: Transaction, now: datetime) -> set[str]:
    """Targets of selected orders to be planned even if nothing new is wanted on them.

    Those on which a discount can be sent on now, and those to which an order has come.
    """
    return read_targets_to_carry_on(tx, now) | {
        cast("str", row[0]) for row in tx.rows("unplanned_targets")
    }


def read_targets_to_carry_on(tx: Transaction, until: datetime) -> set[str]:
    """Targets of selected orders on which a discount can be sent on from then or earlier on."""
    tx.stage("carry_later", ["due_from"], [(until,)])
    return {cast("str", row[0]) for row in tx.rows("due_carries")}


def read_orders_never_planned(tx: Transaction) -> frozenset[str]:
    """Selected orders that have brought nothing to any target so far."""
    return frozenset(cast("str", row[0]) for row in tx.rows("orders_never_planned"))


def record_planned_orders(tx: Transaction, orders: Iterable[Order]) -> None:
    """Remember with which target each order has been planned, and as it was then."""
    tx.upsert(
        "planned_orders",
        ["order_id"],
        ["order_id", "target_id", "modified_at"],
        [(order.order_id, order.target_id, order.modified_at) for order in orders],
    )


_SNAPSHOT_COLUMNS = (
    "snapshot_id",
    "org_id",
    "order_id",
    "order_item_id",
    "quote_coupon_id",
    "association_id",
    "association_created_at",
    "activated_at",
    "evidence",
    "evidence_record_id",
    "evidence_at",
    "terms_uncertain",
    "currency",
    "quote_currency",
    "order_currency",
    "association_currency",
    "fields",
    "rates",
)
_COUPON_COLUMNS = (
    "quote_coupon_id",
    "terms_hash",
    "coupon_id",
    "origin",
    "reason",
    "terms",
    "metadata",
    "mapping_hash",
    "first_order_id",
    "recorded_at",
    "run_id",
)
_DECISION_COLUMNS = (
    "snapshot_id",
    "decision",
    "coupon_id",
    "code",
    "reason",
    "differences",
    "redemptions_left",
    "decided_at",
    "run_id",
)
_ATTACHMENT_COLUMNS = (
    "snapshot_id",
    "outcome",
    "code",
    "details",
    "reason",
    "coupon_id",
    "target_id",
    "place",
    "discount_id",
    "phases",
    "attached_at",
    "decided_at",
    "run_id",
    "schedule_id",
)


def _snapshot(row: tuple[Cell, ...]) -> Snapshot:
    snapshot_id, org_id, order_id, order_item_id, quote_coupon_id = cast(
        "tuple[str, str, str, str | None, str]", row[:5]
    )
    association_id, created_at, activated_at, evidence, record_id, evidence_at, is_uncertain = cast(
        "tuple[str | None, datetime | None, datetime, Evidence, str, datetime, bool]", row[5:12]
    )
    currency, quote_currency, order_currency, association_currency, fields, rates = cast(
        "tuple[str | None, str | None, str | None, str | None, str, str | None]", row[12:]
    )
    return Snapshot(
        snapshot_id=snapshot_id,
        org_id=org_id,
        scope=Scope(order_id, order_item_id),
        quote_coupon_id=quote_coupon_id,
        association_id=association_id,
        association_created_at=None if created_at is None else utc(created_at),
        activated_at=utc(activated_at),
        evidence=evidence,
        evidence_record_id=record_id,
        evidence_at=utc(evidence_at),
        terms_uncertain=is_uncertain,
        currency=currency,
        quote_currency=quote_currency,
        order_currency=order_currency,
        association_currency=association_currency,
        fields=decode_fields(fields),
        rates=None if rates is None else ConversionRates.from_json(rates),
    )


def _derived_cells(made: DerivedCoupon | Blocked) -> tuple[Cell, ...]:
    """Terms, their hash, metadata, code and details."""
    if isinstance(made, Blocked):
        return (None, None, "{}", made.code, json_text(dict(made.details)))
    return (canonical(made.terms), made.terms_hash, json_text(dict(made.metadata)), None, "{}")


def _derived(snapshot: Snapshot, row: tuple[Cell, ...]) -> DerivedCoupon | Blocked:
    _, mapping_hash, terms, terms_hash, metadata, code, details = cast(
        "tuple[str, str, str | None, str, str, str | None, str]", row
    )
    if terms is None:
        return Blocked(code or "", decode_texts(details))
    return DerivedCoupon(
        org_id=snapshot.org_id,
        quote_coupon_id=snapshot.quote_coupon_id,
        terms=terms_from_canonical(terms),
        terms_hash=terms_hash,
        coupon_id=coupon_id(snapshot.org_id, snapshot.quote_coupon_id, terms_hash),
        metadata=decode_texts(metadata),
        mapping_hash=mapping_hash,
        rates=snapshot.rates,
    )


def _coupon(row: tuple[Cell, ...]) -> RecordedCoupon:
    texts = cast("tuple[str, ...]", row)
    return RecordedCoupon(
        quote_coupon_id=texts[0],
        terms_hash=texts[1],
        coupon_id=texts[2],
        origin=cast("CouponOrigin", texts[3]),
        reason=texts[4],
        terms=terms_from_canonical(texts[5]),
        metadata=decode_texts(texts[6]),
        mapping_hash=texts[7],
        first_order_id=texts[8],
        recorded_at=utc(cast("datetime", row[9])),
        run_id=texts[10],
    )


def _granted(row: tuple[Cell, ...]) -> GrantedAttachment:
    terms = terms_from_canonical(cast("str", row[8]))
    return GrantedAttachment(
        snapshot_id=cast("str", row[0]),
        target_id=cast("str", row[2]),
        scope=Scope(cast("str", row[6]), cast("str | None", row[7])),
        coupon_id=cast("str", row[1]),
        duration=terms.duration,
        months=terms.duration_in_months,
        discount_id=cast("str | None", row[3]),
        granted_at=utc(cast("datetime", row[5])),
        carried_to=frozenset(json.loads(cast("str", row[4]))),
        limited=terms.max_redemptions is not None,
        schedule_id=cast("str | None", row[9]),
        place=cast("str | None", row[10]),
    )
