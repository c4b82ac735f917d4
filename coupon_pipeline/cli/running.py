"""What the commands share that run something: which days, and a run through Dagster."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click
import dagster as dg
from rich.text import Text

from coupon_pipeline.assets.launchpad import replacement_name
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.report import RunReport, report_of
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.assets.run import Run
from coupon_pipeline.assets.selecting import SelectionError, select_orders
from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.cli.allowing import Allowed
from coupon_pipeline.cli.terminal import Terminal
from coupon_pipeline.definitions import definitions_of
from coupon_pipeline.domain.ids import InvalidIdError
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger.replacements import unknown_names
from coupon_pipeline.ledger.rows import json_text
from coupon_pipeline.ledger.runs import finish_run
from coupon_pipeline.settings import Settings, load_settings

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class AppliedPlan:
    """A plan on its way: its file, and its id, which becomes the run's."""

    plan_id: str
    file: Path


_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def selection_options(command: Command) -> Command:
    """The options that say which orders a command is about."""
    day = click.DateTime(["%Y-%m-%d"])
    for decorate in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
        click.option(
            "--order", "order_ids", multiple=True, metavar="ID", help="Only this order; repeatable."
        ),
        click.option(
            "--to", "last", type=day, metavar="DAY", help="Last activation day (UTC), or today."
        ),
        click.option(
            "--from", "first", type=day, metavar="DAY", help="First activation day (UTC), or all."
        ),
    ):
        command = decorate(command)
    return command


def replacement_option(command: Command) -> Command:
    """The option that names discounts to be replaced."""
    return click.option(
        "--replace-attached",
        "replace_attached",
        multiple=True,
        metavar="ID",
        callback=lambda _context, _option, ids: _known_names(ids),
        help="Replace the discounts of this order, order item, quote coupon or snapshot that were "
        "granted from other terms than the mapping asks for now; repeatable.",
    )(command)


def _known_names(ids: tuple[str, ...]) -> tuple[str, ...]:
    """The ids in their long form.

    Raises:
        click.BadParameter: one is no id, or no discount was granted under it.
    """
    if not ids:
        return ()
    try:
        names = sorted(set(map(replacement_name, ids)))
    except InvalidIdError as error:
        raise click.BadParameter(str(error)) from error
    ledger = open_ledger(load_settings())
    with ledger.reading() as tx:
        unknown = unknown_names(tx, names)
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)}: the ledger knows no discount that was granted for it."
        )
    return tuple(names)


def select(
    settings: Settings, first: datetime | None, last: datetime | None, order_ids: tuple[str, ...]
) -> Selection | None:
    """The orders that the options name; None where the org has no activated order at all.

    Raises:
        click.UsageError: the days or ids make no sense.
        SettingsError: an account's settings are wrong, which is told before anything is asked.
        SalesforceError: the org had to be asked and could not be.
    """
    days = tuple(None if day is None else day.date() for day in (first, last))
    try:
        return select_orders(settings, days[0], days[1], order_ids)
    except SelectionError as error:
        raise click.BadParameter(str(error), param_hint=f"--{error.part}") from error


def run_through_dagster(
    settings: Settings,
    selection: Selection,
    *,
    replace_attached: Iterable[str] = (),
    keep_history: bool = True,
    plan: AppliedPlan | None = None,
    allowed: Allowed | None = None,
) -> RunReport:
    """Materialise all assets for the selection's days, as Dagster's pages would.

    The run is kept in the history of `DAGSTER_HOME`, or of the folder whose `dagster.yaml` is
    here, so that `dagster dev` shows it; elsewhere it leaves no history. Dagster keeps an event
    for each asset and day, which is most of the time that a run over many days takes.

    With a plan, the run has the plan's id and makes no write that the plan does not hold.

    Raises:
        SalesforceError, StripeEdgeError, LedgerError, SettingsError, MappingError: as the assets.
        KeyboardInterrupt: the process was told to end; what was done so far is kept.
    """
    options: dict[str, object] = {
        "order_ids": list(selection.order_ids),
        "replace_attached": list(replace_attached),
        **(allowed or Allowed()).config(),
    }
    if plan is not None:
        options["plan_file"] = str(plan.file.resolve())
    days = (selection.first_day.isoformat(), selection.last_day.isoformat())
    with _progress() as logger, _instance(keep_history=keep_history) as instance:
        repository = dg.Definitions.merge(
            definitions_of([settings]), dg.Definitions(loggers={"progress": logger})
        )
        job = repository.resolve_job_def(Names.of(settings).named(SYNC_JOB))
        try:
            result = job.execute_in_process(
                run_config={
                    "resources": {"options": {"config": options}},
                    "loggers": {"progress": {}},
                },
                instance=instance,
                tags=dict(zip(_RANGE, days, strict=True)),
                run_id=None if plan is None else plan.plan_id,
            )
        except dg.DagsterExecutionInterruptedError as told:
            raise KeyboardInterrupt from told
    ledger = open_ledger(settings)
    report = report_of(Run(result.run_id, selection), ledger)
    with ledger.transaction() as tx:
        finish_run(tx, result.run_id, json_text(report.as_json()))
    return report


@contextmanager
def _instance(*, keep_history: bool) -> Iterator[dg.DagsterInstance]:
    if not keep_history:
        made = dg.DagsterInstance.ephemeral()
    elif os.environ.get("DAGSTER_HOME"):
        made = dg.DagsterInstance.get()
    elif Path("dagster.yaml").is_file():
        made = dg.DagsterInstance.from_config(".")
    else:
        made = dg.DagsterInstance.ephemeral()
    with made as instance:
        yield instance


@contextmanager
def _progress() -> Iterator[dg.LoggerDefinition]:
    """A line on a terminal: which table is being made and how far it is; silence elsewhere."""
    console = Terminal(stderr=True)
    status = console.status("Starting") if console.is_terminal else nullcontext()
    with status as shown:

        class _Steps(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                meta = getattr(record, "dagster_meta", {})
                event, step = meta.get("dagster_event"), meta.get("step_key")
                if shown is None or step is None:
                    return
                if event is None and record.levelno == logging.INFO:
                    shown.update(Text(f"Making {step}: {meta['orig_message']}"))
                elif event is not None and event.is_step_start:
                    shown.update(Text(f"Making {step}"))

        logger = logging.getLogger("coupon_pipeline.progress")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.handlers = [_Steps()]
        yield dg.LoggerDefinition(lambda _: logger, description="progress on a terminal")
