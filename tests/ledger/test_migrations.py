"""Ledgers of earlier versions open, with everything that they remember."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from coupon_pipeline.ledger import Ledger
from coupon_pipeline.ledger.evidence import chain_faults, read_entries, read_head
from coupon_pipeline.ledger.writes import read_open_intents, read_refusals

SCHEMAS = Path(__file__).with_name("schemas")
AT = datetime(2026, 11, 2, tzinfo=UTC)


def _ledger_of_version(version: int, path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute((SCHEMAS / f"version_{version}.sql").read_text(encoding="utf-8"))
        connection.execute(
            "insert into ledger_identity values (?, '00D1', 'acct_1', false, ?)", [version, AT]
        )
        for intent in ("a", "b"):
            connection.execute(
                "insert into write_intents values (?, 'stripe', 'x', 'one', 0, '{}', 'run', ?)",
                [intent, AT],
            )
        connection.execute(
            "insert into write_outcomes values ('a', 'refused', null, 'no', ?)", [AT]
        )


def _shape(path: Path) -> Iterable[object]:
    """Columns, constraints and views."""
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, column_name, data_type, is_nullable from duckdb_columns()"
            " where not internal"
        ).fetchall()
        constraints = connection.execute(
            "select table_name, constraint_text from duckdb_constraints()"
        ).fetchall()
        views = connection.execute("select sql from duckdb_views() where not internal").fetchall()
    return sorted(map(str, [*columns, *constraints, *views]))


@pytest.mark.parametrize("file", sorted(SCHEMAS.glob("version_*.sql")), ids=lambda f: f.stem)
def test_a_ledger_of_an_earlier_version_becomes_one_of_this_version(
    tmp_path: Path, file: Path
) -> None:
    """Also when it is only read: a plan must not need a sync before it."""
    old, new = tmp_path / "old.duckdb", tmp_path / "new.duckdb"
    version = int(file.stem.rpartition("_")[2])
    _ledger_of_version(version, old)
    with Ledger(new).transaction():
        pass

    with Ledger(old).reading() as tx:
        entries = read_entries(tx)
        assert [intent.intent_id for intent in read_open_intents(tx)] == ["b"]
        assert read_refusals(tx) == {("x", "one"): 1}
        assert chain_faults(entries, read_head(tx)) == []
        assert [(e.cell("kind"), e.cell("intent_id")) for e in entries] == [
            ("intent", "a"),
            ("intent", "b"),
            ("outcome", "a"),
        ]

    assert _shape(old) == _shape(new), "a change of schema.sql needs its statements in migrations/"
    kept = Path(f"{old}.version-{version}")
    assert kept.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(kept), read_only=True) as connection:
        assert connection.execute("select count(*) from write_intents").fetchall() == [(2,)]
