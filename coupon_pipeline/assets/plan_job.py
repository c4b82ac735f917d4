"""A plan from Dagster's launchpad: what a sync would do, and nothing is written anywhere."""

from collections.abc import Mapping

import dagster as dg

from coupon_pipeline.assets.launchpad import PlanOptions
from coupon_pipeline.assets.markdown import table
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.planning import Planned, make_plan
from coupon_pipeline.assets.selecting import SelectionError, select_orders
from coupon_pipeline.assets.shown_records import IN_DAGSTER
from coupon_pipeline.domain.text_as_data import markdown_text
from coupon_pipeline.ledger.rows import text_of
from coupon_pipeline.settings import Settings

PLAN_JOB = "plan"
_MOST_ROWS = 200
_DESCRIPTION = (
    "Dry run: what a sync would do. Salesforce and Stripe are only read, and the ledger stays as "
    "it is. The launchpad takes days and orders; the report is on the step's output, and each "
    "change is a line of the log."
)


def plan_job(settings: Settings) -> dg.JobDefinition:
    """The job of one connection."""
    names = Names.of(settings)

    @dg.op(
        name=names.named("make_plan"),
        description=_DESCRIPTION,
        pool=names.named("stripe"),
        out=dg.Out(dg.Nothing),
    )
    def op(context: dg.OpExecutionContext, config: PlanOptions) -> None:
        try:
            selection = select_orders(settings, *config.days, tuple(config.order_ids))
        except SelectionError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        if selection is None:
            context.log.info("The org has no activated order yet.")
            return
        planned = make_plan(
            settings,
            selection,
            replace_attached=config.replace_attached,
            invoices=config.invoices,
            tell=context.log.info,
        )
        for change in planned.changes():
            context.log.info("would change: %s", change)
        context.add_output_metadata(_metadata(planned))

    @dg.job(name=names.named(PLAN_JOB), description=_DESCRIPTION)
    def job() -> None:
        op()

    return job


def _metadata(planned: Planned) -> dict[str, dg.MetadataValue]:
    """The report that `coupon-pipeline plan` shows."""
    report = planned.report
    shown: dict[str, dg.MetadataValue] = {
        "would_write": dg.MetadataValue.bool(planned.would_change),
        "orders": dg.MetadataValue.int(report.orders),
        "snapshots": dg.MetadataValue.int(report.snapshots),
        "counts": dg.MetadataValue.md(
            _counts("discounts", report.attachments)
            + "\n\n"
            + _counts("coupons", report.coupons)
            + "\n\n"
            + _counts("Salesforce records", report.salesforce)
        ),
        "document": dg.MetadataValue.json(planned.as_json()),
    }
    for stage in planned.stages:
        if stage.changes:
            rows = [[markdown_text(text_of(cell)) for cell in row] for row in stage.changes]
            shown[f"changes_of_{stage.stage}"] = dg.MetadataValue.md(
                table(stage.preview_columns, rows, _MOST_ROWS)
            )
    if report.problems:
        shown["problems"] = dg.MetadataValue.md(
            table(
                ("code", "order", "quote coupon", "problem", "what to do"),
                [
                    tuple(
                        map(
                            markdown_text, (p.code, p.order_id, p.quote_coupon_id, p.message, p.fix)
                        )
                    )
                    for p in report.problems
                ],
                _MOST_ROWS,
            )
            + f"\n\n{IN_DAGSTER}"
        )
    for invoice in planned.invoices:
        shown[f"next_invoice_{invoice.subscription_id}"] = dg.MetadataValue.text(invoice.sentence)
    return shown


def _counts(what: str, counts: Mapping[str, int]) -> str:
    columns = [markdown_text(name) for name in counts]
    return table((what, *columns), [("", *map(str, counts.values()))], most=1)
