"""The records of the org: rows by id, indexes of references, a recycle bin, and undo."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from coupon_pipeline.sandbox.salesforce.schema import ObjectType, Schema
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar

Row: TypeAlias = dict[str, Scalar]
"""A record under local field names. A change makes a new row, so a reader keeps what it read."""


@dataclass(slots=True)
class Table:
    """The records of one object, deleted ones included."""

    object: ObjectType
    rows: dict[str, Row] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    visible_from: dict[str, str] = field(default_factory=dict)
    """Ids of rows that queries do not see before that stamp, as if still uncommitted."""
    _indexes: dict[str, dict[Scalar, dict[str, None]]] = field(default_factory=dict)

    def put(self, row: Row) -> None:
        """Insert the record, or replace it."""
        record_id = str(row["Id"])
        before = self.rows.get(record_id)
        self.rows[record_id] = row
        if row.get("IsDeleted"):
            self.deleted.add(record_id)
        elif self.deleted:
            self.deleted.discard(record_id)
        for key, index in self._indexes.items():
            new = _indexed(row, key)
            if before is not None:
                old = _indexed(before, key)
                if old == new:
                    continue
                index[old].pop(record_id, None)
            index.setdefault(new, {})[record_id] = None

    def remove(self, record_id: str) -> None:
        """Forget a record altogether."""
        row = self.rows.pop(record_id)
        self.deleted.discard(record_id)
        for key, index in self._indexes.items():
            index[_indexed(row, key)].pop(record_id, None)

    def live(self, record_id: str) -> Row | None:
        """The record unless it does not exist or is deleted."""
        return None if record_id in self.deleted else self.rows.get(record_id)

    def where(self, key: str, value: Scalar) -> Iterator[Row]:
        """Undeleted records whose `key` holds `value`, in the order of their making."""
        for record_id in list(self.index(key).get(value, ())):
            if record_id not in self.deleted:
                yield self.rows[record_id]

    def index(self, key: str) -> dict[Scalar, dict[str, None]]:
        """Ids by the value of `key`; kept up to date once it has been asked for.

        With the key that `any_case` gives, by the text in lower case.
        """
        index = self._indexes.get(key)
        if index is None:
            index = {}
            for record_id, row in self.rows.items():
                index.setdefault(_indexed(row, key), {})[record_id] = None
            self._indexes[key] = index
        return index

    def live_rows(self) -> Iterable[Row]:
        """All undeleted records."""
        if not self.deleted:
            return self.rows.values()
        return (row for record_id, row in self.rows.items() if record_id not in self.deleted)


def any_case(key: str) -> str:
    """The key of an index in which upper and lower case are the same."""
    return f"~{key}"


def _indexed(row: Row, key: str) -> Scalar:
    if key[0] != "~":
        return row.get(key)
    value = row.get(key[1:])
    return value.lower() if isinstance(value, str) else value


class Store:
    """All tables, with an undo log while a transaction is open."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.tables = {key: Table(object_type) for key, object_type in schema.objects.items()}
        self._undo: list[tuple[Table, str, Row | None]] | None = None
        self.changed: list[tuple[Table, str]] = []
        """What changed since the journal was last written."""

    def __getitem__(self, key: str) -> Table:
        return self.tables[key]

    def table_of(self, record_id: str) -> Table | None:
        """The table that the id's key prefix names."""
        object_type = self.schema.by_prefix.get(record_id[:3])
        return None if object_type is None else self.tables[object_type.key]

    def row_of(self, record_id: str) -> Row | None:
        """The record with that id, deleted or not."""
        table = self.table_of(record_id)
        return None if table is None else table.rows.get(record_id)

    def put(self, table: Table, row: Row) -> None:
        """Insert or replace a record as part of the open transaction, if there is one."""
        record_id = str(row["Id"])
        if self._undo is not None:
            self._undo.append((table, record_id, table.rows.get(record_id)))
        table.put(row)
        self.changed.append((table, record_id))

    def mark(self) -> int:
        """A point that `undo_to` can go back to."""
        if self._undo is None:
            self._undo = []
        return len(self._undo)

    def undo_to(self, mark: int) -> None:
        """Take back every change since the mark."""
        undo = self._undo or []
        while len(undo) > mark:
            table, record_id, before = undo.pop()
            if before is None:
                table.remove(record_id)
            else:
                table.put(before)
            self.changed.append((table, record_id))

    def commit(self) -> None:
        """Keep everything done so far."""
        self._undo = None
