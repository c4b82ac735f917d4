"""What happens after the mapping file was changed: conditions on assets, and a sensor behind them.

A condition fires once, on the look after the change, and is lost when nobody looks just then. So a
sensor asks the ledger which days hold terms of another mapping: what it finds stays true until
it was done.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile

import dagster as dg

from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.resources import open_ledger, read_mapping
from coupon_pipeline.assets.stage_asset import Condition
from coupon_pipeline.automation.day_ranges import DayRange, ranges_of
from coupon_pipeline.automation.jobs import (
    SYNC_JOB,
    backfill_goes_on,
    by_days,
    has_failed,
    is_due,
    is_under_way,
    last_run_id,
    own_runs,
    request,
    runs_by_conditions,
)
from coupon_pipeline.automation.schedules import within
from coupon_pipeline.ledger import LedgerBusy
from coupon_pipeline.ledger.automation import read_days_of_other_mapping
from coupon_pipeline.settings import Settings

NAME = "mapping_backfill"
CONDITIONS_NAME = "mapping_conditions"
MAPPING_HASH = "coupon_pipeline/mapping_hash"
_CONDITIONS_SECONDS = 30
_LEDGER_SECONDS = 300

_A_PARTITION_TO_RENEW = ~dg.AutomationCondition.missing() & ~dg.AutomationCondition.in_progress()
_FILE_CHANGED = (
    dg.AutomationCondition.code_version_changed().since_last_handled()  # type: ignore[misc]  # Dagster declares it for a wider key
)
_WITH_WHAT_IT_RESTS_ON = dg.AutomationCondition.any_deps_match(
    dg.AutomationCondition.will_be_requested()
)
_DERIVED = frozenset({"coupon_junctions", "coupon_snapshots", "stripe_coupons"})
_AFTER_THEM = frozenset({"coupon_attachments", "salesforce_records"})


def condition_of(names: Names, asset: str) -> Condition | None:
    """When an asset of one connection is made again by itself.

    Without effect until the sensor of the conditions is turned on.
    """
    if asset == "coupon_mapping":
        return _FILE_CHANGED.with_label("the mapping file changed")
    if asset in _DERIVED:
        mapping_changed = dg.AutomationCondition.any_deps_match(
            dg.AutomationCondition.data_version_changed()
        ).allow(dg.AssetSelection.assets(names.key("coupon_mapping")))
        return (mapping_changed.since_last_handled() & _A_PARTITION_TO_RENEW).with_label(
            "another mapping is in force"
        )
    if asset in _AFTER_THEM:
        return (_WITH_WHAT_IT_RESTS_ON & _A_PARTITION_TO_RENEW).with_label(
            "what it rests on is made again"
        )
    return None


def condition_sensor(
    names: Names, default_status: dg.DefaultSensorStatus
) -> dg.AutomationConditionSensorDefinition:
    """Looks at the conditions of all assets of one connection."""
    return dg.AutomationConditionSensorDefinition(
        names.named(CONDITIONS_NAME),
        target=names.assets(),
        default_status=default_status,
        minimum_interval_seconds=_CONDITIONS_SECONDS,
        description="Makes the mapping again when its file changed, and what rests on it.",
    )


def mapping_sensor(
    settings: Settings, default_status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """Runs the days that the ledger still holds under another mapping."""
    names = Names.of(settings)

    @dg.sensor(
        name=names.named(NAME),
        job_name=names.named(SYNC_JOB),
        minimum_interval_seconds=_LEDGER_SECONDS,
        default_status=default_status,
        description=(
            "Asks the ledger which days hold terms that another mapping derived, and syncs them: "
            "one run for each range. A run that failed is tried again, with longer and "
            "longer waits. Nothing is asked for while a backfill or a run of its own goes on."
        ),
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if is_under_way(context.instance, names.named(NAME)) or backfill_goes_on(
            context.instance, names
        ):
            return dg.SkipReason("A backfill goes on.")
        try:
            requests = runs_to_ask_for(context.instance, settings, datetime.now(UTC))
        except LedgerBusy as busy:
            return dg.SkipReason(str(busy))
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else "No day that holds terms of another mapping is due.",
        )

    return evaluate


def runs_to_ask_for(
    instance: dg.DagsterInstance, settings: Settings, now: datetime
) -> list[dg.RunRequest]:
    """One run for each range of days that the mapping in force has to be applied to.

    Days whose run failed are asked for as well, though the ledger may hold the new terms there:
    they are derived before anything is written to Stripe. A mapping may come back, so what counts
    as tried is what came after the last other mapping.

    Raises:
        SettingsError, MappingError: there is no mapping in force.
        LedgerBusy: somebody kept the ledger.
    """
    names = Names.of(settings)
    name = names.named(NAME)
    mapping_hash = read_mapping(settings).mapping_hash
    with open_ledger(settings).reading() as tx:
        days = read_days_of_other_mapping(tx, mapping_hash)
    wanted = ranges_of(within(settings, now.date(), days))
    records = own_runs(instance, name, now)
    of_this = takewhile(lambda r: r.dagster_run.tags.get(MAPPING_HASH) == mapping_hash, records)
    tried = by_days(of_this)
    failed = [days for days, attempts in tried.items() if has_failed(attempts[0])]
    failed += _left_by_conditions(runs_by_conditions(instance, names, now), by_days(records))
    last = last_run_id(instance, name) or "nothing"
    return [
        request(
            each,
            name,
            f"{mapping_hash}:{each.first}:{each.last}:after {last}",
            {MAPPING_HASH: mapping_hash},
        )
        for each in sorted({*wanted, *failed})
        if each.first >= settings.first_day and is_due(tried.get(each, []), now)
    ]


def _left_by_conditions(
    asked: Iterable[dg.RunRecord], own: Mapping[DayRange, Sequence[dg.RunRecord]]
) -> list[DayRange]:
    """Days whose latest run by the conditions failed, and none of ours came after.

    A condition fires once, so nothing else asks for them again.
    """
    latest = {days: records[0] for days, records in by_days(asked).items()}
    return [
        days
        for days, record in latest.items()
        if has_failed(record)
        and all(each.storage_id < record.storage_id for each in own.get(days, ()))
    ]
