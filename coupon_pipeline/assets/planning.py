"""A plan: the same stages as a sync, on a copy of the ledger, with nothing written anywhere."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from coupon_pipeline.assets.activated_orders import extract_orders
from coupon_pipeline.assets.coupon_attachments import load_attachments
from coupon_pipeline.assets.coupon_junctions import extract_junctions
from coupon_pipeline.assets.coupon_snapshots import freeze_snapshots
from coupon_pipeline.assets.next_invoice import NextInvoice, planned_invoice
from coupon_pipeline.assets.report import RunReport, report_of
from coupon_pipeline.assets.reporting import counted_stage
from coupon_pipeline.assets.resources import (
    open_ledger,
    open_salesforce,
    open_stripe,
    read_mapping,
)
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.assets.salesforce_records import write_back
from coupon_pipeline.assets.stripe_coupons import load_coupons
from coupon_pipeline.domain.attachments import SubscriptionUpdate
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdge


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan: what a sync would report, and what each stage would do."""

    report: RunReport
    stages: tuple[StageReport, ...]
    invoices: tuple[NextInvoice, ...] = ()
    """Of the subscriptions that would change, where it was asked for and Stripe can tell."""

    def changes(self) -> list[dict[str, str]]:
        """Every write that a sync would make, as texts under the columns of its stage."""
        return [
            dict(zip(stage.preview_columns, map(str, row), strict=True))
            for stage in self.stages
            for row in stage.changes
        ]

    def as_json(self) -> dict[str, object]:
        """The document that `plan --json` prints."""
        return {
            **self.report.as_json(),
            "changes": self.changes(),
            "next_invoices": [asdict(invoice) for invoice in self.invoices],
        }


def make_plan(settings: Settings, selection: Selection, *, invoices: bool = False) -> Planned:
    """Decide everything on a copy of the ledger, and write nothing anywhere.

    `invoices` also asks Stripe for the next invoice of each subscription that would change.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
    """
    run = Run(f"plan-{uuid4()}", selection, dry_run=True)
    with (
        tempfile.TemporaryDirectory(prefix="coupon_pipeline-plan-") as folder,
        closing(open_salesforce(settings)) as salesforce,
        closing(open_stripe(settings)) as stripe,
    ):
        ledger = _copy_of(open_ledger(settings), Path(folder))
        done = run_stages(run, ledger, salesforce, stripe, settings)
        previews = [
            planned_invoice(stripe, request)
            for report in done
            for request in report.requests
            if invoices and isinstance(request, SubscriptionUpdate)
        ]
        return Planned(
            report_of(run, ledger), tuple(done), tuple(each for each in previews if each)
        )


def run_stages(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, stripe: StripeEdge, settings: Settings
) -> list[StageReport]:
    """What the assets do, one after the other, without Dagster.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
    """
    mapping = read_mapping(settings)
    stages: tuple[Callable[[], StageReport], ...] = (
        lambda: extract_orders(run, ledger, salesforce, settings, mapping),
        lambda: extract_junctions(run, ledger, salesforce, mapping),
        lambda: freeze_snapshots(run, ledger, salesforce, settings, mapping),
        lambda: load_coupons(run, ledger, stripe, settings, mapping),
        lambda: load_attachments(run, ledger, stripe, settings),
        lambda: write_back(run, ledger, salesforce, settings, mapping),
    )
    done = []
    for stage in stages:
        with counted_stage(run, ledger, salesforce=salesforce, stripe=stripe) as counted:
            counted.report = stage()
        done.append(counted.report)
    return done


def _copy_of(ledger: Ledger, folder: Path) -> Ledger:
    copy = folder / "ledger.duckdb"
    if ledger.path.exists():
        ledger.copy_to(copy)
    return Ledger(copy)
