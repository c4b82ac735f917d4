"""The Dagster graph in one place: assets, checks, jobs, schedules, sensors, resources."""

from collections.abc import Sequence

import dagster as dg

from coupon_pipeline.assets import ASSETS
from coupon_pipeline.assets.checks import CHECKS
from coupon_pipeline.assets.columns import column_schema
from coupon_pipeline.assets.partitions import days_since
from coupon_pipeline.assets.resources import MappingRead, resource_definitions, try_mapping
from coupon_pipeline.automation.change_sensor import change_sensor
from coupon_pipeline.automation.jobs import SYNC_JOB, sync_job
from coupon_pipeline.automation.mapping_change import (
    CONDITIONS,
    condition_sensor,
    mapping_sensor,
)
from coupon_pipeline.automation.schedules import SCHEDULES
from coupon_pipeline.settings import Automation, Settings, load_settings

__all__ = ["SYNC_JOB", "definitions"]

_VERSIONED_BY_MAPPING = frozenset({"coupon_mapping", "coupon_snapshots"})
"""Assets whose code version is the mapping's hash. Dagster then shows every day that was made with
another mapping as stale as soon as the code location is loaded, and fresh again if the file is set
back; nothing is run because of it."""


@dg.definitions
def definitions() -> dg.Definitions:
    """Everything that Dagster loads. Reads the settings once; no secret is needed to open it."""
    settings = load_settings()
    return dg.Definitions(
        assets=_assets(settings, try_mapping(settings)),
        asset_checks=CHECKS,
        jobs=[sync_job],
        schedules=[
            schedule.definition(
                dg.DefaultScheduleStatus.RUNNING
                if "schedules" in settings.coupon_pipeline_automation
                else dg.DefaultScheduleStatus.STOPPED
            )
            for schedule in SCHEDULES
        ],
        sensors=[
            change_sensor(settings, _status(settings, "changes")),
            condition_sensor(_status(settings, "mapping")),
            mapping_sensor(_status(settings, "mapping")),
        ],
        resources=resource_definitions(),
        executor=dg.in_process_executor,
    )


def _status(settings: Settings, automation: Automation) -> dg.DefaultSensorStatus:
    turned_on = automation in settings.coupon_pipeline_automation
    return dg.DefaultSensorStatus.RUNNING if turned_on else dg.DefaultSensorStatus.STOPPED


def _assets(settings: Settings, mapping: MappingRead) -> Sequence[dg.AssetsDefinition]:
    """The assets as these settings want them: their first day, the mapping in force."""
    days = days_since(settings.first_day)

    def fitted(spec: dg.AssetSpec) -> dg.AssetSpec:
        spec = spec.replace_attributes(
            automation_condition=CONDITIONS.get(spec.key.to_user_string())
        )
        schema = column_schema(spec.key.to_user_string())
        if schema is not None:
            spec = spec.replace_attributes(
                metadata={**spec.metadata, "dagster/column_schema": schema}
            )
        if spec.partitions_def is not None:
            spec = spec.replace_attributes(partitions_def=days)
        if spec.key.to_user_string() in _VERSIONED_BY_MAPPING:
            spec = spec.replace_attributes(code_version=mapping.version)
        if spec.key == dg.AssetKey("coupon_mapping"):
            spec = spec.replace_attributes(description=mapping.describe(spec.description or ""))
        return spec

    return dg.map_asset_specs(fitted, ASSETS)
