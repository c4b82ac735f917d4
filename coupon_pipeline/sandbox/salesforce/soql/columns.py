"""Values of a page as JSON, a column at a time: one loop a column, not one call a value."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import TypeAlias

from coupon_pipeline.sandbox.salesforce.schema import Field
from coupon_pipeline.sandbox.salesforce.store import Row
from coupon_pipeline.sandbox.salesforce.values import double_text, moment_of, shortest_text

Column: TypeAlias = Callable[[Sequence[Row]], list[str]]
"""What one selected item is in each of the rows, as JSON."""


def column_of(field: Field, *, shortest_numbers: bool, epoch_datetimes: bool) -> Column:
    """How a field's values are written."""
    kind = field.spec.kind
    if kind == "datetime" and epoch_datetimes:
        return _epoch(field.key)
    if kind in {"id", "reference", "date", "datetime"}:
        return _plain(field.key)
    if kind == "boolean":
        return _boolean(field.key)
    if kind == "int":
        return _integer(field.key)
    if kind in {"double", "currency", "percent"}:
        return _number(field.key, shortest_text if shortest_numbers else double_text)
    return _text(field.key)


def _plain(key: str) -> Column:
    return lambda rows: [
        "null" if (value := row.get(key)) is None else f'"{value}"' for row in rows
    ]


def _text(key: str) -> Column:
    encode = encode_basestring_ascii
    return lambda rows: [
        encode(value) if isinstance(value := row.get(key), str) else "null" for row in rows
    ]


def _boolean(key: str) -> Column:
    return lambda rows: ["true" if row.get(key) else "false" for row in rows]


def _integer(key: str) -> Column:
    return lambda rows: ["null" if (value := row.get(key)) is None else str(value) for row in rows]


def _number(key: str, write: Callable[[Decimal], str]) -> Column:
    return lambda rows: [
        write(value) if isinstance(value := row.get(key), Decimal) else "null" for row in rows
    ]


def _epoch(key: str) -> Column:
    return lambda rows: [
        str(int(moment_of(value).timestamp()) * 1000)
        if isinstance(value := row.get(key), str)
        else "null"
        for row in rows
    ]


def ids(rows: Sequence[Row]) -> list[str]:
    """The ids alone, for addresses."""
    return [str(row["Id"]) for row in rows]
