"""The hourly and the daily schedule, over the activation days that can still change."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.automation.day_ranges import DayRange, ranges_of
from coupon_pipeline.automation.jobs import SYNC_JOB, is_under_way, request
from coupon_pipeline.ledger import LedgerBusy
from coupon_pipeline.ledger.automation import read_days_not_done
from coupon_pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Schedule:
    """When it ticks, and how many of the latest days it always runs."""

    name: str
    cron: str
    recent_days: int

    def requests(
        self, instance: dg.DagsterInstance, settings: Settings, at: datetime
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """One run for each range of the days that can still change."""
        name = Names.of(settings).named(self.name)
        if is_under_way(instance, name):
            return dg.SkipReason(f"The runs that the {name} schedule asked for go on.")
        try:
            found = days_to_run(settings, self.recent_days, at)
        except LedgerBusy as busy:
            return dg.SkipReason(str(busy))
        return [request(days, name, f"{name}:{at.isoformat()}:{days.first}") for days in found]

    def definition(
        self, settings: Settings, default_status: dg.DefaultScheduleStatus
    ) -> dg.ScheduleDefinition:
        """As Dagster knows it for one connection."""
        names = Names.of(settings)

        @dg.schedule(
            name=names.named(self.name),
            cron_schedule=self.cron,
            execution_timezone="UTC",
            job_name=names.named(SYNC_JOB),
            default_status=default_status,
            description=(
                f"Syncs the last {self.recent_days} activation days, and earlier ones on which "
                "something is pending or blocked. One run for each range of days."
            ),
        )
        def evaluate(
            context: dg.ScheduleEvaluationContext,
        ) -> list[dg.RunRequest] | dg.SkipReason:
            return self.requests(context.instance, settings, context.scheduled_execution_time)

        return evaluate


HOURLY = Schedule("hourly", "7 * * * *", recent_days=2)
"""Today and yesterday: an order activated around midnight may be seen late."""
DAILY = Schedule("daily", "23 4 * * *", recent_days=30)
"""For what neither a change nor a pending record tells: an association deleted or made late, an
order taken back."""
SCHEDULES = (HOURLY, DAILY)


def days_to_run(settings: Settings, recent: int, now: datetime) -> list[DayRange]:
    """The last `recent` days, and all earlier ones that hold something pending or blocked.

    Raises:
        LedgerBusy: somebody kept the ledger.
    """
    today = now.astimezone(UTC).date()
    latest = [today - timedelta(days=back) for back in range(recent)]
    with open_ledger(settings).reading() as tx:
        not_done = read_days_not_done(tx, now)
    return ranges_of(within(settings, today, [*latest, *not_done]))


def within(settings: Settings, today: date, days: Iterable[date]) -> list[date]:
    """Those of the days that are partitions."""
    return [day for day in days if settings.first_day <= day <= today]
