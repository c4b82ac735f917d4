"""A strict local stand-in for the Stripe API: coupons, discounts, subscriptions, schedules."""

from coupon_pipeline.sandbox.stripe.errors import StripeError
from coupon_pipeline.sandbox.stripe.service import StripeService

__all__ = ["StripeError", "StripeService"]
