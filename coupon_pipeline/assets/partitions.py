"""Partitions are days of `Order.ActivatedDate` in UTC, today included."""

from datetime import date

import dagster as dg

from coupon_pipeline.settings import FIRST_POSSIBLE_DAY


def days_since(first_day: date) -> dg.DailyPartitionsDefinition:
    """Every UTC day from `first_day` to today."""
    return dg.DailyPartitionsDefinition(
        start_date=first_day.isoformat(), timezone="UTC", end_offset=1
    )


activation_days = days_since(FIRST_POSSIBLE_DAY)
"""What the assets are declared with; `definitions` starts them at the day from the settings."""
