"""SELECT: which JSON a row becomes, compiled once and then applied to every page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType
from coupon_pipeline.sandbox.salesforce.soql.columns import Column, column_of, ids
from coupon_pipeline.sandbox.salesforce.soql.evaluate import Evaluator
from coupon_pipeline.sandbox.salesforce.soql.names import Reader
from coupon_pipeline.sandbox.salesforce.soql.refusals import malformed
from coupon_pipeline.sandbox.salesforce.soql.syntax import (
    AllFields,
    ChildQuery,
    Path,
    Query,
    SelectItem,
)
from coupon_pipeline.sandbox.salesforce.store import Row

MOST_PARENTS = 55
MOST_SUBQUERIES = 20
DEEPEST_SUBQUERY_UNTIL_57 = 1
DEEPEST_SUBQUERY = 4
MOST_ROWS_OF_ALL_FIELDS = 200

PageOfChildren: TypeAlias = Callable[["Projection", list[Row]], str]
"""Writes the rows of a child subquery as a result of its own, in pages if there are many."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How values are written, and the version that addresses name."""

    version: str
    shortest_numbers: bool
    page_of_children: PageOfChildren
    epoch_datetimes: bool = False
    """Datetimes as milliseconds since 1970, which is how the first Bulk API has them."""


def _nothing(_record_id: str) -> Row | None:
    return None


@dataclass(slots=True)
class _Node:
    """What is selected of one object: its own fields, its parents, its children."""

    object_type: ObjectType
    columns: dict[str, "Column | _Node"] = field(default_factory=dict)
    reference: str = ""
    read: Reader = _nothing


class Projection:
    """The SELECT list of one query over one object."""

    def __init__(
        self,
        evaluator: Evaluator,
        query: Query,
        object_type: ObjectType,
        writing: Writing,
        depth: int = 0,
    ) -> None:
        self._evaluator = evaluator
        self._writing = writing
        self._text = evaluator.text
        self._parents = 0
        self._subqueries = 0
        self._depth = depth
        self.names: list[str] = []
        root = _Node(object_type)
        for item in query.select:
            self._add(root, item, query)
        self._write = self._compiled(root)

    def record(self, row: Row) -> str:
        """One row as a JSON object."""
        return self._write([row])[0]

    def records(self, rows: Sequence[Row]) -> str:
        """The rows as a JSON list."""
        return f"[{','.join(self._write(rows))}]"

    def _add(self, root: _Node, item: SelectItem, query: Query) -> None:
        if isinstance(item, Path):
            self._add_path(root, self._evaluator.names.relative(root.object_type, item))
        elif isinstance(item, AllFields):
            self._add_all(root, item, query)
        elif isinstance(item, ChildQuery):
            self._add_children(root, item.query)
        else:
            raise malformed("a function in SELECT needs GROUP BY", self._text, 0)

    def _add_path(self, node: _Node, path: Path) -> None:
        self._evaluator.names.operand(node.object_type, path)
        for part in path.parts[:-1]:
            reference, table = self._evaluator.names.parent(node.object_type, part, path.position)
            name = reference.relationship or ""
            child = node.columns.get(name)
            if not isinstance(child, _Node):
                self._parents += 1
                child = _Node(
                    table.object, reference=reference.key, read=self._evaluator.names.reader(table)
                )
                node.columns[name] = child
            node = child
        if self._parents > MOST_PARENTS:
            raise malformed(
                f"at most {MOST_PARENTS} child-to-parent relationships in one query",
                self._text,
                path.position,
            )
        named = self._evaluator.names.field(node.object_type, path.parts[-1], path.position)
        if named.name in node.columns:
            raise malformed(f"duplicate field selected: {path}", self._text, path.position)
        self._add_field(node, named)

    def _add_field(self, node: _Node, named: Field) -> None:
        node.columns[named.name] = column_of(
            named,
            shortest_numbers=self._writing.shortest_numbers,
            epoch_datetimes=self._writing.epoch_datetimes,
        )

    def _add_all(self, root: _Node, item: AllFields, query: Query) -> None:
        limited = query.limit is not None and query.limit <= MOST_ROWS_OF_ALL_FIELDS
        if item.which != "STANDARD" and not limited:
            raise malformed(
                f"The SOQL FIELDS function must have a LIMIT of at most {MOST_ROWS_OF_ALL_FIELDS}",
                self._text,
                item.position,
            )
        for named in self._evaluator.view.access.visible_fields(root.object_type):
            if item.which == "ALL" or named.is_custom == (item.which == "CUSTOM"):
                if named.name in root.columns:
                    raise malformed(
                        f"duplicate field selected: {named.name}", self._text, item.position
                    )
                self._add_field(root, named)

    def _add_children(self, root: _Node, query: Query) -> None:
        place = query.source.position
        self._subqueries += 1
        if self._subqueries > MOST_SUBQUERIES:
            raise malformed(f"at most {MOST_SUBQUERIES} subqueries in one query", self._text, place)
        deepest = DEEPEST_SUBQUERY
        if float(self._writing.version) < 58:  # noqa: PLR2004 - the version that deepened them
            deepest = DEEPEST_SUBQUERY_UNTIL_57
        if self._depth >= deepest:
            raise malformed("subqueries are nested too deeply", self._text, place)
        link, child = self._evaluator.names.child(root.object_type, query.source)
        inner = Projection(self._evaluator, query, child, self._writing, self._depth + 1)
        select = self._evaluator.ordered(query, child)
        table = self._evaluator.store[child.key]
        index = table.index(link.field.key)

        def children_of(row: Row) -> str:
            keys = index.get(row["Id"], {})
            found = self._evaluator.visible(table, [table.rows[key] for key in keys])
            selected = select(found)
            return self._writing.page_of_children(inner, selected) if selected else "null"

        def children(rows: Sequence[Row]) -> list[str]:
            return [children_of(row) for row in rows]

        if link.name in root.columns:
            raise malformed(f"duplicate subquery: {link.name}", self._text, place)
        root.columns[link.name] = children

    def _compiled(self, node: _Node) -> Column:
        name = node.object_type.name
        url = f"/services/data/v{self._writing.version}/sobjects/{name}/%s"
        template = f'{{"attributes":{{"type":"{name}","url":"{url}"}}'
        columns: list[Column] = [ids]
        for column, what in node.columns.items():
            template += f',"{column}":%s'
            columns.append(self._parents_of(what) if isinstance(what, _Node) else what)
        template += "}"

        def write(rows: Sequence[Row]) -> list[str]:
            written = [column(rows) for column in columns]
            return [template % cells for cells in zip(*written, strict=True)]

        return write

    def _parents_of(self, node: _Node) -> Column:
        """Each parent is written once, however many rows of the page have it."""
        write = self._compiled(node)
        read, reference = node.read, node.reference

        def parents(rows: Sequence[Row]) -> list[str]:
            keys = [row.get(reference) for row in rows]
            found = {key: parent for key in set(keys) if (parent := read(str(key))) is not None}
            written = dict(zip(found, write(list(found.values())), strict=True))
            return [written.get(key, "null") for key in keys]

        return parents
