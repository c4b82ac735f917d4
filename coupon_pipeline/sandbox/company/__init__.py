"""A believable small company in both services: its orders, coupons and subscriptions."""

from coupon_pipeline.sandbox.company.history import fill
from coupon_pipeline.sandbox.company.order_sync import sync_orders

__all__ = ["fill", "sync_orders"]
