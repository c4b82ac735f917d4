"""Dagster's history in Postgres, with the events of many days over one connection.

As `run_history`, for a deployment with a database of its own. Dagster's Postgres storage opens two
connections for each single event, and a run over a year begins with two thousand of them. Needs
`dagster-postgres`, which only such a deployment installs.
"""

import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import dagster as dg
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import pg_url_from_config
from sqlalchemy.engine import Connection

from coupon_pipeline.run_history import BATCH_SIZE, MOST_EVENTS

_WRITTEN_AT_ONCE = frozenset(
    {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_OBSERVATION}
)
"""Events for which Dagster's storage has a statement that takes many."""


class BatchedEvents(PostgresEventLogStorage):
    """A batch is one transaction."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool) -> None:  # noqa: FBT001 - as Dagster has it
        self._open = threading.local()
        super().__init__(postgres_url, should_autocreate_tables)
        os.environ.setdefault(BATCH_SIZE, MOST_EVENTS)

    def _connect(self) -> AbstractContextManager[Connection]:
        """The connection that a batch of this thread holds, else a new one."""
        held: Connection | None = getattr(self._open, "connection", None)
        return super()._connect() if held is None else nullcontext(held)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Keep all of them or none."""
        with super()._connect() as made:
            connection = made.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                self._open.connection = connection
                try:
                    if {e.get_dagster_event().event_type for e in events} <= _WRITTEN_AT_ONCE:
                        super().store_event_batch(events)
                        return
                    for event in events:
                        self.store_event(event)
                finally:
                    self._open.connection = None


class PostgresHistory(DagsterPostgresStorage):
    """All that Dagster remembers, in Postgres: as its own storage, but for the events of runs."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool,  # noqa: FBT001 - as Dagster has it
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        self._event_log_storage = BatchedEvents(postgres_url, should_autocreate_tables)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, object]
    ) -> "PostgresHistory":
        """Of `dagster.yaml`: `postgres_url` or `postgres_db`, as for Dagster's own."""
        create = config_value.get("should_autocreate_tables", True) is True
        return cls(pg_url_from_config(config_value), create, inst_data)
