"""The file itself: created once, shared by processes, tied to its accounts, never half written."""

import multiprocessing
import os
from pathlib import Path

import duckdb
import pytest

from coupon_pipeline.ledger import Identity, Ledger, LedgerBusy, LedgerError, Transaction
from coupon_pipeline.ledger.connection import file_lock

IDENTITY = Identity("00D000000000001AAA", "acct_1", livemode=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def _count(ledger: Ledger, tx_statement: str = "watermark") -> int:
    with ledger.reading() as tx:
        return len(tx.rows(tx_statement))


def _watermark(tx: Transaction, source: str) -> None:
    tx.append(
        "watermarks",
        ["source", "read_up_to", "reading"],
        [(source, "2026-11-02T00:00:00+00:00", "all")],
    )


def _write_and_fail(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        _watermark(tx, "quote_coupons")
        raise RuntimeError


def test_the_file_is_made_on_first_use_and_readable_by_its_owner_only(ledger: Ledger) -> None:
    """It holds a company's customers and prices."""
    with ledger.transaction():
        pass

    assert ledger.path.stat().st_mode & 0o777 == 0o600


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    """Intents and outcomes are believed because they are all or nothing."""
    with pytest.raises(RuntimeError):
        _write_and_fail(ledger)

    assert _count(ledger) == 0


def test_a_row_that_is_there_is_not_rewritten_by_append(ledger: Ledger) -> None:
    """Snapshots and versions are appended; the first word stands."""
    with ledger.transaction() as tx:
        _watermark(tx, "quote_coupons")
    with ledger.transaction() as tx:
        tx.append(
            "watermarks",
            ["source", "read_up_to", "reading"],
            [("quote_coupons", "2027-01-01T00:00:00+00:00", "other")],
        )

    with ledger.reading() as tx:
        assert tx.rows("watermark")[0][1] == "all"


def test_a_file_that_a_killed_run_left_without_tables_is_completed(ledger: Ledger) -> None:
    """The first run may die between creating the file and committing its schema."""
    duckdb.connect(str(ledger.path)).close()

    assert _count(ledger) == 0


def test_something_else_under_the_ledger_s_name_is_refused(ledger: Ledger) -> None:
    """Nobody's database is overwritten."""
    with duckdb.connect(str(ledger.path)) as foreign:
        foreign.execute("create table customers (id integer)")

    with pytest.raises(LedgerError) as caught, ledger.transaction():
        pass
    assert caught.value.code == "ledger.unreadable"

    ledger.path.write_text("not a database")
    with pytest.raises(LedgerError) as caught, ledger.reading():
        pass
    assert caught.value.code == "ledger.unreadable"


def test_a_ledger_of_another_version_is_refused(ledger: Ledger) -> None:
    """A newer schema may mean something that this code would get wrong."""
    with ledger.transaction():
        pass
    with duckdb.connect(str(ledger.path)) as later:
        later.execute("update ledger_identity set schema_version = 99")

    with pytest.raises(LedgerError) as caught, ledger.reading():
        pass
    assert caught.value.code == "ledger.other_version"


def test_a_ledger_stays_with_the_accounts_it_was_opened_with(ledger: Ledger) -> None:
    """Reuse is decided from it: another account's coupons would be taken for made."""
    ledger.pin(IDENTITY)
    ledger.pin(IDENTITY)

    with pytest.raises(LedgerError) as caught:
        ledger.pin(Identity(IDENTITY.org_id, "acct_1", livemode=True))
    assert caught.value.code == "ledger.other_accounts"


def _write_many(path: Path, process: int) -> None:
    for turn in range(20):
        with Ledger(path).transaction() as tx:
            _watermark(tx, f"{process}/{turn}")


def test_processes_at_once_all_get_through(ledger: Ledger) -> None:
    """DuckDB refuses a second process; our lock makes it wait instead."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_many, args=(ledger.path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0, 0, 0]
    with duckdb.connect(str(ledger.path), read_only=True) as connection:
        assert connection.execute("select count(*) from watermarks").fetchall() == [(60,)]


def test_waiting_for_the_file_ends_with_a_sentence(tmp_path: Path) -> None:
    """Nobody waits for ever, and nobody sees a raw lock error."""
    path = tmp_path / "ledger.lock"
    with (
        file_lock(path, exclusive=True),
        pytest.raises(LedgerBusy) as caught,
        file_lock(path, exclusive=True, patience=0),
    ):
        pass
    assert caught.value.code == "ledger.busy"


def test_every_file_of_the_ledger_is_made_for_its_owner(tmp_path: Path) -> None:
    """Also the log that DuckDB keeps while a transaction is open, whatever the mask allows."""
    before = os.umask(0)
    try:
        ledger = Ledger(tmp_path / "ledger.duckdb")
        with ledger.transaction() as tx:
            _watermark(tx, "quote_coupons")
            during = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        with ledger.load_lock():
            ledger.copy_to(tmp_path / "copy.duckdb")
        after = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
        assert os.umask(0) == 0
    finally:
        os.umask(before)

    assert len(after) >= 4
    assert set(during.values()) | set(after.values()) == {0o600}
