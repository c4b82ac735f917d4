"""Is the ledger sound? Its file, its owner, who holds it, its version and what is in it."""

import fcntl
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from coupon_pipeline.domain.diagnosis import Diagnosis, Subject
from coupon_pipeline.ledger.connection import LedgerBusy, LedgerError
from coupon_pipeline.ledger.evidence import chain_faults, read_entries, read_head
from coupon_pipeline.ledger.inspection import read_ledger_at_odds, read_order_coupons_written
from coupon_pipeline.ledger.ledger import Identity, Ledger, read_identity
from coupon_pipeline.ledger.migrations import SCHEMA_VERSION

AREA = "Ledger"
_FILE = Subject("ledger.file", AREA, "file")
_OWNER = Subject("ledger.owner_only", AREA, "readable by its owner only")
_LOCK = Subject("ledger.lock", AREA, "lock")
_VERSION = Subject("ledger.version", AREA, "version")
_INTEGRITY = Subject("ledger.integrity", AREA, "integrity")
_ACCOUNTS = Subject("ledger.accounts", AREA, "accounts that it belongs to")
_ANSWER_IS_LOST_AFTER = timedelta(hours=1)
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Examination:
    """The lines about the ledger, and what the trigger line wants to know of it."""

    lines: tuple[Diagnosis, ...]
    order_coupons_written: int | None = None
    """How many order coupons the pipeline wrote since the given time; None if not known."""


def examine(ledger: Ledger, identity: Identity, now: datetime, since: datetime) -> Examination:
    """All lines about the ledger. Nothing is made, written or raised."""
    missing = _missing(ledger)
    if missing is not None:
        return Examination((missing,))
    lines = [_FILE.passed(f"{ledger.path} is there."), _owner_line(ledger.path)]
    lines.append(_lock_line(ledger.path))
    written: int | None = None
    try:
        with ledger.looking() as tx:
            found = read_ledger_at_odds(tx, now - _ANSWER_IS_LOST_AFTER)
            pinned = read_identity(tx)
            tx.read_everything()
            broken = chain_faults(read_entries(tx), read_head(tx))
            written = read_order_coupons_written(tx, since)
    except duckdb.Error as error:  # a damaged file fails in many ways
        lines.append(
            _INTEGRITY.failed(
                f"The ledger cannot be read to its end ({type(error).__name__}).",
                "Put a copy from a backup in its place, or make it again from both systems.",
            )
        )
        return Examination(tuple(lines))
    except LedgerBusy as error:
        lines.append(_INTEGRITY.unknown(error.message, error.fix))
        return Examination(tuple(lines))
    except LedgerError as error:
        if error.code == "ledger.earlier_version":
            lines.append(_VERSION.passed(error.message, error.fix))
            return Examination(tuple(lines))
        subject = _VERSION if error.code == "ledger.other_version" else _INTEGRITY
        lines.append(subject.failed(error.message, error.fix))
        return Examination(tuple(lines))
    lines.append(_VERSION.passed(f"Version {SCHEMA_VERSION}, which this program writes."))
    if broken:
        lines.append(
            _INTEGRITY.failed(
                f"The evidence of what was written is not what it was: {broken[0].what}.",
                "Run `coupon-pipeline verify` for all of it.",
            )
        )
    elif found:
        shown = "; ".join(
            f"{each.order_id} {each.record_id} {each.what}" for each in found[:_NAMED]
        )
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        lines.append(
            _INTEGRITY.failed(
                f"{len(found)} records are at odds with each other: {shown}{more}.",
                "Run `coupon-pipeline sync` for these orders again; what stays is told by "
                "`coupon-pipeline explain ORDER`.",
            )
        )
    else:
        lines.append(_INTEGRITY.passed("Every table can be read and agrees with the others."))
    lines += _account_lines(ledger, pinned, identity)
    return Examination(tuple(lines), written)


def _missing(ledger: Ledger) -> Diagnosis | None:
    """The line about a ledger that is not there, or that this user may not look for."""
    try:
        if ledger.exists and ledger.path.stat().st_size:
            return None
    except LedgerError as error:
        return _FILE.failed(error.message, error.fix)
    return _not_yet(ledger.path)


def _not_yet(path: Path) -> Diagnosis:
    folder = path.resolve().parent
    while not folder.exists():
        folder = folder.parent
    if os.access(folder, os.W_OK | os.X_OK):
        return _FILE.passed(f"There is none yet; the first run makes {path}.")
    return _FILE.failed(
        f"There is none yet, and the first run cannot make {path}: {folder} is closed.",
        "Set COUPON_PIPELINE_DB to a file in a folder that this user may write to.",
    )


def _owner_line(path: Path) -> Diagnosis:
    """Names, prices and discounts of customers are in it."""
    files = [path, *(Path(f"{path}{suffix}") for suffix in (".wal", ".lock", ".load.lock"))]
    open_ones = [
        file
        for file in files
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if not open_ones:
        return _OWNER.passed("Nobody else on this machine may read it.")
    names = " ".join(str(file) for file in open_ones)
    return _OWNER.failed(f"Others on this machine may read {names}.", f"Run: chmod 600 {names}")


def _lock_line(path: Path) -> Diagnosis:
    """Whether a run is writing. Taking a shared lock for a moment disturbs nobody."""
    try:
        descriptor = os.open(f"{path}.load.lock", os.O_RDONLY)
    except FileNotFoundError:
        return _LOCK.passed("No run holds it.")
    except OSError as error:
        return _LOCK.failed(
            f"The lock file cannot be opened: {error.strerror}.",
            f"Make {path}.load.lock readable and writable for the user that runs the pipeline.",
        )
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _LOCK.passed("A run is writing just now; others wait for it.")
    finally:
        os.close(descriptor)
    return _LOCK.passed("No run holds it.")


def _account_lines(ledger: Ledger, pinned: Identity, identity: Identity) -> Iterator[Diagnosis]:
    if all(part is None for part in pinned.parts):
        yield _ACCOUNTS.passed("None yet; the first run ties it to the accounts of the settings.")
        return
    try:
        ledger.check_identity(pinned, identity)
    except LedgerError as error:
        yield _ACCOUNTS.failed(error.message, error.fix)
        return
    if all(part is None for part in identity.parts):
        yield _ACCOUNTS.unknown(
            "Neither Salesforce nor Stripe told who it is.",
            "Run `coupon-pipeline doctor` again when they answer.",
        )
        return
    yield _ACCOUNTS.passed("It belongs to the accounts of the settings.")
