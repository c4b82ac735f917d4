"""`coupon-pipeline sync`: runs the assets for the selected activation days."""

from datetime import datetime

import click

from coupon_pipeline.cli.allowing import Allowed, allowing_options
from coupon_pipeline.cli.main import DONE, SOME_BLOCKED
from coupon_pipeline.cli.running import (
    replacement_option,
    run_through_dagster,
    select,
    selection_options,
)
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.showing import nothing_activated, show_report
from coupon_pipeline.cli.terminal import say_document
from coupon_pipeline.settings import load_settings


@click.command()
@selection_options
@replacement_option
@allowing_options
def sync(
    *,
    first: datetime | None,
    last: datetime | None,
    order_ids: tuple[str, ...],
    as_json: bool,
    replace_attached: tuple[str, ...],
    allowed: Allowed,
) -> int:
    """Make Stripe's discounts what the activated orders signed."""
    settings = load_settings()
    with local_sandbox(settings):
        selection = select(settings, first, last, order_ids)
        if selection is None:
            return nothing_activated(as_json=as_json)
        report = run_through_dagster(
            settings, selection, replace_attached=replace_attached, allowed=allowed
        )
    if as_json:
        say_document(report.as_json())
    else:
        show_report(report, selection)
    return SOME_BLOCKED if report.has_blocked else DONE
