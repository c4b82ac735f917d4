"""The job that everything here starts, and what is known of the runs that it started."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from coupon_pipeline.assets.checks import AT_NIGHT
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.partitions import days_of_run
from coupon_pipeline.automation.day_ranges import DayRange

SYNC_JOB = "sync"
AGREEMENT_JOB = "agreement"
TRIGGER = "coupon_pipeline/trigger"
"""Run tag: which schedule or sensor asked for the run."""
_BY_CONDITION = "dagster/from_automation_condition"

_FIRST_WAIT = timedelta(minutes=5)
_LONGEST_WAIT = timedelta(hours=6)
_MOST_DOUBLINGS = 7
"""More would be longer than the longest wait."""
_LOOK_BACK = timedelta(days=3)
_MOST_RECORDS = 5000
"""More than a busy org's sensor asks for between two attempts of a run that fails."""
_WAITING = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.QUEUED)
_UNDER_WAY = (*_WAITING, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)


def sync_job(names: Names) -> UnresolvedAssetJobDefinition:
    """The job of one connection over all its assets."""
    return dg.define_asset_job(
        names.named(SYNC_JOB),
        selection=names.assets() - _at_night(names),
        description="Makes Stripe's discounts what the activated orders signed.",
    )


def agreement_job(names: Names) -> UnresolvedAssetJobDefinition:
    """The job of one connection that compares its ledger with both systems."""
    return dg.define_asset_job(
        names.named(AGREEMENT_JOB),
        selection=_at_night(names),
        description="Reads both systems and tells where the ledger says something else. "
        "Writes nothing.",
    )


def agreement_schedule(
    names: Names, default_status: dg.DefaultScheduleStatus
) -> dg.ScheduleDefinition:
    """Asks once a night."""
    return dg.ScheduleDefinition(
        name=names.named("nightly_agreement"),
        cron_schedule="41 2 * * *",
        execution_timezone="UTC",
        job_name=names.named(AGREEMENT_JOB),
        default_status=default_status,
        description="Compares the whole ledger with Salesforce and Stripe.",
    )


def _at_night(names: Names) -> dg.AssetSelection:
    keys = [dg.AssetCheckKey(names.key(each.asset), each.name) for each in AT_NIGHT]
    return dg.AssetSelection.checks(*keys)


@dataclass(frozen=True, slots=True)
class Repeat:
    """A range whose latest run failed and is due again."""

    days: DayRange
    failed_run_id: str


def request(
    days: DayRange, trigger: str, run_key: str, tags: Mapping[str, str] | None = None
) -> dg.RunRequest:
    """One run over a range of days; the same key is asked for once only."""
    return dg.RunRequest(run_key=run_key, tags={**days.tags, TRIGGER: trigger, **(tags or {})})


def is_under_way(instance: dg.DagsterInstance, trigger: str) -> bool:
    """Whether a run that this trigger asked for has not ended yet."""
    runs = dg.RunsFilter(tags={TRIGGER: trigger}, statuses=_UNDER_WAY)
    return instance.get_runs_count(runs) > 0


def is_waiting(instance: dg.DagsterInstance, trigger: str) -> bool:
    """Whether a run that this trigger asked for has not begun yet."""
    runs = dg.RunsFilter(tags={TRIGGER: trigger}, statuses=_WAITING)
    return instance.get_runs_count(runs) > 0


def backfill_goes_on(instance: dg.DagsterInstance, names: Names) -> bool:
    """Whether a run of a backfill of the connection has not ended yet."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY), limit=_MOST_RECORDS)
    return any("dagster/backfill" in run.tags and is_of(run, names) for run in runs)


def is_of(run: dg.DagsterRun, names: Names) -> bool:
    """Whether the run makes or checks tables of the connection. Plans do not."""
    keys = [*(run.asset_selection or ()), *(c.asset_key for c in run.asset_check_selection or ())]
    if run.job_name in {names.named(SYNC_JOB), names.named(AGREEMENT_JOB)}:
        return True
    return any(tuple(key.path[:-1]) == tuple(names.prefix) for key in keys)


def own_runs(instance: dg.DagsterInstance, trigger: str, now: datetime) -> Sequence[dg.RunRecord]:
    """The runs of the last days that this trigger asked for, newest first."""
    runs = dg.RunsFilter(tags={TRIGGER: trigger}, created_after=now - _LOOK_BACK)
    return instance.get_run_records(runs, limit=_MOST_RECORDS)


def runs_by_conditions(
    instance: dg.DagsterInstance, names: Names, now: datetime
) -> Sequence[dg.RunRecord]:
    """The runs of the last days that conditions of the connection asked for, newest first."""
    runs = dg.RunsFilter(tags={_BY_CONDITION: "true"}, created_after=now - _LOOK_BACK)
    found = instance.get_run_records(runs, limit=_MOST_RECORDS)
    return [record for record in found if is_of(record.dagster_run, names)]


def last_run_id(instance: dg.DagsterInstance, trigger: str) -> str | None:
    """The newest run that this trigger ever asked for."""
    runs = instance.get_runs(dg.RunsFilter(tags={TRIGGER: trigger}), limit=1)
    return runs[0].run_id if runs else None


def by_days(records: Iterable[dg.RunRecord]) -> dict[DayRange, list[dg.RunRecord]]:
    """Runs by the days that they were about, newest first."""
    found: dict[DayRange, list[dg.RunRecord]] = {}
    for record in records:
        days = days_of(record.dagster_run.tags)
        if days is not None:
            found.setdefault(days, []).append(record)
    return found


def repeats(instance: dg.DagsterInstance, trigger: str, now: datetime) -> list[Repeat]:
    """Ranges whose latest runs failed and that are due again.

    Neither a cursor nor a run key remembers that a run failed, so the history is asked.
    """
    found = []
    for days, records in sorted(by_days(own_runs(instance, trigger, now)).items()):
        in_a_row: list[dg.RunRecord] = []
        for record in records:
            if not has_failed(record):
                break
            in_a_row.append(record)
        if in_a_row and is_due(in_a_row, now):
            found.append(Repeat(days, in_a_row[0].dagster_run.run_id))
    return found


def is_due(attempts: Sequence[dg.RunRecord], now: datetime) -> bool:
    """Whether to try again: after 5 minutes, then twice as long each time, at last each six hours.

    It is never given up: nothing else may know of the days, and an outage may last for long.
    """
    if not attempts:
        return True
    wait = min(_FIRST_WAIT * (1 << min(len(attempts) - 1, _MOST_DOUBLINGS)), _LONGEST_WAIT)
    return now >= ended_at(attempts[0]) + wait


def has_failed(record: dg.RunRecord) -> bool:
    """Whether the run ended with a failure."""
    return record.dagster_run.status is dg.DagsterRunStatus.FAILURE


def ended_at(record: dg.RunRecord) -> datetime:
    """When the run ended; while it has not, when it was last heard of."""
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, UTC)
    return record.update_timestamp.astimezone(UTC)


def days_of(tags: Mapping[str, str]) -> DayRange | None:
    """The days that a run is about, by its tags."""
    days = days_of_run(tags)
    return None if days is None else DayRange(*days)
