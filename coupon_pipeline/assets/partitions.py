"""Partitions are days of `Order.ActivatedDate` in UTC, today included."""

from collections.abc import Mapping
from datetime import date

import dagster as dg

from coupon_pipeline.settings import FIRST_POSSIBLE_DAY

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
"""Run tags: a run with both is about all days from the first to the last."""


def days_of_run(tags: Mapping[str, str]) -> tuple[date, date] | None:
    """First and last day that a run is about; None for a run without partitions."""
    first = tags.get(RANGE_START) or tags.get("dagster/partition")
    last = tags.get(RANGE_END) or first
    if first is None or last is None:
        return None
    return date.fromisoformat(first), date.fromisoformat(last)


def days_since(first_day: date) -> dg.DailyPartitionsDefinition:
    """Every UTC day from `first_day` to today."""
    return dg.DailyPartitionsDefinition(
        start_date=first_day.isoformat(), timezone="UTC", end_offset=1
    )


activation_days = days_since(FIRST_POSSIBLE_DAY)
"""What the assets are declared with; `definitions` starts them at the day from the settings."""
