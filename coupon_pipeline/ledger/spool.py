"""Rows on their way from Salesforce into the ledger.

What was read is replaced in one transaction, and no request is on its way meanwhile. So rows that
come page by page wait until all have been read: a few in memory, many in a file of their own.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from coupon_pipeline.ledger.columns import table_columns
from coupon_pipeline.ledger.rows import Cell
from coupon_pipeline.ledger.transaction import Spooled

_ROWS_A_GROUP = 10_000
_LIMITS: dict[str, bool | int | float | str | list[str]] = {
    "memory_limit": "192MB",
    "preserve_insertion_order": False,
    "threads": 1,
}
ROWS_IN_MEMORY = 10_000
"""So many of all tables are held until they are written; the raw fields of a copy are long."""


@dataclass(slots=True)
class _Waiting:
    """Rows of one table, by key: of several with the same one the last one counts."""

    key: str
    columns: Sequence[str]
    rows: dict[Cell, Sequence[Cell]] = field(default_factory=dict)


class Spool:
    """Takes rows page by page."""

    def __init__(self, closing: ExitStack) -> None:
        self._closing = closing
        self._tables: dict[str, _Waiting] = {}
        self._file: _File | None = None

    def add(
        self, table: str, key: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
    ) -> None:
        """Rows of a page; of several with the same key the last one counts."""
        waiting = self._tables.setdefault(table, _Waiting(key, columns))
        place = columns.index(key)
        waiting.rows.update((row[place], row) for row in rows)
        if sum(len(each.rows) for each in self._tables.values()) > ROWS_IN_MEMORY:
            self._write()

    def end(self) -> Mapping[str, Spooled]:
        """All that was added, by table; it is there until the block ends. Nothing more comes."""
        if self._file is None:
            return {
                table: Spooled(list(waiting.rows.values()))
                for table, waiting in self._tables.items()
            }
        self._write()
        return {table: Spooled(path) for table, path in self._file.end().items()}

    def _write(self) -> None:
        if self._file is None:
            self._file = _File(self._closing)
        for table, waiting in self._tables.items():
            self._file.add(table, waiting)
            waiting.rows.clear()


class _File:
    """Rows in a database of their own, in a folder that goes with the block."""

    def __init__(self, closing: ExitStack) -> None:
        folder = closing.enter_context(tempfile.TemporaryDirectory(prefix="coupon_pipeline-spool-"))
        self._folder = Path(folder)
        self._connection = duckdb.connect(str(self._folder / "spool.duckdb"), config=_LIMITS)
        closing.callback(self._connection.close)
        self._connection.execute("SET TimeZone = 'UTC'")
        self._tables: set[str] = set()

    def add(self, table: str, waiting: _Waiting) -> None:
        if table not in self._tables:
            kinds = dict(table_columns()[table])
            listed = ", ".join(f"{column} {kinds[column]}" for column in waiting.columns)
            self._connection.execute(
                f"create table {table} ({listed}, primary key ({waiting.key}))"
            )
            self._tables.add(table)
        with self._connection.appender(table, action="upsert") as appender:
            appender.append_rows(waiting.rows.values())

    def end(self) -> Mapping[str, Path]:
        spooled = {table: self._folder / f"{table}.parquet" for table in self._tables}
        for table, path in spooled.items():
            self._connection.execute(
                f"copy {table} to '{path}' (format parquet, row_group_size {_ROWS_A_GROUP})"
            )
        self._connection.close()
        return spooled


@contextmanager
def spool() -> Iterator[Spool]:
    """A spool whose rows are there until the block ends."""
    with ExitStack() as closing:
        yield Spool(closing)
