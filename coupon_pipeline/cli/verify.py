"""`coupon-pipeline verify`: the ledger is intact and unaltered, and agrees with both systems."""

from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.padding import Padding
from rich.text import Text

from coupon_pipeline.assets.agreement import Agreement, compare_with_systems
from coupon_pipeline.assets.resources import open_existing_ledger
from coupon_pipeline.cli.audit import show_unread
from coupon_pipeline.cli.main import COULD_NOT_RUN, DONE, SOME_BLOCKED
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.terminal import Terminal, say_document
from coupon_pipeline.ledger.connection import REBUILD
from coupon_pipeline.ledger.migrations import SCHEMA_VERSION
from coupon_pipeline.ledger.verification import Discrepancy, Inspection, inspect
from coupon_pipeline.settings import load_settings

_FIXES = {
    "evidence": "Somebody or something changed the file. Compare it with a backup; what the "
    "two systems say is told by: coupon-pipeline verify --systems.",
    "open_intents": "Run sync again; nothing is done twice.",
    "coupons": "Look at the Stripe coupon and its quote coupon. An id or terms that do not belong "
    "together were edited by hand.",
    "systems": "coupon-pipeline explain ID tells how it came about; coupon-pipeline plan tells "
    "what a sync would do. A ledger that is out of date is made again by: "
    "coupon-pipeline rebuild-ledger.",
}


@click.command()
@click.option(
    "--systems", is_flag=True, help="Read Salesforce and Stripe too and compare them with it."
)
@click.option(
    "--head", metavar="HASH", help="The hash of evidence noted earlier, which must still be there."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(*, systems: bool, head: str | None, as_json: bool) -> int:
    """Prove that the ledger is intact and unaltered; writes nothing anywhere."""
    settings = load_settings()
    with local_sandbox(settings):
        ledger = open_existing_ledger(settings)
        with ledger.reading() as tx:
            seen = inspect(tx, head)
        agreement = compare_with_systems(settings, ledger) if systems else None
    found = (*seen.discrepancies, *(agreement.discrepancies if agreement else ()))
    if as_json:
        say_document(_document(seen, agreement, found))
    else:
        _show(seen, agreement, found)
    if found:
        return SOME_BLOCKED
    return COULD_NOT_RUN if agreement is not None and agreement.unread else DONE


def _document(
    seen: Inspection, agreement: Agreement | None, found: Sequence[Discrepancy]
) -> dict[str, object]:
    return {
        "ok": not found and not (agreement is not None and agreement.unread),
        "schema_version": SCHEMA_VERSION,
        "rows": seen.rows,
        "evidence": asdict(seen.head),
        "systems": None if agreement is None else agreement.as_json(),
        "discrepancies": [{**asdict(each), "fix": _fix(each)} for each in found],
    }


def _fix(found: Discrepancy) -> str:
    return _FIXES.get(found.check, REBUILD)


def _show(seen: Inspection, agreement: Agreement | None, found: Sequence[Discrepancy]) -> None:
    console = Terminal()
    for each in found:
        console.print(Text(f"{each.check}: {each.what}", style="bold red"))
        console.print(Padding(Text(_fix(each), style="dim"), (0, 0, 0, 4)))
    if not found:
        console.print("The ledger is intact.")
    console.print(Text(f"{seen.rows} rows and {seen.head.entries} entries of evidence were read."))
    if agreement is not None:
        console.print(
            Text(
                f"{agreement.coupons} Stripe coupons and {agreement.attachments} discounts were "
                f"compared in {agreement.calls.salesforce} calls to Salesforce and "
                f"{agreement.calls.stripe_reads} to Stripe."
            )
        )
        show_unread(console, agreement)
    console.print(Text(f"The last entry's hash, to be noted elsewhere: {seen.head.hash}"))
