"""`coupon-pipeline demo`: the whole pipeline on the local sandbox, and what came of it."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.rule import Rule
from rich.text import Text

from coupon_pipeline.assets.next_invoice import next_invoice
from coupon_pipeline.assets.replacements import target_policy
from coupon_pipeline.assets.resources import open_stripe
from coupon_pipeline.cli.explain import show_story
from coupon_pipeline.cli.main import DONE
from coupon_pipeline.cli.running import run_through_dagster, select
from coupon_pipeline.cli.sandbox import STATE_FILE, announced, forget
from coupon_pipeline.cli.showing import show_report
from coupon_pipeline.cli.stories import Story, read_stories
from coupon_pipeline.cli.terminal import Terminal, say_document
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.sandbox.serving import Addresses, Sandbox
from coupon_pipeline.settings import SANDBOX_FOLDER, Settings, load_settings

_COMPANY = 200


@click.command()
@click.option(
    "--orders",
    default=_COMPANY,
    show_default=True,
    type=click.IntRange(min=1),
    help="Size of the company.",
)
@click.option("--seed", default=7, show_default=True, help="The same seed, the same company.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo(*, orders: int, seed: int, as_json: bool) -> int:
    """Start the local sandbox, run the whole pipeline, show what happened and why.

    Accounts of yours that are set are not used and not touched.
    """
    console = Terminal(quiet=as_json)
    SANDBOX_FOLDER.mkdir(exist_ok=True)
    forget(STATE_FILE)
    with (
        Sandbox(orders=orders, seed=seed, state_file=STATE_FILE) as served,
        announced(served, STATE_FILE),
        _only(served.addresses, STATE_FILE.with_suffix(".duckdb")),
    ):
        settings = load_settings()
        console.print(
            f"A company with {orders} activated orders is in a local Salesforce at "
            f"{served.addresses.salesforce_url} and a local Stripe at {served.addresses.stripe_url}"
        )
        selection = select(settings, None, None, ())
        assert selection is not None, "the company has orders"
        console.print(Rule("First run: coupons become discounts"))
        first = run_through_dagster(settings, selection)
        show_report(first, selection, console=console)
        console.print(Rule("Why is this discount here?"))
        story = _best_story(Ledger(settings.ledger_path))
        if story is not None and story.target_id is not None:
            with closing(open_stripe(settings)) as stripe:
                policy = target_policy(settings)
                invoice = next_invoice(stripe, story.target_id, story.granted, policy)
            show_story(story, invoice, console=console)
        console.print(Rule("Second run: the same orders again"))
        again = run_through_dagster(settings, selection, keep_history=False)
        show_report(again, selection, with_problems=False, console=console)
    console.print(Rule("What next"))
    console.print(
        Text(
            "make ui                         the same company in Dagster's pages\n"
            "coupon-pipeline explain ID      the story of any id above\n"
            "coupon-pipeline problems        what needs attention, with what to do\n"
            "README.md                       connect your own accounts"
        )
    )
    if as_json:
        explained = None if story is None else story.as_json()
        say_document({"first": first.as_json(), "explained": explained, "again": again.as_json()})
    return DONE


@contextmanager
def _only(addresses: Addresses, ledger: Path) -> Iterator[None]:
    """Make the sandbox the only account that this process knows, whatever is set.

    An empty variable also hides what a `.env` file says.
    """
    before = dict(os.environ)
    for name in Settings.model_fields:
        os.environ[name.upper()] = ""
    os.environ.update(addresses.environment())
    os.environ["COUPON_PIPELINE_DB"] = str(ledger)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _best_story(ledger: Ledger) -> Story | None:
    """The order with the most coupons, as the one worth explaining."""
    with ledger.reading() as tx:
        found = tx.rows("order_with_most_attachments")
    return read_stories(ledger, str(found[0][0]))[0] if found else None
