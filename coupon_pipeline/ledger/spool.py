"""Rows on their way from Salesforce into the ledger.

What was read is replaced in one transaction, and no request is on its way meanwhile. So rows that
come page by page wait in a file of their own, not in memory, until all have been read.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from coupon_pipeline.ledger.columns import table_columns
from coupon_pipeline.ledger.rows import Cell, staged_value
from coupon_pipeline.ledger.transaction import Spooled

_MEMORY = "128MB"


class Spool:
    """Takes rows page by page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection = duckdb.connect(
            str(folder / "spool.duckdb"), config={"memory_limit": _MEMORY}
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._keys: dict[str, str] = {}

    def add(
        self, table: str, key: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]
    ) -> None:
        """Rows of a page; of several with the same key one will count."""
        if table not in self._keys:
            kinds = dict(table_columns()[table])
            listed = ", ".join(f"{column} {kinds[column]}" for column in columns)
            self._connection.execute(f"create table {table} ({listed})")
            self._keys[table] = key
        with self._connection.appender(table) as appender:
            appender.append_rows([staged_value(cell) for cell in row] for row in rows)

    def spooled(self, table: str) -> Spooled:
        """All that was added for a table, for as long as the spool is there."""
        path = self._folder / f"{table}.parquet"
        self._connection.execute(
            f"copy (select distinct on ({self._keys[table]}) * from {table}) "  # noqa: S608
            f"to '{path}' (format parquet)"
        )
        return Spooled(path)

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
