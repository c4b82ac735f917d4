"""`coupon-pipeline explain`: why a discount is there, or why it is not."""

from contextlib import closing
from dataclasses import asdict

import click
from rich.text import Text
from rich.tree import Tree

from coupon_pipeline.assets.next_invoice import NextInvoice, NotPreviewed, next_invoice
from coupon_pipeline.assets.replacements import target_policy
from coupon_pipeline.assets.resources import open_ledger, open_stripe
from coupon_pipeline.cli.main import COULD_NOT_RUN, DONE
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.stories import Story, read_stories
from coupon_pipeline.cli.terminal import Terminal, say, say_document
from coupon_pipeline.settings import Settings, load_settings


@click.command()
@click.argument("record_id", metavar="ID")
@click.option(
    "--invoice",
    "with_invoice",
    is_flag=True,
    help="Ask Stripe what the next invoice is with our discounts and without.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(*, record_id: str, with_invoice: bool, as_json: bool) -> int:
    """Tell the story of an order, item, quote coupon, Stripe coupon or subscription."""
    settings = load_settings()
    with local_sandbox(settings):
        stories = read_stories(open_ledger(settings), record_id)
        invoices = _next_invoices(settings, stories) if with_invoice else {}
    if as_json:
        told = [{**s.as_json(), **_invoice_json(invoices.get(s.order_id))} for s in stories]
        say_document({"id": record_id, "stories": told})
    elif stories:
        for story in stories:
            show_story(story, invoices.get(story.order_id))
            _show_timeline(story)
    else:
        say(
            f"The ledger knows nothing of {record_id}. It may belong to an order that is not "
            "activated or that no run has read yet.",
            err=True,
        )
    return DONE if stories else COULD_NOT_RUN


def show_story(
    story: Story,
    invoice: NextInvoice | NotPreviewed | None = None,
    console: Terminal | None = None,
) -> None:
    """One order as a tree: its coupons, and for each what is known in order."""
    tree = Tree(Text(story.headline, style="bold"))
    for chapter in story.chapters:
        branch = tree.add(Text(chapter.headline))
        for line in chapter.lines:
            branch.add(Text(line))
    if not story.chapters:
        tree.add(Text("No coupon is associated with this order."))
    if invoice is not None:
        tree.add(Text(invoice.sentence))
    (console or Terminal()).print(tree)


def _show_timeline(story: Story) -> None:
    """What happened, one line each, with what finds it in Stripe's dashboard and in Dagster."""
    tree = Tree(Text("Timeline (UTC)", style="bold"))
    for event in story.timeline:
        found_by = [
            f"{kind} {found}"
            for kind, found in (
                ("request", event.request_id),
                ("run", event.run_id),
                ("plan", event.plan_id),
            )
            if found
        ]
        sought = f" [{', '.join(found_by)}]" if found_by else ""
        tree.add(Text(f"{event.at:%Y-%m-%d %H:%M:%S}  {event.text}{sought}"))
    Terminal().print(tree)


def _next_invoices(
    settings: Settings, stories: list[Story]
) -> dict[str, NextInvoice | NotPreviewed]:
    with closing(open_stripe(settings)) as stripe:
        return {
            story.order_id: next_invoice(
                stripe, story.target_id, story.granted, target_policy(settings)
            )
            for story in stories
            if story.target_id is not None
        }


def _invoice_json(invoice: NextInvoice | NotPreviewed | None) -> dict[str, object]:
    if invoice is None:
        return {}
    shown = isinstance(invoice, NextInvoice)
    return {"next_invoice" if shown else "not_previewed": asdict(invoice)}
