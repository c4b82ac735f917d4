"""`coupon-pipeline repair --plan`: the writes that would mend what `audit` finds.

They are those of a plan for the orders concerned, so `apply` carries them out as any other plan.
All else is named with who has to do it: the pipeline deletes nothing, touches no discount of others
and grants nothing a second time, also not what somebody took away by hand.
"""

from contextlib import closing
from pathlib import Path

import click
from rich.text import Text

from coupon_pipeline.assets.agreement import Agreement, compare_with_systems
from coupon_pipeline.assets.planning import Planned, make_plan
from coupon_pipeline.assets.resources import open_existing_ledger, open_salesforce
from coupon_pipeline.cli.audit import difference_json, show_differences, show_unread
from coupon_pipeline.cli.main import CHANGES_TO_MAKE, COULD_NOT_RUN, DONE, SOME_BLOCKED
from coupon_pipeline.cli.plan_showing import show_plan
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.terminal import Terminal, say_document
from coupon_pipeline.domain.difference import Difference, Mender
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.settings import Settings, load_settings


@click.command()
@click.option("--plan", "planning", is_flag=True, help="Propose; nothing is written anywhere.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Save the plan, for `coupon-pipeline apply FILE`.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def repair(*, planning: bool, out: Path | None, as_json: bool) -> int:
    """Propose the writes that would mend what audit finds; apply makes them."""
    if not planning:
        raise click.UsageError(
            "repair writes nothing by itself: repair --plan --out FILE proposes, apply FILE does."
        )
    settings = load_settings()
    with local_sandbox(settings):
        agreement = compare_with_systems(settings, open_existing_ledger(settings))
        selection = _orders_to_sync(settings, agreement)
        planned = None if selection is None else make_plan(settings, selection)
    saved = out if planned is not None else None
    if planned is not None and out is not None:
        out.write_text(planned.saved().to_text() + "\n", encoding="utf-8")
    left = [each for each in agreement.differences if each.mender is not Mender.SYNC]
    if as_json:
        say_document(_document(agreement, planned, left, saved))
    else:
        _show(agreement, planned, left, saved)
    return _status(agreement, planned, left)


def _orders_to_sync(settings: Settings, agreement: Agreement) -> Selection | None:
    """The orders of which a sync mends something, that are still activated; None without any."""
    to_sync = [each for each in agreement.differences if each.mender is Mender.SYNC]
    order_ids = {order_id for e in to_sync if (order_id := e.synced_with or e.order_id)}
    if not order_ids:
        return None
    with closing(open_salesforce(settings)) as salesforce:
        days = salesforce.read_order_days(sorted(order_ids))
    if not days:
        return None
    return Selection(min(days.values()), max(days.values()), tuple(sorted(days)))


def _status(agreement: Agreement, planned: Planned | None, left: list[Difference]) -> int:
    if planned is not None and planned.writes:
        return CHANGES_TO_MAKE
    if left or planned is not None:
        return SOME_BLOCKED
    return COULD_NOT_RUN if agreement.unread else DONE


def _document(
    agreement: Agreement, planned: Planned | None, left: list[Difference], saved: Path | None
) -> dict[str, object]:
    names = agreement.names
    return {
        "differences": [difference_json(each, names) for each in agreement.differences],
        "plan": None if planned is None else planned.as_json(),
        "saved": None if saved is None else str(saved),
        "not_planned": [difference_json(each, names) for each in left],
        "unread_targets": list(agreement.unread),
    }


def _show(
    agreement: Agreement, planned: Planned | None, left: list[Difference], saved: Path | None
) -> None:
    console = Terminal()
    if planned is not None:
        show_plan(planned, saved)
    if left:
        console.print(Text("\nNot in the plan, with who mends it:", style="bold"))
        show_differences(console, left, agreement.names)
    show_unread(console, agreement)
    if not agreement.differences:
        console.print("Nothing has to be mended.")
    elif planned is None:
        console.print("\nNothing of this is for the pipeline to mend; no plan was made.")
