"""SOQL as text. Everything that enters a statement is escaped, or checked to be what it should.

Statements read by set: their number does not depend on how many orders there are, except that a
list of ids is cut into parts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from simple_salesforce.format import quote_soql_value

from coupon_pipeline.domain.ids import normalise_id
from coupon_pipeline.domain.records import Selection

ROWS_A_PAGE = 2000
"""What one answer to a query holds at most, see
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_queryoptions.htm
"""

IDS_A_STATEMENT = ROWS_A_PAGE
"""A statement may have 100,000 characters and an id takes 21 of them, see
https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_soslsoql.htm
"""

STEPS_UP = 5
"""Parents of parents that a path may go through, see
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_relationships_query_limits.htm
"""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_ACTIVATED = "StatusCode = 'Activated'"


@dataclass(frozen=True, slots=True)
class Statement:
    """One query. `name` tells its rows from those of the others in the same request."""

    name: str
    soql: str
    include_deleted: bool = False
    kinds: Mapping[str, str] | None = None
    """Salesforce's types of the selected fields, all others being texts, where the rows may come
    as CSV; `None` where it takes JSON to tell what a value is."""


def parts_of_selection(selection: Selection) -> Iterator[Selection]:
    """The same selection in parts whose order ids fit into a statement; itself without any."""
    if not selection.order_ids:
        yield selection
    for part in parts_of_ids(selection.order_ids):
        yield replace(selection, order_ids=part)


def text(value: str) -> str:
    """A string literal."""
    return quote_soql_value(value)


def moment(value: datetime) -> str:
    """A datetime literal. Salesforce compares whole seconds; a fraction is cut off."""
    if value.tzinfo is None:
        raise ValueError("A time without a zone would be read as local time.")
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ids(values: Iterable[str]) -> str:
    """A list of ids for `IN`; each is checked to be one."""
    return "(" + ",".join(text(normalise_id(value)) for value in values) + ")"


def path(value: str) -> str:
    """A field name or relationship path, checked."""
    steps = value.split(".")
    if len(steps) > STEPS_UP + 1 or not all(_NAME.fullmatch(step) for step in steps):
        raise ValueError(f"{value!r} is not a path to a field.")
    return value


def parts_of_ids(values: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each id once, in parts that fit into a statement."""
    distinct = tuple(dict.fromkeys(normalise_id(value) for value in values))
    for start in range(0, len(distinct), IDS_A_STATEMENT):
        yield distinct[start : start + IDS_A_STATEMENT]


def select(fields: Iterable[str], object_name: str, where: str = "", tail: str = "") -> str:
    """A whole statement from its parts; names are checked, `where` and `tail` are ours."""
    wanted = ", ".join(dict.fromkeys(path(field) for field in fields))
    clauses = ["SELECT", wanted, "FROM", path(object_name)]
    if where:
        clauses += ["WHERE", where]
    if tail:
        clauses.append(tail)
    return " ".join(clauses)


def count(object_name: str, where: str) -> str:
    """How many records there are: the answer's `totalSize`."""
    return f"SELECT COUNT() FROM {path(object_name)} WHERE {where}"  # noqa: S608 - names are checked, `where` is ours


def count_by(field: str, alias: str, object_name: str, where: str) -> str:
    """How many records there are for each value of a field, under the name `alias`."""
    grouped, counted = path(field), f"COUNT(Id) {path(alias)}"
    return f"SELECT {grouped}, {counted} FROM {path(object_name)} WHERE {where} GROUP BY {grouped}"  # noqa: S608 - as above


def orders_in_scope(selection: Selection) -> str:
    """The condition on `Order`."""
    return _in_scope(selection, parent="", id_field="Id")


def items_in_scope(selection: Selection) -> str:
    """The condition on `OrderItem`, through its order."""
    return _in_scope(selection, parent="Order.", id_field="OrderId")


def is_in(field: str, selected: str, object_name: str, where: str) -> str:
    """A semi-join: the field is among those that the inner query selects."""
    return f"{path(field)} IN ({select([selected], object_name, where)})"


def _in_scope(selection: Selection, parent: str, id_field: str) -> str:
    conditions = [
        f"{parent}{_ACTIVATED}",
        f"{parent}ActivatedDate >= {_midnight(selection.first_day)}",
        f"{parent}ActivatedDate < {_midnight(selection.last_day + timedelta(days=1))}",
    ]
    if selection.order_ids:
        conditions.append(f"{id_field} IN {ids(selection.order_ids)}")
    return " AND ".join(conditions)


def _midnight(day: date) -> str:
    return moment(datetime.combine(day, time(), UTC))
