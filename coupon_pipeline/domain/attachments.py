"""What a plan for one target says: the request, and the outcome of every attachment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from coupon_pipeline.domain.targets import (
    DiscountEntry,
    JsonValue,
    ScheduleState,
    SubscriptionState,
)

OutcomeName: TypeAlias = Literal[
    "attached", "adopted", "replaced", "unchanged", "blocked", "not_applicable", "pending"
]


@dataclass(frozen=True, slots=True)
class AttachmentOutcome:
    """What happens to one snapshot on one target, and why."""

    snapshot_id: str
    outcome: OutcomeName
    reason: str
    """Why, as the end of a sentence that a person reads in `explain`."""
    code: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    coupon_id: str | None = None
    discount_id: str | None = None
    """Known when the discount is there already; for a new one see `made_discounts`."""
    place: str | None = None
    """The subscription or subscription item that has the discount at once; None if it begins
    with a later phase."""
    phases: tuple[int, ...] = ()
    """Starts of the phases that it is put on, for a schedule."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A discount granted earlier that goes on in later phases, as the same one where it exists."""

    snapshot_id: str
    discount_id: str | None
    """None while it does not exist and the later phases name its coupon."""
    phases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CarryLater:
    """A discount that later phases need but that does not exist yet.

    Plan the target again between the two times (Unix seconds): before, there is nothing to send
    on; after, the transition has taken the discount away.
    """

    snapshot_id: str
    coupon_id: str
    due_from: int
    before: int
    phases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lacking:
    """A granted discount that later phases have to name and do not: it ends with the first."""

    snapshot_id: str
    coupon_id: str
    discount_id: str | None
    """None where it does not exist and the phases have to name its coupon."""
    phases: tuple[int, ...]
    """Starts of those that lack it."""
    goes_on: bool = False
    """Whether a run that looked at the target would put it into all of them."""


@dataclass(frozen=True, slots=True)
class ItemUpdate:
    """The whole discount list of one subscription item."""

    item_id: str
    discounts: tuple[DiscountEntry, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionUpdate:
    """One write to a subscription; what is None or absent stays as it is."""

    target_id: str
    discounts: tuple[DiscountEntry, ...] | None
    items: tuple[ItemUpdate, ...]
    metadata: Mapping[str, str]

    def params(self) -> dict[str, JsonValue]:
        """For `POST /v1/subscriptions/{id}`."""
        params: dict[str, JsonValue] = {}
        if self.discounts is not None:
            params["discounts"] = [entry.param() for entry in self.discounts]
        if self.items:
            params["items"] = [
                {"id": each.item_id, "discounts": [entry.param() for entry in each.discounts]}
                for each in self.items
            ]
        if self.metadata:
            params["metadata"] = dict(self.metadata)
        if self.discounts is not None or self.items:
            params["proration_behavior"] = "none"
        return params


@dataclass(frozen=True, slots=True)
class PhaseUpdate:
    """One phase as it is sent, and the lists in it for checking the answer."""

    start_date: int
    end_date: int
    discounts: tuple[DiscountEntry, ...]
    item_discounts: tuple[tuple[str, tuple[DiscountEntry, ...]], ...]
    """Price and list of each item, in the order of the items."""
    body: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ScheduleUpdate:
    """One write to a schedule: every current and future phase, or its metadata only."""

    target_id: str
    phases: tuple[PhaseUpdate, ...]
    metadata: Mapping[str, str]

    def params(self) -> dict[str, JsonValue]:
        """For `POST /v1/subscription_schedules/{id}`."""
        params: dict[str, JsonValue] = {}
        if self.phases:
            params["phases"] = [phase.body for phase in self.phases]
            params["proration_behavior"] = "none"
        if self.metadata:
            params["metadata"] = dict(self.metadata)
        return params


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The one request that a target needs, if any, and what becomes of every snapshot."""

    target_id: str
    request: SubscriptionUpdate | ScheduleUpdate | None
    outcomes: tuple[AttachmentOutcome, ...]
    carried: tuple[Carried, ...] = ()
    carry_later: tuple[CarryLater, ...] = ()


def made_discounts(plan: TargetPlan, after: SubscriptionState | ScheduleState) -> dict[str, str]:
    """Discount id by snapshot id, read from the answer to the plan's request.

    Those that begin with a later phase have no discount yet.
    """
    subscription = after.subscription if isinstance(after, ScheduleState) else after
    if subscription is None:
        return {}
    lists = {subscription.subscription_id: subscription.discounts}
    lists |= {item.item_id: item.discounts for item in subscription.items}
    return {
        each.snapshot_id: live.discount_id
        for each in plan.outcomes
        if each.outcome in {"attached", "adopted", "replaced"} and each.place in lists
        for live in lists[each.place]
        if live.coupon_id == each.coupon_id
    }
