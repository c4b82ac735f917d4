"""Reading a target from Stripe: one request, parsed into the domain's plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, cast, get_args

from coupon_pipeline.domain.phases import entries_of
from coupon_pipeline.domain.targets import (
    BillingInterval,
    BillingUnit,
    DiscountEntry,
    Duration,
    LiveDiscount,
    PhaseItemState,
    PhaseState,
    ScheduleState,
    ScheduleStatus,
    SubscriptionItemState,
    SubscriptionState,
    TargetGone,
    TargetState,
    as_former,
)
from coupon_pipeline.stripe_api.errors import StripeRejected
from coupon_pipeline.stripe_api.messages import (
    SCHEDULE,
    SUBSCRIPTION,
    Answer,
    JsonObject,
    JsonValue,
)
from coupon_pipeline.stripe_api.reading import Reader

EXPAND_SUBSCRIPTION = (
    "discounts",
    "items.data.discounts",
    "customer.discount.source.coupon",
    "schedule",
)
EXPAND_SCHEDULE = (
    "subscription.discounts",
    "subscription.items.data.discounts",
    "customer.discount.source.coupon",
)
"""At most four levels deep, as https://docs.stripe.com/api/expanding_objects allows."""


class StripeReader(Protocol):
    """The two reads that a target needs; `StripeEdge` has them."""

    def retrieve_subscription(self, subscription_id: str, expand: Sequence[str]) -> Answer:
        """`GET /v1/subscriptions/{id}`."""
        ...

    def retrieve_schedule(self, schedule_id: str, expand: Sequence[str]) -> Answer:
        """`GET /v1/subscription_schedules/{id}`."""
        ...


def read_target(stripe: StripeReader, target_id: str) -> TargetState:
    """What `Stripe_ID__c` of an order names, with everything that a plan needs.

    One read; a second one only for the subscription that an ended schedule left running, because
    Stripe shows its id alone. A subscription that a schedule manages comes back as the schedule.
    What is not there, or is no subscription, is a `TargetGone`; all else that goes wrong is raised.
    """
    if is_schedule_id(target_id):
        return _read_schedule(stripe, target_id)
    if target_id.startswith("sub_"):
        return _read_subscription(stripe, target_id)
    if target_id.startswith("in_"):
        return TargetGone("target.not_subscription", target_id)
    return TargetGone("target.not_found", target_id)


def is_schedule_id(target_id: str) -> bool:
    """Whether an id names a subscription schedule."""
    return target_id.startswith("sub_sched_")


def endpoint_of(target_id: str) -> str:
    """The path that reading a target calls first."""
    return (SCHEDULE if is_schedule_id(target_id) else SUBSCRIPTION).path


def later_schedule(found: ScheduleState, former: ScheduleState) -> ScheduleState:
    """The schedule that a subscription has got since, with the proofs of the one before."""
    return replace(found, former=(*found.former, as_former(former)))


def _read_subscription(stripe: StripeReader, target_id: str) -> TargetState:
    try:
        answer = stripe.retrieve_subscription(target_id, EXPAND_SUBSCRIPTION)
    except StripeRejected as rejected:
        return _gone(rejected, target_id)
    return parse_subscription(answer.body)


def _read_schedule(stripe: StripeReader, target_id: str) -> TargetState:
    try:
        answer = stripe.retrieve_schedule(target_id, EXPAND_SCHEDULE)
    except StripeRejected as rejected:
        return _gone(rejected, target_id)
    state = parse_schedule(answer.body)
    left = state.released_subscription_id
    if state.subscription is not None or left is None:
        return state
    found = _read_subscription(stripe, left)
    if isinstance(found, ScheduleState):  # the subscription has got another schedule since
        return later_schedule(found, state)
    return found if isinstance(found, TargetGone) else replace(state, subscription=found)


def _gone(rejected: StripeRejected, target_id: str) -> TargetGone:
    if rejected.is_missing or rejected.reason == "id_unusable":
        return TargetGone("target.not_found", target_id)
    raise rejected


def parse_subscription(body: JsonObject) -> SubscriptionState | ScheduleState:
    """A subscription, or the schedule that manages it if the reply holds that as well."""
    state = _subscription(Reader(body))
    schedule = body.get("schedule")
    return _schedule(Reader(schedule), state) if isinstance(schedule, dict) else state


def parse_schedule(body: JsonObject, state: SubscriptionState | None = None) -> ScheduleState:
    """A schedule, with its subscription if that is given or the reply holds it as an object."""
    subscription = body.get("subscription")
    if isinstance(subscription, dict):
        state = _subscription(Reader({**subscription, "customer": body.get("customer")}))
    return _schedule(Reader(body), state)


def _subscription(shown: Reader) -> SubscriptionState:
    items = Reader(shown.inner("items")).objects("data")
    status = shown.text("status")
    return SubscriptionState(
        subscription_id=shown.text("id"),
        status=status,
        currency=shown.text("currency"),
        customer_id=_id(shown, "customer") or "",
        schedule_id=_id(shown, "schedule"),
        metadata=shown.texts("metadata"),
        discounts=_discounts(shown),
        items=tuple(_item(Reader(each)) for each in items),
        customer_discount=_customer_discount(shown),
        paused=status == "paused" or shown.body.get("pause_collection") is not None,
        livemode=shown.flag("livemode"),
    )


def _item(shown: Reader) -> SubscriptionItemState:
    return SubscriptionItemState(
        item_id=shown.text("id"),
        price_id=_id(shown, "price") or "",
        metadata=shown.texts("metadata"),
        quantity=shown.optional_whole("quantity"),
        discounts=_discounts(shown),
        current_period_end=shown.optional_whole("current_period_end"),
        current_period_start=shown.optional_whole("current_period_start"),
        interval=_interval(shown.body.get("price")),
    )


def _interval(price: JsonValue) -> BillingInterval | None:
    """How often the price is billed; None where the reply does not say."""
    recurring = Reader(Reader(price).inner("recurring") if isinstance(price, dict) else {})
    unit = recurring.optional_text("interval")
    if unit not in get_args(BillingUnit):
        return None
    count = recurring.optional_whole("interval_count")
    return BillingInterval(cast("BillingUnit", unit), count or 1)


def _schedule(shown: Reader, subscription: SubscriptionState | None) -> ScheduleState:
    customer = subscription.customer_discount if subscription else _customer_discount(shown)
    live = subscription.live_discounts() if subscription else ()
    coupons = {d.discount_id: d.coupon_id for d in (*live, *((customer,) if customer else ()))}
    current = Reader(shown.inner("current_phase"))
    return ScheduleState(
        schedule_id=shown.text("id"),
        status=_status(shown),
        customer_id=_id(shown, "customer") or "",
        subscription=subscription,
        released_subscription_id=shown.optional_text("released_subscription"),
        metadata=shown.texts("metadata"),
        phases=tuple(_phase(Reader(each), coupons) for each in shown.objects("phases")),
        current_phase=(current.whole("start_date"), current.whole("end_date"))
        if current.body
        else None,
        end_behavior=shown.text("end_behavior"),
        default_settings=shown.inner("default_settings"),
        customer_discount=customer,
        ended_at=next(filter(None, map(shown.optional_whole, _ENDS)), None),
        livemode=shown.flag("livemode"),
    )


_ENDS = ("completed_at", "released_at", "canceled_at")


def _status(shown: Reader) -> ScheduleStatus:
    status = shown.text("status")
    if status in get_args(ScheduleStatus):
        return cast("ScheduleStatus", status)
    raise StripeRejected(
        f"Schedule {shown.text('id')} has the status {status!r}, which is not known.",
        reason="answer_unexpected",
        param="status",
    )


def _phase(shown: Reader, coupons: Mapping[str, str | None]) -> PhaseState:
    return PhaseState(
        start_date=shown.whole("start_date"),
        end_date=shown.whole("end_date"),
        currency=shown.text("currency"),
        metadata=shown.texts("metadata"),
        discounts=_entries(shown, coupons),
        items=tuple(_phase_item(Reader(each), coupons) for each in shown.objects("items")),
        body=shown.body,
    )


def _phase_item(shown: Reader, coupons: Mapping[str, str | None]) -> PhaseItemState:
    return PhaseItemState(
        price_id=_id(shown, "price") or "",
        metadata=shown.texts("metadata"),
        quantity=shown.optional_whole("quantity"),
        discounts=_entries(shown, coupons),
    )


def _entries(shown: Reader, coupons: Mapping[str, str | None]) -> tuple[DiscountEntry, ...]:
    """The list, with the coupon behind each discount that is known to be live."""
    return tuple(
        replace(entry, coupon_id=entry.coupon_id or coupons.get(entry.reference))
        for entry in entries_of(shown.objects("discounts"))
    )


def _discounts(shown: Reader) -> tuple[LiveDiscount, ...]:
    """Raises StripeRejected for ids alone: without the coupons nothing can be decided."""
    return tuple(_discount(Reader(each)) for each in shown.objects("discounts"))


def _customer_discount(shown: Reader) -> LiveDiscount | None:
    customer = shown.body.get("customer")
    discount = customer.get("discount") if isinstance(customer, dict) else None
    return _discount(Reader(discount)) if isinstance(discount, dict) else None


def _discount(shown: Reader) -> LiveDiscount:
    source = Reader(shown.inner("source"))
    coupon = source.body.get("coupon")
    duration = coupon.get("duration") if isinstance(coupon, dict) else None
    return LiveDiscount(
        discount_id=shown.text("id"),
        coupon_id=_id(source, "coupon"),
        promotion_code=_id(shown, "promotion_code"),
        start=shown.optional_whole("start"),
        end=shown.optional_whole("end"),
        duration=cast("Duration", duration) if duration in get_args(Duration) else None,
    )


def _id(shown: Reader, name: str) -> str | None:
    """The id of what may be expanded."""
    value = shown.body.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
