"""What a restricted key needs, and what else one could have.

Dashboard names are those of the page on which a restricted key is made; to write includes to read
(https://docs.stripe.com/keys/restricted-api-keys). The `rak_` names are what Stripe's refusals
call them.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from coupon_pipeline.stripe_api.messages import (
    COUPON_UPDATE,
    COUPONS,
    CUSTOMERS,
    EVENTS,
    INVOICES,
    SUBSCRIPTION_UPDATE,
    SUBSCRIPTIONS,
    Endpoint,
)

Access: TypeAlias = Literal["Read", "Write"]


@dataclass(frozen=True, slots=True)
class Permission:
    """A box that a person ticks."""

    resource: str
    access: Access
    base: str

    @property
    def name(self) -> str:
        """As Stripe's refusals call it."""
        return f"rak_{self.base}_{self.access.lower()}"

    @property
    def words(self) -> str:
        """As the dashboard calls it."""
        return f"{self.resource}: {self.access}"


@dataclass(frozen=True, slots=True)
class Need:
    """A permission that the pipeline needs, and the request that tells whether the key has it."""

    permission: Permission
    why: str
    ask: Endpoint
    """A list that reads one object, or a change of an object that cannot exist."""
    optional: bool = False


NEEDS: tuple[Need, ...] = (
    Need(
        Permission("Coupons", "Read", "coupon"),
        "to find and compare coupons",
        COUPONS,
    ),
    Need(
        Permission("Coupons", "Write", "coupon"),
        "to make coupons and keep their metadata up to date",
        Endpoint("post", COUPON_UPDATE.path),
    ),
    Need(
        Permission("Subscriptions", "Read", "subscription"),
        "to see what is on a subscription or a schedule",
        SUBSCRIPTIONS,
    ),
    Need(
        Permission("Subscriptions", "Write", "subscription"),
        "to put discounts on subscriptions, their items and schedules",
        Endpoint("post", SUBSCRIPTION_UPDATE.path),
    ),
    Need(
        Permission("Customers", "Read", "customer"),
        "to carry a customer's own discount along, which a discount of ours would hide",
        CUSTOMERS,
    ),
    Need(
        Permission("Invoices", "Read", "invoice"),
        "for the next invoices that `plan --invoices` and `explain` show",
        INVOICES,
        optional=True,
    ),
    Need(
        Permission("Events", "Read", "event"),
        "to tell what somebody changed while a subscription or schedule was written: each night, "
        "for `audit`, and for runs with `COUPON_PIPELINE_READ_EVENTS`",
        EVENTS,
        optional=True,
    ),
)
"""Read stands beside Write only to tell the two apart: a key that may write may read."""


def permissions_to_give() -> tuple[Need, ...]:
    """The boxes to tick: one a resource, because to write includes to read."""
    written = {need.permission.base for need in NEEDS if need.permission.access == "Write"}
    return tuple(
        need
        for need in NEEDS
        if need.permission.access == "Write" or need.permission.base not in written
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object that a restricted key can be given access to."""

    resource: str
    base: str
    path: str


KINDS: tuple[Kind, ...] = (
    Kind("Customers", "customer", "/v1/customers/{id}"),
    Kind("Products", "product", "/v1/products/{id}"),
    Kind("Prices", "plan", "/v1/prices/{id}"),
    Kind("Promotion codes", "promotion_code", "/v1/promotion_codes/{id}"),
    Kind("Tax rates", "tax_rate", "/v1/tax_rates/{id}"),
    Kind("Invoices", "invoice", "/v1/invoices/{id}"),
    Kind("Credit notes", "credit_note", "/v1/credit_notes/{id}"),
    Kind("Quotes", "quote", "/v1/quotes/{id}"),
    Kind("Charges and refunds", "charge", "/v1/charges/{id}"),
    Kind("PaymentIntents", "payment_intent", "/v1/payment_intents/{id}"),
    Kind("SetupIntents", "setup_intent", "/v1/setup_intents/{id}"),
    Kind("PaymentMethods", "payment_method", "/v1/payment_methods/{id}"),
    Kind("Checkout Sessions", "checkout_session", "/v1/checkout/sessions/{id}"),
    Kind("Disputes", "dispute", "/v1/disputes/{id}"),
    Kind("Payouts", "payout", "/v1/payouts/{id}"),
    Kind("Transfers", "transfer", "/v1/transfers/{id}"),
    Kind("Top-ups", "topup", "/v1/topups/{id}"),
    Kind("Webhook endpoints", "webhook", "/v1/webhook_endpoints/{id}"),
)
"""Beyond coupons and subscriptions, of which everything is needed. Those that move money or show
people are what a stolen key would be used for."""
