"""Is the ledger sound? Looking at it changes nothing."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from coupon_pipeline.domain.diagnosis import Status
from coupon_pipeline.ledger import Identity, Ledger
from coupon_pipeline.ledger.examination import examine

NOW = datetime(2026, 11, 2, tzinfo=UTC)
OURS = Identity("00D000000000001EAA", "acct_1", livemode=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """One that is tied to its accounts."""
    made = Ledger(tmp_path / "ledger.duckdb")
    made.pin(OURS)
    return made


def lines_of(ledger: Ledger) -> dict[str, Status]:
    """What is said of it, by check."""
    return {line.check: line.status for line in examine(ledger, OURS, NOW, NOW).lines}


def test_a_sound_ledger_passes(ledger: Ledger) -> None:
    """And stays as it is."""
    before = ledger.path.read_bytes()

    lines = lines_of(ledger)

    assert set(lines.values()) == {Status.PASSED}
    assert ledger.path.read_bytes() == before


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """The first run makes it, if it can."""
    assert lines_of(Ledger(tmp_path / "sub" / "ledger.duckdb")) == {"ledger.file": Status.PASSED}
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_writing_is_told(ledger: Ledger) -> None:
    """Others wait for it, and doctor does not."""
    with ledger.load_lock():
        found = {line.check: line for line in examine(ledger, OURS, NOW, NOW).lines}

    assert "just now" in found["ledger.lock"].message
    assert found["ledger.integrity"].status is Status.PASSED


def test_a_ledger_of_an_earlier_version_is_left_as_it_is(ledger: Ledger) -> None:
    """Bringing it up to date is a run's work."""
    with duckdb.connect(str(ledger.path)) as connection:
        connection.execute("update ledger_identity set schema_version = 1")
    before = ledger.path.read_bytes()

    lines = lines_of(ledger)

    assert lines["ledger.version"] is Status.PASSED
    assert ledger.path.read_bytes() == before


def test_a_ledger_of_a_later_version_fails(ledger: Ledger) -> None:
    """This program does not know what is in it."""
    with duckdb.connect(str(ledger.path)) as connection:
        connection.execute("update ledger_identity set schema_version = 99")

    assert lines_of(ledger)["ledger.version"] is Status.FAILED


def test_a_damaged_file_fails(ledger: Ledger) -> None:
    """Whatever is wrong with it."""
    size = ledger.path.stat().st_size
    ledger.path.write_bytes(ledger.path.read_bytes()[: size // 3] + b"\0" * (size - size // 3))

    assert lines_of(ledger)["ledger.integrity"] is Status.FAILED


def test_evidence_that_was_altered_fails(ledger: Ledger) -> None:
    """An entry that is missing at the end shows too."""
    with duckdb.connect(str(ledger.path)) as connection:
        connection.execute("insert into evidence_head values (7, 'gone')")

    assert lines_of(ledger)["ledger.integrity"] is Status.FAILED


@pytest.mark.parametrize("suffix", ["", ".lock", ".load.lock"])
def test_a_file_that_others_may_read_fails(ledger: Ledger, suffix: str) -> None:
    """Names and prices of customers are in it."""
    with ledger.load_lock():
        pass
    Path(f"{ledger.path}{suffix}").chmod(0o640)

    assert lines_of(ledger)["ledger.owner_only"] is Status.FAILED
