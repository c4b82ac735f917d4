"""`coupon-pipeline retry`: the blocked and waiting records again, from a fresh reading."""

from contextlib import closing

import click

from coupon_pipeline.assets.report import RunReport
from coupon_pipeline.assets.resources import open_ledger, open_salesforce
from coupon_pipeline.cli.allowing import Allowed, allowing_options
from coupon_pipeline.cli.main import DONE, SOME_BLOCKED
from coupon_pipeline.cli.problems import read_problems
from coupon_pipeline.cli.running import run_through_dagster
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.showing import show_report
from coupon_pipeline.cli.terminal import say, say_document
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.settings import Settings, load_settings

_TRIED_AGAIN = frozenset({"blocked", "pending"})


@click.command()
@click.argument("record_ids", nargs=-1, metavar="[ID ...]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@allowing_options
def retry(*, record_ids: tuple[str, ...], as_json: bool, allowed: Allowed) -> int:
    """Read the orders of blocked and waiting records again, and try them again.

    With IDs, only the orders that those are about: orders, items, coupons or subscriptions.
    """
    settings = load_settings()
    with local_sandbox(settings):
        selection = _orders_to_try(settings, record_ids)
        report = (
            RunReport.empty()
            if selection is None
            else run_through_dagster(settings, selection, allowed=allowed)
        )
    if as_json:
        say_document(report.as_json())
    elif selection is None:
        say("Nothing is blocked or waiting.")
    else:
        show_report(report, selection)
    return SOME_BLOCKED if report.has_blocked else DONE


def _orders_to_try(settings: Settings, record_ids: tuple[str, ...]) -> Selection | None:
    """The orders with something blocked or waiting that are still activated; None without any."""
    with open_ledger(settings).reading() as tx:
        found = [p for each in record_ids or (None,) for p in read_problems(tx, each)]
    order_ids = {p.order_id for p in found if p.order_id and p.effect in _TRIED_AGAIN}
    if not order_ids:
        return None
    with closing(open_salesforce(settings)) as salesforce:
        days = salesforce.read_order_days(sorted(order_ids))
    if not days:
        return None
    return Selection(min(days.values()), max(days.values()), tuple(sorted(days)))
