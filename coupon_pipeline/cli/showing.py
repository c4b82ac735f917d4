"""What people read on a terminal. Text from Salesforce and Stripe is data, never markup."""

from collections.abc import Sequence

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coupon_pipeline.assets.report import Rate, RunReport
from coupon_pipeline.cli.main import DONE
from coupon_pipeline.cli.terminal import Terminal, say, say_document
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger.problems import NotedProblem

_SHOWN_PER_CODE = 1
_EFFECTS = {
    "blocked": "bold red",
    "pending": "yellow",
    "warning": "yellow",
    "reported": "cyan",
    "not_applicable": "dim",
    "stopped": "bold red",
}


def nothing_activated(*, as_json: bool) -> int:
    """The org has no activated order: there is nothing to do, which is fine."""
    if as_json:
        say_document(RunReport.empty().as_json())
    else:
        say("The org has no activated order yet.")
    return DONE


def show_report(
    report: RunReport,
    selection: Selection,
    *,
    with_problems: bool = True,
    console: Terminal | None = None,
) -> None:
    """What a sync did."""
    console = console or Terminal()
    console.print(
        Text(
            f"{report.orders} orders activated {days_of(selection)}, "
            f"{report.snapshots} coupon snapshots"
        )
    )
    console.print(_counts(report))
    if not report.writes and not report.calls.stripe_writes:
        console.print("Nothing had to change: no write was made to Stripe or Salesforce.")
    if with_problems:
        show_problems(console, report.problems)
    console.print(
        Text(
            f"\nCalls: {report.calls.salesforce} to Salesforce, {report.calls.stripe_reads} reads "
            f"and {report.calls.stripe_writes} writes to Stripe. Run {report.run_id}",
            style="dim",
        )
    )
    if report.rate.stripe_calls:
        console.print(Text(_rate(report.rate), style="dim"))


def _rate(rate: Rate) -> str:
    told = f"Rate: {rate.per_second:.1f} calls a second to Stripe in {rate.seconds:.1f} s"
    if rate.share_of_bound is None:
        return f"{told}; no limit is kept to."
    return (
        f"{told}; the limits allow no less than {rate.lower_bound_seconds:.1f} s, "
        f"{rate.share_of_bound:.0%} of the possible rate was reached."
    )


def show_problems(
    console: Terminal, problems: Sequence[NotedProblem], most: int | None = _SHOWN_PER_CODE
) -> None:
    """Problems by code, what blocks first; at most `most` of a code, or all."""
    ranks = list(_EFFECTS)
    by_code: dict[tuple[int, str], list[NotedProblem]] = {}
    for problem in problems:
        by_code.setdefault((ranks.index(problem.effect), problem.code), []).append(problem)
    for (rank, code), found in sorted(by_code.items()):
        effect = ranks[rank]
        title = Text(f"\n{effect.replace('_', ' ')}  ", style=_EFFECTS[effect])
        title.append(code, style="bold")
        title.append(f"  ({len(found)})" if len(found) > 1 else "", style="dim")
        console.print(title)
        for problem in found[:most]:
            console.print(Padding(Text(problem.message), (0, 0, 0, 2)))
            console.print(Padding(Text(problem.fix, style="dim"), (0, 0, 0, 4)))
        if most is not None and len(found) > most:
            rest = f"... and {len(found) - most} more; coupon-pipeline problems lists them all"
            console.print(Padding(Text(rest, style="dim"), (0, 0, 0, 2)))


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
    if report.superseded:
        table.add_row(
            "", f"{report.superseded} of them from other terms than the mapping asks for now"
        )
    return table


def days_of(selection: Selection) -> str:
    """The days of a selection in words."""
    if selection.first_day == selection.last_day:
        return f"on {selection.first_day}"
    return f"from {selection.first_day} to {selection.last_day}"
