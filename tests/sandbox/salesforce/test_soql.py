"""The SOQL parser and the literals it reads."""

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce.format import format_soql, quote_soql_value

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.soql.date_words import days_of
from coupon_pipeline.sandbox.salesforce.soql.lexer import tokens_of
from coupon_pipeline.sandbox.salesforce.soql.parser import (
    COUNTED_DATE_WORDS,
    DATE_WORDS,
    parse,
)
from coupon_pipeline.sandbox.salesforce.soql.syntax import (
    Both,
    ChildQuery,
    Comparison,
    InList,
    InQuery,
    Path,
)
from coupon_pipeline.sandbox.salesforce.values import (
    double_text,
    parse_datetime,
    shortest_text,
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)


@given(TEXTS)
def test_a_value_quoted_by_simple_salesforce_is_read_back_as_it_was(text: str) -> None:
    """What the client escapes, the server must unescape: no injection, no loss."""
    query = parse(format_soql("SELECT Id FROM Account WHERE Name = {}", text))

    assert isinstance(query.where, Comparison)
    assert query.where.right.value == text


@given(TEXTS, TEXTS)
def test_an_escaped_like_pattern_finds_its_own_text_only(text: str, other: str) -> None:
    """% and _ in a value are letters when they are escaped."""
    soql = format_soql("SELECT Id FROM Account WHERE Name LIKE '{:like}'", text)
    query = parse(soql)

    assert isinstance(query.where, Comparison)
    pattern = query.where.right.pattern
    assert re.fullmatch(pattern, text, re.DOTALL)
    if other.lower() != text.lower():
        assert not re.fullmatch(pattern, other, re.DOTALL)


@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_a_list_keeps_its_values_in_order(texts: list[str]) -> None:
    """IN lists are how records are read by set."""
    query = parse(f"SELECT Id FROM Account WHERE Name IN {quote_soql_value(texts)}")

    assert isinstance(query.where, InList)
    assert [value.value for value in query.where.values] == texts


@given(st.text(max_size=80))
def test_any_text_is_parsed_or_refused_and_nothing_else(text: str) -> None:
    """A refusal is Salesforce's; anything else would be a crash of the server."""
    refusals: list[SalesforceError] = []
    try:
        parse(text)
    except SalesforceError as error:
        refusals.append(error)

    assert {error.code for error in refusals} <= {"MALFORMED_QUERY", "NUMBER_OUTSIDE_VALID_RANGE"}


@given(st.sampled_from(["select", "SELECT", "SeLeCt"]), st.sampled_from(["  ", "\n", "\t "]))
def test_keywords_ignore_case_and_space(word: str, space: str) -> None:
    """Names keep their writing until they are looked up."""
    query = parse(f"{word}{space}id{space}from{space}Order{space}limit{space}5")

    assert query.source.parts == ("Order",)
    assert query.limit == 5


def test_a_statement_becomes_a_tree() -> None:
    """Every clause has its place; none is dropped."""
    query = parse(
        "SELECT Id, Account.Owner.Name, (SELECT Id FROM OrderItems LIMIT 3) FROM Order "
        "WHERE StatusCode = 'Activated' AND ActivatedDate >= 2026-09-01T00:00:00Z "
        "AND Id NOT IN (SELECT OrderId FROM OrderItem WHERE Quantity > 1.5) "
        "ORDER BY ActivatedDate DESC NULLS LAST, Id LIMIT 10 OFFSET 20"
    )

    assert isinstance(query.select[1], Path)
    assert query.select[1].parts == ("Account", "Owner", "Name")
    assert isinstance(query.select[2], ChildQuery)
    assert isinstance(query.where, Both)
    anti_join = query.where.conditions[2]
    assert isinstance(anti_join, InQuery)
    assert anti_join.negated
    assert isinstance(anti_join.query.where, Comparison)
    assert anti_join.query.where.right.value == Decimal("1.5")
    assert [(o.descending, o.nulls_last) for o in query.order_by] == [(True, True), (False, False)]
    assert (query.limit, query.offset) == (10, 20)


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id FROM Order WHERE NOT Name = 'a' AND Name = 'b'",
        "SELECT Id FROM Order WHERE Name LIKE 'a' GROUP BY",
        "SELECT Id FROM Order HAVING COUNT(Id) > 1",
        "SELECT Id FROM Order WITH SECURITY_ENFORCED",
        "SELECT Id FROM Order, Account",
        "SELECT Id FROM Order LIMIT -1",
        "SELECT Id FROM Order LIMIT 'a'",
        "SELECT Id FROM Order OFFSET 3 LIMIT 2",
        "SELECT Id, FROM Order",
        "SELECT TYPEOF Owner WHEN User THEN Id END FROM Order",
        "SELECT toLabel(Status) FROM Order",
        "SELECT Id FROM Order WHERE Name = ''''",
        "SELECT Id FROM Order; DROP",
        "SELECT Id FROM Order WHERE Name = :name",
    ],
)
def test_what_is_not_in_the_grammar_is_refused(soql: str) -> None:
    """The whole text has to match."""
    with pytest.raises(SalesforceError) as refused:
        parse(soql)

    assert refused.value.code == "MALFORMED_QUERY"


def test_a_refusal_points_at_the_place() -> None:
    """Row and column, a piece of the text, and a caret below it."""
    with pytest.raises(SalesforceError) as refused:
        parse("SELECT Id\nFROM Order\nWHEREVER x")

    assert "ERROR at Row:3:Column:1" in refused.value.message
    assert "^" in refused.value.message


def test_a_string_of_4000_characters_is_the_longest() -> None:
    """4,001 are refused."""
    assert tokens_of(f"'{'x' * 4_000}'")[0].kind == "string"
    with pytest.raises(SalesforceError):
        tokens_of(f"'{'x' * 4_001}'")


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(1, 400))
def test_date_words_meet_without_gap(today: date, count: int) -> None:
    """LAST ends where THIS begins and NEXT begins where THIS ends."""
    for unit in ("WEEK", "MONTH", "QUARTER", "YEAR"):
        last, this, following = (
            days_of(f"{w}_{unit}", None, today) for w in ("LAST", "THIS", "NEXT")
        )
        assert last[1] == this[0]
        assert this[0] <= today < this[1] == following[0]
    for word in sorted(COUNTED_DATE_WORDS | DATE_WORDS):
        first, after = days_of(word, min(count, 60), today)
        assert first < after
    assert days_of("LAST_N_DAYS", count, today)[0] == today - timedelta(count)
    assert days_of("N_DAYS_AGO", count, today)[1] == today - timedelta(count - 1)


@pytest.mark.parametrize(
    ("number", "double", "shortest"),
    [
        ("10", "10.0", "10"),
        ("12.50", "12.5", "12.5"),
        ("0", "0.0", "0"),
        ("-0.5", "-0.5", "-0.5"),
        ("9999999", "9999999.0", "9999999"),
        ("10000000", "1.0E7", "10000000"),
        ("139000000", "1.39E8", "139000000"),
        ("-12345678.9", "-1.23456789E7", "-12345678.9"),
        ("0.0005", "5.0E-4", "0.0005"),
        ("100", "100.0", "100"),
    ],
)
def test_numbers_are_written_as_doubles_or_briefly(number: str, double: str, shortest: str) -> None:
    """From ten million on a double has an exponent."""
    assert double_text(Decimal(number)) == double
    assert shortest_text(Decimal(number)) == shortest


@given(st.decimals(-(10**15), 10**15, places=2))
def test_either_form_is_the_number_itself(number: Decimal) -> None:
    """No form loses a cent of an amount that a double can hold."""
    assert Decimal(shortest_text(number)) == number
    assert float(double_text(number)) == float(number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-09-01T10:00:00Z", "2026-09-01T10:00:00.000+0000"),
        ("2026-09-01T10:00:00.999+0000", "2026-09-01T10:00:00.000+0000"),
        ("2026-09-01T10:00:00-07:00", "2026-09-01T17:00:00.000+0000"),
        ("2026-09-31T10:00:00Z", None),
        ("2026-09-01 10:00", None),
    ],
)
def test_datetimes_are_read_in_their_accepted_forms(text: str, expected: str | None) -> None:
    """Stored in UTC and in whole seconds."""
    assert parse_datetime(text) == expected
