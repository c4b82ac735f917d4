"""COUNT, MIN, SUM and the like, with and without GROUP BY."""

import json
from collections.abc import Callable, Iterable
from decimal import Decimal

from coupon_pipeline.sandbox.salesforce.schema import ObjectType
from coupon_pipeline.sandbox.salesforce.schema.model import NUMBER_KINDS
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.soql.evaluate import Evaluator
from coupon_pipeline.sandbox.salesforce.soql.names import Operand
from coupon_pipeline.sandbox.salesforce.soql.refusals import malformed
from coupon_pipeline.sandbox.salesforce.soql.syntax import Aggregate, DayOnly, Path, Query
from coupon_pipeline.sandbox.salesforce.store import Row
from coupon_pipeline.sandbox.salesforce.values import double_text, shortest_text


def is_aggregate(query: Query) -> bool:
    """Whether the statement answers groups rather than records."""
    return bool(query.group_by) or any(isinstance(item, Aggregate) for item in query.select)


def is_bare_count(query: Query) -> bool:
    """Whether the statement is SELECT COUNT() FROM, which answers a size and no record."""
    first = query.select[0]
    return len(query.select) == 1 and isinstance(first, Aggregate) and first.path is None


def grouped(
    evaluator: Evaluator,
    query: Query,
    object_type: ObjectType,
    rows: Iterable[Row],
    *,
    shortest_numbers: bool,
) -> list[str]:
    """One AggregateResult, as JSON, for each group in the order of its key."""
    if query.order_by:
        raise malformed("ORDER BY with GROUP BY is refused here", evaluator.text, 0)
    keys = [evaluator.names.operand(object_type, term) for term in query.group_by]
    written = {str(_path(term)).lower() for term in query.group_by}
    columns: list[tuple[str, Callable[[list[Row]], Scalar]]] = []
    unnamed = 0
    for item in query.select:
        if isinstance(item, Aggregate):
            name = item.alias or f"expr{unnamed}"
            unnamed += item.alias is None
            columns.append((name, _aggregate(evaluator, object_type, item)))
            continue
        if not isinstance(item, (Path, DayOnly)) or str(_path(item)).lower() not in written:
            position = _path(item).position if isinstance(item, (Path, DayOnly)) else 0
            raise malformed(
                "Field must be grouped or aggregated: "
                f"{_path(item) if isinstance(item, (Path, DayOnly)) else ''}",
                evaluator.text,
                position,
            )
        operand = evaluator.names.operand(object_type, item)
        name = operand.field.name if isinstance(item, Path) else f"expr{unnamed}"
        unnamed += isinstance(item, DayOnly)
        columns.append((name, _first(operand)))
    groups: dict[tuple[Scalar, ...], list[Row]] = {} if keys else {(): []}
    for row in rows:
        groups.setdefault(tuple(key.get(row) for key in keys), []).append(row)
    ordered = sorted(groups.items(), key=lambda group: [(v is not None, str(v)) for v in group[0]])
    return [_written(columns, members, shortest_numbers=shortest_numbers) for _, members in ordered]


def _path(term: Path | DayOnly) -> Path:
    return term.path if isinstance(term, DayOnly) else term


def _first(operand: Operand) -> Callable[[list[Row]], Scalar]:
    return lambda rows: operand.get(rows[0]) if rows else None


def _aggregate(
    evaluator: Evaluator, object_type: ObjectType, item: Aggregate
) -> Callable[[list[Row]], Scalar]:
    if item.path is None:
        raise malformed("COUNT() stands alone", evaluator.text, item.position)
    operand = evaluator.names.operand(object_type, item.path)
    if item.function in {"SUM", "AVG"} and operand.kind not in NUMBER_KINDS:
        raise malformed(
            f"field {item.path} does not support aggregate operator {item.function}",
            evaluator.text,
            item.position,
        )

    def value(rows: list[Row]) -> Scalar:
        held = [operand.get(row) for row in rows if operand.get(row) is not None]
        return _reduced(item.function, held)

    return value


def _reduced(function: str, held: list[Scalar]) -> Scalar:
    if function == "COUNT":
        return len(held)
    if function == "COUNT_DISTINCT":
        return len(set(held))
    if not held:
        return None
    if function in {"MIN", "MAX"}:
        ordered = sorted(held, key=_comparable)
        return ordered[0] if function == "MIN" else ordered[-1]
    total = sum((Decimal(value) for value in held if value is not None), Decimal(0))
    return total if function == "SUM" else total / len(held)


def _comparable(value: Scalar) -> tuple[Decimal, str]:
    """Numbers by size, everything else as text: one field holds one or the other."""
    return (Decimal(0), value) if isinstance(value, str) else (Decimal(value or 0), "")


def _written(
    columns: list[tuple[str, Callable[[list[Row]], Scalar]]],
    rows: list[Row],
    *,
    shortest_numbers: bool,
) -> str:
    cells = ['"attributes":{"type":"AggregateResult"}']
    for name, value_of in columns:
        value = value_of(rows)
        if isinstance(value, Decimal):
            text = shortest_text(value) if shortest_numbers else double_text(value)
        else:
            text = json.dumps(value)
        cells.append(f"{json.dumps(name)}:{text}")
    return "{" + ",".join(cells) + "}"
