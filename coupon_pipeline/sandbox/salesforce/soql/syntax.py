"""The tree of a SOQL statement, as written: names are not yet looked up."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

LiteralKind: TypeAlias = Literal[
    "string", "number", "boolean", "null", "date", "datetime", "date_word"
]
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "like"]


@dataclass(frozen=True, slots=True)
class Path:
    """`Account.Name`: relationships and a field, with the place in the text."""

    parts: tuple[str, ...]
    position: int

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Value:
    """A literal. A date word such as LAST_N_DAYS has its number beside it."""

    kind: LiteralKind
    value: str | Decimal | bool | None
    position: int
    count: int | None = None
    pattern: str = ""
    """For a string: the regular expression that it is as the right side of LIKE."""


@dataclass(frozen=True, slots=True)
class DayOnly:
    """DAY_ONLY(field): the day of a datetime."""

    path: Path


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator literal`."""

    left: Path | DayOnly
    operator: Operator
    right: Value


@dataclass(frozen=True, slots=True)
class InList:
    """`field [NOT] IN (literals)`."""

    left: Path | DayOnly
    negated: bool
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class InQuery:
    """A semi-join or, negated, an anti-join."""

    left: Path
    negated: bool
    query: "Query"


@dataclass(frozen=True, slots=True)
class Not:
    """NOT condition."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Both:
    """Conditions joined by AND."""

    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Conditions joined by OR."""

    conditions: tuple["Condition", ...]


Condition: TypeAlias = Comparison | InList | InQuery | Not | Both | Either


@dataclass(frozen=True, slots=True)
class Aggregate:
    """COUNT(Id), MAX(Amount), ... A name after it is its alias."""

    function: str
    path: Path | None
    alias: str | None
    position: int


@dataclass(frozen=True, slots=True)
class AllFields:
    """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    which: Literal["ALL", "STANDARD", "CUSTOM"]
    position: int


@dataclass(frozen=True, slots=True)
class ChildQuery:
    """A subquery in the SELECT list; its FROM names a child relationship."""

    query: "Query"


SelectItem: TypeAlias = Path | DayOnly | Aggregate | AllFields | ChildQuery


@dataclass(frozen=True, slots=True)
class Ordering:
    """One term of ORDER BY."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT."""

    text: str
    select: tuple[SelectItem, ...]
    source: Path
    where: Condition | None = None
    group_by: tuple[Path | DayOnly, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int | None = None
