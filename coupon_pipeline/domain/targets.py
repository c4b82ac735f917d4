"""What carries discounts in Stripe, as it was read, and what is to be put there.

Everything here is plain data. Times that come from Stripe stay Unix seconds, because a phase
has to be sent back with exactly the dates that it had. Currencies are Stripe's lower-case codes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from coupon_pipeline.domain.records import Order, OrderItem, Scope

JsonValue: TypeAlias = (
    "bool | int | Decimal | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)
"""A part of a reply or of a request; numbers are exact."""

Duration: TypeAlias = Literal["once", "repeating", "forever"]

BillingUnit: TypeAlias = Literal["day", "week", "month", "year"]

ScheduleStatus: TypeAlias = Literal["not_started", "active", "completed", "released", "canceled"]

MAX_DISCOUNTS = 20
"""Entries that Stripe takes in one list (https://docs.stripe.com/billing/subscriptions/coupons)."""

MAX_METADATA_KEYS = 50
"""Keys that Stripe takes on one object (https://docs.stripe.com/api/metadata)."""


@dataclass(frozen=True, slots=True)
class LiveDiscount:
    """A Discount object on a subscription, a subscription item or a customer."""

    discount_id: str
    coupon_id: str | None
    """The coupon it was made from; a promotion code's coupon counts too."""
    promotion_code: str | None = None
    start: int | None = None
    end: int | None = None
    """Set for `repeating` only."""
    duration: Duration | None = None
    """Of its coupon, where the reply expanded that."""


@dataclass(frozen=True, slots=True)
class DiscountEntry:
    """One element of a `discounts` list as Stripe takes it: a kind and the id it names."""

    kind: Literal["discount", "coupon", "promotion_code"]
    reference: str
    coupon_id: str | None = None
    """The coupon behind it, where known; never sent."""
    inherited: bool = False
    """It is the customer's own; on the subscription it may get another id."""

    @classmethod
    def kept(cls, live: LiveDiscount) -> "DiscountEntry":
        """The discount that is there goes back by its own id."""
        return cls("discount", live.discount_id, live.coupon_id)

    @classmethod
    def granted(cls, coupon_id: str) -> "DiscountEntry":
        """A new discount from this coupon."""
        return cls("coupon", coupon_id, coupon_id)

    def param(self) -> dict[str, JsonValue]:
        """The element for the request."""
        return {self.kind: self.reference}


@dataclass(frozen=True, slots=True)
class BillingInterval:
    """How often a price is billed."""

    unit: BillingUnit
    count: int = 1


@dataclass(frozen=True, slots=True)
class SubscriptionItemState:
    """An item of a subscription."""

    item_id: str
    price_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    quantity: int | None = None
    discounts: tuple[LiveDiscount, ...] = ()
    current_period_end: int | None = None
    current_period_start: int | None = None
    interval: BillingInterval | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """A subscription with its discounts at every level."""

    subscription_id: str
    status: str
    currency: str
    customer_id: str
    schedule_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    discounts: tuple[LiveDiscount, ...] = ()
    items: tuple[SubscriptionItemState, ...] = ()
    customer_discount: LiveDiscount | None = None
    paused: bool = False
    """Collection is paused, or the whole subscription is; discounts are attached all the same."""
    livemode: bool = False

    @property
    def target_id(self) -> str:
        """The id that a request for this target names."""
        return self.subscription_id

    def live_discounts(self) -> tuple[LiveDiscount, ...]:
        """Those of the subscription, then those of its items."""
        return self.discounts + tuple(d for item in self.items for d in item.discounts)


@dataclass(frozen=True, slots=True)
class PhaseItemState:
    """An item of a phase."""

    price_id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    quantity: int | None = None
    discounts: tuple[DiscountEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class PhaseState:
    """A phase of a schedule: the parts that decisions need, and all of it as it was read."""

    start_date: int
    end_date: int
    currency: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    discounts: tuple[DiscountEntry, ...] = ()
    items: tuple[PhaseItemState, ...] = ()
    body: Mapping[str, JsonValue] = field(default_factory=dict)
    """The phase in the form of a reply, for sending back what nobody here looks at."""

    @property
    def bills_at_start(self) -> bool:
        """Whether entering the phase makes an invoice of its own."""
        return (
            self.body.get("billing_cycle_anchor") == "phase_start"
            or self.body.get("proration_behavior") == "always_invoice"
        )

    @property
    def is_trial(self) -> bool:
        """Whether nothing is charged in the whole phase."""
        trial_end = self.body.get("trial_end")
        return self.body.get("trial") is True or (
            isinstance(trial_end, int) and trial_end >= self.end_date
        )


@dataclass(frozen=True, slots=True)
class FormerSchedule:
    """A schedule that let its subscription go."""

    schedule_id: str
    metadata: Mapping[str, str]
    ended_at: int | None = None
    """Unix seconds; None where Stripe does not say."""


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A subscription schedule, with its subscription once there is one."""

    schedule_id: str
    status: ScheduleStatus
    customer_id: str
    subscription: SubscriptionState | None = None
    """The one it manages or, after the schedule ended, the one that it left running."""
    released_subscription_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    phases: tuple[PhaseState, ...] = ()
    """Past, current and future ones, oldest first."""
    current_phase: tuple[int, int] | None = None
    """Start and end of the phase that is on now; only an active schedule has one."""
    end_behavior: str = "release"
    default_settings: Mapping[str, JsonValue] = field(default_factory=dict)
    former: tuple[FormerSchedule, ...] = ()
    """Schedules that released the subscription: their proofs count too."""
    ended_at: int | None = None
    """When it was completed, released or canceled; Unix seconds."""
    customer_discount: LiveDiscount | None = None
    livemode: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it can be written: one that has ended has let its subscription go."""
        return self.status in {"active", "not_started"}

    @property
    def target_id(self) -> str:
        """The id that a request for this target names: once it has ended, its subscription's."""
        if self.is_open or self.subscription is None:
            return self.schedule_id
        return self.subscription.subscription_id

    def open_phases(self, now: int) -> tuple[PhaseState, ...]:
        """The current phase, if one is on, and the future ones."""
        begun = self.current_phase[0] if self.current_phase else now
        if self.status == "not_started":
            return self.phases
        return tuple(phase for phase in self.phases if phase.end_date > begun)


@dataclass(frozen=True, slots=True)
class TargetGone:
    """There is nothing to attach to under this id, and why."""

    code: str
    target_id: str
    details: Mapping[str, str] = field(default_factory=dict)


TargetState: TypeAlias = SubscriptionState | ScheduleState | TargetGone


def time_at(state: TargetState, now: datetime) -> datetime:
    """`now`, or when the period began that the target is in, if that is later.

    The test clock of a customer may be ahead of ours, and what it moves does not show its time
    (https://docs.stripe.com/billing/testing/test-clocks).
    """
    begun = period_of(state.subscription if isinstance(state, ScheduleState) else state)
    return now if begun is None else max(now, datetime.fromtimestamp(begun[0], UTC))


def period_of(state: TargetState | None) -> tuple[int, int] | None:
    """The latest start and end of the periods that a subscription's items are in, if it has any."""
    items = state.items if isinstance(state, SubscriptionState) else ()
    starts = [i.current_period_start for i in items if i.current_period_start is not None]
    ends = [i.current_period_end for i in items if i.current_period_end is not None]
    return (max(starts), max(ends)) if starts and ends else None


def with_history_of(state: TargetState, other: TargetState) -> TargetState:
    """The same target read under two names, with the proofs of every schedule that led to it."""
    if not isinstance(state, ScheduleState) or not isinstance(other, ScheduleState):
        return other if isinstance(other, ScheduleState) else state
    known = {state.schedule_id, *(each.schedule_id for each in state.former)}
    seen = [as_former(other), *other.former]
    new = (each for each in seen if each.schedule_id not in known)
    return replace(state, former=(*state.former, *new))


def as_former(state: ScheduleState) -> FormerSchedule:
    """What is kept of a schedule where its subscription is read by another one."""
    return FormerSchedule(state.schedule_id, state.metadata, state.ended_at)


@dataclass(frozen=True, slots=True)
class TakenPlace:
    """What a replacement takes the place of: a discount, or a coupon that phases name for it."""

    discount_id: str | None
    coupon_id: str | None

    def is_of(self, entry: DiscountEntry) -> bool:
        """Whether the entry is what has to make room."""
        if entry.kind == "discount" and self.discount_id is not None:
            return entry.reference == self.discount_id
        return entry.kind == "coupon" and entry.coupon_id == self.coupon_id is not None


@dataclass(frozen=True, slots=True)
class WantedAttachment:
    """One snapshot whose Stripe coupon exists and belongs on this target."""

    snapshot_id: str
    scope: Scope
    quote_coupon_id: str
    coupon_id: str
    duration: Duration
    months: int | None
    """Of a `repeating` coupon."""
    percent: bool
    currencies: frozenset[str]
    """Those that an amount coupon can take off in; empty for a percentage."""
    stack_key: tuple[str, str]
    """When the association was made (ISO 8601, UTC) and its id, or the snapshot's id."""
    activated_at: datetime
    limited: bool = False
    """Its coupon has `max_redemptions`: naming it in a second phase could be refused."""
    takes: TakenPlace | None = None
    """What it replaces; None for one that is granted beside the others."""


@dataclass(frozen=True, slots=True)
class GrantedAttachment:
    """What the ledger remembers of an attachment that was made or adopted."""

    snapshot_id: str
    target_id: str
    scope: Scope
    coupon_id: str
    duration: Duration
    months: int | None = None
    discount_id: str | None = None
    """Unknown until the phase that it was put on begins, or after a lost answer."""
    granted_at: datetime | None = None
    carried_to: frozenset[int] = frozenset()
    """Starts of the phases that it was put on or sent on to; absent there means taken away."""
    taken_over: frozenset[int] = frozenset()
    """Starts of those that another order's have become since: nobody took it out of these."""
    schedule_id: str | None = None
    """The schedule whose phases those are; None if it has none, or where that was not kept."""
    place: str | None = None
    """The subscription or subscription item that has the discount, once there is one."""
    limited: bool = False
    """As of `WantedAttachment`."""

    @property
    def found_by(self) -> frozenset[str]:
        """The ids that lead to it: of its target, of its place there, of the discount itself."""
        return frozenset(filter(None, (self.target_id, self.place, self.discount_id)))

    def carried_in(self, schedule_id: str) -> frozenset[int]:
        """The same of one schedule: another may have phases that start at the same time."""
        return self.carried_to if self.schedule_id in {None, schedule_id} else frozenset()


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """Choices that an operator makes about discount lists."""

    stacking: Literal["association", "percent_first", "amount_first"] = "association"
    customer_discount: Literal["keep", "replace"] = "keep"
    metadata_prefix: str = "salesforce_"

    @property
    def order_key(self) -> str:
        """Metadata key that names the order on subscriptions and phases."""
        return f"{self.metadata_prefix}order_id"

    @property
    def order_item_key(self) -> str:
        """Metadata key that names the order item on subscription items and phase items."""
        return f"{self.metadata_prefix}order_item_id"


def in_stacking_order(
    wanted: Sequence[WantedAttachment], policy: TargetPolicy
) -> list[WantedAttachment]:
    """By creation of the association then id, after the kind that the policy puts first.

    Stripe applies a list from its beginning to its end, so percentages and amounts do not commute
    (https://docs.stripe.com/billing/subscriptions/coupons).
    """
    first = {"association": None, "percent_first": True, "amount_first": False}[policy.stacking]
    return sorted(
        wanted,
        key=lambda w: (
            first is not None and w.percent is not first,
            w.stack_key,
            w.snapshot_id,
        ),
    )


def nothing_left(record: OrderItem) -> bool:
    """Whether the line bills nothing: it takes another line away or was reduced to nothing."""
    return record.quantity is not None and record.quantity <= 0


def is_taken_away(
    record: OrderItem, items: Mapping[str, OrderItem], orders: Mapping[str, Order]
) -> bool:
    """Whether nothing is left of a line, by what amendments of the same target say of its price.

    The line of an amendment says how much more there is, or less. Where two lines have the price
    and one of them goes, which one it was is not known.
    """
    if nothing_left(record):
        return True
    order = orders.get(record.order_id)
    if order is None or order.target_id is None or record.price_id is None:
        return False
    same = (
        line.quantity
        for line in items.values()
        if line.price_id == record.price_id
        if (other := orders.get(line.order_id)) and other.target_id == order.target_id
    )
    return sum(Decimal(1) if quantity is None else quantity for quantity in same) <= 0


def find_item(
    order_item_id: str,
    record: OrderItem | None,
    items: Sequence[SubscriptionItemState | PhaseItemState],
    policy: TargetPolicy,
) -> int | None:
    """Position of the item that an order item became, or None.

    By the metadata that the order sync writes; else by the item id on the order item; else by a
    price that exactly one item has, unless that item says it is another order item's. A line with
    no quantity left, such as an amendment's that takes another line away, has no item to guess.
    """
    for position, item in enumerate(items):
        if item.metadata.get(policy.order_item_key) == order_item_id:
            return position
    if record is None or nothing_left(record):
        return None
    for position, item in enumerate(items):
        if _is_named(item, record):
            return position
    return only_unnamed(record.price_id, items, policy)


def only_unnamed(
    price_id: str | None,
    items: Sequence[SubscriptionItemState | PhaseItemState],
    policy: TargetPolicy,
) -> int | None:
    """Position of the only item with a price, unless it says which order item it is."""
    same_price = [at for at, item in enumerate(items) if item.price_id == price_id]
    if len(same_price) == 1 and policy.order_item_key not in items[same_price[0]].metadata:
        return same_price[0]
    return None


def is_another_lines_too(
    record: OrderItem | None, item: SubscriptionItemState | PhaseItemState, policy: TargetPolicy
) -> bool:
    """Whether an item that was found may as well be that of another line of the same order.

    Only its price tells what it is, and the order has that twice. Such an item takes nothing new:
    what is off the one line would come off the other's money too.
    """
    return (
        record is not None
        and record.price_is_shared
        and policy.order_item_key not in item.metadata
        and not _is_named(item, record)
    )


def _is_named(item: SubscriptionItemState | PhaseItemState, record: OrderItem) -> bool:
    return isinstance(item, SubscriptionItemState) and item.item_id == record.stripe_id
