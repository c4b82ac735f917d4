"""Dagster's history, kept a batch at a time.

In Postgres as well where `POSTGRES_URL` names a database and `.[scale-out]` is installed.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from coupon_pipeline.run_history import BatchedEvents

FIRST, LAST = "2026-10-01", "2026-10-05"
DAYS = dg.DailyPartitionsDefinition("2026-10-01")
SQLITE = (
    "custom: {module: coupon_pipeline.run_history, class: SqliteHistory, config: {base_dir: %s}}",
    "sqlite: {base_dir: %s}",
)
POSTGRES_URL = os.environ.get("POSTGRES_URL", "")
POSTGRES = (
    "custom: {module: coupon_pipeline.postgres_history, class: PostgresHistory, "
    "config: {postgres_url: '" + POSTGRES_URL + "'}}",
    "postgres: {postgres_url: '" + POSTGRES_URL + "'}",
)
"""Ours, and Dagster's own."""


@pytest.fixture(autouse=True)
def _batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage asks for them in the environment, which is put back after the test."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "500")
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")


def _instance(folder: Path, storage: str) -> dg.DagsterInstance:
    folder.mkdir()
    storage = "{" + storage.replace("%s", str(folder / "storage")) + "}"
    (folder / "dagster.yaml").write_text(f"telemetry: {{enabled: false}}\nstorage: {storage}\n")
    return dg.DagsterInstance.from_config(str(folder))


@dg.asset(partitions_def=DAYS)
def of_days(context: dg.AssetExecutionContext) -> None:
    """Tells something of each day."""
    for number, key in enumerate(context.partition_keys):
        context.add_asset_metadata({"number": number}, partition_key=key)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """One with the storage that the clone's `dagster.yaml` names."""
    with _instance(tmp_path / "own", SQLITE[0]) as made:
        yield made


def _run(instance: dg.DagsterInstance) -> str:
    result = dg.materialize(
        [of_days],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": FIRST,
            "dagster/asset_partition_range_end": LAST,
        },
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return result.run_id


def _kept(instance: dg.DagsterInstance, run_id: str) -> tuple[object, ...]:
    key = of_days.key
    numbers = {
        record.partition_key: record.asset_materialization.metadata["number"].value
        for record in instance.fetch_materializations(key, limit=100).records
        if record.asset_materialization is not None
    }
    events = Counter(entry.dagster_event_type for entry in instance.all_logs(run_id))
    latest = instance.get_latest_materialization_event(key)
    assert latest is not None
    return events, instance.get_materialized_partitions(key), numbers, latest.run_id == run_id


@pytest.mark.parametrize(
    "storages",
    [
        SQLITE,
        pytest.param(
            POSTGRES,
            marks=pytest.mark.skipif(not POSTGRES_URL, reason="POSTGRES_URL names no database"),
        ),
    ],
    ids=["SQLite", "Postgres"],
)
def test_it_keeps_what_dagsters_own_storage_keeps(
    storages: tuple[str, str], tmp_path: Path
) -> None:
    """Status, metadata of each day and the log of the run, whichever storage is named."""
    own, dagsters = storages
    with (
        _instance(tmp_path / "own", own) as instance,
        _instance(tmp_path / "dagsters", dagsters) as other,
    ):
        assert _kept(instance, _run(instance)) == _kept(other, _run(other))


def test_a_batch_is_kept_whole_or_not_at_all(instance: dg.DagsterInstance) -> None:
    """Dagster then writes the events one by one, and none of them twice."""
    run_id = _run(instance)
    events = instance.all_logs(run_id)
    storage = instance.event_log_storage
    assert isinstance(storage, BatchedEvents)

    with pytest.raises(AttributeError):
        storage.store_event_batch([events[0], "no event"])  # type: ignore[list-item]  # on purpose

    assert len(instance.all_logs(run_id)) == len(events)
