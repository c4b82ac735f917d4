"""`coupon-pipeline audit`: every difference between the ledger and both systems."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.padding import Padding
from rich.text import Text

from coupon_pipeline.assets.agreement import Agreement, compare_with_systems
from coupon_pipeline.assets.resources import open_existing_ledger
from coupon_pipeline.cli.main import COULD_NOT_RUN, DONE, SOME_BLOCKED
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.terminal import Terminal, say_document
from coupon_pipeline.domain.difference import KINDS, Difference, Kind
from coupon_pipeline.domain.problems import RecordNames
from coupon_pipeline.settings import load_settings

_SHOWN_PER_KIND = 20


@click.command()
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(KINDS),
    help="Only differences of this kind; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def audit(*, kinds: tuple[Kind, ...], as_json: bool) -> int:
    """Read both systems and tell every difference from the ledger; writes nothing anywhere."""
    settings = load_settings()
    with local_sandbox(settings):
        agreement = compare_with_systems(settings, open_existing_ledger(settings))
    found = [each for each in agreement.differences if not kinds or each.kind in kinds]
    if as_json:
        say_document(_document(agreement, found))
    else:
        _show(agreement, found)
    if found:
        return SOME_BLOCKED
    return COULD_NOT_RUN if agreement.unread else DONE


def difference_json(difference: Difference, names: RecordNames) -> dict[str, object]:
    """A difference in the documents of `audit` and `repair`."""
    return {
        "kind": difference.kind,
        "record_id": difference.record_id,
        "order_id": difference.order_id,
        "quote_coupon_id": difference.quote_coupon_id,
        "message": difference.what(names),
        "fix": difference.fix(names),
        "mended_by": difference.mender.value,
    }


def show_differences(
    console: Terminal, found: Sequence[Difference], names: RecordNames, most: int | None = None
) -> None:
    """Differences kind by kind; at most `most` of a kind, or all."""
    for kind in KINDS:
        of_kind = [each for each in found if each.kind == kind]
        if not of_kind:
            continue
        console.print(Text(f"\n{kind} ({len(of_kind)})", style="bold"))
        for each in of_kind[:most]:
            console.print(Padding(Text(each.what(names)), (0, 0, 0, 2)))
            console.print(Padding(Text(each.fix(names), style="dim"), (0, 0, 0, 4)))
        if most is not None and len(of_kind) > most:
            rest = f"... and {len(of_kind) - most} more; --kind {kind} --json lists them all"
            console.print(Padding(Text(rest, style="dim"), (0, 0, 0, 2)))


def show_unread(console: Terminal, agreement: Agreement) -> None:
    """Targets of which nothing is known."""
    if agreement.unread:
        console.print(
            Text(
                f"\n{len(agreement.unread)} subscriptions could not be read, so nothing is said of "
                f"them; run it again: {', '.join(agreement.unread[:5])}",
                style="bold red",
            )
        )


def show_unseen(console: Terminal, agreement: Agreement) -> None:
    """What else was not compared."""
    for problem in agreement.problems:
        console.print(Text(f"\n{problem.message} {problem.fix}", style="yellow"))


def _document(agreement: Agreement, found: Sequence[Difference]) -> dict[str, object]:
    return {
        "ok": not found and not agreement.unread,
        "orders": agreement.orders,
        "coupons": agreement.coupons,
        "attachments": agreement.attachments,
        "counts": dict(Counter(each.kind for each in found)),
        "differences": [difference_json(each, agreement.names) for each in found],
        "unread_targets": list(agreement.unread),
        "problems": [
            {"code": each.code, "message": each.message, "fix": each.fix}
            for each in agreement.problems
        ],
        "calls": asdict(agreement.calls),
    }


def _show(agreement: Agreement, found: Sequence[Difference]) -> None:
    console = Terminal()
    show_differences(console, found, agreement.names, _SHOWN_PER_KIND)
    if not found:
        console.print("The ledger, Salesforce and Stripe say the same.")
    show_unread(console, agreement)
    show_unseen(console, agreement)
    console.print(
        Text(
            f"\n{agreement.orders} orders, {agreement.coupons} Stripe coupons and "
            f"{agreement.attachments} discounts were compared in {agreement.calls.salesforce} "
            f"calls to Salesforce and {agreement.calls.stripe_reads} to Stripe.",
            style="dim",
        )
    )
    if found:
        console.print(Text("What can be mended: coupon-pipeline repair --plan", style="dim"))
