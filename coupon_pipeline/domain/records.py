"""Orders, items, associations and coupons as they come from Salesforce, typed.

Ids are always the 18-character form. Times are timezone-aware and in UTC. Raw fields keep the
names that Salesforce uses, without the managed package's namespace, so that one mapping serves
every namespace; numbers are `Decimal` or `int`, never a float.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

Scalar: TypeAlias = str | int | Decimal | bool | None
RawFields: TypeAlias = Mapping[str, Scalar]
"""Field name or relationship path (`Campaign__r.Name`) to value, namespace removed."""

Level: TypeAlias = Literal["order", "order_item"]


@dataclass(frozen=True, slots=True)
class Order:
    """A Salesforce order whose `StatusCode` says Activated."""

    order_id: str
    order_number: str
    activated_at: datetime
    modified_at: datetime
    account_id: str | None
    quote_id: str | None
    contract_id: str | None
    """The contract that it is on or, for an amendment's quote, amends."""
    currency: str | None
    """`CurrencyIsoCode`; absent in an org with a single currency."""
    quote_currency: str | None
    stripe_id: str | None
    """What `Stripe_ID__c` names: a subscription, a schedule or an invoice."""
    order_type: str | None
    """`Type`, for example `New` or `Amendment`."""
    effective_date: date | None
    initial_order_id: str | None = None
    """The order that the contract came from."""
    initial_stripe_id: str | None = None
    """What `Stripe_ID__c` of that order names."""

    @property
    def target_id(self) -> str | None:
        """What in Stripe carries its discounts, as far as Salesforce tells.

        An amendment is a phase in the schedule of the initial order
        (https://docs.stripe.com/connectors/salesforce-cpq/subscription-order-amendments), which
        its contract names when the amendment has no Stripe id of its own.
        """
        if self.stripe_id is not None or not self.is_amendment:
            return self.stripe_id
        return self.initial_stripe_id

    @property
    def is_amendment(self) -> bool:
        """Whether it changes what an earlier order began."""
        return (self.order_type or "").casefold() == "amendment"

    @property
    def activation_day(self) -> date:
        """The UTC day of activation, which is the order's partition."""
        return self.activated_at.date()


@dataclass(frozen=True, slots=True)
class OrderItem:
    """A line of an activated order."""

    order_item_id: str
    order_id: str
    quote_line_id: str | None
    stripe_id: str | None
    """What `Stripe_ID__c` names: a subscription item, if the order sync wrote it."""
    price_id: str | None
    """`Stripe_ID__c` of the pricebook entry: the price that the order sync put on the item."""
    quantity: Decimal | None
    created_at: datetime
    name: str | None = None
    """The product's name and the item's number, by which people find it in Salesforce."""
    price_is_shared: bool = False
    """Whether another line of the order that bills something has the same price."""


@dataclass(frozen=True, slots=True)
class Association:
    """A junction row that ties a quote coupon to a quote or to a quote line."""

    association_id: str
    level: Level
    """What it discounts after activation: the order (from a quote) or an item (from a line)."""
    parent_id: str
    """The quote's id, or the quote line's."""
    quote_coupon_id: str
    created_at: datetime
    currency: str | None
    is_deleted: bool
    deleted_at: datetime | None = None
    """When it was deleted, which decides whether it still held when the order activated."""


@dataclass(frozen=True, slots=True)
class OrderCoupon:
    """The copy that the managed package's trigger serialises when the order activates."""

    order_coupon_id: str
    order_id: str | None
    order_item_id: str | None
    quote_coupon_id: str
    created_at: datetime
    modified_at: datetime
    stripe_id: str | None
    fields: RawFields


@dataclass(frozen=True, slots=True)
class CouponVersion:
    """One observed state of a quote coupon, with the time it took effect.

    `fields` holds every readable field of the quote coupon and the relationship paths that
    the mapping asked for.
    """

    quote_coupon_id: str
    effective_at: datetime
    """`LastModifiedDate` of the observed state."""
    created_at: datetime
    currency: str | None
    stripe_id: str | None
    is_deleted: bool
    fields: RawFields


@dataclass(frozen=True, slots=True)
class Scope:
    """What a snapshot discounts: an order, or one order item of it."""

    order_id: str
    order_item_id: str | None

    @property
    def level(self) -> Level:
        """Which list of discounts in Stripe the scope belongs to."""
        return "order" if self.order_item_id is None else "order_item"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which activated orders a run is about: those of some UTC days, or named ones of them."""

    first_day: date
    last_day: date
    """Inclusive."""
    order_ids: tuple[str, ...] = ()
    """18-character ids; empty means every order of those days."""

    def covers(self, order: "Order") -> bool:
        """Whether the order is one of them."""
        of_days = self.first_day <= order.activation_day <= self.last_day
        return of_days and (not self.order_ids or order.order_id in self.order_ids)
