"""What has changed in the state of the services, kept in one sqlite3 file if one is asked for."""

import json
import sqlite3
from pathlib import Path
from typing import TypeAlias

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    table_name TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (table_name, key)
)
"""
PUT = """
INSERT INTO state (table_name, key, value) VALUES (?, ?, ?)
ON CONFLICT (table_name, key) DO UPDATE SET value = excluded.value
"""


class Journal:
    """Write-through memory of the services' state; without a file it remembers nothing.

    A value is serialised when it is flushed, not when it is put: what is written is the
    state at the end of the request.
    """

    def __init__(self, state_file: Path | None = None) -> None:
        self._pending: dict[tuple[str, str], JsonValue] = {}
        self._connection: sqlite3.Connection | None = None
        if state_file is not None:
            # the services live on the server's thread, the file is opened on the caller's
            self._connection = sqlite3.connect(state_file, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(SCHEMA)
            self._connection.commit()

    @property
    def keeps(self) -> bool:
        """Whether there is a file, so that building a value to put is worth the work."""
        return self._connection is not None

    def put(self, table: str, key: str, value: JsonValue | None) -> None:
        """Remember the value of a key from the next `flush` on; None deletes the key."""
        if self._connection is not None:
            self._pending[table, key] = value

    def load(self, table: str) -> dict[str, JsonValue]:
        """All that was flushed for a table, oldest key first; empty without a file."""
        if self._connection is None:
            return {}
        rows = self._connection.execute(
            "SELECT key, value FROM state WHERE table_name = ? ORDER BY rowid", (table,)
        )
        return {key: json.loads(value) for key, value in rows}

    def flush(self) -> None:
        """Commit what was put since the last time; cheap when there is nothing."""
        if self._connection is None or not self._pending:
            return
        pending, self._pending = self._pending, {}
        gone = [key for key, value in pending.items() if value is None]
        kept = [
            (*key, json.dumps(value, separators=(",", ":")))
            for key, value in pending.items()
            if value is not None
        ]
        with self._connection:
            self._connection.executemany("DELETE FROM state WHERE table_name = ? AND key = ?", gone)
            self._connection.executemany(PUT, kept)

    def close(self) -> None:
        """Flush and let go of the file."""
        if self._connection is not None:
            self.flush()
            self._connection.close()
            self._connection = None
