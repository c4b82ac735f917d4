"""The Dagster graph in one place: assets, checks, jobs, schedules, sensors, resources."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from coupon_pipeline.assets.checks import CHECKS
from coupon_pipeline.assets.connection import Connections
from coupon_pipeline.assets.coupon_mapping import coupon_mapping
from coupon_pipeline.assets.launchpad import run_options
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.plan_job import plan_job
from coupon_pipeline.assets.resources import try_mapping
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.automation.alerts import alert_sensors
from coupon_pipeline.automation.change_sensor import change_sensor
from coupon_pipeline.automation.jobs import agreement_job, agreement_schedule, sync_job
from coupon_pipeline.automation.mapping_change import (
    condition_of,
    condition_sensor,
    mapping_sensor,
)
from coupon_pipeline.automation.schedules import SCHEDULES
from coupon_pipeline.settings import Automation, Settings, load_connections

_VERSIONED_BY_MAPPING = frozenset({"coupon_snapshots"})
"""Their own work depends on the mapping. What follows is stale through its data versions."""


@dg.definitions
def definitions() -> dg.Definitions:
    """Everything that Dagster loads. Reads the settings once; no secret is needed to open it."""
    return definitions_of(load_connections())


def definitions_of(connections: Sequence[Settings]) -> dg.Definitions:
    """The graph of these pairs of an org and an account, side by side."""
    with warnings.catch_warnings():
        # a backfill as one run is marked as beta in Dagster 1.13, and says so at each use
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [asset for each in connections for asset in _assets(each)]
    return dg.Definitions(
        assets=assets,
        asset_checks=[check.definition(Names.of(each)) for each in connections for check in CHECKS],
        jobs=[job for each in connections for job in _jobs(each)],
        schedules=[schedule for each in connections for schedule in _schedules(each)],
        sensors=[sensor for each in connections for sensor in _sensors(each)],
        resources={"options": run_options(), "connections": _resource(connections)},
        executor=dg.in_process_executor,
    )


def _assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The assets as these settings want them: their first day, the mapping in force."""
    names, mapping = Names.of(settings), try_mapping(settings)
    return [
        coupon_mapping(names, mapping, condition_of(names, "coupon_mapping")),
        *(
            stage.definition(
                names,
                settings.first_day,
                condition=condition_of(names, stage.name),
                code_version=mapping.version if stage.name in _VERSIONED_BY_MAPPING else None,
                fresh_hours=settings.fresh_hours,
            )
            for stage in STAGES
        ),
    ]


def _jobs(settings: Settings) -> list[dg.JobDefinition | UnresolvedAssetJobDefinition]:
    names = Names.of(settings)
    return [sync_job(names), agreement_job(names), plan_job(settings)]


def _schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    status = _schedule_status(settings)
    return [
        *(schedule.definition(settings, status) for schedule in SCHEDULES),
        agreement_schedule(Names.of(settings), status),
    ]


def _sensors(settings: Settings) -> list[dg.SensorDefinition]:
    return [
        change_sensor(settings, _status(settings, "changes")),
        condition_sensor(Names.of(settings), _status(settings, "mapping")),
        mapping_sensor(settings, _status(settings, "mapping")),
        *alert_sensors(settings),
    ]


def _status(settings: Settings, automation: Automation) -> dg.DefaultSensorStatus:
    turned_on = automation in settings.coupon_pipeline_automation
    return dg.DefaultSensorStatus.RUNNING if turned_on else dg.DefaultSensorStatus.STOPPED


def _schedule_status(settings: Settings) -> dg.DefaultScheduleStatus:
    turned_on = "schedules" in settings.coupon_pipeline_automation
    return dg.DefaultScheduleStatus.RUNNING if turned_on else dg.DefaultScheduleStatus.STOPPED


def _resource(connections: Sequence[Settings]) -> dg.ResourceDefinition:
    """Opened by what a run does first with each, and closed at the run's end."""

    def opened(_: dg.InitResourceContext) -> Iterator[Connections]:
        with closing(Connections(connections)) as held:
            yield held

    return dg.ResourceDefinition(opened, description="orgs and accounts, as the settings name them")
