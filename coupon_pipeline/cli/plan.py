"""`coupon-pipeline plan`: what `sync` would do, without writing anything anywhere."""

from datetime import datetime
from pathlib import Path

import click

from coupon_pipeline.assets.planning import make_plan
from coupon_pipeline.cli.main import CHANGES_TO_MAKE, DONE, SOME_BLOCKED
from coupon_pipeline.cli.plan_markdown import plan_markdown
from coupon_pipeline.cli.plan_showing import show_plan
from coupon_pipeline.cli.running import replacement_option, select, selection_options
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.showing import nothing_activated
from coupon_pipeline.cli.terminal import say, say_document
from coupon_pipeline.settings import load_settings


@click.command()
@selection_options
@replacement_option
@click.option(
    "--invoices",
    is_flag=True,
    help="Ask Stripe what the next invoice of each changed subscription is, before and after.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Save the plan, for `coupon-pipeline apply FILE`.",
)
@click.option("--markdown", is_flag=True, help="Print Markdown, for a review.")
def plan(
    *,
    first: datetime | None,
    last: datetime | None,
    order_ids: tuple[str, ...],
    as_json: bool,
    replace_attached: tuple[str, ...],
    invoices: bool,
    out: Path | None,
    markdown: bool,
) -> int:
    """Show what sync would do; nothing is written anywhere."""
    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other.")
    settings = load_settings()
    with local_sandbox(settings):
        selection = select(settings, first, last, order_ids)
        if selection is None:
            return nothing_activated(as_json=as_json)
        planned = make_plan(
            settings, selection, replace_attached=replace_attached, invoices=invoices
        )
    if out is not None:
        out.write_text(planned.saved().to_text() + "\n", encoding="utf-8")
    if as_json:
        say_document(planned.as_json())
    elif markdown:
        say(plan_markdown(planned))
    else:
        show_plan(planned, out)
    if planned.would_change:
        return CHANGES_TO_MAKE
    return SOME_BLOCKED if planned.report.has_blocked else DONE
