"""`coupon-pipeline apply`: exactly the writes of a saved plan, once, or none of them."""

from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import click

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.live_money import refuse_unmeant_live_money
from coupon_pipeline.assets.planning import accounts_of, make_plan
from coupon_pipeline.assets.report import RunReport
from coupon_pipeline.assets.resources import open_ledger, read_mapping, read_plan
from coupon_pipeline.assets.run import RunStopped, now
from coupon_pipeline.cli.allowing import Allowed, allowing_options
from coupon_pipeline.cli.main import DONE, SOME_BLOCKED
from coupon_pipeline.cli.running import AppliedPlan, run_through_dagster
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.showing import show_report
from coupon_pipeline.cli.terminal import say_document
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.saved_plan import SavedPlan
from coupon_pipeline.ledger.runs import begin_run, read_started_at
from coupon_pipeline.settings import Settings, load_settings


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--max-age",
    "hours",
    type=click.FloatRange(min=0, min_open=True),
    metavar="HOURS",
    help="How old the plan may be; COUPON_PIPELINE_PLAN_MAX_AGE_HOURS unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@allowing_options
def apply(*, file: Path, hours: float | None, as_json: bool, allowed: Allowed) -> int:
    """Make exactly the writes of a plan that was saved, once, or refuse."""
    saved = read_plan(file)
    settings = load_settings()
    age = settings.coupon_pipeline_plan_max_age_hours if hours is None else Decimal(str(hours))
    with local_sandbox(settings):
        report = apply_plan(settings, saved, file, timedelta(hours=float(age)), allowed)
    if as_json:
        say_document(report.as_json())
    else:
        show_report(report, saved.selection)
    return SOME_BLOCKED if report.has_blocked else DONE


def apply_plan(
    settings: Settings, saved: SavedPlan, file: Path, max_age: timedelta, allowed: Allowed
) -> RunReport:
    """Plan again; where that is the same plan, carry it out.

    Raises:
        RunStopped: it must not be applied, or not any more. Nothing was written.
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
    """
    settings.salesforce()
    refuse_unmeant_live_money(settings, meant=allowed.live)
    ledger = open_ledger(settings)
    with closing(Connection(settings)) as at:
        accounts = accounts_of(at, ledger)
    applied = None
    if accounts.ledger is not None:
        with ledger.reading() as tx:
            applied = read_started_at(tx, saved.plan_id)
    _stop(saved.refusal(accounts, now(), max_age=max_age, applied=applied))
    planned = make_plan(
        settings,
        saved.selection,
        replace_attached=saved.replace_attached,
        caps=settings.caps().raised(allowed.caps()),
    )
    _stop(saved.change(planned.basis, planned.writes))
    _stop(next(iter(planned.stops), None))
    with ledger.transaction() as tx:
        begun = read_started_at(tx, saved.plan_id)
        if begun is None:
            begin_run(tx, saved.plan_id, saved.selection, read_mapping(settings).mapping_hash)
    _stop(saved.refusal(accounts, now(), max_age=max_age, applied=begun))
    return run_through_dagster(
        settings,
        saved.selection,
        replace_attached=saved.replace_attached,
        allowed=allowed,
        plan=AppliedPlan(saved.plan_id, file),
    )


def _stop(problem: Problem | None) -> None:
    if problem is not None:
        raise RunStopped(problem)
