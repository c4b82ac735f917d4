"""The columns of the tables, as the schema has them."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

import duckdb

from coupon_pipeline.ledger.transaction import statement_text


@cache
def table_columns() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Name and type of each column, by table; no ledger has to be there."""
    found: dict[str, list[tuple[str, str]]] = {}
    with duckdb.connect(":memory:") as connection:
        connection.execute((files(__package__) / "schema.sql").read_text(encoding="utf-8"))
        for row in connection.execute(statement_text("columns")).fetchall():
            table, column, kind = cast("tuple[str, str, str]", row)
            found.setdefault(table, []).append((column, kind.lower()))
    return {table: tuple(columns) for table, columns in found.items()}
