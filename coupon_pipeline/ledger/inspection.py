"""Whether the ledger is at odds with itself, and how much was granted."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from coupon_pipeline.domain.terms import Terms, terms_from_canonical
from coupon_pipeline.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be: whose it is, which record, and what about it."""

    order_id: str
    record_id: str
    what: str
    code: str = ""
    """Of a problem that is on record."""


@dataclass(frozen=True, slots=True)
class CurrenciesOfTerms:
    """Terms, and the currencies that Salesforce gives around them; absent ones left out."""

    terms: Terms
    currencies: frozenset[str]
    order_id: str
    count: int


@dataclass(frozen=True, slots=True)
class GrantedOn:
    """An attachment that was made, and where."""

    target_id: str
    snapshot_id: str
    order_id: str


def read_snapshots_without_terms(tx: Transaction) -> list[Finding]:
    """Snapshots of the selected orders without terms and without a reason for it, or with both."""
    return _findings(tx, "snapshots_without_terms", "has neither terms nor a reason")


def read_associations_without_snapshot(tx: Transaction) -> list[Finding]:
    """Associations of the selected orders that became neither a snapshot nor a problem."""
    return _findings(tx, "associations_without_snapshot", "became neither a snapshot nor a problem")


def read_currencies(tx: Transaction) -> list[CurrenciesOfTerms]:
    """Currencies around the terms of the selected orders that are not granted yet."""
    found = []
    for row in tx.rows("currencies_of_selected"):
        texts = cast("tuple[str | None, ...]", row)
        found.append(
            CurrenciesOfTerms(
                terms_from_canonical(cast("str", row[0])),
                frozenset(code.lower() for code in texts[1:5] if code is not None),
                cast("str", row[5]),
                cast("int", row[6]),
            )
        )
    return found


def read_coupons_at_odds(tx: Transaction) -> list[Finding]:
    """Stripe coupons that are not what the selected orders signed."""
    return _findings(tx, "coupons_at_odds")


def read_ledger_at_odds(tx: Transaction, sent_before: datetime) -> list[Finding]:
    """Grants without a coupon or target, and writes from before that moment without an outcome."""
    tx.stage("write_intents", ["written_at"], [(sent_before,)])
    return [*read_grants_at_odds(tx), *_findings(tx, "writes_unanswered")]


def read_grants_at_odds(tx: Transaction) -> list[Finding]:
    """Grants without a coupon or a target."""
    return _findings(tx, "grants_at_odds")


def read_order_coupons_written(tx: Transaction, since: datetime) -> int:
    """How many order coupons the pipeline wrote since then, which the trigger had left out."""
    tx.stage("write_intents", ["written_at"], [(since,)])
    return cast("int", tx.rows("order_coupons_written")[0][0])


def read_granted(tx: Transaction, run_ids: Iterable[str]) -> list[GrantedOn]:
    """What these runs granted; without any, everything, the latest first."""
    tx.stage("coupon_attachments", ["run_id"], [(run_id,) for run_id in run_ids])
    return [GrantedOn(*cast("tuple[str, str, str]", row)) for row in tx.rows("granted_since")]


def read_granted_amounts(tx: Transaction) -> dict[date, dict[str, int]]:
    """Amounts off that are granted to the selected orders, by day and currency, in minor units.

    Each grant counts once, for one invoice; percentages are left out, as they depend on prices.
    """
    amounts: dict[date, dict[str, int]] = {}
    for row in tx.rows("granted_amounts"):
        day, text, count = cast("tuple[date, str, int]", row)
        terms = terms_from_canonical(text)
        if terms.amount_off is not None and terms.currency is not None:
            of_day = amounts.setdefault(day, {})
            of_day[terms.currency] = of_day.get(terms.currency, 0) + terms.amount_off * count
    return amounts


def read_targets(tx: Transaction) -> dict[str, str]:
    """What the selected orders became in Stripe, by order."""
    return dict(cast("tuple[str, str]", row) for row in tx.rows("targets_of_selected"))


def _findings(tx: Transaction, statement: str, what: str = "") -> list[Finding]:
    return [
        Finding(
            cast("str", row[0]),
            cast("str", row[1]),
            cast("str", row[2]) if len(row) > 2 else what,  # noqa: PLR2004 - some tell it themselves
        )
        for row in tx.rows(statement)
    ]
