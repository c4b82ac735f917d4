"""Targets and attachments for tests, with everything that a test does not care about filled in."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from coupon_pipeline.domain.attachments import AttachmentOutcome, TargetPlan
from coupon_pipeline.domain.problems import CATALOGUE, Effect, Problem
from coupon_pipeline.domain.proof import PROOF_KEY, Proof
from coupon_pipeline.domain.records import Order, OrderItem, Scope
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    Duration,
    GrantedAttachment,
    LiveDiscount,
    PhaseItemState,
    PhaseState,
    ScheduleState,
    ScheduleStatus,
    SubscriptionItemState,
    SubscriptionState,
    TargetPolicy,
    WantedAttachment,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = TargetPolicy()
ORDER = "801000000000001AAA"


def at(day: str) -> int:
    """The start of a UTC day in Unix seconds."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def encode_proof(snapshot_ids: Iterable[str]) -> str:
    """The metadata value that proves a few attachments."""
    proof = Proof().extended(snapshot_ids)
    assert isinstance(proof, Proof)
    return proof.metadata()[PROOF_KEY]


def wants(
    snapshot_id: str,
    *,
    coupon: str | None = None,
    order: str = ORDER,
    item: str | None = None,
    duration: Duration = "once",
    months: int | None = None,
    currencies: Iterable[str] = (),
    made: str = "2026-01-01T00:00:00Z",
    limited: bool = False,
) -> WantedAttachment:
    """A snapshot whose coupon belongs on the target; an amount if currencies are given."""
    return WantedAttachment(
        snapshot_id=snapshot_id,
        scope=Scope(order, item),
        quote_coupon_id="a0Q000000000001AAA",
        coupon_id=coupon or f"coupon-of-{snapshot_id}",
        duration=duration,
        months=months if months is not None else 3 if duration == "repeating" else None,
        percent=not currencies,
        currencies=frozenset(currencies),
        stack_key=(made, snapshot_id),
        activated_at=NOW,
        limited=limited,
    )


def grant_of(
    w: WantedAttachment,
    *,
    discount: str | None = None,
    target: str = "sub_1",
    carried_to: Iterable[int] = (),
    granted_at: datetime = NOW,
) -> dict[str, GrantedAttachment]:
    """What the ledger holds after the snapshot was attached."""
    grant = GrantedAttachment(
        w.snapshot_id,
        target,
        w.scope,
        w.coupon_id,
        w.duration,
        w.months,
        discount,
        granted_at,
        frozenset(carried_to),
        limited=w.limited,
    )
    return {w.snapshot_id: grant}


def live(discount: str, coupon: str | None = None, *, end: int | None = None) -> LiveDiscount:
    """A discount that exists in Stripe."""
    return LiveDiscount(discount, coupon or f"coupon-of-{discount}", end=end)


def an_item(
    item_id: str = "si_1",
    *,
    order_item: str | None = None,
    price: str = "price_1",
    discounts: Iterable[LiveDiscount] = (),
    period_end: int | None = None,
) -> SubscriptionItemState:
    """A subscription item."""
    metadata = {"salesforce_order_item_id": order_item} if order_item else {}
    return SubscriptionItemState(item_id, price, metadata, 1, tuple(discounts), period_end)


def a_subscription(
    *,
    discounts: Iterable[LiveDiscount] = (),
    items: Iterable[SubscriptionItemState] = (),
    customer: LiveDiscount | None = None,
    status: str = "active",
    currency: str = "usd",
    metadata: Mapping[str, str] | None = None,
    schedule: str | None = None,
) -> SubscriptionState:
    """A subscription."""
    return SubscriptionState(
        "sub_1",
        status,
        currency,
        "cus_1",
        schedule,
        metadata or {},
        tuple(discounts),
        tuple(items),
        customer,
    )


def a_phase(
    start: str,
    end: str,
    *,
    order: str | None = None,
    discounts: Iterable[DiscountEntry] = (),
    items: Iterable[PhaseItemState] = (PhaseItemState("price_1"),),
    **body: str | int | bool,
) -> PhaseState:
    """A phase, from one UTC day to another, with its body in the form of a reply."""
    discounts, items = tuple(discounts), tuple(items)
    metadata = {"salesforce_order_id": order} if order else {}
    return PhaseState(
        at(start),
        at(end),
        "usd",
        metadata,
        discounts,
        items,
        {
            "start_date": at(start),
            "end_date": at(end),
            "currency": "usd",
            "metadata": metadata,
            "discounts": [entry.param() for entry in discounts],
            "items": [
                {"price": item.price_id, "quantity": item.quantity, "metadata": item.metadata}
                for item in items
            ],
            **body,
        },
    )


def a_schedule(
    *phases: PhaseState,
    status: ScheduleStatus = "active",
    subscription: SubscriptionState | None = None,
    current: int | None = 0,
    metadata: Mapping[str, str] | None = None,
    customer: LiveDiscount | None = None,
) -> ScheduleState:
    """A schedule; the phase at `current` is on unless it has not started."""
    begun = phases[current] if status == "active" and current is not None else None
    return ScheduleState(
        "sub_sched_1",
        status,
        "cus_1",
        subscription,
        metadata=metadata or {},
        phases=phases,
        current_phase=(begun.start_date, begun.end_date) if begun else None,
        customer_discount=customer or (subscription.customer_discount if subscription else None),
    )


def an_order(
    order_id: str = ORDER,
    *,
    kind: Literal["New", "Amendment"] = "New",
    effective: str = "2026-01-01",
) -> Order:
    """An activated order."""
    return Order(
        order_id=order_id,
        order_number="00000100",
        activated_at=NOW,
        modified_at=NOW,
        account_id=None,
        quote_id=None,
        contract_id=None,
        currency=None,
        quote_currency=None,
        stripe_id=None,
        order_type=kind,
        effective_date=datetime.fromisoformat(effective).date(),
    )


def an_order_item(
    order_item_id: str,
    *,
    order: str = ORDER,
    stripe_id: str | None = None,
    price: str | None = None,
    quantity: int = 1,
) -> dict[str, OrderItem]:
    """An order item, by its id."""
    record = OrderItem(order_item_id, order, None, stripe_id, price, Decimal(quantity), NOW)
    return {order_item_id: record}


def outcome_of(plan: TargetPlan, snapshot_id: str) -> AttachmentOutcome:
    """What a plan says of one snapshot, checked to be fit for being shown."""
    (outcome,) = [each for each in plan.outcomes if each.snapshot_id == snapshot_id]
    if outcome.code is not None:
        problem = Problem(outcome.code, outcome.details, order_id=ORDER)
        assert "(unknown" not in problem.message + problem.fix.replace("(unknown order", "")
        usual = CATALOGUE[outcome.code].effect
        assert outcome.outcome in {"unchanged", "adopted"} or usual == Effect(outcome.outcome)
    return outcome


def names(entries: Iterable[DiscountEntry] | None) -> list[str]:
    """A list of discounts in short: the ids that are sent."""
    return [entry.reference for entry in entries or ()]
