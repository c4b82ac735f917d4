"""A strict local stand-in for the Salesforce REST API of an org with CPQ and Stripe coupons."""

from coupon_pipeline.sandbox.salesforce.service import SalesforceService

__all__ = ["SalesforceService"]
