"""Dagster's history in SQLite, with the events of many days written in one transaction.

A run over a year writes an event for each asset and day, twice. Dagster hands them over in batches
where the storage can take them, and its own SQLite storage opens a database for each single one.
Only `dagster.yaml` names this; `postgres_history` takes its place in a larger deployment.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"
MOST_EVENTS = "500"


def _latest_of_each(events: Sequence[dg.EventLogEntry]) -> frozenset[int]:
    """Which objects are the last of their kind about their asset."""
    last: dict[tuple[object, ...], int] = {}
    for event in events:
        about = event.get_dagster_event()
        last[about.asset_key, about.event_type] = id(event)
    return frozenset(last.values())


class BatchedEvents(SqliteEventLogStorage):
    """A batch is one transaction in the run's file and one in the index over all runs."""

    def __init__(self, base_dir: str) -> None:
        super().__init__(base_dir)
        # the two are open at once, in one thread
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a lock, entered twice
        self._open = threading.local()
        # Dagster's own switch for batches, which is off unless somebody sets it
        os.environ.setdefault(BATCH_SIZE, MOST_EVENTS)

    def run_connection(self, run_id: str | None = None) -> AbstractContextManager[Connection]:
        """The file of a run: the one that a batch has open, if it is about this run."""
        held: dict[str | None, Connection] = getattr(self._open, "held", {})
        if run_id is not None and run_id in held:
            return nullcontext(held[run_id])
        made: AbstractContextManager[Connection] = super().run_connection(run_id)
        return made

    def index_connection(self) -> AbstractContextManager[Connection]:
        """The index: the one that a batch has open."""
        held: dict[str | None, Connection] = getattr(self._open, "held", {})
        return nullcontext(held[None]) if None in held else super().index_connection()

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Keep all of them or none."""
        run_id = events[0].run_id
        with super().run_connection(run_id) as run, super().index_connection() as index:
            self._open.held = {run_id: run, None: index}
            try:
                self._open.latest = _latest_of_each(events)
                for event in events:
                    self.store_event(event)
            finally:
                self._open.held = {}
                self._open.latest = None

    def _store_asset_event(self, conn: Connection, event: dg.EventLogEntry, event_id: int) -> None:
        """The table of assets keeps the latest event of each: those before it are spared."""
        latest: frozenset[int] | None = getattr(self._open, "latest", None)
        if latest is None or id(event) in latest:
            super()._store_asset_event(conn, event, event_id)


class SqliteHistory(DagsterSqliteStorage):
    """All that Dagster remembers, in a folder: as its own storage, but for the events of runs."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchedEvents(os.path.join(base_dir, "history", "runs", ""))  # noqa: PTH118 - as Dagster has it

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, str],  # type: ignore[override]  # Dagster narrows it there
    ) -> "SqliteHistory":
        """Of `dagster.yaml`."""
        return cls.from_local(config_value["base_dir"], inst_data)
