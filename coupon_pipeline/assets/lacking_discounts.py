"""Granted discounts that phases to come do not name, though no run is going to send them on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from coupon_pipeline.assets.coupon_attachments import targets_to_look_at
from coupon_pipeline.assets.replacements import target_policy
from coupon_pipeline.assets.run import now
from coupon_pipeline.domain.attachments import Lacking
from coupon_pipeline.domain.difference import LackingOn
from coupon_pipeline.domain.drafts import from_unix
from coupon_pipeline.domain.schedules import ids_of_grants, lacking_in_phases
from coupon_pipeline.domain.targets import (
    GrantedAttachment,
    ScheduleState,
    TargetState,
    time_at,
)
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.settings import Settings

_Named: TypeAlias = Mapping[str, str | None]
"""What each order names in Stripe."""


def find_lacking(
    settings: Settings,
    ledger: Ledger,
    made_again: Ledger,
    states: Iterable[TargetState],
    named: tuple[_Named, _Named],
) -> tuple[LackingOn, ...]:
    """What of the ledger's grants the schedules lack, without what it remembers to send on itself.

    `made_again` has the orders as they are today; `named` is what they name in Stripe by the ledger
    and by that. Nothing more is read of either system.
    """
    schedules = [each for each in states if isinstance(each, ScheduleState) and each.is_open]
    if not schedules:
        return ()
    with ledger.reading() as tx:
        source.select_orders_by_id(tx, ())
        granted = decisions.read_grants(
            tx, {target_id for each in schedules for target_id in ids_of_grants(each)}
        )
    by_target: dict[str, dict[str, GrantedAttachment]] = {}
    for snapshot_id, g in granted.items():
        for each in g.found_by:
            by_target.setdefault(each, {})[snapshot_id] = g
    with made_again.reading() as tx:
        source.select_orders_by_id(tx, {g.scope.order_id for g in granted.values()})
        orders = {order.order_id: order for order in source.read_orders(tx)}
        items = {item.order_item_id: item for item in source.read_items(tx)}
    found = []
    for state in schedules:
        here: dict[str, GrantedAttachment] = {}
        for target_id in ids_of_grants(state):
            here |= by_target.get(target_id, {})
        lacking = lacking_in_phases(
            state,
            granted=here,
            items=items,
            orders=orders,
            policy=target_policy(settings),
            now=time_at(state, now()),
        )
        found += _without_sending_on(settings, ledger, made_again, state, lacking, here, named)
    return tuple(found)


def _without_sending_on(
    settings: Settings,
    ledger: Ledger,
    made_again: Ledger,
    state: ScheduleState,
    lacking: Sequence[Lacking],
    granted: Mapping[str, GrantedAttachment],
    named: tuple[_Named, _Named],
) -> list[LackingOn]:
    """Those that the ledger does not send on by itself, with the order whose sync does."""
    if not lacking:
        return []
    names = frozenset(ids_of_grants(state))
    known, today = (
        _orders_as_they_are(each, [o for o, target_id in what.items() if target_id in names])
        for each, what in zip((ledger, made_again), named, strict=True)
    )
    its_orders = sorted({*known, *(g.scope.order_id for g in granted.values())})
    come = sorted(order_id for order_id in today if known.get(order_id) != today[order_id])
    looked_at = not names.isdisjoint(targets_to_look_at(ledger, settings, its_orders))
    found = []
    for each in lacking:
        synced_with = None
        if each.goes_on:
            if not names.isdisjoint(_to_carry_on(ledger, its_orders, each.phases)):
                continue
            own = granted[each.snapshot_id].scope.order_id if looked_at else None
            synced_with = come[0] if come else own
        found.append(LackingOn(state.target_id, each, synced_with))
    return found


def _orders_as_they_are(
    ledger: Ledger, order_ids: Sequence[str]
) -> dict[str, tuple[str | None, datetime]]:
    """What orders name, and when they were changed: a sync of one that has changed looks again."""
    with ledger.reading() as tx:
        source.select_orders_by_id(tx, order_ids)
        return {o.order_id: (o.target_id, o.modified_at) for o in source.read_orders(tx)}


def _to_carry_on(ledger: Ledger, order_ids: Sequence[str], phases: Sequence[int]) -> set[str]:
    """Targets on which these orders' discounts can be sent on before the first phase begins."""
    until: datetime = from_unix(min(phases))
    with ledger.reading() as tx:
        source.select_orders_by_id(tx, order_ids)
        return decisions.read_targets_to_carry_on(tx, until)
