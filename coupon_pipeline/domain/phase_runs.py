"""Which phases, and which of their items, belong to an order or an order item.

A run is the chain of places that an attachment reaches: the first is where it is granted, the
later ones are where it goes on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from coupon_pipeline.domain.drafts import from_unix, seen, unix
from coupon_pipeline.domain.records import Order, OrderItem, Scope
from coupon_pipeline.domain.targets import (
    GrantedAttachment,
    LiveDiscount,
    PhaseItemState,
    PhaseState,
    ScheduleState,
    SubscriptionItemState,
    TargetPolicy,
    find_item,
    is_another_lines_too,
    is_taken_away,
    nothing_left,
    only_unnamed,
)

WHOLE_PHASE = -1
"""The place of a phase's own list; its items have their position."""

Key: TypeAlias = tuple[int, int]
"""An open phase by its position, and the place in it."""

Run: TypeAlias = tuple[Key, ...]


class PhaseRuns:
    """The open phases of a schedule, and where in them something belongs."""

    def __init__(
        self,
        state: ScheduleState,
        items: Mapping[str, OrderItem],
        orders: Mapping[str, Order],
        policy: TargetPolicy,
        now: datetime,
    ) -> None:
        self.policy = policy
        self.phases = state.open_phases(unix(now))
        self._all_phases = state.phases
        self._schedule_id = state.schedule_id
        self._now = unix(now)
        self._items = items
        self._orders = orders
        self._active = state.status == "active"
        self._subscription = state.subscription
        self._current_items = self._matched() if self._active else ()

    @property
    def matches_subscription(self) -> bool:
        """Whether the current phase and the subscription have the same items.

        They differ after an edit beside the schedule. The live discounts of an item that cannot
        be told apart could then be lost or granted again.
        """
        return self._current_items is not None

    def _matched(self) -> tuple[SubscriptionItemState, ...] | None:
        """The subscription's items in the order of the current phase's, with the metadata of both.

        The phase's was merged into the item's when the phase began.
        """
        if self._subscription is None or not self.phases:
            return None
        left = list(self._subscription.items)
        matched = []
        for item in self.phases[0].items:
            same = [each for each in left if each.price_id == item.price_id]
            if len(same) > 1:
                key = self.policy.order_item_key
                same = [e for e in same if e.metadata.get(key) == item.metadata.get(key)]
            if len(same) != 1:
                return None
            matched.append(replace(same[0], metadata={**item.metadata, **same[0].metadata}))
            left.remove(same[0])
        return None if left else tuple(matched)

    def is_current(self, key: Key) -> bool:
        """Whether the place is in the phase that is on now."""
        return self._active and key[0] == 0

    def live(self, key: Key) -> tuple[LiveDiscount, ...]:
        """The discounts in effect at a place of the current phase."""
        if key[1] == WHOLE_PHASE:
            return self._subscription.discounts if self._subscription else ()
        return self._current_items[key[1]].discounts if self._current_items else ()

    def id_of(self, key: Key) -> str | None:
        """The subscription or item that a place of the current phase stands for."""
        if not self.is_current(key) or not self._subscription or not self._current_items:
            return None
        if key[1] == WHOLE_PHASE:
            return self._subscription.subscription_id
        return self._current_items[key[1]].item_id

    def of(self, scope: Scope) -> Run | str:
        """The run of a scope, or the code that says why it has none."""
        if scope.order_item_id is not None:
            return self._of_item(scope.order_id, scope.order_item_id)
        first = self._first_phase(scope.order_id)
        if first is None:
            return "target.no_phase_yet"
        return tuple(
            (at, WHOLE_PHASE) for at, phase in enumerate(self.phases) if phase.start_date >= first
        )

    def of_granted(self, g: GrantedAttachment) -> Run | str:
        """The run of what was granted: what is in effect goes on, whatever the phases say.

        A schedule that was made anew of a subscription has no phases of the orders before, or later
        ones only, and the item of a line may be called an amendment's by now. What has not begun
        yet stays in the phase that it was put on, though that is another order's now.
        """
        run, now = self.of(g.scope), (0, WHOLE_PHASE)
        if g.scope.order_item_id is not None:
            is_sought = isinstance(run, str) and self.is_current(now)
            return (is_sought and self._of_item_with(g.discount_id)) or run
        is_before = isinstance(run, str) or (g.discount_id is not None and run[0] != now)
        if is_before and self.is_current(now) and seen(g, self.live(now)):
            return tuple((at, WHOLE_PHASE) for at in range(len(self.phases)))
        first = self.awaited_in(g)
        if first is not None and (isinstance(run, str) or run[0][0] > first):
            return tuple((at, WHOLE_PHASE) for at in range(first, len(self.phases)))
        return run

    def has_lost(self, g: GrantedAttachment) -> bool:
        """Whether the phase to come that names the coupon, for an order's all, is there no more."""
        put_on = g.carried_in(self._schedule_id)
        return (
            g.scope.order_item_id is None
            and g.discount_id is None
            and bool(put_on)
            and min(put_on) > self._now
            and not any(e.coupon_id == g.coupon_id for p in self.phases for e in p.discounts)
        )

    def awaited_in(self, g: GrantedAttachment) -> int | None:
        """The phase to come that it was put on, where no discount has come of it so far."""
        if g.discount_id is not None:
            return None
        put_on = min(g.carried_in(self._schedule_id), default=None)
        starts = [phase.start_date for phase in self.phases]
        at = starts.index(put_on) if put_on in starts else None
        return None if at is None or self.is_current((at, WHOLE_PHASE)) else at

    def _of_item_with(self, discount_id: str | None) -> Run:
        """The item that has a discount, and what the later phases call the same."""
        items = self._current_items or ()
        first = (i for i in items if any(d.discount_id == discount_id for d in i.discounts))
        item = next(first, None)
        if item is None:
            return ()
        key, run = self.policy.order_item_key, [(0, items.index(item))]
        for at, phase in enumerate(self.phases[1:], start=1):
            same = [
                place
                for place, each in enumerate(phase.items)
                if each.price_id == item.price_id
                and each.metadata.get(key) == item.metadata.get(key)
            ]
            run += [(at, place) for place in same if len(same) == 1]
        return tuple(run)

    def _first_phase(self, order_id: str) -> int | None:
        """When the order's first phase starts, past ones included.

        By the metadata that the order sync writes; of the current phase also by the
        subscription's, because a schedule that was made from a subscription does not copy it. An
        unmarked phase belongs to the initial order or, if it starts on the effective date of an
        amendment, to that amendment.
        """
        return next(iter(self.own_starts(order_id)), None)

    def own_starts(self, order_id: str) -> list[int]:
        """When the phases that are the order's own start."""
        marks = [self._mark(phase) for phase in self._all_phases]
        marked = [p for p, mark in zip(self._all_phases, marks, strict=True) if mark == order_id]
        unmarked = [p for p, mark in zip(self._all_phases, marks, strict=True) if mark is None]
        order = self._orders.get(order_id)
        if not marked and order and order.is_amendment:
            day = order.effective_date
            unmarked = [p for p in unmarked if from_unix(p.start_date).date() == day]
        return [phase.start_date for phase in marked or unmarked]

    def _mark(self, phase: PhaseState) -> str | None:
        mark = phase.metadata.get(self.policy.order_key)
        is_current = self._active and bool(self.phases) and phase is self.phases[0]
        if mark is None and is_current and self._subscription is not None:
            return self._subscription.metadata.get(self.policy.order_key)
        return mark

    def _of_item(self, order_id: str, order_item_id: str) -> Run | str:
        """By metadata in any phase; only where no phase has it, by item id or unique price.

        Before an amendment has its phase, an item with the price of its line is another order's.
        """
        record = self._items.get(order_item_id)
        run = self._found(order_item_id, None, 0)
        if run:
            return run
        key = self.policy.order_item_key
        if any(i.metadata.get(key) == order_item_id for p in self._all_phases for i in p.items):
            return "target.item_removed"
        if record and nothing_left(record):
            return "target.item_removed"
        first, order = self._first_phase(order_id), self._orders.get(order_id)
        if first is None and order and order.is_amendment:
            return "target.no_phase_yet"
        if run := self._found(order_item_id, record, first or 0):
            return run
        removed = record and is_taken_away(record, self._items, self._orders)
        return "target.item_removed" if removed else "target.item_not_found"

    def are_another_lines_too(self, scope: Scope, run: Run) -> bool:
        """Whether a place of an order item's run may be that of another line of its order."""
        record = self._items.get(scope.order_item_id or "")
        return scope.order_item_id is not None and any(
            is_another_lines_too(record, self._items_of(at)[place], self.policy)
            for at, place in run
        )

    def _items_of(self, at: int) -> Sequence[SubscriptionItemState | PhaseItemState]:
        return self._current_items if at == 0 and self._current_items else self.phases[at].items

    def _found(self, order_item_id: str, record: OrderItem | None, first: int) -> Run:
        """Where a line is, in phases from `first` on.

        A phase that somebody else made may not say which line an item is. The line goes on as the
        only item with its price there, unless that is said to be another line, or the order has
        another line with that price.
        """
        run: list[Key] = []
        price: str | None = None
        is_alone = (line := self._items.get(order_item_id)) is None or not line.price_is_shared
        for at, phase in enumerate(self.phases):
            if phase.start_date < first:
                continue
            items = self._items_of(at)
            place = find_item(order_item_id, record, items, self.policy)
            if place is None and price is not None:
                place = only_unnamed(price, items, self.policy)
            if place is not None:
                run.append((at, place))
                price = items[place].price_id if is_alone else None
        return tuple(run)

    def unbroken(self, run: Run) -> Run:
        """Its places up to the first phase that is without the line: with it, its discounts end."""
        return tuple(key for number, key in enumerate(run) if key[0] == run[0][0] + number)

    def beginning_before(self, end: int, keys: Run) -> Run:
        """The places in phases that start before a time."""
        return tuple(key for key in keys if self.phases[key[0]].start_date < end)

    def before_next_invoice(self, run: Run) -> Run:
        """The later places that begin before an unspent `once` discount is used up.

        It is used up by the next invoice, which the end of the current period makes, or the start
        of a phase that bills at once. A phase that starts exactly then bills with its own list.
        """
        next_invoice = self._next_invoice(run[0][1])
        reached: list[Key] = []
        for key in run[1:]:
            phase: PhaseState = self.phases[key[0]]
            if next_invoice is not None and phase.start_date > next_invoice:
                break
            reached.append(key)
            if phase.bills_at_start or next_invoice is None:
                break
        return tuple(reached)

    def _next_invoice(self, place: int) -> int | None:
        items = self._current_items or ()
        chosen = items if place == WHOLE_PHASE else items[place : place + 1]
        return min((i.current_period_end for i in chosen if i.current_period_end), default=None)
