"""Set-based statements inside one short transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import duckdb

from coupon_pipeline.ledger.rows import Cell


@dataclass(frozen=True, slots=True)
class Spooled:
    """Rows that have waited until all were read.

    In a Parquet file under the names of their columns, or in memory in the order of the columns.
    """

    held: Path | Sequence[Sequence[Cell]]


Rows: TypeAlias = Iterable[Sequence[Cell]] | Spooled


class Transaction:
    """All or nothing, and short: never held while a request is on its way."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def stage(
        self,
        table: str,
        columns: Sequence[str],
        rows: Rows,
        name: str = "staged",
    ) -> None:
        """Put rows into a temporary table whose columns have the types of `table`'s.

        They are taken one by one, so that they need not all be in memory.
        """
        listed = ", ".join(columns)
        self._connection.execute(f"drop table if exists {name}")
        self._connection.execute(
            f"create temporary table {name} as select {listed} from {table} limit 0"  # noqa: S608
        )
        held = rows.held if isinstance(rows, Spooled) else rows
        if isinstance(held, Path):
            self._connection.execute(
                f"insert into {name} select {listed} from read_parquet(?)",  # noqa: S608
                [str(held)],
            )
            return
        with self._connection.appender(name) as appender:
            appender.append_rows(held)

    def upsert(self, table: str, key: Sequence[str], columns: Sequence[str], rows: Rows) -> None:
        """Insert rows, or bring those with the same key up to date; a repeat changes nothing."""
        self.stage(table, columns, rows)
        others = [column for column in columns if column not in key]
        changes = ", ".join(f"{column} = excluded.{column}" for column in others)
        differs = " or ".join(f"{table}.{c} is distinct from excluded.{c}" for c in others)
        listed = ", ".join(columns)
        self._connection.execute(
            f"insert into {table} ({listed}) select {listed} from staged "  # noqa: S608
            f"on conflict ({', '.join(key)}) do update set {changes} where {differs}"
        )

    def append(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Insert the rows that are not there yet; what is there is never rewritten."""
        self.stage(table, columns, rows)
        listed = ", ".join(columns)
        self._connection.execute(
            f"insert into {table} ({listed}) select {listed} from staged on conflict do nothing"  # noqa: S608
        )

    def insert(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Insert rows that are known to be new."""
        self.stage(table, columns, rows)
        listed = ", ".join(columns)
        self._connection.execute(f"insert into {table} ({listed}) select {listed} from staged")  # noqa: S608

    def run(self, statement: str) -> None:
        """Run a statement kept in `statements/`; it takes its values from staged rows."""
        self._connection.execute(statement_text(statement))

    def rows(self, statement: str) -> list[tuple[Cell, ...]]:
        """All rows of a query kept in `statements/`."""
        return self._connection.execute(statement_text(statement)).fetchall()

    def read_everything(self) -> int:
        """Read every value of every table, so that a damaged block shows; how many rows there are.

        DuckDB keeps a checksum of each block and compares it when the block is read
        (https://duckdb.org/docs/stable/configuration/pragmas).
        """
        tables = self._connection.execute(
            "select table_name from duckdb_tables() where not temporary order by 1"
        ).fetchall()
        rows = 0
        for (table,) in tables:
            counted = self._connection.execute(
                f"select count(*), sum(hash(t)) from {table} t"  # noqa: S608 - a name of our schema
            ).fetchone()
            rows += int(counted[0]) if counted else 0
        return rows

    def write_parquet(self, statement: str, path: Path) -> None:
        """The rows of a query kept in `statements/`, as a Parquet file."""
        self._connection.sql(statement_text(statement)).write_parquet(str(path))


@cache
def statement_text(name: str) -> str:
    """The SQL of `statements/{name}.sql`."""
    return (files(__package__) / "statements" / f"{name}.sql").read_text(encoding="utf-8")
