"""`coupon-pipeline plan`: what `sync` would do, without writing anything anywhere."""

import json
from datetime import datetime

import click

from coupon_pipeline.assets.planning import make_plan
from coupon_pipeline.cli.main import CHANGES_TO_MAKE, DONE, SOME_BLOCKED
from coupon_pipeline.cli.running import replacement_option, select, selection_options
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.showing import nothing_activated, show_plan
from coupon_pipeline.settings import load_settings


@click.command()
@selection_options
@replacement_option
@click.option(
    "--invoices",
    is_flag=True,
    help="Ask Stripe what the next invoice of each changed subscription is, before and after.",
)
def plan(
    *,
    first: datetime | None,
    last: datetime | None,
    order_ids: tuple[str, ...],
    as_json: bool,
    replace_attached: tuple[str, ...],
    invoices: bool,
) -> int:
    """Show what sync would do; nothing is written anywhere."""
    settings = load_settings()
    with local_sandbox(settings):
        selection = select(settings, first, last, order_ids)
        if selection is None:
            return nothing_activated(as_json=as_json)
        planned = make_plan(
            settings, selection, replace_attached=replace_attached, invoices=invoices
        )
    if as_json:
        click.echo(json.dumps(planned.as_json()))
    else:
        show_plan(planned, selection)
    if planned.report.writes:
        return CHANGES_TO_MAKE
    return SOME_BLOCKED if planned.report.has_blocked else DONE
