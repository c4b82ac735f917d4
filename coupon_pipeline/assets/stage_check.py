"""From a question about a table to an asset check, made known to Dagster for each connection."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import dagster as dg

from coupon_pipeline.assets.connection import Connection, Connections
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.partitions import days_of_run


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """The run that a check is part of."""

    run_id: str
    days: tuple[date, date] | None
    """First and last; None where the check is run by itself, which is about all days."""


Look: TypeAlias = Callable[[CheckedRun, Connection], dg.AssetCheckResult]


@dataclass(frozen=True, slots=True)
class StageCheck:
    """What must be true of a table after its stage."""

    name: str
    description: str
    look: Look
    asset: str
    blocking: bool
    """Whether what comes after the table waits for it."""

    def definition(self, names: Names) -> dg.AssetChecksDefinition:
        """The check of one connection."""
        key = names.key(self.asset)

        @dg.asset_check(
            asset=key, name=self.name, description=self.description, blocking=self.blocking
        )
        def check(
            context: dg.AssetCheckExecutionContext, connections: dg.ResourceParam[Connections]
        ) -> dg.AssetCheckResult:
            about = CheckedRun(context.run.run_id, days_of_run(context.run.tags))
            return self.look(about, connections.of(key))

        return check


def stage_check(*, asset: str, blocking: bool = False) -> Callable[[Look], StageCheck]:
    """Declares a check: the function's name is the sentence, the docstring says more."""

    def declared(look: Look) -> StageCheck:
        description = inspect.getdoc(look)
        assert description is not None, "a check says to the operator what it is about"
        return StageCheck(look.__name__, description, look, asset, blocking)

    return declared
