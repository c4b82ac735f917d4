"""A plan: the same stages as a sync, on a copy of the ledger, with nothing written anywhere."""

import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.launchpad import replacement_name
from coupon_pipeline.assets.next_invoice import NextInvoice, NotPreviewed, planned_invoice
from coupon_pipeline.assets.report import RunReport, report_of
from coupon_pipeline.assets.reporting import counted_stage
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan: what a sync would report, and what each stage would do."""

    report: RunReport
    stages: tuple[StageReport, ...]
    invoices: tuple[NextInvoice, ...] = ()
    """Of the targets that would change, where it was asked for and Stripe can tell."""
    not_previewed: tuple[NotPreviewed, ...] = ()
    """Those for which Stripe cannot tell."""

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
            "not_previewed": [asdict(each) for each in self.not_previewed],
        }


def make_plan(
    settings: Settings,
    selection: Selection,
    *,
    replace_attached: Iterable[str] = (),
    invoices: bool = False,
) -> Planned:
    """Decide everything on a copy of the ledger, and write nothing anywhere.

    `replace_attached` names what shall be replaced; `invoices` also asks Stripe for the next
    invoice of each target that would change.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
    """
    run = Run(
        f"plan-{uuid4()}",
        selection,
        dry_run=True,
        replace_attached=frozenset(map(replacement_name, replace_attached)),
    )
    with (
        tempfile.TemporaryDirectory(prefix="coupon_pipeline-plan-") as folder,
        closing(Connection(settings, ledger=_copy_of(open_ledger(settings), Path(folder)))) as at,
    ):
        done = run_stages(run, at)
        previews = [
            planned_invoice(at.stripe, request)
            for report in done
            for request in report.requests
            if invoices
        ]
        return Planned(
            report_of(run, at.ledger),
            tuple(done),
            tuple(each for each in previews if isinstance(each, NextInvoice)),
            tuple(each for each in previews if isinstance(each, NotPreviewed)),
        )


def run_stages(run: Run, at: Connection) -> list[StageReport]:
    """What the assets do, one after the other, without Dagster.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
    """
    done = []
    for stage in STAGES:
        with counted_stage(run, at) as counted:
            counted.report = stage.make(run, at)
        done.append(counted.report)
    return done


def _copy_of(ledger: Ledger, folder: Path) -> Ledger:
    copy = folder / "ledger.duckdb"
    if ledger.path.exists():
        ledger.copy_to(copy)
    return Ledger(copy)
