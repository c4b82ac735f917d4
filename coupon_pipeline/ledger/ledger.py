"""The ledger: the only way into the DuckDB file."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import cast

import duckdb

from coupon_pipeline.ledger import crash_points
from coupon_pipeline.ledger.connection import (
    LedgerError,
    file_lock,
    folder_in_use,
    open_database,
    owner_only,
)
from coupon_pipeline.ledger.migrations import SCHEMA_VERSION, keep_copy, migrate
from coupon_pipeline.ledger.rows import utc
from coupon_pipeline.ledger.transaction import Transaction

LOAD_PATIENCE_SECONDS = 600.0
_EMPTY_FILE_BYTES = 64 * 1024
_FILES = ("", ".wal", ".lock", ".load.lock")
"""Endings of what belongs to a ledger."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The pair of accounts that a ledger belongs to; None where it is not known yet."""

    org_id: str | None = None
    stripe_account: str | None = None
    livemode: bool | None = None

    @property
    def parts(self) -> tuple[str | bool | None, ...]:
        """Org, Stripe account and mode."""
        return (self.org_id, self.stripe_account, self.livemode)


class Ledger:
    """Remembers versions, snapshots, coupons, attachments and every write.

    Holds nothing but the path: each transaction opens the file and closes it again, so that no
    connection is open while a request is on its way.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write: all or nothing, and short.

        Raises:
            LedgerBusy: another process kept the file.
            LedgerError: the file is no ledger, or one of a later version, or cannot be written.
        """
        self._make_folder()
        may_be_empty = self._may_be_empty()
        with open_database(self.path, write=True) as connection:
            connection.execute("BEGIN")
            if may_be_empty and _is_empty(connection):
                _create_schema(connection)
            version = _version(connection, self.path)
            if version < SCHEMA_VERSION:
                keep_copy(self.path, version)
                migrate(connection, version)
            yield Transaction(connection)
            crash_points.reach("before_commit")
            connection.execute("COMMIT")
            crash_points.reach("after_commit")

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Read one consistent state; several processes may read at once."""
        if self._may_be_empty() and self._has_no_tables():
            with self.transaction():
                pass
        with open_database(self.path, write=False) as connection:
            connection.execute("BEGIN")
            if _version(connection, self.path) == SCHEMA_VERSION:
                yield Transaction(connection)
                return
        with self.transaction():
            pass  # brings the ledger of an earlier version up to date
        with open_database(self.path, write=False) as connection:
            connection.execute("BEGIN")
            yield Transaction(connection)

    @contextmanager
    def looking(self) -> Iterator[Transaction]:
        """Read a ledger that is there, and change nothing: none is made or brought up to date.

        Raises:
            LedgerBusy: another process kept the file.
            LedgerError: the file is not a ledger of this version.
        """
        with open_database(self.path, write=False) as connection:
            connection.execute("BEGIN")
            version = _version(connection, self.path)
            if version < SCHEMA_VERSION:
                raise LedgerError(
                    "ledger.earlier_version",
                    f"The ledger {self.path} has schema version {version}.",
                    f"The next run keeps a copy and brings it up to version {SCHEMA_VERSION}.",
                )
            yield Transaction(connection)

    @contextmanager
    def load_lock(self) -> Iterator[None]:
        """Only one run at a time reads, plans and writes Stripe and Salesforce.

        Two runs that read the same subscription before either has written would each replace
        the other's discounts.

        Raises:
            LedgerBusy: another run kept on writing for longer than we wait.
        """
        self._make_folder()
        with file_lock(
            Path(f"{self.path}.load.lock"), exclusive=True, patience=LOAD_PATIENCE_SECONDS
        ):
            yield

    def copy_to(self, path: Path) -> None:
        """A copy of the file as it is between two transactions."""
        with file_lock(Path(f"{self.path}.lock"), exclusive=False), owner_only():
            shutil.copyfile(self.path, path)
            log = Path(f"{self.path}.wal")
            if log.exists():
                shutil.copyfile(log, f"{path}.wal")

    def rebuilding(self) -> "Ledger":
        """A new, empty ledger beside this one; what a killed rebuild left there is removed."""
        beside = Path(f"{self.path}.rebuilding")
        for suffix in _FILES:
            Path(f"{beside}{suffix}").unlink(missing_ok=True)
        return Ledger(beside)

    def give_way_to(self, made_again: "Ledger", at: datetime) -> Path | None:
        """Put another ledger in this one's place, and keep the old file under another name.

        Killed in between, it leaves no ledger: a run then begins with a new one, which is safe.

        Returns:
            The name of the old file, if there was one.
        """
        with file_lock(Path(f"{self.path}.lock"), exclusive=True):
            kept = self._free_name(at) if self.exists else None
            for suffix in ("", ".wal"):
                old = Path(f"{self.path}{suffix}")
                if kept is not None and old.exists():
                    old.rename(f"{kept}{suffix}")
            made_again.path.rename(self.path)
        for suffix in _FILES[1:]:
            Path(f"{made_again.path}{suffix}").unlink(missing_ok=True)
        return kept

    def _free_name(self, at: datetime) -> Path:
        name = f"{self.path}.kept-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        taken = (Path(f"{name}-{n}") if n else Path(name) for n in count())
        return next(path for path in taken if not path.exists())

    def opened_at(self) -> datetime | None:
        """When this very ledger was made; None before there is one."""
        if not self.exists or (self._may_be_empty() and self._has_no_tables()):
            return None
        with self.reading() as tx:
            return utc(cast("datetime", tx.rows("opened_at")[0][0]))

    def pin(self, identity: Identity) -> None:
        """Tie the ledger to its pair of accounts, or refuse another pair.

        Raises:
            LedgerError: the ledger was opened with another org, account or mode.
        """
        with self.reading() as tx:
            pinned = read_identity(tx)
        self.check_identity(pinned, identity)
        given, known = identity.parts, pinned.parts
        if all(
            ours is not None or theirs is None for ours, theirs in zip(known, given, strict=True)
        ):
            return
        with self.transaction() as tx:
            tx.stage("ledger_identity", ["org_id", "stripe_account", "livemode"], [given])
            tx.run("pin_identity")

    def check_identity(self, pinned: Identity, identity: Identity) -> None:
        """Refuse another pair of accounts than the one that the ledger belongs to.

        Raises:
            LedgerError: a part that both know is not the same.
        """
        for ours, theirs in zip(pinned.parts, identity.parts, strict=True):
            if ours is not None and theirs is not None and ours != theirs:
                raise LedgerError(
                    "ledger.other_accounts",
                    f"The ledger {self.path} belongs to {_shown(pinned)}, "
                    f"not to {_shown(identity)}.",
                    "Set COUPON_PIPELINE_DB to another file for this pair of accounts.",
                )

    @property
    def exists(self) -> bool:
        """Whether there is a file.

        Raises:
            LedgerError: this user may not look.
        """
        with folder_in_use(self.path):
            return self.path.exists()

    def _make_folder(self) -> None:
        with folder_in_use(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)

    def _may_be_empty(self) -> bool:
        """A run that was killed while it created the file leaves a small one without tables."""
        return not self.exists or self.path.stat().st_size <= _EMPTY_FILE_BYTES

    def _has_no_tables(self) -> bool:
        if not self.exists or not self.path.stat().st_size:
            return True
        with open_database(self.path, write=False) as connection:
            return _is_empty(connection)


def _is_empty(connection: duckdb.DuckDBPyConnection) -> bool:
    return connection.execute("select 1 from duckdb_tables() limit 1").fetchall() == []


def _create_schema(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute((files(__package__) / "schema.sql").read_text(encoding="utf-8"))
    Transaction(connection).insert(
        "ledger_identity",
        ["schema_version", "opened_at"],
        [(SCHEMA_VERSION, datetime.now(UTC))],
    )


def _version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The version of the ledger's schema, which is this program's or an earlier one."""
    try:
        found = connection.execute("select schema_version from ledger_identity").fetchall()
    except duckdb.CatalogException:
        found = []
    if not found:
        raise LedgerError(
            "ledger.unreadable",
            f"{path} is a DuckDB file but not a ledger.",
            "Set COUPON_PIPELINE_DB to the ledger, or to a file that does not exist yet.",
        )
    version = cast("int", found[0][0])
    if not 0 < version <= SCHEMA_VERSION:
        raise LedgerError(
            "ledger.other_version",
            f"The ledger {path} has schema version {version}; this program knows {SCHEMA_VERSION}.",
            "Use the version of coupon_pipeline that wrote it, or make the ledger again from "
            "Salesforce and Stripe with: coupon-pipeline rebuild-ledger.",
        )
    return version


def read_identity(tx: Transaction) -> Identity:
    """The accounts that the ledger is tied to so far."""
    org_id, stripe_account, livemode = tx.rows("identity")[0]
    return Identity(
        cast("str | None", org_id),
        cast("str | None", stripe_account),
        cast("bool | None", livemode),
    )


def _shown(identity: Identity) -> str:
    parts = {
        "org": identity.org_id,
        "Stripe account": identity.stripe_account,
        "mode": None if identity.livemode is None else ("live" if identity.livemode else "test"),
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)
