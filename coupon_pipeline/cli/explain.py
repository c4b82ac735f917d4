"""`coupon-pipeline explain`: why a discount is there, or why it is not."""

import json

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.cli.main import COULD_NOT_RUN, DONE
from coupon_pipeline.cli.stories import Story, read_stories
from coupon_pipeline.settings import load_settings


@click.command()
@click.argument("record_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(*, record_id: str, as_json: bool) -> int:
    """Tell the story of an order, item, quote coupon, Stripe coupon or subscription."""
    stories = read_stories(open_ledger(load_settings()), record_id)
    if as_json:
        click.echo(json.dumps({"id": record_id, "stories": [s.as_json() for s in stories]}))
    elif stories:
        for story in stories:
            show_story(story)
    else:
        click.echo(
            f"The ledger knows nothing of {record_id}. It may belong to an order that is not "
            "activated or that no run has read yet.",
            err=True,
        )
    return DONE if stories else COULD_NOT_RUN


def show_story(story: Story) -> None:
    """One order as a tree: its coupons, and for each what is known in order."""
    tree = Tree(Text(story.headline, style="bold"))
    for chapter in story.chapters:
        branch = tree.add(Text(chapter.headline))
        for line in chapter.lines:
            branch.add(Text(line))
    if not story.chapters:
        tree.add(Text("No coupon is associated with this order."))
    Console().print(tree)
