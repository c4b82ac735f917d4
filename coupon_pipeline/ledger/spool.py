"""Rows on their way from Salesforce into the ledger.

What was read is replaced in one transaction, and no request is on its way meanwhile. So rows that
come page by page wait in a file of their own, not in memory, until all have been read.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from coupon_pipeline.ledger.columns import table_columns
from coupon_pipeline.ledger.rows import Cell, staged_row
from coupon_pipeline.ledger.transaction import Spooled

_LIMITS: dict[str, bool | int | float | str | list[str]] = {
    "memory_limit": "192MB",
    "preserve_insertion_order": False,
    "threads": 1,
}
_ROWS_A_GROUP = 10_000
"""So many are held until they are written; the raw fields of a copy are long."""


class Spool:
    """Takes rows page by page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection = duckdb.connect(str(folder / "spool.duckdb"), config=_LIMITS)
        self._connection.execute("SET TimeZone = 'UTC'")
        self._tables: set[str] = set()

    def add(
        self, table: str, key: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
    ) -> None:
        """Rows of a page; of several with the same key the last one counts."""
        if table not in self._tables:
            kinds = dict(table_columns()[table])
            listed = ", ".join(f"{column} {kinds[column]}" for column in columns)
            self._connection.execute(f"create table {table} ({listed}, primary key ({key}))")
            self._tables.add(table)
        with self._connection.appender(table, action="upsert") as appender:
            appender.append_rows(map(staged_row, rows))

    def end(self) -> Mapping[str, Spooled]:
        """All that was added, by table; it is there until the block ends. Nothing more comes."""
        spooled = {table: Spooled(self._folder / f"{table}.parquet") for table in self._tables}
        for table, rows in spooled.items():
            self._connection.execute(
                f"copy {table} to '{rows.path}' (format parquet, row_group_size {_ROWS_A_GROUP})"
            )
        self._connection.close()
        return spooled

    def close(self) -> None:
        """Nothing can be added any more."""
        self._connection.close()


@contextmanager
def spool() -> Iterator[Spool]:
    """A spool in a folder that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="coupon_pipeline-spool-") as folder:
        made = Spool(Path(folder))
        try:
            yield made
        finally:
            made.close()
