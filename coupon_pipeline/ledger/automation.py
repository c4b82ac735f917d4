"""Which activation days there is a reason to run again, and what was last seen of a coupon."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import cast

from coupon_pipeline.domain.plan import FINAL_CODES
from coupon_pipeline.ledger.transaction import Transaction


def read_days_not_done(tx: Transaction, now: datetime) -> list[date]:
    """Days with something pending, blocked, undecided, or due on a later phase by `now`."""
    tx.stage("problems", ["code"], [(code,) for code in sorted(FINAL_CODES)], name="final_codes")
    tx.stage("carry_later", ["due_from"], [(now,)])
    return _days(tx, "days_not_done")


def read_pending_days(tx: Transaction) -> list[date]:
    """Days with a discount that waits for its target."""
    return _days(tx, "days_pending")


def read_open_days_of_coupons(tx: Transaction, quote_coupon_ids: Iterable[str]) -> list[date]:
    """Days of orders that use one of these quote coupons and do not have its discount yet."""
    tx.stage("quote_coupons", ["quote_coupon_id"], [(each,) for each in quote_coupon_ids])
    return _days(tx, "days_open_with_coupons")


def read_days_of_other_mapping(tx: Transaction, mapping_hash: str) -> list[date]:
    """Days that hold terms derived by another mapping than this one."""
    tx.stage("snapshot_terms", ["mapping_hash"], [(mapping_hash,)])
    return _days(tx, "days_of_other_mapping")


def _days(tx: Transaction, statement: str) -> list[date]:
    return [cast("date", row[0]) for row in tx.rows(statement)]
