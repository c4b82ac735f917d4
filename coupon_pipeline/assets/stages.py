"""The stages in the order of the way of the data."""

from coupon_pipeline.assets.activated_orders import activated_orders
from coupon_pipeline.assets.coupon_attachments import coupon_attachments
from coupon_pipeline.assets.coupon_junctions import coupon_junctions
from coupon_pipeline.assets.coupon_snapshots import coupon_snapshots
from coupon_pipeline.assets.salesforce_records import salesforce_records
from coupon_pipeline.assets.stripe_coupons import stripe_coupons

STAGES = (
    activated_orders,
    coupon_junctions,
    coupon_snapshots,
    stripe_coupons,
    coupon_attachments,
    salesforce_records,
)
