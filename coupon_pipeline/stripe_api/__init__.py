"""The Stripe edge: the only part that talks to Stripe, at a pace that leaves room for others."""

from coupon_pipeline.stripe_api.client import CallCounts
from coupon_pipeline.stripe_api.coupons import CouponReads, CouponWritten
from coupon_pipeline.stripe_api.edge import StripeEdge
from coupon_pipeline.stripe_api.errors import (
    StripeEdgeError,
    StripeFailureKept,
    StripeLoginFailed,
    StripeMisconfigured,
    StripeObjectBusy,
    StripeRefused,
    StripeRejected,
    StripeUnavailable,
    StripeWrongMode,
)
from coupon_pipeline.stripe_api.keys import idempotency_key
from coupon_pipeline.stripe_api.limits import Limits, RateReport
from coupon_pipeline.stripe_api.messages import Answer, JsonObject
from coupon_pipeline.stripe_api.retries import Retries
from coupon_pipeline.stripe_api.transport import Timeouts
from coupon_pipeline.stripe_api.workers import Crew, Job, Outcome

__all__ = [
    "Answer",
    "CallCounts",
    "CouponReads",
    "CouponWritten",
    "Crew",
    "Job",
    "JsonObject",
    "Limits",
    "Outcome",
    "RateReport",
    "Retries",
    "StripeEdge",
    "StripeEdgeError",
    "StripeFailureKept",
    "StripeLoginFailed",
    "StripeMisconfigured",
    "StripeObjectBusy",
    "StripeRefused",
    "StripeRejected",
    "StripeUnavailable",
    "StripeWrongMode",
    "Timeouts",
    "idempotency_key",
]
