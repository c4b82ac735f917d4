"""`coupon-pipeline rebuild-ledger`: a lost or broken ledger, made again from both systems."""

from pathlib import Path

import click

from coupon_pipeline.assets.rebuilding import Rebuilt, replace_ledger
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.cli.main import DONE, SOME_BLOCKED
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.terminal import say, say_document
from coupon_pipeline.settings import load_settings


@click.command("rebuild-ledger")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def rebuild_ledger(*, as_json: bool) -> int:
    """Make a lost or broken ledger again; the old file is kept, nothing is written elsewhere."""
    settings = load_settings()
    with local_sandbox(settings):
        ledger = open_ledger(settings)
        rebuilt, kept = replace_ledger(settings, ledger)
    if as_json:
        document = {**rebuilt.as_json(), "ledger": str(ledger.path)}
        say_document({**document, "kept": None if kept is None else str(kept)})
    else:
        _show(rebuilt, ledger.path, kept)
    return SOME_BLOCKED if rebuilt.edited or rebuilt.unread_targets else DONE


def _show(rebuilt: Rebuilt, path: Path, kept: Path | None) -> None:
    say(
        f"{path} was made again: {rebuilt.orders} orders, {rebuilt.snapshots} coupon snapshots, "
        f"{rebuilt.coupons} Stripe coupons, {rebuilt.attachments} discounts that were granted."
    )
    if kept is not None:
        say(f"The old file is {kept}; {rebuilt.evidence} entries of evidence were taken over.")
    if rebuilt.evidence_refused is not None:
        say(
            "Evidence begins anew, and who audits you needs the old file as well. "
            f"{rebuilt.evidence_refused}"
        )
    for coupon_id in rebuilt.edited:
        say(
            f"Stripe coupon {coupon_id} was edited and is left out: its terms are not those that "
            "it was made with."
        )
    if rebuilt.unread_targets:
        say(
            f"{rebuilt.unread_targets} subscriptions could not be read just now; the next sync "
            "reads them."
        )
    say(
        f"{rebuilt.calls.salesforce} calls to Salesforce and {rebuilt.calls.stripe_reads} to "
        "Stripe, none of them a write. Now run: coupon-pipeline verify --systems."
    )
