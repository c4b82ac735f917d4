"""From a stage to an asset: one declaration, made known to Dagster for each connection.

A stage reads and writes through a connection and reports; what is the same for all of them, the
partitions, the counting of calls, what a page shows, is here once.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, TypeAlias

import dagster as dg

from coupon_pipeline.assets.columns import column_schema
from coupon_pipeline.assets.connection import Connection, Connections
from coupon_pipeline.assets.failures import told_as_failure
from coupon_pipeline.assets.launchpad import GivenOptions
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.partitions import days_since
from coupon_pipeline.assets.reporting import record_stage, run_of
from coupon_pipeline.assets.run import Run, StageReport

Service: TypeAlias = Literal["salesforce", "stripe"]
Stage: TypeAlias = Callable[[Run, Connection], StageReport]
Condition: TypeAlias = dg.AutomationCondition[dg.AssetKey | dg.AssetCheckKey]

OWNERS = ("team:revenue-operations",)


@dataclass(frozen=True, slots=True)
class StageAsset:
    """A table of the pipeline, made by a stage, partitioned by the day of activation."""

    name: str
    description: str
    """For the operator, in the UI."""
    make: Stage
    deps: tuple[str, ...]
    kinds: frozenset[str]
    service: Service | None
    """The service that it calls and whose pool it takes; None where it calls at most once."""

    def definition(
        self,
        names: Names,
        first_day: date,
        *,
        condition: Condition | None = None,
        code_version: str | None = None,
        fresh_hours: int | None = None,
    ) -> dg.AssetsDefinition:
        """The asset of one connection."""
        schema = column_schema(self.name)

        @dg.asset(
            key=names.key(self.name),
            deps=[names.key(dep) for dep in self.deps],
            description=self.description,
            partitions_def=days_since(first_day),
            backfill_policy=dg.BackfillPolicy.single_run(),
            group_name=names.group,
            kinds=set(self.kinds),
            owners=OWNERS,
            pool=None if self.service is None else names.named(self.service),
            automation_condition=condition,
            code_version=code_version,
            freshness_policy=_freshness(fresh_hours),
            metadata={} if schema is None else {"dagster/column_schema": schema},
        )
        def asset(
            context: dg.AssetExecutionContext,
            options: dg.ResourceParam[GivenOptions],
            connections: dg.ResourceParam[Connections],
        ) -> None:
            at = connections.of(context.asset_key)
            with told_as_failure():
                run = run_of(context, options.checked(), at.settings)
                with record_stage(context, run, at) as stage:
                    stage.report = self.make(run, at)

        return asset


def _freshness(hours: int | None) -> dg.FreshnessPolicy | None:
    """Overdue after so long, and a warning after half of it."""
    if hours is None:
        return None
    window = timedelta(hours=hours)
    return dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window / 2)


def stage_asset(
    *,
    kinds: set[str],
    deps: Sequence[str] = (),
    service: Service | None = None,
) -> Callable[[Stage], StageAsset]:
    """Declares an asset: the function's name is its name, the docstring its description."""

    def declared(make: Stage) -> StageAsset:
        description = inspect.getdoc(make)
        assert description is not None, "an asset says to the operator what it is"
        return StageAsset(make.__name__, description, make, tuple(deps), frozenset(kinds), service)

    return declared
