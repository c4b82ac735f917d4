"""Tokens to a tree, by recursive descent. The whole text has to match; nothing is skipped.

Grammar: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm
What is left out (aliases of objects, TYPEOF, WITH, FOR, HAVING, toLabel and the like) is refused.
"""

from decimal import Decimal
from typing import cast

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.soql.lexer import Token, tokens_of
from coupon_pipeline.sandbox.salesforce.soql.refusals import malformed
from coupon_pipeline.sandbox.salesforce.soql.syntax import (
    Aggregate,
    AllFields,
    Both,
    ChildQuery,
    Comparison,
    Condition,
    DayOnly,
    Either,
    InList,
    InQuery,
    Not,
    Operator,
    Ordering,
    Path,
    Query,
    SelectItem,
    Value,
)

LONGEST_STATEMENT = 100_000
LARGEST_OFFSET = 2_000
AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "MIN", "MAX", "SUM", "AVG"})
DATE_WORDS = frozenset(
    {
        "YESTERDAY",
        "TODAY",
        "TOMORROW",
        "LAST_90_DAYS",
        "NEXT_90_DAYS",
        *(f"{when}_{unit}" for when in ("LAST", "THIS", "NEXT") for unit in ("WEEK", "MONTH")),
        *(f"{when}_{unit}" for when in ("LAST", "THIS", "NEXT") for unit in ("QUARTER", "YEAR")),
    }
)
COUNTED_DATE_WORDS = frozenset(
    {
        *(f"{when}_N_{unit}" for when in ("LAST", "NEXT") for unit in ("DAYS", "WEEKS")),
        *(f"{when}_N_{unit}" for when in ("LAST", "NEXT") for unit in ("MONTHS", "YEARS")),
        *(f"{when}_N_QUARTERS" for when in ("LAST", "NEXT")),
        "N_DAYS_AGO",
    }
)
_RESERVED = frozenset(
    {
        *("SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "INCLUDES", "EXCLUDES"),
        *("GROUP", "BY", "HAVING", "ORDER", "ASC", "DESC", "NULLS", "FIRST", "LAST", "LIMIT"),
        *("OFFSET", "FOR", "WITH", "USING", "ALL", "TYPEOF"),
    }
)
_NAMES_THAT_ARE_OBJECTS = frozenset({"ORDER", "GROUP"})
_COMPARISONS = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def parse(text: str) -> Query:
    """The statement's tree, or the refusal that Salesforce gives."""
    if len(text) > LONGEST_STATEMENT:
        raise SalesforceError(
            "MALFORMED_QUERY",
            f"SOQL statements cannot be longer than {LONGEST_STATEMENT} characters.",
        )
    parser = _Parser(text)
    query = parser.query()
    parser.expect_end()
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens_of(text)
        self._at = 0

    # tokens

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._token
        self._at += 1
        return token

    def _is(self, *words: str) -> bool:
        """Whether the next tokens are these keywords or signs."""
        ahead = self._tokens[self._at : self._at + len(words)]
        return len(ahead) == len(words) and all(
            token.kind in {"name", "symbol"} and token.text.upper() == word
            for token, word in zip(ahead, words, strict=True)
        )

    def _take(self, *words: str) -> bool:
        if not self._is(*words):
            return False
        self._at += len(words)
        return True

    def _expect(self, word: str) -> Token:
        if not self._is(word):
            raise self._unexpected(f"expecting '{word.lower()}', found")
        return self._next()

    def _unexpected(self, what: str = "unexpected token:") -> SalesforceError:
        token = self._token
        shown = f"'{token.text}'" if token.kind != "end" else "<EOF>"
        return malformed(f"{what} {shown}", self._text, token.position)

    def _refused(self, what: str) -> SalesforceError:
        return malformed(f"{what} is refused here", self._text, self._token.position)

    def expect_end(self) -> None:
        """Nothing may follow the statement."""
        if self._token.kind != "end":
            raise self._unexpected()

    # statement

    def query(self) -> Query:
        self._expect("SELECT")
        select = [self._select_item()]
        while self._take(","):
            select.append(self._select_item())
        self._expect("FROM")
        source = self._source()
        where = self._condition() if self._take("WHERE") else None
        self._refuse_clauses("WITH", "USING")
        group_by = self._group_by() if self._take("GROUP", "BY") else ()
        self._refuse_clauses("HAVING")
        order_by = self._order_by() if self._take("ORDER", "BY") else ()
        limit = self._count() if self._take("LIMIT") else None
        offset = self._offset() if self._take("OFFSET") else None
        self._refuse_clauses("FOR", "ALL")
        return Query(self._text, tuple(select), source, where, group_by, order_by, limit, offset)

    def _refuse_clauses(self, *words: str) -> None:
        for word in words:
            if self._is(word):
                raise self._refused(f"the {word} clause")

    def _source(self) -> Path:
        token = self._token
        upper = token.text.upper()
        if token.kind != "name" or (upper in _RESERVED and upper not in _NAMES_THAT_ARE_OBJECTS):
            raise self._unexpected()
        self._next()
        following = self._token
        if following.kind == "name" and following.text.upper() not in _RESERVED:
            raise self._refused("an alias of an object")
        if self._is(",") or self._is("."):
            raise self._refused("more than one object in FROM")
        return Path((token.text,), token.position)

    def _select_item(self) -> SelectItem:
        if self._take("("):
            query = self.query()
            self._expect(")")
            return ChildQuery(query)
        if self._is("TYPEOF"):
            raise self._refused("TYPEOF")
        if self._token.kind == "name" and self._tokens[self._at + 1].text == "(":
            return self._function()
        return self._path()

    def _function(self) -> SelectItem:
        token = self._next()
        name = token.text.upper()
        self._expect("(")
        if name == "FIELDS":
            which = self._next().text.upper()
            if which not in {"ALL", "STANDARD", "CUSTOM"}:
                self._at -= 1
                raise self._unexpected()
            self._expect(")")
            return AllFields(which, token.position)  # type: ignore[arg-type] # mypy does not narrow a str by a set
        if name == "DAY_ONLY":
            path = self._path()
            self._expect(")")
            return DayOnly(path)
        if name not in AGGREGATES:
            raise malformed(
                f"the function {token.text}() is refused here", self._text, token.position
            )
        argument = None if name == "COUNT" and self._is(")") else self._path()
        self._expect(")")
        alias = None
        if self._token.kind == "name" and self._token.text.upper() not in _RESERVED:
            alias = self._next().text
        return Aggregate(name, argument, alias, token.position)

    def _path(self) -> Path:
        token = self._token
        if token.kind != "name":
            raise self._unexpected()
        upper = token.text.upper()
        if upper in _RESERVED and not (
            upper in _NAMES_THAT_ARE_OBJECTS and self._tokens[self._at + 1].text == "."
        ):
            raise self._unexpected()
        parts = [self._next().text]
        while self._take("."):
            if self._token.kind != "name":
                raise self._unexpected()
            parts.append(self._next().text)
        return Path(tuple(parts), token.position)

    def _group_by(self) -> tuple[Path | DayOnly, ...]:
        terms = [self._operand()]
        while self._take(","):
            terms.append(self._operand())
        return tuple(terms)

    def _order_by(self) -> tuple[Ordering, ...]:
        terms = [self._ordering()]
        while self._take(","):
            terms.append(self._ordering())
        return tuple(terms)

    def _ordering(self) -> Ordering:
        path = self._path()
        if self._is("("):
            raise self._refused("a function in ORDER BY")
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        nulls_last = False
        if self._take("NULLS"):
            nulls_last = self._take("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Ordering(path, descending, nulls_last)

    def _count(self) -> int:
        token = self._token
        if token.kind != "number" or not token.text.isdigit():
            raise self._unexpected()
        self._next()
        return int(token.text)

    def _offset(self) -> int:
        offset = self._count()
        if offset > LARGEST_OFFSET:
            raise SalesforceError(
                "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {LARGEST_OFFSET}"
            )
        return offset

    # conditions

    def _condition(self) -> Condition:
        """AND and OR do not mix without parentheses, and a leading NOT stands alone."""
        if self._take("NOT"):
            return Not(self._simple())
        first = self._simple()
        for word, join in (("AND", Both), ("OR", Either)):
            if not self._is(word):
                continue
            conditions = [first]
            while self._take(word):
                conditions.append(Not(self._simple()) if self._take("NOT") else self._simple())
            return join(tuple(conditions))
        return first

    def _simple(self) -> Condition:
        if self._take("("):
            condition = self._condition()
            self._expect(")")
            return condition
        left = self._operand()
        if self._is("NOT", "IN"):
            self._at += 2
            return self._membership(left, negated=True)
        if self._take("IN"):
            return self._membership(left, negated=False)
        if self._take("LIKE"):
            return Comparison(left, "like", self._value())
        if self._is("INCLUDES") or self._is("EXCLUDES"):
            raise malformed(
                "INCLUDES and EXCLUDES need a multi-select picklist",
                self._text,
                self._token.position,
            )
        operator = _COMPARISONS.get(self._token.text) if self._token.kind == "symbol" else None
        if operator is None:
            raise self._unexpected()
        self._next()
        return Comparison(left, cast("Operator", operator), self._value())

    def _operand(self) -> Path | DayOnly:
        if self._token.kind == "name" and self._tokens[self._at + 1].text == "(":
            item = self._function()
            if isinstance(item, DayOnly):
                return item
            self._at -= 1
            raise self._unexpected()
        return self._path()

    def _membership(self, left: Path | DayOnly, *, negated: bool) -> Condition:
        self._expect("(")
        if self._is("SELECT"):
            position = self._token.position
            query = self.query()
            self._expect(")")
            if isinstance(left, DayOnly):
                raise malformed("DAY_ONLY() is no id", self._text, position)
            return InQuery(left, negated, query)
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._expect(")")
        return InList(left, negated, tuple(values))

    def _value(self) -> Value:
        token = self._next()
        if token.kind == "string":
            return Value("string", token.text, token.position, pattern=token.pattern)
        if token.kind == "number":
            return Value("number", Decimal(token.text), token.position)
        if token.kind == "date":
            return Value("date", token.text, token.position)
        if token.kind == "datetime":
            return Value("datetime", token.text, token.position)
        value = self._word(token) if token.kind == "name" else None
        if value is None:
            self._at -= 1
            raise self._unexpected()
        return value

    def _word(self, token: Token) -> Value | None:
        word = token.text.upper()
        if word in {"TRUE", "FALSE"}:
            return Value("boolean", word == "TRUE", token.position)
        if word == "NULL":
            return Value("null", None, token.position)
        if word in DATE_WORDS:
            return Value("date_word", word, token.position)
        if word in COUNTED_DATE_WORDS:
            self._expect(":")
            return Value("date_word", word, token.position, count=self._count())
        return None
