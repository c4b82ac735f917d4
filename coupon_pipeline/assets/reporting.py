"""From a stage's report to Dagster: counts by day, totals, a preview, calls."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial

import dagster as dg

from coupon_pipeline.assets.columns import column_lineage
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.launchpad import RunOptions
from coupon_pipeline.assets.progress import Progress
from coupon_pipeline.assets.record_links import RecordLinks
from coupon_pipeline.assets.run import PREVIEW_ROWS, Run, StageReport
from coupon_pipeline.assets.shown_records import ShownRecords
from coupon_pipeline.domain.text_as_data import printable
from coupon_pipeline.ledger import inspection, source
from coupon_pipeline.ledger.evidence import Head, read_head
from coupon_pipeline.ledger.problems import NotedProblem, read_selected_problems
from coupon_pipeline.ledger.runs import (
    STRIPE_BOUND_MILLISECONDS,
    STRIPE_MILLISECONDS,
    STRIPE_SLOWED_DOWN,
    Calls,
    StageTotals,
    record_stage_of_run,
)
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdge
from coupon_pipeline.stripe_api.limits import RateReport


@dataclass(slots=True)
class _Stage:
    """A stage on its way: the block sets its report."""

    report: StageReport
    calls: Calls


def run_of(context: dg.AssetExecutionContext, options: RunOptions, settings: Settings) -> Run:
    """The run that an asset is part of; with a plan, only its writes are approved."""
    plan = options.plan()
    return Run(
        context.run.run_id,
        options.selection(context),
        replace_attached=frozenset(options.replace_attached),
        caps=settings.caps().raised(options.caps()),
        live=options.live,
        plan_id=None if plan is None else plan.plan_id,
        approved=None if plan is None else frozenset(each.digest for each in plan.writes),
        progress=Progress(partial(_tell, context)),
    )


def _tell(context: dg.AssetExecutionContext, line: str) -> None:
    """In the log of the run, and on the table's page, which shows nothing else until it is made."""
    context.log.info(line)
    context.log_event(dg.AssetObservation(context.asset_key, metadata={"progress": line}))


@contextmanager
def record_stage(context: dg.AssetExecutionContext, run: Run, at: Connection) -> Iterator[_Stage]:
    """Count the calls of the block and show its report on the asset."""
    with counted_stage(run, at) as stage:
        stage.report.stage = context.asset_key.path[-1]
        yield stage
    _show(context, stage, _Shown.read(run, at, stage.report))
    quota = at.salesforce.quota
    if stage.calls.salesforce and quota is not None:
        context.add_output_metadata(
            {
                "calls_salesforce_of_the_org_today": quota.used,
                "calls_salesforce_allowed_a_day": quota.allowed,
            }
        )


@contextmanager
def counted_stage(run: Run, at: Connection) -> Iterator[_Stage]:
    """Keep what the block did and what it cost, also when it fails."""
    stage = _Stage(StageReport(""), Calls(0, 0, 0))
    before = _count_calls(at)
    rate_before = at.stripe.rate_report()
    began = time.monotonic()
    try:
        yield stage
    finally:
        seconds = time.monotonic() - began
        after = _count_calls(at)
        stage.calls = Calls(
            after.salesforce - before.salesforce,
            after.stripe_reads - before.stripe_reads,
            after.stripe_writes - before.stripe_writes,
        )
        with at.ledger.transaction() as tx:
            rate = _rate(at.stripe, rate_before, seconds)
            totals = StageTotals(stage.report.stage, {**stage.report.totals, **rate})
            record_stage_of_run(tx, run.run_id, totals, stage.calls)


def _rate(stripe: StripeEdge, before: RateReport, seconds: float) -> Mapping[str, int]:
    """How long a stage took that called Stripe, and the least that its limits allow."""
    after = stripe.rate_report()
    if after.calls == before.calls:
        return {}
    made = {name: n - before.by_endpoint.get(name, 0) for name, n in after.by_endpoint.items()}
    return {
        STRIPE_MILLISECONDS: round(seconds * 1000),
        STRIPE_BOUND_MILLISECONDS: round(stripe.limits.lower_bound_seconds(made) * 1000),
        STRIPE_SLOWED_DOWN: after.slowed_down - before.slowed_down,
    }


def _count_calls(at: Connection) -> Calls:
    """What the edges have sent since they were opened."""
    sent = at.stripe.calls
    return Calls(at.salesforce.calls, sent.reads, sent.writes)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the ledger adds to a stage's own report."""

    records: ShownRecords
    problems: Sequence[NotedProblem]
    targets: dict[str, str]
    amounts: Mapping[date, Mapping[str, int]]
    """Amounts off that were granted, by day and currency, in minor units."""
    evidence: Head
    """The end of the chain of evidence, noted outside the ledger in this way."""

    @classmethod
    def read(cls, run: Run, at: Connection, report: StageReport) -> "_Shown":
        stage, links = report.stage, RecordLinks.of(at.settings)
        with at.ledger.reading() as tx:
            source.select_orders(tx, run.selection)
            problems = [p for p in read_selected_problems(tx) if p.stage == stage]
            return cls(
                ShownRecords.read(tx, links, [*report.preview, *report.changes], problems),
                problems,
                inspection.read_targets(tx) if problems else {},
                inspection.read_granted_amounts(tx) if stage == "coupon_attachments" else {},
                read_head(tx),
            )


def _show(context: dg.AssetExecutionContext, stage: _Stage, shown: _Shown) -> None:
    report, calls = stage.report, stage.calls
    totals: dict[str, dg.MetadataValue] = {
        **{name: dg.MetadataValue.int(number) for name, number in report.totals.items()},
        "calls_salesforce": dg.MetadataValue.int(calls.salesforce),
        "calls_stripe_reads": dg.MetadataValue.int(calls.stripe_reads),
        "calls_stripe_writes": dg.MetadataValue.int(calls.stripe_writes),
        "evidence_entries": dg.MetadataValue.int(shown.evidence.entries),
        "evidence_hash": dg.MetadataValue.text(shown.evidence.hash),
    }
    if report.preview:
        totals["preview"] = dg.MetadataValue.md(
            shown.records.table(report.preview_columns, report.preview, report.rows)
        )
    if report.changes:
        totals["changes"] = dg.MetadataValue.md(
            shown.records.table(report.preview_columns, report.changes, report.changed_rows)
        )
    if shown.problems:
        totals["problems"] = dg.MetadataValue.int(len(shown.problems))
        totals["problems_to_mend"] = dg.MetadataValue.md(
            shown.records.problem_table(shown.problems, shown.targets)
        )
    for currency, amount in sorted(_sum(shown.amounts.values()).items()):
        totals[f"granted_{currency}_minor_units"] = dg.MetadataValue.int(amount)
    lineage = column_lineage(context.asset_key)
    if lineage is not None:
        totals["dagster/column_lineage"] = dg.MetadataValue.column_lineage(lineage)
    context.add_output_metadata(totals)
    for problem in shown.problems[:PREVIEW_ROWS]:
        context.log.warning("%s", printable(f"{problem.message} {problem.fix}"))
    context.log.info(
        "%s: %s",
        report.stage,
        ", ".join(f"{number} {name}" for name, number in report.totals.items()) or "nothing",
    )
    for key in context.partition_keys:
        counts = next((c for day, c in report.by_day.items() if day.isoformat() == key), {})
        granted = shown.amounts.get(date.fromisoformat(key), {})
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": sum(counts.values()),
                **counts,
                **{f"granted_{c}_minor_units_of_the_day": n for c, n in granted.items()},
            },
            partition_key=key,
        )


def _sum(amounts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for of_day in amounts:
        for currency, amount in of_day.items():
            total[currency] = total.get(currency, 0) + amount
    return total
