"""What people read about a column stands in the schema, once."""

from coupon_pipeline.ledger.columns import column_descriptions, table_columns

SHOWN = (
    "activated_orders",
    "coupon_junctions",
    "coupon_snapshots",
    "stripe_coupons",
    "coupon_attachments",
    "salesforce_records",
)


def test_every_column_of_a_table_that_dagster_shows_is_described() -> None:
    """In the order of the table, and of no column that is not there."""
    described = column_descriptions()

    for table in SHOWN:
        assert list(described[table]) == [name for name, _ in table_columns()[table]]


def test_the_remark_at_the_end_of_a_column_is_its_description() -> None:
    """Of a table, and of a view, whose columns have the names that it gives them."""
    described = column_descriptions()

    assert described["stripe_coupons"]["origin"] == "created | adopted"
    assert described["activated_orders"]["initial_stripe_id"] == "that order's Stripe id"
    assert described["salesforce_records"]["record_key"].startswith("the record; ")
    assert "operation" not in described["write_intents"]
