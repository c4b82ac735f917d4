"""Reading back: whether a target is as it was sent.

Stripe has no way to make a write depend on what was read before it, so a change that comes in
between is noticed afterwards, from the answer to the write or from a later read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from coupon_pipeline.domain.attachments import (
    PhaseUpdate,
    ScheduleUpdate,
    SubscriptionUpdate,
    TargetPlan,
)
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    PhaseState,
    ScheduleState,
    SubscriptionState,
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Something on a target that is not as it was sent."""

    where: str
    sent: str
    found: str


def verify_subscription(
    sent: SubscriptionUpdate, after: SubscriptionState
) -> tuple[Difference, ...]:
    """What is not as it was sent, for a change that came in between."""
    lists = {item.item_id: item.discounts for item in after.items}
    expected = [(each.item_id, each.discounts) for each in sent.items]
    if sent.discounts is not None:
        lists[after.subscription_id] = after.discounts
        expected.append((after.subscription_id, sent.discounts))
    found = [
        difference
        for where, entries in expected
        for difference in _list_differences(
            where, entries, [DiscountEntry.kept(each) for each in lists.get(where, ())]
        )
    ]
    return (*found, *_metadata_differences(sent.metadata, after.metadata))


def verify_schedule(sent: ScheduleUpdate, after: ScheduleState) -> tuple[Difference, ...]:
    """What is not as it was sent: a phase has begun meanwhile, or somebody edited the schedule."""
    found: list[Difference] = []
    shown = {phase.start_date: phase for phase in after.phases}
    if after.current_phase and sent.phases:
        begun = after.current_phase[0]
        if begun > sent.phases[0].start_date:
            found.append(Difference("current phase", str(sent.phases[0].start_date), str(begun)))
    for phase in sent.phases:
        where = f"phase {phase.start_date}"
        there = shown.get(phase.start_date)
        if there is None:
            found.append(Difference(where, "sent", "not there"))
            continue
        found += _phase_differences(where, phase, _as_billed(there, after))
    extra = set(shown) - {phase.start_date for phase in sent.phases}
    last = sent.phases[0].start_date if sent.phases else max(extra, default=0) + 1
    found += [Difference(f"phase {at}", "not sent", "there") for at in sorted(extra) if at > last]
    return (*found, *_metadata_differences(sent.metadata, after.metadata))


def without_effect(plan: TargetPlan, after: ScheduleState) -> frozenset[str]:
    """Snapshots whose new discount the plan's request put on a phase that was over by then.

    Nothing was granted to them: the answer shows the coupon neither on the subscription nor in a
    phase that is on or to come.
    """
    if not isinstance(plan.request, ScheduleUpdate) or after.current_phase is None:
        return frozenset()
    begun = after.current_phase[0]
    named = {
        entry.coupon_id
        for phase in after.phases
        if phase.start_date >= begun
        for entries in (phase.discounts, *(item.discounts for item in phase.items))
        for entry in entries
    }
    if after.subscription is not None:
        named |= {live.coupon_id for live in after.subscription.live_discounts()}
    return frozenset(
        each.snapshot_id
        for each in plan.outcomes
        if each.outcome == "attached"
        and each.phases
        and max(each.phases) < begun
        and each.coupon_id not in named
    )


def ended_with_phase(plan: TargetPlan, after: ScheduleState) -> frozenset[str]:
    """Snapshots whose discount was to be sent on and ended with its phase before the request came.

    The phase that began took it away; naming it again does not bring it back.
    """
    if not isinstance(plan.request, ScheduleUpdate) or after.subscription is None:
        return frozenset()
    sent = plan.request.phases
    if after.current_phase is None or not sent or after.current_phase[0] <= sent[0].start_date:
        return frozenset()
    there = {live.discount_id for live in after.subscription.live_discounts()}
    return frozenset(
        each.snapshot_id
        for each in plan.carried
        if each.discount_id is not None and each.discount_id not in there
    )


def _phase_differences(where: str, phase: PhaseUpdate, there: PhaseState) -> tuple[Difference, ...]:
    found = list(_list_differences(where, phase.discounts, there.discounts))
    if there.end_date != phase.end_date:
        found.append(Difference(f"{where} end", str(phase.end_date), str(there.end_date)))
    prices = [price for price, _ in phase.item_discounts]
    if prices != [item.price_id for item in there.items]:
        shown = ", ".join(item.price_id for item in there.items)
        return (*found, Difference(f"{where} items", ", ".join(prices), shown))
    for (price, entries), item in zip(phase.item_discounts, there.items, strict=True):
        found += _list_differences(f"{where} item {price}", entries, item.discounts)
    return tuple(found)


def _as_billed(phase: PhaseState, after: ScheduleState) -> PhaseState:
    """The current phase with what the subscription really has; a future one as it is."""
    current = after.current_phase and after.current_phase[0] == phase.start_date
    if not current or after.subscription is None:
        return phase
    live = tuple(DiscountEntry.kept(each) for each in after.subscription.discounts)
    return replace(phase, discounts=live)


def _metadata_differences(
    sent: Mapping[str, str], found: Mapping[str, str]
) -> tuple[Difference, ...]:
    return tuple(
        Difference(f"metadata {key}", value, found.get(key, ""))
        for key, value in sent.items()
        if found.get(key) != value
    )


def _list_differences(
    where: str, sent: Sequence[DiscountEntry], found: Sequence[DiscountEntry]
) -> tuple[Difference, ...]:
    """How a list that was read back differs.

    A coupon has become a discount, and the customer's own may have become another one.
    """
    same = len(sent) == len(found) and all(_is_same(s, f) for s, f in zip(sent, found, strict=True))
    return () if same else (Difference(where, _shown(sent), _shown(found)),)


def _is_same(sent: DiscountEntry, found: DiscountEntry) -> bool:
    other_form = sent.kind != found.kind or sent.inherited
    return sent.reference == found.reference or (other_form and sent.coupon_id == found.coupon_id)


def _shown(entries: Sequence[DiscountEntry]) -> str:
    return ", ".join(f"{each.kind} {each.reference}" for each in entries) or "none"
