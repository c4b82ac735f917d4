"""verify, rebuild-ledger and evidence, as people and scripts use them."""

import csv
import json
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import duckdb
import pytest

from coupon_pipeline.cli import main
from coupon_pipeline.ledger.evidence import COLUMNS
from coupon_pipeline.sandbox.faults import FaultRule
from tests.world import World

Run = Callable[..., tuple[int, dict[str, object]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with --json; its status and document."""

    def command(*arguments: str) -> tuple[int, dict[str, object]]:
        monkeypatch.setattr(sys, "argv", ["coupon-pipeline", *arguments, "--json"])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), json.loads(capfd.readouterr().out)

    return command


@pytest.fixture
def synced(world: World) -> World:
    """A world in which one discount was granted."""
    world.order(coupons=[world.quote_coupon(Name__c="=cmd|' /C calc'!A0")])
    world.sync_without_dagster(world.selection())
    return world


def _altered(world: World, statement: str) -> None:
    with duckdb.connect(str(world.db)) as connection:
        connection.execute(statement)


def _what(document: dict[str, object]) -> list[str]:
    found = document["discrepancies"]
    assert isinstance(found, list)
    assert all(each["fix"] for each in found)
    return [each["check"] for each in found]


def test_verify_finds_what_was_altered_and_holds_a_hash_that_was_noted(
    synced: World, run: Run
) -> None:
    """Exit status 0 when all is well and 3 when not, each finding with its remedy."""
    status, clean = run("verify")
    assert (status, clean["ok"], clean["discrepancies"]) == (0, True, [])
    noted = clean["evidence"]
    assert isinstance(noted, dict)
    assert run("verify", "--head", noted["hash"])[0] == 0
    status, missing = run("verify", "--head", "0" * 64)
    assert (status, _what(missing)) == (3, ["evidence"])

    _altered(synced, "delete from coupon_snapshots")
    status, orphaned = run("verify")
    assert (status, set(_what(orphaned))) == (3, {"references"})

    _altered(synced, "update evidence set body = '{}' where entry = 1")
    status, changed = run("verify")
    assert status == 3
    assert "evidence" in _what(changed)


@pytest.mark.slow
def test_verify_does_not_vouch_for_what_it_could_not_read(synced: World, run: Run) -> None:
    """Neither intact nor not: the same command says more once Stripe lets go of the object."""
    unread = synced.order(coupons=[synced.quote_coupon()], synced=False)
    synced.update("Order", unread.order_id, Stripe_ID__c="sub_1Busy")
    busy = FaultRule(service="stripe", kind="lock_timeout", path="sub_1Busy", times=None)
    synced.sandbox.run_on_loop(lambda: synced.sandbox.faults.arm(busy))

    status, document = run("verify", "--systems")

    assert (status, document["ok"], document["discrepancies"]) == (1, False, [])
    systems = document["systems"]
    assert isinstance(systems, dict)
    assert systems["unread_targets"] == ["sub_1Busy"]


def test_verify_finds_ids_that_do_not_follow_and_writes_without_an_end(
    synced: World, run: Run
) -> None:
    """Rows that were edited by hand, and what a killed run left."""
    _altered(
        synced,
        "update coupon_snapshots set quote_coupon_id = 'another';"
        " update stripe_coupons set coupon_id = 'sf-another', origin = 'created';"
        " update coupon_attachments set coupon_id = 'sf-another';",
    )
    assert set(_what(run("verify")[1])) == {"snapshots", "coupons"}

    _altered(synced, "delete from evidence where kind = 'outcome' and entry = 2")
    assert {"evidence", "open_intents"} <= set(_what(run("verify")[1]))


def test_rebuild_ledger_names_the_file_that_it_keeps(synced: World, run: Run) -> None:
    """And verify has nothing to say afterwards, about the ledger or the systems."""
    synced.db.write_bytes(b"no database")
    status, refused = run("verify")
    error = refused["error"]
    assert isinstance(error, dict)
    assert (status, error["code"]) == (1, "ledger.unreadable")
    assert "rebuild-ledger" in error["fix"]

    status, document = run("rebuild-ledger")

    assert (status, document["attachments"]) == (0, 1)
    assert "cannot be opened" in str(document["evidence_refused"])
    assert Path(str(document["kept"])).read_bytes() == b"no database"
    status, verified = run("verify", "--systems")
    assert (status, verified["discrepancies"]) == (0, [])
    systems = verified["systems"]
    assert isinstance(systems, dict)
    assert (systems["coupons"], systems["attachments"]) == (1, 1)
    assert systems["calls"]["stripe_writes"] == 0


def test_rebuild_ledger_tells_that_evidence_was_altered(synced: World, run: Run) -> None:
    """The new ledger's chain is whole, so nothing else would ever tell it."""
    _altered(synced, "update evidence set body = '{}' where entry = 2")

    status, document = run("rebuild-ledger")

    assert (status, document["evidence"]) == (0, 0)
    assert document["evidence_refused"] == (
        "The chain is broken: entry 2 was changed, or what stood before it was."
    )
    assert run("verify")[0] == 0


def test_verify_without_a_ledger_says_how_to_get_one(world: World, run: Run) -> None:
    status, document = run("verify")

    assert not world.db.exists()
    error = document["error"]
    assert isinstance(error, dict)
    assert (status, error["code"]) == (1, "ledger.missing")


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_evidence_is_exported_whole_and_safe_to_open(
    synced: World, run: Run, tmp_path: Path, ending: str
) -> None:
    """For its owner only, never over another file, and without formulas in a table."""
    file = tmp_path / f"evidence.{ending}"
    _altered(synced, "update evidence set detail = '=cmd|calc' where entry = 2")

    status, document = run("evidence", "--out", str(file))

    assert status == 0
    assert file.stat().st_mode & 0o777 == 0o600
    if ending == "csv":
        rows = list(csv.DictReader(StringIO(file.read_text(encoding="utf-8"), newline="")))
    elif ending == "json":
        rows = json.loads(file.read_text(encoding="utf-8"))
    else:
        table = duckdb.read_parquet(str(file))
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]
    assert list(rows[0]) == ["entry", *COLUMNS, "hash"]
    head = document["evidence"]
    assert isinstance(head, dict)
    assert (len(rows), rows[-1]["hash"]) == (head["entries"], head["hash"])
    assert (rows[0]["operation"], rows[0]["before"] or None) == ("coupon.create", None)
    attached = next(row for row in rows if row["operation"] == "subscription.update")
    before = {"discounts": [], "metadata": {"coupon_pipeline": None}}
    assert json.loads(attached["before"]) == before
    assert rows[1]["detail"] == ("'=cmd|calc" if ending == "csv" else "=cmd|calc")
    assert run("evidence", "--out", str(file))[0] == 2
