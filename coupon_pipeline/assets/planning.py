"""A plan: every stage decides on a copy of the ledger, and nothing is written anywhere."""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from coupon_pipeline.assets.collector import collector_paused
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.launchpad import replacement_name
from coupon_pipeline.assets.next_invoice import NextInvoice, NotPreviewed, planned_invoice
from coupon_pipeline.assets.plan_basis import ledger_basis, salesforce_basis, settings_basis
from coupon_pipeline.assets.plan_orders import OrderPlan, plans_of_orders
from coupon_pipeline.assets.plan_totals import Cost, Money, cost_of, money_of
from coupon_pipeline.assets.progress import Progress
from coupon_pipeline.assets.report import RunReport, report_of
from coupon_pipeline.assets.reporting import counted_stage
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.assets.stage_asset import StageAsset
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.domain.caps import Caps
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.saved_plan import Accounts, SavedPlan
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdge, StripeRefused


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan: what a sync would report, and every write that it would make."""

    made_at: datetime
    selection: Selection
    replace_attached: tuple[str, ...]
    accounts: Accounts
    basis: dict[str, str]
    report: RunReport
    stages: tuple[StageReport, ...]
    orders: tuple[OrderPlan, ...]
    money: tuple[Money, ...]
    cost: Cost
    invoices: tuple[NextInvoice, ...] = ()
    """Of the targets that would change, where it was asked for and Stripe can tell."""
    not_previewed: tuple[NotPreviewed, ...] = ()
    """Those for which Stripe cannot tell."""

    @property
    def writes(self) -> tuple[PlannedWrite, ...]:
        """What would be sent, in that order."""
        return tuple(write for stage in self.stages for write in stage.writes)

    @property
    def would_change(self) -> bool:
        """Whether a sync would change anything: what only goes on later is no new discount."""
        return bool(self.report.writes or self.writes)

    @property
    def stops(self) -> tuple[Problem, ...]:
        """What would end the run before it writes anything more, such as a cap."""
        return tuple(problem for stage in self.stages for problem in stage.stops)

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
            "order_plans": [each.as_json() for each in self.orders],
            "money": [each.as_json() for each in self.money],
            "cost": self.cost.as_json(),
            "next_invoices": [asdict(invoice) for invoice in self.invoices],
            "not_previewed": [asdict(each) for each in self.not_previewed],
            "stops": [{"code": s.code, "message": s.message, "fix": s.fix} for s in self.stops],
        }

    def saved(self) -> SavedPlan:
        """The plan as a file holds it."""
        return SavedPlan(
            plan_id=str(uuid4()),
            made_at=self.made_at,
            accounts=self.accounts,
            selection=self.selection,
            replace_attached=self.replace_attached,
            basis=self.basis,
            writes=self.writes,
            document=self.as_json(),
        )


def make_plan(
    settings: Settings,
    selection: Selection,
    *,
    replace_attached: Iterable[str] = (),
    invoices: bool = False,
    caps: Caps | None = None,
    tell: Callable[[str], None] | None = None,
) -> Planned:
    """Decide everything on a copy of the ledger, and write nothing anywhere.

    `replace_attached` names what shall be replaced; `invoices` also asks Stripe for the next
    invoice of each target that would change; `caps` stand in place of the settings'; `tell` is
    given a line now and then on how far a long plan is.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
    """
    named = tuple(sorted({replacement_name(name) for name in replace_attached}))
    run = Run(
        f"plan-{uuid4()}",
        selection,
        dry_run=True,
        caps=caps or settings.caps(),
        replace_attached=frozenset(named),
        progress=Progress(tell),
    )
    original = open_ledger(settings)
    with (
        tempfile.TemporaryDirectory(prefix="coupon_pipeline-plan-") as folder,
        closing(Connection(settings, ledger=_copy_of(original, Path(folder)))) as at,
    ):
        made_at = now()
        basis = settings_basis(settings, at.mapping) | ledger_basis(at.ledger, selection)
        done = run_stages(run, at)
        basis |= salesforce_basis(at.ledger, selection)
        for stage in done:
            basis |= stage.basis
        cost = cost_of(settings, done, at.stripe, at.salesforce)
        requests = (request for stage in done for request in stage.requests if invoices)
        previews = [planned_invoice(at.stripe, request) for request in requests]
        return Planned(
            made_at=made_at,
            selection=selection,
            replace_attached=named,
            accounts=accounts_of(at, original),
            basis=basis,
            report=report_of(run, at.ledger),
            stages=tuple(done),
            orders=plans_of_orders(run, at.ledger, done),
            money=money_of(run, at.ledger),
            cost=cost,
            invoices=tuple(each for each in previews if isinstance(each, NextInvoice)),
            not_previewed=tuple(each for each in previews if isinstance(each, NotPreviewed)),
        )


def accounts_of(at: Connection, ledger: Ledger) -> Accounts:
    """Whose records the connection reaches; the ledger is the one that is not a copy."""
    opened_at = ledger.opened_at()
    return Accounts(
        org_id=at.salesforce.read_org().org_id,
        stripe_account=_account_id(at.stripe),
        livemode=at.settings.stripe().live,
        ledger=None if opened_at is None else opened_at.isoformat(),
    )


def _account_id(stripe: StripeEdge) -> str | None:
    """None where a restricted key may not ask."""
    try:
        return stripe.account.account_id
    except StripeRefused:
        return None


@collector_paused()
def run_stages(
    run: Run, at: Connection, stages: Iterable[StageAsset] = STAGES
) -> list[StageReport]:
    """What the assets do, one after the other, without Dagster.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
    """
    done = []
    for stage in stages:
        run.progress.begin(stage.name)
        with counted_stage(run, at) as counted:
            counted.report = stage.make(run, at)
        done.append(counted.report)
    return done


def _copy_of(ledger: Ledger, folder: Path) -> Ledger:
    copy = folder / "ledger.duckdb"
    if ledger.exists:
        ledger.copy_to(copy)
    return Ledger(copy)
