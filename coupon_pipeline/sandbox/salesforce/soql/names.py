"""Looking up the names of a statement: objects, fields, parent paths, as one user sees them."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from typing import TypeAlias

from coupon_pipeline.sandbox.salesforce.access import Access
from coupon_pipeline.sandbox.salesforce.schema import ChildLink, Field, ObjectType
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.soql.refusals import (
    malformed,
    no_such_children,
    no_such_column,
    no_such_object,
    no_such_relationship,
)
from coupon_pipeline.sandbox.salesforce.soql.syntax import DayOnly, Path
from coupon_pipeline.sandbox.salesforce.store import Row, Store, Table

Reader: TypeAlias = Callable[[str], Row | None]

DEEPEST_PATH = 5


@dataclass(frozen=True, slots=True)
class Operand:
    """A field at the end of a path: how to read it from a row, and its type."""

    field: Field
    kind: str
    get: Callable[[Row], Scalar]
    direct: bool
    """Whether it is a field of the row itself, not of a parent."""


class Names:
    """Names as `access` lets a user see them, for the statement `text`."""

    def __init__(
        self, store: Store, access: Access, text: str, *, include_deleted: bool = False
    ) -> None:
        self._store = store
        self._access = access
        self._text = text
        self._include_deleted = include_deleted

    def object(self, path: Path) -> ObjectType:
        """The object in FROM."""
        found = self._store.schema.object_named(path.parts[0])
        if found is None or not self._access.sees(found):
            raise no_such_object(path.parts[0], self._text, path.position)
        return found

    def child(self, parent: ObjectType, path: Path) -> tuple[ChildLink, ObjectType]:
        """The child relationship in the FROM of a subquery."""
        link = parent.child_named(path.parts[0])
        if link is not None:
            child = self._store.schema[link.child]
            if self._access.sees(child) and self._access.sees_field(child, link.field):
                return link, child
        raise no_such_children(path.parts[0], self._text, path.position)

    def reader(self, table: Table) -> Reader:
        """Records of a parent object by id; a deleted one is none, except with queryAll."""
        return table.rows.get if self._include_deleted else table.live

    def field(self, object_type: ObjectType, name: str, position: int) -> Field:
        """A field of an object."""
        field = object_type.field_named(name)
        if field is None or not self._access.sees_field(object_type, field):
            raise no_such_column(name, object_type.name, self._text, position)
        return field

    def parent(self, object_type: ObjectType, name: str, position: int) -> tuple[Field, Table]:
        """A reference field by its relationship name, and the table of its target."""
        field = object_type.parent_named(name)
        if field is not None and self._access.sees_field(object_type, field):
            target = self._store[field.spec.targets[0]]
            if self._access.sees(target.object):
                return field, target
        raise no_such_relationship(name, self._text, position)

    def relative(self, object_type: ObjectType, path: Path) -> Path:
        """The path without the object's own name in front, which SOQL allows."""
        first = path.parts[0]
        own = len(path.parts) > 1 and first.lower() == object_type.name.lower()
        if own and object_type.parent_named(first) is None:
            return Path(path.parts[1:], path.position)
        return path

    def written(self, object_type: ObjectType, path: Path) -> str:
        """The path in the schema's own spelling."""
        parts = []
        for name in path.parts[:-1]:
            reference, table = self.parent(object_type, name, path.position)
            parts.append(reference.relationship or name)
            object_type = table.object
        parts.append(self.field(object_type, path.parts[-1], path.position).name)
        return ".".join(parts)

    def operand(self, object_type: ObjectType, written: Path | DayOnly) -> Operand:
        """A field or DAY_ONLY(field), resolved over its parents."""
        if isinstance(written, DayOnly):
            inner = self.operand(object_type, written.path)
            if inner.kind != "datetime":
                raise malformed(
                    "DAY_ONLY() needs a datetime field", self._text, written.path.position
                )
            return Operand(inner.field, "date", _day(inner.get), direct=False)
        path = self.relative(object_type, written)
        if len(path.parts) - 1 > DEEPEST_PATH:
            raise malformed(
                f"a relationship path has at most {DEEPEST_PATH} levels", self._text, path.position
            )
        tables: list[tuple[str, Reader]] = []
        for name in path.parts[:-1]:
            reference, table = self.parent(object_type, name, path.position)
            tables.append((reference.key, self.reader(table)))
            object_type = table.object
        field = self.field(object_type, path.parts[-1], path.position)
        if not tables:
            return Operand(field, field.spec.kind, _own(field.key), direct=True)
        return Operand(field, field.spec.kind, _over(tables, field.key), direct=False)


def _own(key: str) -> Callable[[Row], Scalar]:
    return methodcaller("get", key)


def _over(tables: list[tuple[str, Reader]], key: str) -> Callable[[Row], Scalar]:
    def get(row: Row) -> Scalar:
        for reference, read in tables:
            parent = read(str(row.get(reference)))
            if parent is None:
                return None
            row = parent
        return row.get(key)

    return get


def _day(get: Callable[[Row], Scalar]) -> Callable[[Row], Scalar]:
    def day(row: Row) -> Scalar:
        value = get(row)
        return value[:10] if isinstance(value, str) else None

    return day
