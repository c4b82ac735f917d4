"""What happens after the mapping file was changed: conditions on assets, and a sensor behind them.

A condition fires once, on the look after the change, and is lost when nobody looks just then. So a
sensor asks the ledger which days hold terms of another mapping: what it finds stays true until
it was done.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import takewhile

import dagster as dg

from coupon_pipeline.assets.resources import open_ledger, open_settings, read_mapping
from coupon_pipeline.automation.day_ranges import ranges_of
from coupon_pipeline.automation.jobs import (
    backfill_goes_on,
    by_days,
    has_failed,
    is_due,
    is_under_way,
    own_runs,
    request,
    sync_job,
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
_MAPPING_CHANGED = dg.AutomationCondition.any_deps_match(
    dg.AutomationCondition.data_version_changed()
).allow(dg.AssetSelection.assets("coupon_mapping"))
_FILE_CHANGED = (
    dg.AutomationCondition.code_version_changed().since_last_handled()  # type: ignore[misc]  # Dagster declares it for a wider key
)
_WITH_WHAT_IT_RESTS_ON = dg.AutomationCondition.any_deps_match(
    dg.AutomationCondition.will_be_requested()
)

CONDITIONS: Mapping[str, dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]] = {
    "coupon_mapping": _FILE_CHANGED.with_label("the mapping file changed"),
    **{
        name: (_MAPPING_CHANGED.since_last_handled() & _A_PARTITION_TO_RENEW).with_label(
            "another mapping is in force"
        )
        for name in ("coupon_junctions", "coupon_snapshots", "stripe_coupons")
    },
    **{
        name: (_WITH_WHAT_IT_RESTS_ON & _A_PARTITION_TO_RENEW).with_label(
            "what it rests on is made again"
        )
        for name in ("coupon_attachments", "salesforce_records")
    },
}
"""By asset. Without effect until the sensor of the conditions is turned on."""


def condition_sensor(
    default_status: dg.DefaultSensorStatus,
) -> dg.AutomationConditionSensorDefinition:
    """Looks at the conditions of all assets."""
    return dg.AutomationConditionSensorDefinition(
        CONDITIONS_NAME,
        target=dg.AssetSelection.all(),
        default_status=default_status,
        minimum_interval_seconds=_CONDITIONS_SECONDS,
        description="Makes the mapping again when its file changed, and what rests on it.",
    )


def mapping_sensor(default_status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    """Runs the days that the ledger still holds under another mapping."""

    @dg.sensor(
        name=NAME,
        job=sync_job,
        minimum_interval_seconds=_LEDGER_SECONDS,
        default_status=default_status,
        description=(
            "Asks the ledger which days hold terms that another mapping derived, and syncs them: "
            "one run for each contiguous range. A run that failed is tried again, with longer and "
            "longer waits. Nothing is asked for while a backfill or a run of its own goes on."
        ),
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if is_under_way(context.instance, NAME) or backfill_goes_on(context.instance):
            return dg.SkipReason("A backfill goes on.")
        try:
            requests = runs_to_ask_for(context.instance, open_settings(), datetime.now(UTC))
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
    mapping_hash = read_mapping(settings).mapping_hash
    with open_ledger(settings).reading() as tx:
        days = read_days_of_other_mapping(tx, mapping_hash)
    wanted = ranges_of(within(settings, now.date(), days))
    records = own_runs(instance, NAME, now)
    of_this = takewhile(lambda r: r.dagster_run.tags.get(MAPPING_HASH) == mapping_hash, records)
    tried = by_days(of_this)
    failed = [days for days, attempts in tried.items() if has_failed(attempts[0])]
    last = records[0].dagster_run.run_id if records else "nothing"
    return [
        request(
            each,
            NAME,
            f"{mapping_hash}:{each.first}:{each.last}:after {last}",
            {MAPPING_HASH: mapping_hash},
        )
        for each in sorted({*wanted, *failed})
        if is_due(tried.get(each, []), now)
    ]
