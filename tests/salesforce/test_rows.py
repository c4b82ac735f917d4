"""Rows of an answer, read with the type that a column must have."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from coupon_pipeline.salesforce.errors import SalesforceRefused
from coupon_pipeline.salesforce.rows import Row


def test_a_path_goes_through_parents_that_may_be_missing() -> None:
    """An order without a quote has no quote currency; that is no error."""
    row = Row({"Quote": {"Owner": {"Name": "Ada"}}, "Campaign__r": None})

    assert row.text("Quote.Owner.Name") == "Ada"
    assert row.text("Campaign__r.Name") is None
    assert row.text("Missing__r.Name") is None


def test_a_time_is_read_in_utc() -> None:
    """Salesforce writes the zone without a colon."""
    row = Row({"At": "2026-03-01T01:30:00.000+0200", "Day": "2026-03-01", "None": None})

    assert row.moment("At") == datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
    assert row.day("Day") == date(2026, 3, 1)
    assert row.moment("None") is None


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, Decimal(3)), (Decimal("1.0"), Decimal(1)), (Decimal("1.39E8"), Decimal(139_000_000))],
)
def test_a_number_is_exact_however_it_is_written(value: int | Decimal, number: Decimal) -> None:
    """Whole numbers may come as `1.0`, and large ones with an exponent."""
    assert Row({"Quantity": value}).decimal("Quantity") == number


def test_a_short_id_is_lengthened() -> None:
    """Text fields and reports hold the short form."""
    assert Row({"Id": "003e0000003GuNX"}).own_id() == "003e0000003GuNXAA0"


def test_a_compound_value_is_no_raw_field() -> None:
    """An address would not fit a column or a mapping."""
    assert Row({"Address": {"city": "Bern"}}).scalar("Address") is None


def test_a_record_without_a_field_that_all_have_is_refused() -> None:
    """Going on without it would sort the order into no day."""
    with pytest.raises(SalesforceRefused) as caught:
        Row({"Id": "x"}).known_moment("ActivatedDate")

    assert caught.value.code == "salesforce.permission"
    assert caught.value.field_name == "ActivatedDate"
