"""Targets from Stripe's lists: all subscriptions and schedules, 100 in a read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from coupon_pipeline.domain.proof import PROOF_KEY
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    ScheduleState,
    SubscriptionState,
    TargetState,
)
from coupon_pipeline.stripe_api.messages import JsonObject
from coupon_pipeline.stripe_api.reading import Reader
from coupon_pipeline.stripe_api.targets import (
    EXPAND_SUBSCRIPTION,
    is_schedule_id,
    later_schedule,
    parse_schedule,
    parse_subscription,
)

_EXPAND = tuple(f"data.{each}" for each in EXPAND_SUBSCRIPTION if each.count(".") <= 2)  # noqa: PLR2004 - of the four levels

_Found: TypeAlias = SubscriptionState | ScheduleState


class StripeLister(Protocol):
    """Lists subscriptions and schedules; `StripeEdge` does."""

    def list_subscriptions(self, params: Mapping[str, object]) -> Iterator[JsonObject]:
        """`GET /v1/subscriptions`, page by page."""
        ...

    def list_schedules(self, params: Mapping[str, object]) -> Iterator[JsonObject]:
        """`GET /v1/subscription_schedules`, page by page."""
        ...


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for in the lists."""

    target_ids: frozenset[str]
    """What orders name."""
    order_ids: frozenset[str]
    order_key: str
    """The metadata key by which a target says whose it is."""
    coupon_ids: frozenset[str]
    """Coupons that only the pipeline gives."""


@dataclass(frozen=True, slots=True)
class ListedTargets:
    """What the lists show, without the customers' own discounts: those lie too deep for a list."""

    by_id: dict[str, TargetState] = field(default_factory=dict)
    """The wanted ones, by the id of the subscription and of the schedule that leads to it."""
    by_order: dict[str, list[TargetState]] = field(default_factory=dict)
    """Every one whose metadata names an order that was asked for, by that order's id.

    An order may name another subscription than the one that got its discount.
    """
    others: list[TargetState] = field(default_factory=list)
    """Those that no order speaks of and that have a proof or a discount of ours all the same."""

    def states(self) -> Iterator[TargetState]:
        """All of them; one that has two names comes twice."""
        yield from self.by_id.values()
        for states in self.by_order.values():
            yield from states
        yield from self.others

    def sort(self, state: _Found, named: set[str], sought: Sought) -> None:
        """Put a target in its place, if there is one for it."""
        self.by_id.update(dict.fromkeys(named, state))
        speaks_of = _orders_of(state, sought.order_key) & sought.order_ids
        for order_id in speaks_of:
            self.by_order.setdefault(order_id, []).append(state)
        if not named and not speaks_of and _looks_like_ours(state, sought.coupon_ids):
            self.others.append(state)


def list_targets(stripe: StripeLister, sought: Sought) -> ListedTargets:
    """All targets that are sought.

    Subscriptions of a test clock are in no list (https://docs.stripe.com/api/subscriptions/list):
    what is named and not shown is left out.
    """
    listed, ended = ListedTargets(), dict[str, JsonObject]()
    for body in stripe.list_schedules(_schedules_that_matter(sought)):
        schedule_id = str(body.get("id"))
        if body.get("status") == "not_started":
            listed.sort(parse_schedule(body), {schedule_id} & sought.target_ids, sought)
        elif schedule_id in sought.target_ids:
            ended[schedule_id] = body
    left = {_left_by(body) for body in ended.values()}
    held: dict[str, _Found] = {}
    for body in stripe.list_subscriptions({"status": "all", "expand": list(_EXPAND)}):
        found, subscription_id = parse_subscription(body), str(body.get("id"))
        if subscription_id in left:
            held[subscription_id] = found
        listed.sort(found, {subscription_id, found.target_id} & sought.target_ids, sought)
    for schedule_id in ended.keys() - listed.by_id.keys():
        known = _with_subscription(ended[schedule_id], held)
        if known is not None:
            listed.by_id[schedule_id] = known
    return listed


def _schedules_that_matter(sought: Sought) -> Mapping[str, object]:
    """Filters of a list: one that manages a subscription comes with it, one that ended does not."""
    return {} if any(map(is_schedule_id, sought.target_ids)) else {"scheduled": True}


def _left_by(body: JsonObject) -> str | None:
    """The subscription that a schedule manages or left running."""
    shown = Reader(body)
    return shown.optional_text("subscription") or shown.optional_text("released_subscription")


def _with_subscription(body: JsonObject, held: Mapping[str, _Found]) -> ScheduleState | None:
    """A schedule of one list with its subscription of the other; None if that does not show it."""
    left = _left_by(body)
    if left is None:
        return parse_schedule(body)
    found = held.get(left)
    if isinstance(found, ScheduleState):
        return later_schedule(found, parse_schedule(body))
    return None if found is None else parse_schedule(body, found)


def _looks_like_ours(state: _Found, coupon_ids: frozenset[str]) -> bool:
    held = state.subscription if isinstance(state, ScheduleState) else state
    live = held.live_discounts() if held is not None else ()
    metadata = {*state.metadata, *(held.metadata if held is not None else ())}
    named = {each.coupon_id for each in live} | {each.coupon_id for each in _coming(state)}
    return PROOF_KEY in metadata or not named.isdisjoint(coupon_ids)


def _coming(state: _Found) -> Iterator[DiscountEntry]:
    """What the phases of a schedule that has not begun will discount."""
    if isinstance(state, ScheduleState) and state.status == "not_started":
        for phase in state.phases:
            yield from phase.discounts
            for item in phase.items:
                yield from item.discounts


def _orders_of(state: _Found, order_key: str) -> set[str]:
    """The orders that the metadata of a target names, at every level."""
    objects: list[Mapping[str, str]] = [state.metadata]
    if isinstance(state, ScheduleState):
        objects += [phase.metadata for phase in state.phases]
        objects += [state.subscription.metadata] if state.subscription else []
    return {each[order_key] for each in objects if order_key in each}
