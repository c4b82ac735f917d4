"""What people read on a terminal. Text from Salesforce and Stripe is data, never markup."""

import json

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from coupon_pipeline.assets.report import RunReport
from coupon_pipeline.cli.main import DONE
from coupon_pipeline.cli.running import Planned
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger.problems import NotedProblem

_EFFECTS = {
    "blocked": "bold red",
    "pending": "yellow",
    "warning": "yellow",
    "reported": "cyan",
    "not_applicable": "dim",
}


def nothing_activated(*, as_json: bool) -> int:
    """The org has no activated order: there is nothing to do, which is fine."""
    if as_json:
        click.echo(json.dumps(RunReport.empty().as_json()))
    else:
        click.echo("The org has no activated order yet.")
    return DONE


def show_report(report: RunReport, selection: Selection, *, with_problems: bool = True) -> None:
    """What a sync did."""
    console = Console(soft_wrap=True)
    console.print(
        Text(
            f"{report.orders} orders activated {_days(selection)}, "
            f"{report.snapshots} coupon snapshots"
        )
    )
    console.print(_counts(report))
    if not report.writes:
        console.print("Nothing had to change: no write was made to Stripe or Salesforce.")
    if with_problems:
        show_problems(console, report.problems)
    console.print(
        Text(
            f"Calls: {report.calls.salesforce} to Salesforce, {report.calls.stripe_reads} reads "
            f"and {report.calls.stripe_writes} writes to Stripe. Run {report.run_id}",
            style="dim",
        )
    )


def show_plan(planned: Planned, selection: Selection) -> None:
    """What a sync would do."""
    console = Console(soft_wrap=True)
    console.print(
        Text(f"{planned.report.orders} orders activated {_days(selection)}. A sync would:")
    )
    for stage in planned.stages:
        for row in stage.changes:
            pairs = zip(stage.preview_columns, row, strict=True)
            told = ", ".join(f"{name} {value}" for name, value in pairs)
            console.print(Text(f"  {_SIGNS[stage.stage]} {told}"))
    if not planned.report.writes:
        console.print("  change nothing.")
    console.print(_counts(planned.report))
    show_problems(console, planned.report.problems)


def show_problems(console: Console, problems: tuple[NotedProblem, ...]) -> None:
    """Problems with what to do, the blocked ones first."""
    if not problems:
        return
    table = Table(title="Needs attention", title_justify="left", show_lines=True)
    for column in ("code", "order", "what", "fix"):
        table.add_column(column, overflow="fold")
    ranks = list(_EFFECTS)
    for problem in sorted(problems, key=lambda p: ranks.index(p.effect)):
        table.add_row(
            Text(f"{problem.code}\n{problem.effect}", style=_EFFECTS[problem.effect]),
            Text(problem.order_id or ""),
            Text(problem.message),
            Text(problem.fix),
        )
    console.print(table)


_SIGNS = {
    "stripe_coupons": "coupon",
    "coupon_attachments": "discount",
    "salesforce_records": "record",
}


def _counts(report: RunReport) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for name, counts in (
        ("Stripe coupons", report.coupons),
        ("Discounts", report.attachments),
        ("Salesforce records", report.salesforce),
    ):
        table.add_row(
            name, ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts.items() if n) or "none"
        )
    return table


def _days(selection: Selection) -> str:
    if selection.first_day == selection.last_day:
        return f"on {selection.first_day}"
    return f"from {selection.first_day} to {selection.last_day}"
