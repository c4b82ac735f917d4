"""Thin: read through an edge, decide in `domain`, store in the ledger, report."""

import warnings

from dagster import BetaWarning

# A backfill as one run is marked as beta in Dagster 1.13, and says so at each import.
warnings.filterwarnings("ignore", category=BetaWarning)

from coupon_pipeline.assets.activated_orders import activated_orders  # noqa: E402
from coupon_pipeline.assets.coupon_attachments import coupon_attachments  # noqa: E402
from coupon_pipeline.assets.coupon_junctions import coupon_junctions  # noqa: E402
from coupon_pipeline.assets.coupon_mapping import coupon_mapping  # noqa: E402
from coupon_pipeline.assets.coupon_snapshots import coupon_snapshots  # noqa: E402
from coupon_pipeline.assets.salesforce_records import salesforce_records  # noqa: E402
from coupon_pipeline.assets.stripe_coupons import stripe_coupons  # noqa: E402

ASSETS = [
    coupon_mapping,
    activated_orders,
    coupon_junctions,
    coupon_snapshots,
    stripe_coupons,
    coupon_attachments,
    salesforce_records,
]
"""In the order of the way of the data."""

__all__ = ["ASSETS"]
