"""WHERE: a condition tree becomes one test of a row."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.ids import to_18
from coupon_pipeline.sandbox.salesforce.schema.model import (
    NUMBER_KINDS,
    REFERENCE_KINDS,
    TEXT_KINDS,
    Field,
)
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.soql.date_words import days_of
from coupon_pipeline.sandbox.salesforce.soql.refusals import malformed, refusal
from coupon_pipeline.sandbox.salesforce.soql.syntax import Comparison, Operator, Value
from coupon_pipeline.sandbox.salesforce.store import Row
from coupon_pipeline.sandbox.salesforce.values import parse_date, parse_datetime

Test: TypeAlias = Callable[[Row], bool]
Getter: TypeAlias = Callable[[Row], Scalar]

_ORDERED = frozenset({"<", "<=", ">", ">="})


class Literals:
    """Literals of a statement, checked against the type of the field they are compared with."""

    def __init__(self, text: str, now: datetime) -> None:
        self._text = text
        self._today = now.astimezone(UTC).date()

    def scalar(self, field: Field, value: Value, kind: str) -> Scalar:
        """The literal in the form that the store compares, or the refusal."""
        if value.kind == "null":
            return None
        if kind in REFERENCE_KINDS:
            return self._id(field, value)
        if kind in TEXT_KINDS:
            if value.kind != "string":
                raise self._mistyped(field, value, "string", quoted=True)
            return str(value.value).lower()
        if kind == "boolean":
            if value.kind != "boolean":
                raise self._mistyped(field, value, "boolean", quoted=False)
            return value.value
        if kind in NUMBER_KINDS:
            if value.kind != "number":
                raise self._mistyped(field, value, "int" if kind == "int" else kind, quoted=False)
            return value.value
        return self._time(field, value, kind)

    def _id(self, field: Field, value: Value) -> str:
        if value.kind != "string":
            raise self._mistyped(field, value, "ID", quoted=True)
        full = to_18(str(value.value))
        if full is None:
            raise refusal(
                "INVALID_QUERY_FILTER_OPERATOR",
                f"invalid ID field: {value.value}",
                self._text,
                value.position,
            )
        return full

    def _time(self, field: Field, value: Value, kind: str) -> str:
        if value.kind != kind:
            name = "dateTime" if kind == "datetime" else "date"
            raise self._mistyped(field, value, name, quoted=False)
        text = str(value.value)
        parsed = parse_date(text) if kind == "date" else parse_datetime(text)
        if parsed is None:
            raise malformed(f"Invalid {kind}: {text}", self._text, value.position)
        return parsed

    def _mistyped(self, field: Field, value: Value, kind: str, *, quoted: bool) -> SalesforceError:
        return refusal(
            "INVALID_FIELD",
            f"value of filter criterion for field '{field.name}' must be of type {kind} and "
            f"should {'' if quoted else 'not '}be enclosed in quotes",
            self._text,
            value.position,
        )

    def range(self, value: Value, kind: str) -> tuple[str, str]:
        """The first moment (or day) of a date word, and the one after its last."""
        first, after = days_of(str(value.value), value.count, self._today)
        return _bound(first, kind), _bound(after, kind)


def _bound(day: date, kind: str) -> str:
    return day.isoformat() + ("T00:00:00.000+0000" if kind == "datetime" else "")


def comparison(
    literals: Literals, text: str, condition: Comparison, field: Field, kind: str, get: Getter
) -> Test:
    """`field operator literal` as a test."""
    operator, value = condition.operator, condition.right
    if operator == "like":
        return _like(text, field, kind, value, get)
    if operator in _ORDERED and (kind == "boolean" or value.kind == "null"):
        raise refusal("INVALID_QUERY_FILTER_OPERATOR", "invalid operator", text, value.position)
    if value.kind == "date_word":
        if kind not in {"date", "datetime"}:
            literals.scalar(field, value, kind)
        first, after = literals.range(value, kind)
        return _ranged(operator, get, first, after)
    wanted = literals.scalar(field, value, kind)
    if kind in TEXT_KINDS:
        get = _lower(get)
    if kind == "boolean":
        get = _filled(get)
    return _plain(operator, get, wanted)


def _lower(get: Getter) -> Getter:
    def lowered(row: Row) -> Scalar:
        value = get(row)
        return value.lower() if isinstance(value, str) else value

    return lowered


def _filled(get: Getter) -> Getter:
    def filled(row: Row) -> Scalar:
        return bool(get(row))

    return filled


def _plain(operator: Operator, get: Getter, wanted: Scalar) -> Test:
    if operator == "=":
        return lambda row: get(row) == wanted
    if operator == "!=":
        return lambda row: get(row) != wanted
    if isinstance(wanted, str):
        return _ordered_text(operator, get, wanted)
    return _ordered_number(operator, get, Decimal(wanted or 0))


def _ordered_text(operator: Operator, get: Getter, wanted: str) -> Test:
    if operator == "<":
        return lambda row: isinstance(value := get(row), str) and value < wanted
    if operator == "<=":
        return lambda row: isinstance(value := get(row), str) and value <= wanted
    if operator == ">":
        return lambda row: isinstance(value := get(row), str) and value > wanted
    return lambda row: isinstance(value := get(row), str) and value >= wanted


def _ordered_number(operator: Operator, get: Getter, wanted: Decimal) -> Test:
    def number(row: Row) -> Decimal | int | None:
        value = get(row)
        return value if isinstance(value, (Decimal, int)) else None

    if operator == "<":
        return lambda row: (value := number(row)) is not None and value < wanted
    if operator == "<=":
        return lambda row: (value := number(row)) is not None and value <= wanted
    if operator == ">":
        return lambda row: (value := number(row)) is not None and value > wanted
    return lambda row: (value := number(row)) is not None and value >= wanted


def _ranged(operator: Operator, get: Getter, first: str, after: str) -> Test:
    if operator == "=":
        return lambda row: isinstance(value := get(row), str) and first <= value < after
    if operator == "!=":
        return lambda row: not (isinstance(value := get(row), str) and first <= value < after)
    edge: dict[str, tuple[Operator, str]] = {
        "<": ("<", first),
        "<=": ("<", after),
        ">": (">=", after),
        ">=": (">=", first),
    }
    return _ordered_text(edge[operator][0], get, edge[operator][1])


def _like(text: str, field: Field, kind: str, value: Value, get: Getter) -> Test:
    if kind not in TEXT_KINDS:
        raise refusal("INVALID_QUERY_FILTER_OPERATOR", "invalid operator", text, value.position)
    if value.kind != "string":
        raise refusal(
            "INVALID_FIELD",
            f"value of filter criterion for field '{field.name}' must be of type string and "
            "should be enclosed in quotes",
            text,
            value.position,
        )
    match = re.compile(value.pattern, re.IGNORECASE | re.DOTALL).fullmatch
    return lambda row: isinstance(held := get(row), str) and match(held) is not None
