"""From a stage's report to Dagster: counts by day, totals, a preview, calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from coupon_pipeline.assets.resources import RunOptions
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.ledger.rows import text_of
from coupon_pipeline.ledger.runs import Calls, StageTotals, record_stage_of_run
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.stripe_api import StripeEdge

_PREVIEW_ROWS = 10


@dataclass(slots=True)
class _Stage:
    """A stage on its way: the block sets its report."""

    report: StageReport
    calls: Calls


def run_of(context: dg.AssetExecutionContext, options: RunOptions) -> Run:
    """The run that an asset is part of."""
    return Run(context.run.run_id, options.selection(context), dry_run=False)


@contextmanager
def record_stage(
    context: dg.AssetExecutionContext,
    run: Run,
    ledger: Ledger,
    *,
    salesforce: SalesforceEdge | None = None,
    stripe: StripeEdge | None = None,
) -> Iterator[_Stage]:
    """Count the calls of the block and show its report on the asset."""
    with counted_stage(run, ledger, salesforce=salesforce, stripe=stripe) as stage:
        stage.report.stage = context.asset_key.to_user_string()
        yield stage
    _show(context, stage)


@contextmanager
def counted_stage(
    run: Run,
    ledger: Ledger,
    *,
    salesforce: SalesforceEdge | None = None,
    stripe: StripeEdge | None = None,
) -> Iterator[_Stage]:
    """Keep what the block did and what it cost, also when it fails."""
    stage = _Stage(StageReport(""), Calls(0, 0, 0))
    before = _count_calls(salesforce, stripe)
    try:
        yield stage
    finally:
        after = _count_calls(salesforce, stripe)
        stage.calls = Calls(
            after.salesforce - before.salesforce,
            after.stripe_reads - before.stripe_reads,
            after.stripe_writes - before.stripe_writes,
        )
        with ledger.transaction() as tx:
            totals = StageTotals(stage.report.stage, stage.report.totals)
            record_stage_of_run(tx, run.run_id, totals, stage.calls)


def _count_calls(salesforce: SalesforceEdge | None, stripe: StripeEdge | None) -> Calls:
    """What the edges have sent since they were opened."""
    sent = stripe.calls if stripe is not None else None
    return Calls(
        salesforce.calls if salesforce is not None else 0,
        sent.reads if sent is not None else 0,
        sent.writes if sent is not None else 0,
    )


def _show(context: dg.AssetExecutionContext, stage: _Stage) -> None:
    report, calls = stage.report, stage.calls
    totals: dict[str, dg.MetadataValue] = {
        **{name: dg.MetadataValue.int(number) for name, number in report.totals.items()},
        "calls_salesforce": dg.MetadataValue.int(calls.salesforce),
        "calls_stripe_reads": dg.MetadataValue.int(calls.stripe_reads),
        "calls_stripe_writes": dg.MetadataValue.int(calls.stripe_writes),
    }
    if report.preview:
        totals["preview"] = dg.MetadataValue.md(_table(report))
    context.add_output_metadata(totals)
    context.log.info(
        "%s: %s",
        report.stage,
        ", ".join(f"{number} {name}" for name, number in report.totals.items()) or "nothing",
    )
    for key in context.partition_keys:
        counts = next((c for day, c in report.by_day.items() if day.isoformat() == key), {})
        context.add_asset_metadata(
            {"dagster/partition_row_count": sum(counts.values()), **counts}, partition_key=key
        )


def _table(report: StageReport) -> str:
    lines = ["| " + " | ".join(report.preview_columns) + " |"]
    lines.append("|" + "---|" * len(report.preview_columns))
    lines += [
        "| " + " | ".join(_cell(text_of(cell)) for cell in row) + " |"
        for row in report.preview[:_PREVIEW_ROWS]
    ]
    return "\n".join(lines)


def _cell(text: str | None) -> str:
    """Text from Salesforce is data: it must not become Markdown."""
    shown = (text or "").replace("\n", " ")
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-!|" else letter for letter in shown)
