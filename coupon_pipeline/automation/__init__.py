"""What Dagster does by itself: schedules, sensors, conditions, alerts. Off unless turned on."""
