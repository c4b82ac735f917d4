"""Bringing the ledger of an earlier version up to date, in the transaction that opens it.

`N.sql` makes version N out of the one before. A copy of the file is kept beside it, so that an
earlier version of the program can go on from there.
"""

import shutil
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import cast

import duckdb

from coupon_pipeline.ledger.evidence import append_entries
from coupon_pipeline.ledger.rows import Cell
from coupon_pipeline.ledger.transaction import Transaction

SCHEMA_VERSION = 6


def migrate(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Make a ledger of an earlier version one of this version."""
    for reached in range(version + 1, SCHEMA_VERSION + 1):
        written = _writes_of_version_1(connection) if reached == _CHAINED else []
        text = (files(__package__) / f"{reached}.sql").read_text(encoding="utf-8")
        connection.execute(text)
        append_entries(Transaction(connection), written)
    connection.execute("update ledger_identity set schema_version = ?", [SCHEMA_VERSION])


def keep_copy(path: Path, version: int) -> Path:
    """The ledger as it is, beside itself, readable by its owner only."""
    kept = Path(f"{path}.version-{version}")
    for suffix in ("", ".wal"):
        original, copy = Path(f"{path}{suffix}"), Path(f"{kept}{suffix}")
        if original.exists():
            copy.touch(mode=0o600)
            shutil.copyfile(original, copy)
    return kept


_CHAINED = 2
"""The version in which writes became a chain."""

_WRITES_OF_VERSION_1 = """
select 'intent', intent_id, run_id, null, 'unknown', written_at,
       system, operation, target_id, epoch, null, body, null, null, null,
       written_at as known_at
from write_intents
union all
select 'outcome', o.intent_id, i.run_id, null, 'unknown', o.written_at,
       null, null, null, null, null, null, o.outcome, o.request_id, o.detail,
       greatest(i.written_at, o.written_at) as known_at
from write_outcomes o
join write_intents i on i.intent_id = o.intent_id
order by known_at, 1, 2
"""


def _writes_of_version_1(connection: duckdb.DuckDBPyConnection) -> Sequence[Sequence[Cell]]:
    """Its intents and outcomes in the order of their times, an intent before its outcome."""
    rows = connection.execute(_WRITES_OF_VERSION_1).fetchall()
    return [cast("tuple[Cell, ...]", row[:-1]) for row in rows]
