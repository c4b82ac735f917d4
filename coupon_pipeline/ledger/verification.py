"""Whether the ledger is intact: readable to the last block, unaltered, and of one piece."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import duckdb

from coupon_pipeline.domain.records import Scope
from coupon_pipeline.domain.snapshots import snapshot_id
from coupon_pipeline.domain.terms import coupon_id, terms_from_canonical, terms_hash
from coupon_pipeline.ledger.connection import REBUILD, LedgerError
from coupon_pipeline.ledger.evidence import Head, chain_faults, read_entries, read_head
from coupon_pipeline.ledger.inspection import read_grants_at_odds
from coupon_pipeline.ledger.transaction import Transaction
from coupon_pipeline.ledger.writes import read_open_intents


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that is not as it must be: what was checked, which record, and what about it."""

    check: str
    record_id: str
    what: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """A look at the whole ledger."""

    rows: int
    """In all tables, each of which was read to its end."""
    head: Head
    discrepancies: tuple[Discrepancy, ...]


def inspect(tx: Transaction, noted: str | None = None) -> Inspection:
    """Read everything and compare it with itself.

    Args:
        tx: the transaction.
        noted: the hash of an entry of evidence that was noted elsewhere; it must be there.

    Raises:
        LedgerError: a part of the file cannot be read.
    """
    try:
        rows = tx.read_everything()
    except duckdb.Error as error:  # a damaged file fails in many ways
        message = f"A part of the ledger cannot be read: {error}."
        raise LedgerError("ledger.corrupt", message, REBUILD) from error
    entries, head = read_entries(tx), read_head(tx)
    found = [
        Discrepancy("evidence", str(fault.number), f"Entry {fault.number} {fault.what}.")
        for fault in chain_faults(entries, head)
    ]
    if noted is not None and noted not in {entry.hash for entry in entries}:
        what = f"No entry has the hash {noted}: what was written up to it is gone or altered."
        found.append(Discrepancy("evidence", noted, what))
    found += _derived_ids(tx)
    found += _orphans(tx)
    found += [
        Discrepancy(
            "open_intents",
            intent.intent_id,
            f"{intent.operation} of {intent.target_id} was sent by run {intent.run_id} and its end "
            "is not known. The next sync of its orders finds out.",
        )
        for intent in read_open_intents(tx)
    ]
    return Inspection(rows, head, tuple(found))


def _derived_ids(tx: Transaction) -> Iterator[Discrepancy]:
    """Ids and hashes that follow from what they stand for."""
    for row in _texts(tx, "keys_of_snapshots"):
        its_id, org_id, order_id, quote_coupon_id = row[:4]
        scope = Scope(order_id, row[4] or None)
        if its_id != snapshot_id(org_id, scope, quote_coupon_id):
            what = f"The snapshot {its_id} does not belong to its order and quote coupon."
            yield Discrepancy("snapshots", its_id, what)
    for org_id, quote_coupon_id, hashed, its_id, origin, terms in _texts(tx, "keys_of_coupons"):
        if hashed != terms_hash(terms_from_canonical(terms)):
            what = f"The terms of Stripe coupon {its_id} are not those of its hash."
            yield Discrepancy("coupons", its_id, what)
        elif origin == "created" and its_id != coupon_id(org_id, quote_coupon_id, hashed):
            what = f"The id {its_id} does not follow from its quote coupon and terms."
            yield Discrepancy("coupons", its_id, what)


def _orphans(tx: Transaction) -> Iterator[Discrepancy]:
    """Rows that speak of something that is not there."""
    for finding in read_grants_at_odds(tx):
        yield Discrepancy("attachments", finding.record_id, f"{finding.record_id} {finding.what}.")
    for table, record_id, missing in _texts(tx, "orphans"):
        yield Discrepancy("references", record_id, f"{table} has {record_id} without a {missing}.")


def _texts(tx: Transaction, statement: str) -> Iterable[tuple[str, ...]]:
    return cast("list[tuple[str, ...]]", tx.rows(statement))
