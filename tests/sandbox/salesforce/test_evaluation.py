"""Laws of WHERE and ORDER BY, whatever the records are."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.salesforce import SalesforceService
from coupon_pipeline.sandbox.salesforce.access import Access
from coupon_pipeline.sandbox.salesforce.soql.evaluate import Evaluator, View
from coupon_pipeline.sandbox.salesforce.soql.parser import parse
from coupon_pipeline.sandbox.switches import Switches

NOW = datetime(2026, 9, 1, 10, 0, 0, tzinfo=UTC)
NAMES = ("Alpha", "alpha", "Beta", "50%", "a_b", "O'Brien", None)
AMOUNTS = (None, Decimal(0), Decimal("0.5"), Decimal(100), Decimal(-3))


def an_org() -> SalesforceService:
    org = SalesforceService(Clock(NOW, frozen=True), Switches(), Journal(), 7)
    parents = org.insert("Account", [{"Name": "Parent"}, {"Name": "Other", "Region__c": "EMEA"}])
    org.insert(
        "Account",
        (
            {
                "Name": f"n{number}",
                "Region__c": NAMES[number % len(NAMES)],
                "AnnualRevenue": AMOUNTS[number % len(AMOUNTS)],
                "ParentId": (*parents, None)[number % 3],
                "CreatedDate": NOW - timedelta(days=number),
            }
            for number in range(70)
        ),
    )
    return org


ORG = an_org()


def found(rest: str) -> list[str]:
    text = f"SELECT Id FROM Account {rest}"
    rows = Evaluator(ORG.store, View(Access(), NOW), text).rows(parse(text))
    return [str(row["Id"]) for row in rows]


CONDITIONS = st.sampled_from(
    [
        "Region__c = 'ALPHA'",
        "Region__c != 'beta'",
        "Region__c = null",
        "Region__c LIKE 'a%'",
        "Region__c LIKE '%\\%'",
        "Region__c IN ('Alpha', 'O\\'Brien')",
        "Region__c NOT IN ('Alpha', null)",
        "AnnualRevenue > 0",
        "AnnualRevenue <= 0.5",
        "AnnualRevenue = null",
        "AnnualRevenue IN (100, -3)",
        "Parent.Name = 'parent'",
        "Parent.Region__c != null",
        "Parent.Parent.Name = null",
        "ParentId != null",
        "CreatedDate = LAST_N_DAYS:20",
        "CreatedDate < 2026-08-15T00:00:00Z",
        "DAY_ONLY(CreatedDate) >= 2026-08-01",
        "CreatedDate > THIS_MONTH",
    ]
)


@given(CONDITIONS)
def test_a_condition_and_its_negation_divide_the_records(condition: str) -> None:
    """No record is lost and none is in both."""
    yes, no = found(f"WHERE {condition}"), found(f"WHERE NOT {condition}")

    assert set(yes) | set(no) == set(found(""))
    assert not set(yes) & set(no)


@given(CONDITIONS, CONDITIONS)
def test_and_is_what_both_find_and_or_what_either_finds(one: str, other: str) -> None:
    """However the statement is evaluated, by index or by scan."""
    first, second = set(found(f"WHERE {one}")), set(found(f"WHERE {other}"))

    assert set(found(f"WHERE {one} AND {other}")) == first & second
    assert set(found(f"WHERE {one} OR {other}")) == first | second
    assert set(found(f"WHERE ({one}) AND (NOT {other})")) == first - second


@given(CONDITIONS, st.sampled_from(["Region__c", "AnnualRevenue", "CreatedDate", "Parent.Name"]))
def test_descending_turns_the_order_around_and_nulls_stay_where_they_are_told(
    condition: str, field: str
) -> None:
    """Nulls come first unless NULLS LAST is said; equal values keep the order of ids."""
    nulls = set(found(f"WHERE {field} = null")) & set(found(f"WHERE {condition}"))
    up = found(f"WHERE {condition} ORDER BY {field} NULLS LAST")
    down = found(f"WHERE {condition} ORDER BY {field} DESC")

    assert set(up[len(up) - len(nulls) :]) == nulls
    assert set(down[: len(nulls)]) == nulls
    assert sorted(up) == sorted(down)
    assert found(f"WHERE {condition} ORDER BY {field}, Id") == found(
        f"WHERE {condition} ORDER BY {field}"
    )


@given(CONDITIONS, st.integers(0, 80), st.integers(0, 80))
def test_limit_and_offset_cut_the_ordered_rows(condition: str, limit: int, offset: int) -> None:
    """Cut after ordering, never before."""
    everything = found(f"WHERE {condition} ORDER BY Name")

    assert (
        found(f"WHERE {condition} ORDER BY Name LIMIT {limit} OFFSET {offset}")
        == (everything[offset : offset + limit])
    )


@given(st.lists(st.sampled_from(found("")), max_size=10, min_size=1))
def test_an_in_list_of_ids_finds_each_once_in_the_order_of_ids(ids: list[str]) -> None:
    """In any length, in any order, repeated or not."""
    listed = ",".join(f"'{record_id[: 15 + 3 * (n % 2)]}'" for n, record_id in enumerate(ids))

    assert found(f"WHERE Id IN ({listed})") == sorted(set(ids))
