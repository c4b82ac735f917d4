"""What Dagster's daemon does, one step at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg

from coupon_pipeline.assets.partitions import RANGE_END, RANGE_START
from coupon_pipeline.automation.jobs import SYNC_JOB, repeats, request
from coupon_pipeline.automation.schedules import Schedule
from coupon_pipeline.automation.seen_changes import SensorMemory
from coupon_pipeline.definitions import definitions
from coupon_pipeline.settings import load_settings
from tests.world import World


class Operator:
    """Looks at sensors and schedules and runs what they ask for, once for each run key."""

    def __init__(self, world: World, instance: dg.DagsterInstance) -> None:
        self.world = world
        self.instance = instance
        self._cursors: dict[str, str | None] = {}
        self._keys: set[str] = set()
        self._queued: list[str] = []

    def look(self, sensor_name: str) -> list[dg.RunRequest]:
        """One tick of a sensor; the requests whose key is new."""
        sensor = definitions().get_repository_def().get_sensor_def(sensor_name)
        context = dg.build_sensor_context(
            self.instance, cursor=self._cursors.get(sensor_name), sensor_name=sensor_name
        )
        found = sensor.evaluate_tick(context)
        if found.skip_message is None or found.cursor is not None:
            self._cursors[sensor_name] = found.cursor
        return self._new(found.run_requests or ())

    def forget_cursor(self, sensor_name: str) -> None:
        """Somebody resets the sensor."""
        self._cursors.pop(sensor_name, None)

    def tick(self, schedule: Schedule, at: datetime | None = None) -> list[dg.RunRequest]:
        """One tick of a schedule."""
        found = schedule.requests(self.instance, load_settings(), at or datetime.now(UTC))
        return [] if isinstance(found, dg.SkipReason) else self._new(found)

    def run(self, requests: list[dg.RunRequest], *, raise_on_error: bool = True) -> list[bool]:
        """Run them, one after the other; whether each succeeded."""
        job = definitions().resolve_job_def(SYNC_JOB)
        return [
            job.execute_in_process(
                instance=self.instance,
                tags=dict(asked.tags),
                raise_on_error=raise_on_error,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            ).success
            for asked in requests
        ]

    def let_sensor_time_pass(self, sensor_name: str, **by: float) -> None:
        """The last retry of pending orders was longer ago."""
        memory = SensorMemory.from_text(self._cursors[sensor_name])
        assert memory.retried_at is not None
        earlier = replace(memory, retried_at=memory.retried_at - timedelta(**by))
        self._cursors[sensor_name] = earlier.to_text()

    def sync_day(self, day: str) -> None:
        """All assets of one day."""
        self.run([dg.RunRequest(tags={RANGE_START: day, RANGE_END: day})])

    def materialise_mapping(self) -> None:
        """The asset of the mapping alone."""
        definitions().resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance, asset_selection=[dg.AssetKey("coupon_mapping")]
        )

    def due_repeats(self, trigger: str, **later: float) -> list[dg.RunRequest]:
        """What a sensor asks for again so much later, because its run failed."""
        return [
            request(repeat.days, trigger, f"after {repeat.failed_run_id}")
            for repeat in repeats(self.instance, trigger, datetime.now(UTC) + timedelta(**later))
        ]

    @contextmanager
    def stripe_refuses(self) -> Iterator[None]:
        """Somebody revoked the key."""
        key = os.environ["STRIPE_API_KEY"]
        self.world.setting("STRIPE_API_KEY", "sk_test_revoked")
        yield
        self.world.setting("STRIPE_API_KEY", key)

    def queue(self, asked: dg.RunRequest) -> None:
        """The run waits for its turn."""
        self._queued.append(
            self.instance.create_run_for_job(
                definitions().resolve_job_def(SYNC_JOB),
                tags=dict(asked.tags),
            ).run_id
        )

    def fail(self, asked: dg.RunRequest) -> None:
        """The run ended with a failure."""
        self.instance.create_run_for_job(
            definitions().resolve_job_def(SYNC_JOB),
            tags=dict(asked.tags),
            status=dg.DagsterRunStatus.FAILURE,
        )

    def clear_queue(self) -> None:
        """The waiting runs are taken out."""
        while self._queued:
            self.instance.delete_run(self._queued.pop())

    def _new(self, requests: Sequence[dg.RunRequest]) -> list[dg.RunRequest]:
        new = []
        for asked in requests:
            if asked.run_key not in self._keys:
                self._keys.add(asked.run_key or "")
                new.append(asked)
        return new


def days_asked(requests: list[dg.RunRequest]) -> list[tuple[str, str]]:
    """First and last day of each request."""
    return [(asked.tags[RANGE_START], asked.tags[RANGE_END]) for asked in requests]
