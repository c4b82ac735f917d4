"""Discounts that took the place of others: what was there before, and what was asked for then."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from coupon_pipeline.domain.terms import Terms, canonical, terms_from_canonical
from coupon_pipeline.ledger.rows import utc
from coupon_pipeline.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Replacement:
    """One discount that took the place of another one of the same snapshot."""

    snapshot_id: str
    replaced_at: datetime
    old_coupon_id: str | None
    """None where only the proof in Stripe remembers."""
    old_discount_id: str | None
    new_coupon_id: str
    terms: Terms
    """What the mapping asked for; the new coupon may have fewer months."""
    target_id: str
    run_id: str


def record_replacements(tx: Transaction, replacements: Iterable[Replacement]) -> None:
    """Keep them; what is there is never rewritten."""
    tx.append(
        "coupon_replacements",
        _COLUMNS,
        [
            (
                r.snapshot_id,
                r.replaced_at,
                r.old_coupon_id,
                r.old_discount_id,
                r.new_coupon_id,
                canonical(r.terms),
                r.target_id,
                r.run_id,
            )
            for r in replacements
        ],
    )


def unknown_names(tx: Transaction, names: Iterable[str]) -> list[str]:
    """Of these ids, those that are no order, item, quote coupon or snapshot with a discount."""
    tx.stage("coupon_snapshots", ["order_id"], [(name,) for name in names])
    return [cast("str", row[0]) for row in tx.rows("unknown_replacement_names")]


def read_replacements(tx: Transaction) -> list[Replacement]:
    """Those of the selected orders, the oldest first."""
    return [
        Replacement(
            snapshot_id=cast("str", row[0]),
            replaced_at=utc(cast("datetime", row[1])),
            old_coupon_id=cast("str | None", row[2]),
            old_discount_id=cast("str | None", row[3]),
            new_coupon_id=cast("str", row[4]),
            terms=terms_from_canonical(cast("str", row[5])),
            target_id=cast("str", row[6]),
            run_id=cast("str", row[7]),
        )
        for row in tx.rows("replacements")
    ]


def read_replaced_discounts(tx: Transaction, since: datetime) -> frozenset[str]:
    """Ids of the discounts that made room for others since then, whichever order they are of."""
    tx.stage("coupon_replacements", ["replaced_at"], [(since,)])
    return frozenset(cast("str", row[0]) for row in tx.rows("replaced_discounts"))


_COLUMNS = (
    "snapshot_id",
    "replaced_at",
    "old_coupon_id",
    "old_discount_id",
    "new_coupon_id",
    "terms",
    "target_id",
    "run_id",
)
