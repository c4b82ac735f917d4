"""The hourly and the daily schedule, over the activation days that can still change."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from coupon_pipeline.assets.resources import open_ledger, open_settings
from coupon_pipeline.automation.day_ranges import DayRange, ranges_of
from coupon_pipeline.automation.jobs import is_under_way, request, sync_job
from coupon_pipeline.ledger import LedgerBusy
from coupon_pipeline.ledger.automation import read_days_not_done
from coupon_pipeline.settings import Settings

HOURLY_DAYS = 2
"""Today and yesterday: an order activated around midnight may be seen late."""
DAILY_DAYS = 30
"""For what neither a change nor a pending record tells: an association deleted or made late, an
order taken back."""


def days_to_run(settings: Settings, recent: int, now: datetime) -> list[DayRange]:
    """The last `recent` days, and all earlier ones that hold something pending or blocked."""
    today = now.astimezone(UTC).date()
    latest = [today - timedelta(days=back) for back in range(recent)]
    with open_ledger(settings).reading() as tx:
        not_done = read_days_not_done(tx, now)
    return ranges_of(within(settings, today, [*latest, *not_done]))


def within(settings: Settings, today: date, days: Iterable[date]) -> list[date]:
    """Those of the days that are partitions."""
    return [day for day in days if settings.first_day <= day <= today]


def schedules(default_status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """Both schedules."""
    return [
        _schedule("hourly", "7 * * * *", HOURLY_DAYS, default_status),
        _schedule("daily", "23 4 * * *", DAILY_DAYS, default_status),
    ]


def _schedule(
    name: str, cron: str, recent: int, default_status: dg.DefaultScheduleStatus
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        cron_schedule=cron,
        execution_timezone="UTC",
        job=sync_job,
        default_status=default_status,
        description=(
            f"Syncs the last {recent} activation days, and earlier ones on which something is "
            "pending or blocked. One run for each contiguous range of days."
        ),
    )
    def evaluate(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        at = context.scheduled_execution_time
        if is_under_way(context.instance, name):
            yield dg.SkipReason(f"The runs that the {name} schedule asked for before go on.")
            return
        try:
            found = days_to_run(open_settings(), recent, at)
        except LedgerBusy as busy:
            yield dg.SkipReason(str(busy))
            return
        for days in found:
            yield request(days, name, f"{name}:{at.isoformat()}:{days.first}")

    return evaluate
