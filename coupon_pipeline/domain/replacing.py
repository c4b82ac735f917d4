"""A plan in which discounts of ours make room for others in their place.

A replacement is a discount of its own, made in the request that takes the older one away. So it
needs the older one to be there, and cannot be made twice: what is used up or was taken away is not
granted again. It has a proof of its own; that of the older attachment stays.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from coupon_pipeline.domain.attachments import AttachmentOutcome, TargetPlan
from coupon_pipeline.domain.billing_dates import BillingDates
from coupon_pipeline.domain.drafts import seen
from coupon_pipeline.domain.phase_runs import WHOLE_PHASE, PhaseRuns
from coupon_pipeline.domain.records import Order, OrderItem, Scope
from coupon_pipeline.domain.replacement import Standing
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    GrantedAttachment,
    LiveDiscount,
    PhaseState,
    ScheduleState,
    TakenPlace,
    TargetGone,
    TargetPolicy,
    TargetState,
    WantedAttachment,
    find_item,
)


def replacement_id(snapshot_id: str, new_coupon_id: str) -> str:
    """What the proof knows the attachment by that takes the place of a snapshot's own."""
    return f"{snapshot_id}~{new_coupon_id}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where on a target the discounts of a scope are."""

    live: tuple[LiveDiscount, ...]
    """Those in effect there."""
    coming: tuple[DiscountEntry, ...]
    """What the phase names there that the scope begins with, if it has not begun."""
    dates: BillingDates

    def standing(self, g: GrantedAttachment) -> Standing:
        """How a discount that was granted here stands."""
        awaited = any(_names(entry, g) for entry in self.coming)
        return Standing(seen(g, self.live), awaited, self.dates)


def place_of(
    scope: Scope,
    state: TargetState,
    *,
    items: Mapping[str, OrderItem],
    orders: Mapping[str, Order],
    policy: TargetPolicy,
    now: datetime,
) -> Place | None:
    """Where the discounts of a scope are; None where it has no place on the target any more."""
    if isinstance(state, TargetGone):
        return None
    if isinstance(state, ScheduleState) and state.status in {"active", "not_started"}:
        return _on_schedule(scope, state, PhaseRuns(state, items, orders, policy, now))
    subscription = state.subscription if isinstance(state, ScheduleState) else state
    if subscription is None:
        return None
    if scope.order_item_id is None:
        return Place(subscription.discounts, (), BillingDates(subscription.items))
    record = items.get(scope.order_item_id)
    at = find_item(scope.order_item_id, record, subscription.items, policy)
    if at is None:
        return None
    item = subscription.items[at]
    return Place(item.discounts, (), BillingDates([item]))


def _on_schedule(scope: Scope, state: ScheduleState, runs: PhaseRuns) -> Place | None:
    run = runs.of(scope)
    if isinstance(run, str):
        return None
    first = run[0]
    begun = runs.is_current(first)
    billed = state.subscription.items if state.subscription else ()
    place = runs.id_of(first)
    return Place(
        runs.live(first) if begun else (),
        () if begun else _entries(runs.phases[first[0]], first[1]),
        BillingDates(
            [item for item in billed if item.item_id == place] or billed,
            _other_rhythm_from(runs.phases),
        ),
    )


def _entries(phase: PhaseState, place: int) -> tuple[DiscountEntry, ...]:
    return phase.discounts if place == WHOLE_PHASE else phase.items[place].discounts


def _names(entry: DiscountEntry, g: GrantedAttachment) -> bool:
    return entry.kind == "coupon" and entry.coupon_id == g.coupon_id


def _other_rhythm_from(phases: Sequence[PhaseState]) -> int | None:
    """When a later phase begins that bills at its start, or other prices than the one before."""
    for before, phase in pairwise(phases):
        prices = [item.price_id for item in phase.items]
        if phase.bills_at_start or prices != [item.price_id for item in before.items]:
            return phase.start_date
    return None


@dataclass(frozen=True, slots=True)
class Replacing:
    """A discount that is to take the place of another."""

    old: GrantedAttachment
    live: LiveDiscount | None
    new: WantedAttachment
    """Under the id of the snapshot; its coupon, duration and months are the new ones."""


def plan_with_replacements(
    plan: Callable[[Sequence[WantedAttachment], Mapping[str, GrantedAttachment]], TargetPlan],
    wanted: Sequence[WantedAttachment],
    granted: Mapping[str, GrantedAttachment],
    replacing: Mapping[str, Replacing],
) -> tuple[TargetPlan, dict[str, AttachmentOutcome]]:
    """The plan of one target in which discounts of ours make room for others.

    `plan` plans the target for what is wanted and granted. While it does, an older discount counts
    as somebody else's and stays where it is until the new one takes its place. A replacement that
    the target refuses is left out and told in the second value, by snapshot id.
    """
    if not replacing:
        return plan(wanted, granted), {}
    refused: dict[str, AttachmentOutcome] = {}
    while True:
        agreed = _agreed(replacing, granted, refused)
        old = agreed.keys()
        planned = plan(
            [w for w in wanted if w.snapshot_id not in old]
            + [_as_new(each) for each in agreed.values()],
            {**granted, **{key: _proved_only(granted[key]) for key in old & granted.keys()}},
        )
        back = {_id_of(each): key for key, each in agreed.items()}
        failed = {
            back[o.snapshot_id]: o
            for o in planned.outcomes
            if o.snapshot_id in back and o.outcome not in {"attached", "adopted"}
        }
        if not failed:
            return _renamed(planned, agreed, back), refused
        refused |= failed


def _agreed(
    replacing: Mapping[str, Replacing],
    granted: Mapping[str, GrantedAttachment],
    refused: dict[str, AttachmentOutcome],
) -> dict[str, Replacing]:
    """Those that can be replaced together: a discount that two orders share, for both or none."""
    agreed = {key: each for key, each in replacing.items() if key not in refused}
    for key, each in list(agreed.items()):
        for other_id in _sharers(each, granted):
            other = agreed.get(other_id)
            if other is None or other.new.coupon_id != each.new.coupon_id:
                refused[key] = AttachmentOutcome(
                    key,
                    "unchanged",
                    "another order has a share in the discount",
                    "attachment.replacement_shared",
                    {"other_order_id": granted[other_id].scope.order_id},
                    each.old.coupon_id,
                )
                return _agreed(replacing, granted, refused)
    return agreed


def _sharers(each: Replacing, granted: Mapping[str, GrantedAttachment]) -> list[str]:
    """Other snapshots whose discount this very one is."""
    old = each.old
    return [
        key
        for key, g in granted.items()
        if key != old.snapshot_id
        and g.scope.order_item_id == old.scope.order_item_id
        and (
            (g.discount_id is not None and g.discount_id == old.discount_id)
            or (
                g.target_id == old.target_id
                and old.duration == "forever"
                and g.coupon_id == old.coupon_id
            )
        )
    ]


def _proved_only(g: GrantedAttachment) -> GrantedAttachment:
    """The record of what makes room: still proved, and no longer looked for anywhere."""
    return replace(g, coupon_id="", duration="once", months=None, discount_id=None)


def _id_of(each: Replacing) -> str:
    return replacement_id(each.old.snapshot_id, each.new.coupon_id)


def _as_new(each: Replacing) -> WantedAttachment:
    named = each.old.coupon_id if each.live is None or each.old.duration == "forever" else None
    taken = TakenPlace(each.live.discount_id if each.live else None, named)
    return replace(each.new, snapshot_id=_id_of(each), takes=taken)


def _renamed(
    planned: TargetPlan, agreed: Mapping[str, Replacing], back: Mapping[str, str]
) -> TargetPlan:
    """The plan in terms of snapshots: what is proved under another id is the snapshot's."""

    def outcome(o: AttachmentOutcome) -> AttachmentOutcome:
        snapshot_id = back.get(o.snapshot_id)
        if snapshot_id is None:
            return o
        old = agreed[snapshot_id]
        discount = f" ({old.live.discount_id})" if old.live else ""
        return replace(
            o,
            snapshot_id=snapshot_id,
            outcome="replaced",
            reason=f"it takes the place of the discount from {old.old.coupon_id}{discount}",
        )

    return replace(
        planned,
        outcomes=tuple(map(outcome, planned.outcomes)),
        carried=tuple(
            replace(c, snapshot_id=back.get(c.snapshot_id, c.snapshot_id)) for c in planned.carried
        ),
        carry_later=tuple(
            replace(c, snapshot_id=back.get(c.snapshot_id, c.snapshot_id))
            for c in planned.carry_later
        ),
    )


def replaced_already(
    g: GrantedAttachment,
    place: Place,
    coupons: Collection[str],
    proves: Callable[[str], bool],
) -> tuple[str, LiveDiscount | None] | None:
    """The coupon that a request without answer put in place of this discount, if it did.

    `coupons` are the other ones of the same quote coupon that the ledger knows and that nobody
    replaced before, `proves` tells whether the proof on the target has an id. The new discount
    may be used up by now.
    """
    if seen(g, place.live) is not None:
        return None
    proven = [c for c in coupons if proves(replacement_id(g.snapshot_id, c))]
    for live in place.live:
        if live.coupon_id is not None and live.coupon_id in proven:
            return live.coupon_id, live
    return (proven[0], None) if len(proven) == 1 else None
