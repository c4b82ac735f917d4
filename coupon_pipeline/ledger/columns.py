"""The columns of the tables, as the schema has them."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

import duckdb

from coupon_pipeline.ledger.transaction import statement_text

_MADE = re.compile(r"^create (?:table|view) (\w+) .*?;$", re.MULTILINE | re.DOTALL)
_DESCRIBED = re.compile(
    r"^(?:select)? +(?:\w+\.)?(\w+)(?: as (\w+))?\b[^-\n]*-- (.+)$", re.MULTILINE
)


@cache
def table_columns() -> Mapping[str, tuple[tuple[str, str], ...]]:
    """Name and type of each column, by table; no ledger has to be there."""
    found: dict[str, list[tuple[str, str]]] = {}
    with duckdb.connect(":memory:") as connection:
        connection.execute(_schema())
        for row in connection.execute(statement_text("columns")).fetchall():
            table, column, kind = cast("tuple[str, str, str]", row)
            found.setdefault(table, []).append((column, kind.lower()))
    return {table: tuple(columns) for table, columns in found.items()}


@cache
def column_descriptions() -> Mapping[str, Mapping[str, str]]:
    """What people should know of a column, by table: the remark at its end in the schema."""
    return {
        made[1]: {alias or name: words for name, alias, words in _DESCRIBED.findall(made[0])}
        for made in _MADE.finditer(_schema())
    }


def _schema() -> str:
    return (files(__package__) / "schema.sql").read_text(encoding="utf-8")
