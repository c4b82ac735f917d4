"""What a target would have if what the pipeline granted to an order were not on it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from coupon_pipeline.domain.phase_runs import WHOLE_PHASE, PhaseRuns
from coupon_pipeline.domain.phases import phase_params, unwritable
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    JsonValue,
    LiveDiscount,
    PhaseState,
    ScheduleState,
    SubscriptionState,
    TargetPolicy,
)


@dataclass(frozen=True, slots=True)
class OurDiscount:
    """A discount that was granted, as far as it is known what it is called in Stripe."""

    coupon_id: str | None
    discount_id: str | None
    on_item: bool
    phases: frozenset[int] = frozenset()
    """Starts of the phases that it was put on or sent on to."""
    for_good: bool = False
    """Its discount may have another id by now: each phase that names its coupon makes one."""

    def is_live(self, live: LiveDiscount) -> bool:
        """Whether it is this one of the discounts in effect."""
        if live.discount_id == self.discount_id:
            return True
        may_differ = self.for_good or self.discount_id is None
        return may_differ and live.coupon_id == self.coupon_id is not None

    def is_named(self, entry: DiscountEntry, phase: PhaseState) -> bool:
        """Whether an entry of a phase to come stands for it."""
        if entry.kind == "discount" and entry.reference == self.discount_id:
            return True
        reaches = self.for_good or phase.start_date in self.phases
        return reaches and entry.coupon_id == self.coupon_id is not None


def lists_without(
    state: SubscriptionState, ours: Collection[OurDiscount]
) -> "tuple[JsonValue | None, list[JsonValue]]":
    """What the list of a subscription and the items would be; None and no item where nothing is."""
    left = _live_left(state.discounts, ours, on_item=False)
    own: JsonValue | None = None
    if left != state.discounts:
        own = _list(map(DiscountEntry.kept, left))
    if own == "" and state.customer_discount is not None:  # nothing hides it any more
        own = [DiscountEntry.kept(state.customer_discount).param()]
    items: list[JsonValue] = []
    for item in state.items:
        left = _live_left(item.discounts, ours, on_item=True)
        if left != item.discounts:
            entries = _list(map(DiscountEntry.kept, left))
            items.append({"id": item.item_id, "discounts": entries})
    return own, items


def why_not_sent(state: ScheduleState, policy: TargetPolicy, now: datetime) -> str | None:
    """Why the phases cannot be sent as they are, if so."""
    runs = PhaseRuns(state, {}, {}, policy, now)
    if beyond := [path for phase in runs.phases for path in unwritable(phase.body)]:
        return f"no parameter takes {', '.join(beyond)}"
    if not runs.matches_subscription:
        return "the phase that is on and the subscription have different items"
    return None


def phases_without(
    state: ScheduleState, ours: Collection[OurDiscount], policy: TargetPolicy, now: datetime
) -> "list[JsonValue] | None":
    """The open phases as they would be sent; None where nothing of ours is on them."""
    runs = PhaseRuns(state, {}, {}, policy, now)
    phases: list[JsonValue] = []
    changed = False
    for at, phase in enumerate(runs.phases):
        lists = []
        shown = [phase.discounts, *(item.discounts for item in phase.items)]
        for place, planned in enumerate(shown, start=WHOLE_PHASE):
            there = [each for each in ours if each.on_item is (place != WHOLE_PHASE)]
            own = tuple(e for e in planned if not any(o.is_named(e, phase) for o in there))
            taken = own != planned
            if runs.is_current((at, place)):
                live = runs.live((at, place))
                left = tuple(d for d in live if not any(o.is_live(d) for o in there))
                own, taken = tuple(map(DiscountEntry.kept, left)), left != live
            changed |= taken
            if taken and not own and place == WHOLE_PHASE:
                own = _customer_s(state, phase)
            lists.append(own)
        phases.append(phase_params(phase, lists[0], lists[1:]))
    return phases if changed else None


def _list(entries: Iterable[DiscountEntry]) -> JsonValue:
    """As Stripe takes it; an empty text clears a list."""
    return [entry.param() for entry in entries] or ""


def _live_left(
    live: Sequence[LiveDiscount], ours: Collection[OurDiscount], *, on_item: bool
) -> tuple[LiveDiscount, ...]:
    there = [each for each in ours if each.on_item is on_item]
    return tuple(d for d in live if not any(each.is_live(d) for each in there))


def _customer_s(state: ScheduleState, phase: PhaseState) -> tuple[DiscountEntry, ...]:
    """The customer's own discount, which nothing hides any more, if the phase still sees it."""
    customer = state.customer_discount
    if customer is None or (customer.end is not None and customer.end <= phase.start_date):
        return ()
    return (DiscountEntry.kept(customer),)
