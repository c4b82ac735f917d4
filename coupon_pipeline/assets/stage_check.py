"""From a question about a table to an asset check, made known to Dagster for each connection."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

import dagster as dg

from coupon_pipeline.assets.connection import Connection, Connections
from coupon_pipeline.assets.failures import told_as_failure
from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.partitions import days_of_run


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """The run that a check is part of."""

    run_id: str
    days: tuple[date, date] | None
    """First and last; None where the check is run by itself, which is about all days."""


SpeaksOf: TypeAlias = Literal["days", "run", "everything"]
"""What a check that passes proves: something about the run's days, about what the run itself did,
or about all there is. Run by itself, each looks at everything."""
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
    speaks_of: SpeaksOf
    remedy: str
    """What to do when it does not pass."""

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
            with told_as_failure():
                return self._with_remedy(self.look(about, connections.of(key)))

        return check

    def _with_remedy(self, found: dg.AssetCheckResult) -> dg.AssetCheckResult:
        """Say what to do where it did not pass."""
        if found.passed:
            return found
        told = f"{found.description or ''} {self.remedy}".strip()
        return found._replace(description=told)


def stage_check(
    *, asset: str, speaks_of: SpeaksOf, remedy: str, blocking: bool = False
) -> Callable[[Look], StageCheck]:
    """Declares a check: the function's name is the sentence, the docstring says more."""

    def declared(look: Look) -> StageCheck:
        description = inspect.getdoc(look)
        assert description is not None, "a check says to the operator what it is about"
        return StageCheck(look.__name__, description, look, asset, blocking, speaks_of, remedy)

    return declared
