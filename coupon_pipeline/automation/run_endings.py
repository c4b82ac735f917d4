"""What the runs that ended say of a connection, out of Dagster's history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from coupon_pipeline.assets.checks import AT_NIGHT, CHECKS
from coupon_pipeline.assets.failures import CODE, REMEDY
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.partitions import days_of_run
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.automation.alert_state import (
    CHECK,
    AlertState,
    Cleared,
    Days,
    Ending,
    Trouble,
)
from coupon_pipeline.automation.jobs import AGREEMENT_JOB, TRIGGER, ended_at, is_of
from coupon_pipeline.automation.schedules import SCHEDULES
from coupon_pipeline.domain.problems import render

_OVERLAP = timedelta(minutes=2)
"""Two runs that end at once may become visible one after the other."""
_MOST_RUNS = 200
_TABLES = frozenset(stage.name for stage in STAGES)
_NIGHTLY = frozenset(CHECK + check.name for check in AT_NIGHT)
_ALL_CHECKS = frozenset(CHECK + check.name for check in CHECKS)
_ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
_MAY_PASS = frozenset(
    {
        "salesforce.unavailable",
        "salesforce.row_locked",
        "stripe.unavailable",
        "stripe.object_busy",
        "ledger.busy",
    }
)
_REMEDIES = {check.name: (check.speaks_of, check.remedy) for check in CHECKS}
_FINDINGS_TOLD = 3


def read_endings(
    instance: dg.DagsterInstance, names: Names, state: AlertState
) -> tuple[AlertState, list[Ending]]:
    """The runs that ended since the state, the first one first, and the state that knows them."""
    limit = _MOST_RUNS
    while True:
        records = instance.get_run_records(
            dg.RunsFilter(statuses=list(_ENDED), updated_after=state.position),
            limit=limit,
            order_by="update_timestamp",
            ascending=True,
        )
        new = [
            record
            for record in records
            if ended_at(record) >= state.position
            and record.dagster_run.run_id not in state.seen
            and is_of(record.dagster_run, names)
        ]
        if new or len(records) < limit:
            break
        limit *= 2  # so many ended within the overlap that nothing new would ever be reached
    new.sort(key=ended_at)
    position = max([state.position, *(_updated(record) - _OVERLAP for record in records)])
    seen = state.seen & {record.dagster_run.run_id for record in records}
    seen |= {record.dagster_run.run_id for record in new}
    endings = [_ending(instance, record, names) for record in new]
    return replace(state, position=position, seen=seen), endings


def _updated(record: dg.RunRecord) -> datetime:
    return record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)


def _ending(instance: dg.DagsterInstance, record: dg.RunRecord, names: Names) -> Ending:
    run = record.dagster_run
    days, tables = days_of_run(run.tags), _tables(run, names)
    source = run.tags.get(TRIGGER) or _by_whom(run)
    template = Trouble("", "", "", run.run_id, source, days, frozenset(), ended_at(record))
    cleared, troubles = [], []
    for evaluation in _evaluations(instance, run.run_id, names):
        speaks_of, remedy = _REMEDIES[evaluation.check_name]
        code = CHECK + evaluation.check_name
        about = days if speaks_of == "days" else None
        if not evaluation.passed:
            told = _told(evaluation)
            troubles.append(replace(template, code=code, message=told, remedy=remedy, days=about))
        elif speaks_of != "run" or days is None:
            cleared.append(Cleared(code, about))
    if run.status is dg.DagsterRunStatus.SUCCESS:
        if tables and not _is_of_some_orders(run):
            stands_for_all = source in {names.named(schedule.name) for schedule in SCHEDULES}
            # where the night could ask both systems, so can a check that failed by hand
            made = _ALL_CHECKS if tables == _NIGHTLY else tables
            cleared.append(Cleared(None, days, made, source if stands_for_all else None))
    else:
        failure = replace(template, tables=tables)
        troubles.append(_failure(instance, run, failure))
    return Ending(run.run_id, tuple(cleared), tuple(troubles))


def _tables(run: dg.DagsterRun, names: Names) -> frozenset[str]:
    """The tables of the connection that the run was to make; its checks where it made none."""
    if run.job_name == names.named(AGREEMENT_JOB):
        return _NIGHTLY
    if not run.asset_selection and not run.asset_check_selection:
        return _TABLES
    if not run.asset_selection:
        return frozenset(CHECK + key.name for key in run.asset_check_selection or ())
    keys = run.asset_selection
    return frozenset(key.path[-1] for key in keys if tuple(key.path[:-1]) == tuple(names.prefix))


def _by_whom(run: dg.DagsterRun) -> str:
    for tag in ("dagster/schedule_name", "dagster/sensor_name"):
        if tag in run.tags:
            return run.tags[tag]
    return "a backfill" if "dagster/backfill" in run.tags else "hand"


def _is_of_some_orders(run: dg.DagsterRun) -> bool:
    """Whether the launchpad narrowed it down: then it says nothing about its days."""
    found: object = run.run_config
    for key in ("resources", "options", "config", "order_ids"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return bool(found)


def _evaluations(
    instance: dg.DagsterInstance, run_id: str, names: Names
) -> Iterator[dg.AssetCheckEvaluation]:
    kinds = {dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    for record in instance.get_records_for_run(run_id, of_type=kinds).records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        evaluation = event.asset_check_evaluation_data
        is_ours = tuple(evaluation.asset_key.path[:-1]) == tuple(names.prefix)
        if is_ours and evaluation.check_name in _REMEDIES:
            yield evaluation


def _told(evaluation: dg.AssetCheckEvaluation) -> str:
    """What a check found, by ids and codes: texts of people do not leave for a chat."""
    table = evaluation.metadata.get("findings")
    if not isinstance(table, dg.TableMetadataValue):
        return evaluation.description or ""
    found = [
        " ".join(str(part) for part in (row["order"], row["record"], row["code"]) if part)
        for row in (record.data for record in table.records[:_FINDINGS_TOLD])
    ]
    more = "" if len(table.records) <= _FINDINGS_TOLD else ", and more"
    return f"Found: {'; '.join(found)}{more}."


def _failure(instance: dg.DagsterInstance, run: dg.DagsterRun, trouble: Trouble) -> Trouble:
    """Why the run failed: the first of its steps that did."""
    kinds = {dg.DagsterEventType.STEP_FAILURE}
    retried = run.tags.get("dagster/will_retry") == "true"
    for record in instance.get_records_for_run(run.run_id, of_type=kinds).records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        code, message, remedy = _reason(event)
        may_pass = retried or code in _MAY_PASS
        return replace(trouble, code=code, message=message, remedy=remedy, may_pass=may_pass)
    message, remedy = render("run.interrupted", {})
    return replace(
        trouble, code="run.interrupted", message=message, remedy=remedy, may_pass=retried
    )


def _reason(event: dg.DagsterEvent) -> tuple[str, str, str]:
    """Code, sentence and remedy of a step's failure."""
    data = event.step_failure_data
    told = data.user_failure_data
    if told is not None and CODE in told.metadata and REMEDY in told.metadata:
        return (
            str(told.metadata[CODE].value),
            told.description or "",
            str(told.metadata[REMEDY].value),
        )
    names = _class_names(data.error)
    if "DagsterAssetCheckFailedError" in names:
        return ("run.check_failed", *render("run.check_failed", {}))
    details = {"step": event.step_key or "", "error": names[-1] if names else "an error"}
    return ("run.failed", *render("run.failed", details))


def _class_names(error: object) -> Sequence[str]:
    """Classes of an error and what caused it; its text may hold anything and is left out."""
    found = []
    while error is not None:
        name = getattr(error, "cls_name", None)
        if name:
            found.append(str(name))
        error = getattr(error, "cause", None)
    return found


def days_in_words(days: Days | None) -> str:
    """As people write it."""
    if days is None:
        return "no days in particular"
    return f"{days[0]}" if days[0] == days[1] else f"{days[0]} to {days[1]}"
