"""What changed in Salesforce, oldest first: activated orders and quote coupons.

`SystemModstamp` moves with every write, whoever makes it. Many records share a stamp, so a
position in the sequence is a stamp and an id.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from coupon_pipeline.domain.records import CouponVersion
from coupon_pipeline.salesforce.coupons import coupon_columns
from coupon_pipeline.salesforce.describing import Description
from coupon_pipeline.salesforce.names import QUOTE_COUPON, Names
from coupon_pipeline.salesforce.querying import read_pages
from coupon_pipeline.salesforce.rows import Row
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import Statement, ids, moment, select

_IN_SEQUENCE = "ORDER BY SystemModstamp, Id LIMIT"


@dataclass(frozen=True, slots=True)
class ChangeCursor:
    """A position in the sequence of changes: what comes later was not seen yet."""

    at: datetime
    record_id: str


@dataclass(frozen=True, slots=True)
class ChangedOrder:
    """An activated order that somebody or something wrote."""

    record_id: str
    changed_at: datetime
    activation_day: date


@dataclass(frozen=True, slots=True)
class ChangedCoupon:
    """A quote coupon that somebody or something wrote, as it is now."""

    record_id: str
    changed_at: datetime
    version: CouponVersion


Changed = TypeVar("Changed", ChangedOrder, ChangedCoupon)


@dataclass(frozen=True, slots=True)
class ChangesRead(Generic[Changed]):
    """Some changes in sequence, where to go on, and whether these were all."""

    changes: tuple[Changed, ...]
    cursor: ChangeCursor | None
    is_complete: bool


@dataclass(frozen=True, slots=True)
class ChangeReader:
    """Reads changes from one org whose description is known."""

    session: SalesforceSession
    names: Names
    description: Description

    def orders(self, after: ChangeCursor | None, limit: int) -> ChangesRead[ChangedOrder]:
        """Activated orders behind a position, at most `limit`."""
        conditions = ["StatusCode = 'Activated'", "ActivatedDate != null", *_behind(after)]
        soql = select(
            ["Id", "ActivatedDate", "SystemModstamp"],
            "Order",
            " AND ".join(conditions),
            f"{_IN_SEQUENCE} {limit:d}",
        )
        rows = self._rows(Statement("changed_orders", soql), "Reading changed orders")
        changes = tuple(
            ChangedOrder(
                row.own_id(),
                row.known_moment("SystemModstamp"),
                row.known_moment("ActivatedDate").date(),
            )
            for row in rows
        )
        return ChangesRead(changes, _end(changes, after), is_complete=len(changes) < limit)

    def coupons(
        self, after: ChangeCursor | None, limit: int, paths: Iterable[str]
    ) -> ChangesRead[ChangedCoupon]:
        """Quote coupons behind a position, deleted ones too, at most `limit`."""
        columns = coupon_columns(self.description.object(QUOTE_COUPON), self.names, paths)
        soql = select(
            columns.paths,
            columns.described.api_name,
            " AND ".join(_behind(after)),
            f"{_IN_SEQUENCE} {limit:d}",
        )
        statement = Statement("changed_coupons", soql, include_deleted=True)
        changes = tuple(
            ChangedCoupon(row.own_id(), columns.changed_at(row), columns.version(row))
            for row in self._rows(statement, "Reading changed quote coupons")
        )
        return ChangesRead(changes, _end(changes, after), is_complete=len(changes) < limit)

    def _rows(self, statement: Statement, what: str) -> list[Row]:
        return [row for page in read_pages(self.session, [statement], what) for row in page.rows]


def _behind(after: ChangeCursor | None) -> list[str]:
    if after is None:
        return []
    at, record_id = moment(after.at), ids([after.record_id])[1:-1]
    return [f"(SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > {record_id}))"]


def _end(
    changes: tuple[ChangedOrder, ...] | tuple[ChangedCoupon, ...], before: ChangeCursor | None
) -> ChangeCursor | None:
    return ChangeCursor(changes[-1].changed_at, changes[-1].record_id) if changes else before
