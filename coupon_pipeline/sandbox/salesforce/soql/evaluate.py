"""The rows that a statement selects, in their order."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import itemgetter

from coupon_pipeline.sandbox.salesforce.access import Access
from coupon_pipeline.sandbox.salesforce.schema import ObjectType
from coupon_pipeline.sandbox.salesforce.schema.model import (
    NUMBER_KINDS,
    REFERENCE_KINDS,
    TEXT_KINDS,
)
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.soql.conditions import Literals, Test, comparison
from coupon_pipeline.sandbox.salesforce.soql.names import Names, Operand
from coupon_pipeline.sandbox.salesforce.soql.refusals import malformed, refusal
from coupon_pipeline.sandbox.salesforce.soql.syntax import (
    Both,
    Comparison,
    Condition,
    DayOnly,
    Either,
    InList,
    InQuery,
    Not,
    Ordering,
    Path,
    Query,
    Value,
)
from coupon_pipeline.sandbox.salesforce.store import Row, Store, Table
from coupon_pipeline.sandbox.salesforce.values import stamp

MOST_SEMI_JOINS = 2


@dataclass(frozen=True, slots=True)
class View:
    """Who asks, when, and whether the recycle bin is included."""

    access: Access
    now: datetime
    include_deleted: bool = False
    scattered: bool = False
    """Leave rows without ORDER BY in an order that only looks random."""


class Evaluator:
    """Evaluates statements of one user over the store."""

    def __init__(self, store: Store, view: View, text: str) -> None:
        self.store = store
        self.view = view
        self.text = text
        self.names = Names(store, view.access, text, include_deleted=view.include_deleted)
        self._literals = Literals(text, view.now)
        self._semi_joins = 0

    def rows(self, query: Query) -> list[Row]:
        """The selected rows of a statement's own object, ordered and cut to its LIMIT."""
        object_type = self.names.object(query.source)
        return self.ordered(query, object_type)(self._candidates(query, object_type))

    def ordered(
        self, query: Query, object_type: ObjectType
    ) -> Callable[[Iterable[Row]], list[Row]]:
        """Filters, orders and cuts rows as the query says; compiled once, used for many sets."""
        test = None
        if query.where is not None:
            test = self._test(query.where, object_type, under_or=False)
        orderings = [(o, self._sortable(object_type, o)) for o in query.order_by]
        start = query.offset or 0
        end = None if query.limit is None else start + query.limit

        def select(rows: Iterable[Row]) -> list[Row]:
            selected = list(rows) if test is None else [row for row in rows if test(row)]
            selected.sort(key=_scattered if self.view.scattered else itemgetter("Id"))
            for ordering, operand in reversed(orderings):
                selected = _sorted(selected, ordering, operand)
            return selected[start:end] if start or end is not None else selected

        return select

    def visible(self, table: Table, rows: Iterable[Row]) -> Iterable[Row]:
        """Rows without those in the bin (unless asked for) and those not yet committed."""
        if not self.view.include_deleted and table.deleted:
            deleted = table.deleted
            rows = (row for row in rows if row["Id"] not in deleted)
        if table.visible_from:
            now = stamp(self.view.now)
            late = {key for key, moment in table.visible_from.items() if moment > now}
            rows = (row for row in rows if row["Id"] not in late)
        return rows

    def _candidates(self, query: Query, object_type: ObjectType) -> Iterable[Row]:
        """All rows that could match, found through ids and indexes where the WHERE allows."""
        table = self.store[object_type.key]
        where = query.where
        conditions = where.conditions if isinstance(where, Both) else (where,)
        for condition in conditions:
            narrowed = self._narrowed(condition, object_type, table)
            if narrowed is not None:
                return self.visible(table, narrowed)
        return self.visible(table, table.rows.values())

    def _narrowed(
        self, condition: Condition | None, object_type: ObjectType, table: Table
    ) -> list[Row] | None:
        if isinstance(condition, Comparison):
            if condition.operator != "=" or condition.right.kind != "string":
                return None
            values: tuple[Value, ...] = (condition.right,)
        elif isinstance(condition, InList) and not condition.negated:
            values = condition.values
        else:
            return None
        operand = self.names.operand(object_type, condition.left)
        if not operand.direct or operand.kind not in REFERENCE_KINDS:
            return None
        wanted = dict.fromkeys(
            self._literals.scalar(operand.field, value, operand.kind) for value in values
        )
        if operand.kind == "id":
            found = (table.rows.get(str(value)) for value in wanted)
            return [row for row in found if row is not None]
        index = table.index(operand.field.key)
        return [table.rows[key] for value in wanted for key in index.get(value, ())]

    # conditions

    def _test(self, condition: Condition, object_type: ObjectType, *, under_or: bool) -> Test:
        if isinstance(condition, Both):
            tests = [self._test(c, object_type, under_or=under_or) for c in condition.conditions]
            return _all_of(tests)
        if isinstance(condition, Either):
            tests = [self._test(c, object_type, under_or=True) for c in condition.conditions]
            return _any_of(tests)
        if isinstance(condition, Not):
            inner = self._test(condition.condition, object_type, under_or=under_or)
            return lambda row: not inner(row)
        if isinstance(condition, InQuery):
            return self._semi_join(condition, object_type, under_or=under_or)
        operand = self._filterable(object_type, condition.left)
        if isinstance(condition, Comparison):
            return comparison(
                self._literals, self.text, condition, operand.field, operand.kind, operand.get
            )
        return self._in_list(condition, operand)

    def _filterable(self, object_type: ObjectType, left: Path | DayOnly) -> Operand:
        operand = self.names.operand(object_type, left)
        if not operand.field.spec.filterable:
            raise refusal(
                "INVALID_FIELD",
                f"field '{operand.field.name}' can not be filtered in a query call",
                self.text,
                (left.path if isinstance(left, DayOnly) else left).position,
            )
        return operand

    def _in_list(self, condition: InList, operand: Operand) -> Test:
        if any(value.kind == "date_word" for value in condition.values):
            raise malformed(
                "a date literal word in a list is refused here",
                self.text,
                condition.values[0].position,
            )
        wanted = frozenset(
            self._literals.scalar(operand.field, value, operand.kind) for value in condition.values
        )
        return _membership(operand, wanted, negated=condition.negated)

    def _semi_join(self, condition: InQuery, object_type: ObjectType, *, under_or: bool) -> Test:
        query, place = condition.query, condition.left.position
        if under_or:
            raise malformed(
                "Semi join sub-selects are not allowed with the 'OR' operator", self.text, place
            )
        self._semi_joins += 1
        if self._semi_joins > MOST_SEMI_JOINS:
            raise malformed(
                f"Maximum {MOST_SEMI_JOINS} semi join sub-selects are allowed", self.text, place
            )
        left = self.names.operand(object_type, condition.left)
        if not left.direct or left.kind not in REFERENCE_KINDS:
            raise malformed(
                "The left operand field in the where expression for outer query should be an id "
                f"field, cannot use: '{condition.left}'",
                self.text,
                place,
            )
        inner = self._inner_operand(query, object_type, left)
        rows = Evaluator(self.store, self.view, self.text).rows(query)
        wanted = frozenset(inner.get(row) for row in rows) - {None}
        return _membership(left, wanted, negated=condition.negated)

    def _inner_operand(self, query: Query, outer: ObjectType, left: Operand) -> Operand:
        place = query.source.position
        source = self.names.object(query.source)
        if len(query.select) != 1 or not isinstance(query.select[0], Path):
            raise malformed("semi join sub-selects can only query a single field", self.text, place)
        if query.order_by or query.limit is not None or query.offset or query.group_by:
            raise malformed(
                "ORDER BY, LIMIT, OFFSET and GROUP BY are not allowed in semi join sub-selects",
                self.text,
                place,
            )
        if _has_semi_join(query.where):
            raise malformed("Nesting of semi join sub-selects is not supported", self.text, place)
        if source is outer:
            raise malformed(
                "The inner and outer selects should not be on the same object type",
                self.text,
                place,
            )
        inner = self.names.operand(source, query.select[0])
        if not inner.direct or inner.kind not in REFERENCE_KINDS:
            raise malformed(
                f"The inner select field should be an id field, cannot use: '{query.select[0]}'",
                self.text,
                place,
            )
        left_targets = left.field.spec.targets or (outer.key,)
        inner_targets = inner.field.spec.targets or (source.key,)
        if not set(left_targets) & set(inner_targets):
            raise malformed(
                f"The outer field '{left.field.name}' and the inner field '{inner.field.name}' "
                "must refer to the same object",
                self.text,
                place,
            )
        return inner

    # order

    def _sortable(self, object_type: ObjectType, ordering: Ordering) -> Operand:
        operand = self.names.operand(object_type, ordering.path)
        if not operand.field.spec.filterable:
            raise malformed(
                f"field '{operand.field.name}' can not be sorted in a query call",
                self.text,
                ordering.path.position,
            )
        return operand


def _all_of(tests: list[Test]) -> Test:
    if len(tests) == 2:  # noqa: PLR2004 - the usual case, over every row: no loop
        first, second = tests
        return lambda row: first(row) and second(row)
    return lambda row: all(test(row) for test in tests)


def _any_of(tests: list[Test]) -> Test:
    return lambda row: any(test(row) for test in tests)


def _has_semi_join(condition: Condition | None) -> bool:
    if isinstance(condition, (Both, Either)):
        return any(_has_semi_join(inner) for inner in condition.conditions)
    if isinstance(condition, Not):
        return _has_semi_join(condition.condition)
    return isinstance(condition, InQuery)


def _membership(operand: Operand, wanted: frozenset[Scalar], *, negated: bool) -> Test:
    get = operand.get
    if operand.kind in TEXT_KINDS:

        def holds(row: Row) -> bool:
            value = get(row)
            return (value.lower() if isinstance(value, str) else value) in wanted
    else:

        def holds(row: Row) -> bool:
            return get(row) in wanted

    if not negated:
        return holds
    return lambda row: not holds(row)


def _scattered(row: Row) -> int:
    return zlib.crc32(str(row["Id"]).encode())


def _sorted(rows: list[Row], ordering: Ordering, operand: Operand) -> list[Row]:
    """Stable, also when descending; nulls come first unless NULLS LAST is said."""
    get = operand.get
    held = [row for row in rows if get(row) is not None]
    nulls = [row for row in rows if get(row) is None] if len(held) < len(rows) else []

    def as_lower(row: Row) -> str:
        return str(get(row)).lower()

    def as_number(row: Row) -> Decimal:
        return Decimal(get(row) or 0)

    def as_text(row: Row) -> str:
        return str(get(row))

    if operand.kind in TEXT_KINDS:
        held.sort(key=as_lower, reverse=ordering.descending)
    elif operand.kind in NUMBER_KINDS or operand.kind == "boolean":
        held.sort(key=as_number, reverse=ordering.descending)
    elif operand.direct:
        held.sort(key=itemgetter(operand.field.key), reverse=ordering.descending)
    else:
        held.sort(key=as_text, reverse=ordering.descending)
    return held + nulls if ordering.nulls_last else nulls + held
