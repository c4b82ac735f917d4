"""Runs: what they were about, what each stage cost, and how they ended."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger.rows import json_text, utc
from coupon_pipeline.ledger.transaction import Transaction

_RUNS_COMPARED = 10
STRIPE_MILLISECONDS = "stripe_milliseconds"
STRIPE_BOUND_MILLISECONDS = "stripe_bound_milliseconds"
STRIPE_SLOWED_DOWN = "stripe_slowed_down"
"""Totals of a stage that called Stripe: its time, the least possible, 429s that slowed it down."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests of a run, repeated attempts included."""

    salesforce: int
    stripe_reads: int
    stripe_writes: int


def begin_run(tx: Transaction, run_id: str, selection: Selection, mapping_hash: str) -> None:
    """Remember that a run has begun; a repeated step of the same run changes nothing."""
    tx.append(
        "runs",
        ["run_id", "first_day", "last_day", "mapping_hash", "started_at"],
        [(run_id, selection.first_day, selection.last_day, mapping_hash, datetime.now(UTC))],
    )


def read_started_at(tx: Transaction, run_id: str) -> datetime | None:
    """When a run began; None if there is none of this id."""
    tx.stage("runs", ["run_id"], [(run_id,)])
    rows = tx.rows("run_started_at")
    return utc(cast("datetime", rows[0][0])) if rows else None


@dataclass(frozen=True, slots=True)
class StageTotals:
    """What a stage of a run did: counts by name."""

    stage: str
    totals: Mapping[str, int]


def record_stage_of_run(tx: Transaction, run_id: str, stage: StageTotals, calls: Calls) -> None:
    """What a stage did and what it cost."""
    tx.upsert(
        "run_stages",
        ["run_id", "stage"],
        ["run_id", "stage", "totals", "salesforce_calls", "stripe_reads", "stripe_writes"],
        [
            (
                run_id,
                stage.stage,
                json_text(dict(stage.totals)),
                calls.salesforce,
                calls.stripe_reads,
                calls.stripe_writes,
            )
        ],
    )


def read_stages(tx: Transaction, run_id: str) -> tuple[dict[str, Mapping[str, int]], Calls]:
    """What each stage of a run did, and what they cost together."""
    tx.stage("run_stages", ["run_id"], [(run_id,)])
    rows = tx.rows("stages_of_run")
    totals = {cast("str", row[0]): json.loads(cast("str", row[1])) for row in rows}
    costs = [cast("tuple[int, int, int]", row[2:]) for row in rows]
    return totals, Calls(
        sum(cost[0] for cost in costs),
        sum(cost[1] for cost in costs),
        sum(cost[2] for cost in costs),
    )


def read_attached_counts(tx: Transaction, before: str) -> list[int]:
    """How many discounts each of the last ten runs attached that attached any, newest first."""
    tx.stage("runs", ["run_id"], [(before,)])
    totals = (json.loads(cast("str", row[0])) for row in tx.rows("attachment_totals_of_runs"))
    return [each["attached"] for each in totals if each.get("attached")][:_RUNS_COMPARED]


def finish_run(tx: Transaction, run_id: str, report: str) -> None:
    """Keep the report of a run that came to its end, as JSON."""
    tx.stage("runs", ["run_id", "finished_at", "report"], [(run_id, datetime.now(UTC), report)])
    tx.run("finish_run")
