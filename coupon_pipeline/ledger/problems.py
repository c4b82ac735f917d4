"""Problems that were seen: since when, and whether they still are."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, cast

from coupon_pipeline.domain.problems import Problem, RecordNames, coupon_name
from coupon_pipeline.ledger.rows import Cell, decode_fields, utc
from coupon_pipeline.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class NotedProblem:
    """An open problem as the ledger keeps it."""

    code: str
    effect: str
    message: str
    fix: str
    order_id: str | None
    order_item_id: str | None
    quote_coupon_id: str | None
    stage: str
    first_seen_at: datetime
    last_seen_at: datetime

    def as_json(self) -> dict[str, str | None]:
        """The form in which every `--json` lists it."""
        return {
            "code": self.code,
            "effect": self.effect,
            "message": self.message,
            "fix": self.fix,
            "order_id": self.order_id,
            "order_item_id": self.order_item_id,
            "quote_coupon_id": self.quote_coupon_id,
            "first_seen_at": self.first_seen_at.isoformat(),
        }


def note_problems(
    tx: Transaction,
    stage: str,
    problems: Iterable[Problem],
    days: Mapping[str, date],
    now: datetime,
) -> None:
    """Keep what a stage saw on the selected orders, and resolve what it no longer sees.

    Args:
        tx: a transaction in which the orders are selected.
        stage: the asset that looked.
        problems: all that it saw; each names its order.
        days: order id to activation day.
        now: the time of looking.
    """
    add_problems(tx, stage, problems, days, now)
    tx.run("resolve_problems")


def add_problems(
    tx: Transaction,
    stage: str,
    problems: Iterable[Problem],
    days: Mapping[str, date],
    now: datetime,
) -> None:
    """Keep what a stage saw beside what it noted before; see `note_problems`."""
    problems = list(problems)
    names = read_names(tx, [(p.order_id, p.order_item_id, p.quote_coupon_id) for p in problems])
    rows = {
        _problem_id(stage, problem): (
            problem.code,
            problem.effect.value,
            *problem.words_with(names),
            problem.order_id,
            problem.order_item_id,
            problem.quote_coupon_id,
            days[problem.order_id or ""],
        )
        for problem in problems
    }
    tx.stage(
        "problems",
        [
            "problem_id",
            "code",
            "effect",
            "message",
            "fix",
            "order_id",
            "order_item_id",
            "quote_coupon_id",
            "activation_day",
        ],
        [(problem_id, *row) for problem_id, row in rows.items()],
    )
    tx.stage("problems", ["stage", "last_seen_at"], [(stage, now)], name="stage_now")
    tx.run("note_problems")


def read_names(
    tx: Transaction, ids: Iterable[tuple[str | None, str | None, str | None]]
) -> RecordNames:
    """What records are called, as far as the ledger knows: ids of order, item and quote coupon."""
    wanted = list(ids)
    if not wanted:
        return RecordNames()
    tx.stage("problems", ["order_id", "order_item_id", "quote_coupon_id"], wanted, name="named")
    found: dict[str, dict[str, str]] = {"order": {}, "order_item": {}, "quote_coupon": {}}
    for kind, record_id, told in cast("list[tuple[str, str, str]]", tx.rows("names_of_named")):
        if kind == "quote_coupon":
            fields = decode_fields(told)
            name = coupon_name(fields.get("Name__c"), fields.get("Name"))
        else:
            name = told
        if name:
            found[kind][record_id] = name
    return RecordNames(found["order"], found["order_item"], found["quote_coupon"])


def read_selected_problems(tx: Transaction) -> list[NotedProblem]:
    """Open problems of the selected orders."""
    return [noted_problem(row) for row in tx.rows("problems_of_selected")]


def read_open_problems(tx: Transaction) -> list[NotedProblem]:
    """Every open problem."""
    return [noted_problem(row) for row in tx.rows("open_problems")]


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """What Salesforce was told about one coupon of an order."""

    compound_id: str
    order_id: str
    status: Literal["Error", "Resolved"]
    message: str


def read_sync_records(tx: Transaction) -> dict[str, SyncRecord]:
    """Sync records of the selected orders as they were last written, by compound id."""
    return {
        cast("str", row[0]): SyncRecord(
            cast("str", row[0]),
            cast("str", row[1]),
            cast("Literal['Error', 'Resolved']", row[2]),
            cast("str", row[3]),
        )
        for row in tx.rows("sync_records")
    }


def record_sync_records(tx: Transaction, records: Iterable[SyncRecord], now: datetime) -> None:
    """Keep what Salesforce was told."""
    tx.upsert(
        "sync_records",
        ["compound_id"],
        ["compound_id", "order_id", "status", "message", "written_at"],
        [(r.compound_id, r.order_id, r.status, r.message, now) for r in records],
    )


def _problem_id(stage: str, problem: Problem) -> str:
    parts = (
        stage,
        problem.code,
        problem.order_id or "",
        problem.order_item_id or "",
        problem.quote_coupon_id or "",
    )
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


def noted_problem(row: tuple[Cell, ...]) -> NotedProblem:
    """A row whose first columns are those of a problem, in the order of its fields."""
    return NotedProblem(
        code=cast("str", row[0]),
        effect=cast("str", row[1]),
        message=cast("str", row[2]),
        fix=cast("str", row[3]),
        order_id=cast("str | None", row[4]),
        order_item_id=cast("str | None", row[5]),
        quote_coupon_id=cast("str | None", row[6]),
        stage=cast("str", row[7]),
        first_seen_at=utc(cast("datetime", row[8])),
        last_seen_at=utc(cast("datetime", row[9])),
    )
