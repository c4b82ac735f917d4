"""Values on their way into and out of a table, each in one exact text form.

Exact decimals are text on their way and in the tables, so that no driver decides what a number is.
Raw Salesforce fields are JSON in which an exact decimal is `{"decimal": "10.50"}`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from coupon_pipeline.domain.records import RawFields, Scalar

Cell: TypeAlias = str | int | bool | date | datetime | None
"""What a column can hold; a `datetime` is timezone-aware and in UTC, a decimal an exact text."""


def text_of(value: Cell) -> str | None:
    """The one text form of a value; null stays null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return str(value)


def utc(value: datetime) -> datetime:
    """The same moment with Python's own UTC, whatever library made it.

    Statements that give many rows give moments `at time zone 'UTC'`, which arrive without a zone:
    DuckDB needs 14 times as long to make one with a zone.
    """
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
"""Made once: `json.dumps` would make one for each value."""


def json_text(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, no escapes for letters."""
    return _CANONICAL.encode(value)


_TEXTS_KEPT = 4096


@lru_cache(maxsize=_TEXTS_KEPT)
def decode_list(text: str) -> tuple[str, ...]:
    """A list of texts from JSON; equal texts give one object."""
    return tuple(json.loads(text))


@lru_cache(maxsize=_TEXTS_KEPT)
def decode_texts(text: str) -> Mapping[str, str]:
    """Texts by name, from JSON; equal texts give one object."""
    decoded: dict[str, str] = json.loads(text)
    return decoded


def encode_fields(fields: RawFields) -> str:
    """Raw fields as canonical JSON."""
    return json_text(
        {
            name: {"decimal": format(value, "f")} if isinstance(value, Decimal) else value
            for name, value in fields.items()
        }
    )


@lru_cache(maxsize=_TEXTS_KEPT)
def decode_fields(text: str) -> RawFields:
    """The inverse of `encode_fields`; the same mapping for the same text.

    Most snapshots share their fields with others: one coupon serves many orders.
    """
    decoded: dict[str, Scalar] = _FIELDS.decode(text)
    return decoded


def _decimal(node: dict[str, str]) -> Mapping[str, str] | Decimal:
    return Decimal(node["decimal"]) if node.keys() == {"decimal"} else node


_FIELDS = json.JSONDecoder(object_hook=_decimal)
"""Made once: `json.loads` would make one for each text."""
