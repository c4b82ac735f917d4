"""What Dagster's pages show of the tables: their columns, and where each column comes from."""

from collections.abc import Mapping

import dagster as dg

from coupon_pipeline.ledger.columns import column_descriptions, table_columns

_TYPES = {"timestamp with time zone": "timestamp", "varchar": "string"}


def column_schema(asset: str) -> dg.TableSchema | None:
    """The columns of an asset's table, as the schema describes them; None where it has none."""
    columns = table_columns().get(asset)
    if columns is None:
        return None
    words = column_descriptions()[asset]
    return dg.TableSchema(
        [
            dg.TableColumn(name, _TYPES.get(kind, kind), description=words[name])
            for name, kind in columns
        ]
    )


def column_lineage(key: dg.AssetKey) -> dg.TableColumnLineage | None:
    """Which columns of which tables of the same connection a table's columns are made of.

    None for a table that is read.
    """
    *prefix, asset = key.path
    columns = _LINEAGE.get(asset)
    if columns is None:
        return None
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(dg.AssetKey([*prefix, table]), name) for table, name in sources
            ]
            for column, sources in columns.items()
        }
    )


_FROZEN = [
    ("coupon_snapshots", "fields"),
    ("coupon_snapshots", "currency"),
    ("coupon_snapshots", "rates"),
]
_LINEAGE: Mapping[str, Mapping[str, list[tuple[str, str]]]] = {
    "coupon_snapshots": {
        "order_id": [("activated_orders", "order_id")],
        "activated_at": [("activated_orders", "activated_at")],
        "activation_day": [("activated_orders", "activation_day")],
        "quote_currency": [("activated_orders", "quote_currency")],
        "order_currency": [("activated_orders", "currency")],
        "quote_coupon_id": [("coupon_junctions", "quote_coupon_id")],
        "association_id": [("coupon_junctions", "association_id")],
        "association_created_at": [("coupon_junctions", "created_at")],
        "association_currency": [("coupon_junctions", "currency")],
    },
    "stripe_coupons": {
        "quote_coupon_id": [("coupon_snapshots", "quote_coupon_id")],
        "first_order_id": [("coupon_snapshots", "order_id")],
        "terms": _FROZEN,
        "terms_hash": _FROZEN,
        "metadata": [("coupon_snapshots", "fields"), ("coupon_snapshots", "quote_coupon_id")],
        "coupon_id": [
            ("coupon_snapshots", "org_id"),
            ("coupon_snapshots", "quote_coupon_id"),
            *_FROZEN,
        ],
    },
    "coupon_attachments": {
        "snapshot_id": [("coupon_snapshots", "snapshot_id")],
        "coupon_id": [("stripe_coupons", "coupon_id")],
        "target_id": [("activated_orders", "stripe_id")],
    },
    "salesforce_records": {
        "record_key": [("coupon_snapshots", "snapshot_id"), ("coupon_junctions", "association_id")],
        "body": [("stripe_coupons", "coupon_id"), ("coupon_attachments", "outcome")],
    },
}
