"""What happened to the selected orders, as far as it was kept: for their timelines."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from coupon_pipeline.domain.planned_writes import System
from coupon_pipeline.domain.targets import JsonValue
from coupon_pipeline.domain.timeline import PastWrite
from coupon_pipeline.ledger.problems import NotedProblem, noted_problem
from coupon_pipeline.ledger.rows import Cell, utc
from coupon_pipeline.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Frozen:
    """When a snapshot was frozen, and by which run."""

    frozen_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True)
class PastProblem:
    """A problem that is or was open."""

    problem: NotedProblem
    resolved_at: datetime | None


def read_past_writes(tx: Transaction) -> list[PastWrite]:
    """Writes to targets, coupons, order coupons and sync records of the selected orders."""
    return [
        PastWrite(
            system=cast("System", row[0]),
            operation=cast("str", row[1]),
            target_id=cast("str", row[2]),
            written_at=utc(cast("datetime", row[3])),
            actor=cast("str", row[4]),
            run_id=cast("str", row[5]),
            plan_id=cast("str | None", row[6]),
            before=_json(row[7]),
            body=_json(row[8]),
            outcome=cast("str | None", row[9]),
            request_id=cast("str | None", row[10]),
            detail=cast("str | None", row[11]),
        )
        for row in tx.rows("writes_of_selected")
    ]


def read_frozen(tx: Transaction) -> dict[str, Frozen]:
    """When the selected orders' snapshots were frozen, by snapshot id."""
    return {
        cast("str", row[0]): Frozen(utc(cast("datetime", row[1])), cast("str", row[2]))
        for row in tx.rows("frozen_of_selected")
    }


def read_past_problems(tx: Transaction) -> list[PastProblem]:
    """Every problem that the selected orders have or had, the oldest first."""
    return [
        PastProblem(noted_problem(row), None if row[10] is None else utc(cast("datetime", row[10])))
        for row in tx.rows("problems_ever_of_selected")
    ]


def _json(cell: Cell) -> JsonValue:
    """A number with a point stays the text that it was."""
    text = cast("str | None", cell)
    value: JsonValue = None if text is None else json.loads(text, parse_float=str)
    return value
