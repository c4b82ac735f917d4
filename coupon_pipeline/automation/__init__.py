"""What Dagster does by itself: schedules, sensors, conditions, alerts. Off unless turned on."""

from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.automation.mapping_change import CONDITIONS

__all__ = ["CONDITIONS", "SYNC_JOB"]
