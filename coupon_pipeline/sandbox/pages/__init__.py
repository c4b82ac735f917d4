"""Plain pages of both services, at the addresses that the real ones have."""

from coupon_pipeline.sandbox.pages.salesforce_pages import salesforce_pages
from coupon_pipeline.sandbox.pages.stripe_pages import stripe_pages

__all__ = ["salesforce_pages", "stripe_pages"]
