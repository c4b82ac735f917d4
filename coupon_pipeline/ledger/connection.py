"""Opening the file: one writer or several readers at a time, and nobody waits for ever.

DuckDB lets one process write a file and refuses readers meanwhile
(duckdb.org/docs/2.0/connect/concurrency.html), so every opening first takes a lock on a file
beside the database, shared for reading and exclusive for writing. Others who do not know that
lock, such as a notebook, are waited for as well. Both waits have a bound.
"""

import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import duckdb

PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.02
_MEMORY = "256MB"
"""More than that waits in a temporary folder while a statement runs: without a limit DuckDB keeps
what it has read for as long as the machine has room."""

REBUILD = (
    "Put a copy from a backup in its place, or make it again from Salesforce and Stripe with: "
    "coupon-pipeline rebuild-ledger. It keeps the old file."
)

_BROKEN = ("checksum", "corrupt")
"""Words of DuckDB's for a block that is not what was written."""

Result = TypeVar("Result")


class LedgerError(Exception):
    """The ledger cannot be used. `code` is stable, `fix` says what to do."""

    def __init__(self, code: str, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.code = code
        self.message = message
        self.fix = fix


class LedgerBusy(LedgerError):  # noqa: N818 - a state, named as such
    """Somebody else held the ledger for longer than we wait."""


@contextmanager
def file_lock(path: Path, *, exclusive: bool, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold a lock on `path` for the block.

    The lock file stays where it is: removing it while somebody waits would let two in.

    Raises:
        LedgerBusy: the lock was not free within `patience` seconds.
        LedgerError: there can be no lock file.
    """
    mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    with folder_in_use(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _patiently(lambda: fcntl.flock(descriptor, mode | fcntl.LOCK_NB), path, patience)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def folder_in_use(path: Path) -> Iterator[None]:
    """What the block does with the file, or with its folder, may fail for reasons outside of both.

    Raises:
        LedgerError: the folder cannot be made, read or written: closed, read-only or full.
    """
    try:
        yield
    except OSError as error:
        raise LedgerError(
            "ledger.unwritable",
            f"{path} cannot be used: {error.strerror}.",
            "Let COUPON_PIPELINE_DB name a file in a folder that this user may write to, on a disk "
            "with room, then run again: what was committed is kept.",
        ) from error


@contextmanager
def open_database(path: Path, *, write: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for as long as the block runs; without COMMIT everything is discarded.

    Raises:
        LedgerBusy: another process kept the file open.
        LedgerError: the file is no DuckDB database that this version can read, or cannot be
            written.
    """
    with file_lock(Path(f"{path}.lock"), exclusive=write), owner_only():
        if write and path.exists() and not path.stat().st_size:
            path.unlink()  # left by a run that was killed while making it; DuckDB refuses it
        engine = _ENGINES.take()
        attach = f"attach '{str(path).replace(chr(39), 2 * chr(39))}' as {_NAME}"
        _patiently(
            lambda: _attach(engine, attach if write else f"{attach} (read_only)", path),
            path,
            PATIENCE_SECONDS,
        )
        connection = engine.cursor()
        is_sound = False
        try:
            connection.execute(f"use {_NAME}")
            yield connection
            is_sound = True
        except (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException) as error:
            raise _unwritable(path, error) from error
        finally:
            connection.close()
            failure = _let_go(engine, is_sound=is_sound)
        if failure is not None:
            raise _unwritable(path, failure) from failure


_owner_only_lock = threading.Lock()
_owner_only_depth = [0, 0]
"""How many blocks are inside, and the mask from before the first."""


@contextmanager
def owner_only() -> Iterator[None]:
    """Files that are made in the block can be read by their owner only.

    DuckDB makes the database and its log itself. The mask is the whole process's, so blocks of
    several threads share one change of it.
    """
    with _owner_only_lock:
        if not _owner_only_depth[0]:
            _owner_only_depth[1] = os.umask(0o077)
        _owner_only_depth[0] += 1
    try:
        yield
    finally:
        with _owner_only_lock:
            _owner_only_depth[0] -= 1
            if not _owner_only_depth[0]:
                os.umask(_owner_only_depth[1])


_NAME = "ledger"
"""What the file is called inside an engine."""


class _Engines:
    """DuckDB without a file, kept for the next opening: starting it takes longer than the file.

    One that met an error is never used again, nor is one of the process that this one was forked
    from, whose threads are not here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._of_parent: list[duckdb.DuckDBPyConnection] = []
        """Kept, because closing one would wait for threads that there are not."""

    def take(self) -> duckdb.DuckDBPyConnection:
        """An engine that nobody else has, with no file attached."""
        with self._lock:
            if self._process != os.getpid():
                self._process = os.getpid()
                self._of_parent += self._idle
                self._idle = []
            if self._idle:
                return self._idle.pop()
        folder = Path(tempfile.gettempdir()) / f"coupon_pipeline-{uuid4().hex}"
        engine = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": _MEMORY,
                "temp_directory": str(folder),
                # DuckDB 2.0.0 loses what several threads insert in order from groups of rows of
                # different sizes: in the same transaction a scan then finds nothing
                "preserve_insertion_order": False,
            },
        )
        engine.execute("set global TimeZone = 'UTC'")
        return engine

    def give_back(self, engine: duckdb.DuckDBPyConnection) -> None:
        """Keep it for the next one."""
        with self._lock:
            self._idle.append(engine)


_ENGINES = _Engines()


def _attach(engine: duckdb.DuckDBPyConnection, statement: str, path: Path) -> None:
    try:
        engine.execute(statement)
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise BlockingIOError(str(error)) from error
        raise LedgerError(
            "ledger.unreadable",
            f"The ledger {path} cannot be opened: {error}.",
            "Check that the disk is not full and that the file may be read and written. If it is "
            f"broken: {REBUILD[0].lower()}{REBUILD[1:]}",
        ) from error


def _let_go(engine: duckdb.DuckDBPyConnection, *, is_sound: bool) -> duckdb.Error | None:
    """Close the file. Gives what went wrong; what was committed is then in the log beside it."""
    if not is_sound:
        engine.close()
        return None
    try:
        engine.execute(f"detach {_NAME}")
    except duckdb.Error as error:
        engine.close()
        return error
    _ENGINES.give_back(engine)
    return None


def _unwritable(path: Path, error: duckdb.Error) -> LedgerError:
    if any(word in str(error).lower() for word in _BROKEN):
        return LedgerError(
            "ledger.corrupt", f"A part of the ledger {path} is broken: {error}.", REBUILD
        )
    return LedgerError(
        "ledger.unwritable",
        f"The ledger {path} cannot be read or written: {error}.",
        "Make room on the disk, or check the disk itself, then run again: what was "
        "committed is kept.",
    )


def _patiently(action: Callable[[], Result], path: Path, patience: float) -> Result:
    deadline = time.monotonic() + patience
    while True:
        try:
            return action()
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise LedgerBusy(
                    "ledger.busy",
                    f"{path} is in use by somebody else since {patience:.0f} seconds.",
                    "Wait for the other run to end, or close the program that holds it, "
                    "then run again; nothing is lost.",
                ) from error
        time.sleep(_PAUSE_SECONDS)
