"""SOQL as text: nothing from outside enters it unchecked."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.ids import InvalidIdError
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.salesforce.statements import (
    IDS_A_STATEMENT,
    ids,
    items_in_scope,
    moment,
    orders_in_scope,
    parts_of_ids,
    parts_of_selection,
    path,
    select,
    text,
)

FIRST, SECOND = "801000000000001AAA", "801000000000002AAA"


@given(st.text())
def test_a_text_cannot_end_its_own_literal(value: str) -> None:
    """An unescaped quote would let a value continue as SOQL."""
    inside = text(value)[1:-1]

    assert "'" not in inside.replace("\\\\", "").replace("\\'", "")
    assert "\n" not in inside
    assert not inside.replace("\\\\", "").endswith("\\")


def test_only_ids_enter_a_list_of_ids() -> None:
    """`IN` lists are built from what people type after `--order`."""
    assert ids(["801000000000001"]) == f"('{FIRST}')"
    with pytest.raises(InvalidIdError):
        ids([FIRST, "x') OR (Id != '"])


@pytest.mark.parametrize(
    "value", ["", "Name, Id", "a.b.c.d.e.f.g", "Name FROM User", "Campaign__r.", "Ünicode__c"]
)
def test_only_paths_enter_a_list_of_fields(value: str) -> None:
    """Paths come from the mapping file."""
    with pytest.raises(ValueError, match="is not a path"):
        path(value)


def test_a_field_is_selected_once() -> None:
    """Salesforce refuses a statement that names a field twice."""
    assert select(["Id", "Name", "Id"], "Order") == "SELECT Id, Name FROM Order"


def test_a_day_is_a_day_in_utc() -> None:
    """Partitions are UTC days: the first instant belongs to one, and the last to no other."""
    day = date(2026, 3, 31)

    assert orders_in_scope(Selection(day, day)) == (
        "StatusCode = 'Activated'"
        " AND ActivatedDate >= 2026-03-31T00:00:00Z AND ActivatedDate < 2026-04-01T00:00:00Z"
    )
    assert items_in_scope(Selection(day, day, (FIRST,))) == (
        "Order.StatusCode = 'Activated'"
        " AND Order.ActivatedDate >= 2026-03-31T00:00:00Z"
        " AND Order.ActivatedDate < 2026-04-01T00:00:00Z"
        f" AND OrderId IN ('{FIRST}')"
    )


def test_a_moment_is_written_in_utc() -> None:
    """A bare offset has a plus sign, which an address would turn into a space."""
    east = timezone(timedelta(hours=5, minutes=30))

    assert moment(datetime(2026, 1, 1, 2, 0, 0, 999999, tzinfo=east)) == "2025-12-31T20:30:00Z"


def test_a_moment_without_a_zone_is_refused() -> None:
    """It would be read as this machine's local time."""
    with pytest.raises(ValueError, match="zone"):
        moment(datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))


@given(st.lists(st.integers(0, 9000), max_size=6000))
def test_parts_hold_every_id_once(numbers: list[int]) -> None:
    """A selection that is cut into parts must neither lose nor repeat an order."""
    given_ids = [f"80100000{number:07d}" for number in numbers]

    parts = list(parts_of_ids(given_ids))

    together = [id_ for part in parts for id_ in part]
    assert [id_[:15] for id_ in together] == list(dict.fromkeys(given_ids))
    assert all(0 < len(part) <= IDS_A_STATEMENT for part in parts)


def test_the_longest_statement_is_within_the_limit() -> None:
    """A statement may have 100,000 characters; the two semi-joins hold the list once each."""
    full = tuple(f"80100000{number:07d}" for number in range(IDS_A_STATEMENT))

    (part,) = parts_of_selection(Selection(date(2026, 1, 1), date(2026, 1, 2), full))

    assert len(items_in_scope(part)) < 50_000
    assert len(part.order_ids) == IDS_A_STATEMENT


def test_a_selection_without_ids_is_one_part() -> None:
    """The number of statements does not depend on how many orders there are."""
    selection = Selection(date(2026, 1, 1), date(2026, 1, 2))

    assert list(parts_of_selection(selection)) == [selection]
