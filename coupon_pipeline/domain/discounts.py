"""The algebra of discount lists on a subscription and its items.

`discounts` replaces a list as a whole, so everything there goes back by its own id, in its order,
and a coupon is named only for a grant that is new: naming it again would restart a `repeating`
window or revive a spent `once` (https://docs.stripe.com/billing/subscriptions/coupons).
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from coupon_pipeline.domain.attachments import (
    AttachmentOutcome,
    ItemUpdate,
    SubscriptionUpdate,
    TargetPlan,
)
from coupon_pipeline.domain.drafts import (
    Known,
    ListDraft,
    ProofDraft,
    granted_before,
    refused,
    refused_by_currency,
    refused_by_room,
    refused_by_status,
    seen,
)
from coupon_pipeline.domain.records import Order, OrderItem, Scope
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    GrantedAttachment,
    SubscriptionState,
    TargetPolicy,
    WantedAttachment,
    find_item,
    in_stacking_order,
    is_another_lines_too,
    is_taken_away,
    nothing_left,
)

_SUBSCRIPTION = -1
"""The place of the subscription's own list; items have their position."""


def plan_subscription(
    state: SubscriptionState,
    wanted: Sequence[WantedAttachment],
    *,
    granted: Mapping[str, GrantedAttachment],
    items: Mapping[str, OrderItem],
    policy: TargetPolicy,
    now: datetime,
    orders: Mapping[str, Order] | None = None,
    known: Known | None = None,
    not_made: AbstractSet[str] = frozenset(),
) -> TargetPlan:
    """One request for the subscription and all its items, or none when nothing must change.

    `wanted` are the snapshots of any orders on this subscription, `granted` what the ledger holds
    by snapshot id, `items` and `orders` are by id. A snapshot that is blocked stops no other.
    An adoption is proved like an attachment, so that a lost ledger cannot turn it into a second
    discount once the first is spent. `known` is given where proofs of a former schedule count too,
    and holds then what else `not_made` would say: what a proof wrongly says was granted.
    """
    if state.schedule_id is not None:
        raise ValueError(f"{state.target_id} is managed by {state.schedule_id}: plan the schedule")
    known = known or Known.of(granted, [state.metadata], ids_of_places(state), now, not_made)
    draft = _SubscriptionDraft(state, known, items, orders or {}, policy)
    draft.claim(known.records(wanted, state.target_id))
    outcomes = [draft.decide(w) for w in in_stacking_order(wanted, policy)]
    return TargetPlan(state.target_id, draft.request(), tuple(outcomes))


def ids_of_places(state: SubscriptionState) -> list[str]:
    """The ids of all that can have a discount, the subscription first, and of what they have."""
    live = (each.discount_id for each in state.live_discounts())
    return [state.subscription_id, *(item.item_id for item in state.items), *live]


class _SubscriptionDraft:
    """The lists of one subscription while its attachments are decided one by one."""

    def __init__(
        self,
        state: SubscriptionState,
        known: Known,
        items: Mapping[str, OrderItem],
        orders: Mapping[str, Order],
        policy: TargetPolicy,
    ) -> None:
        self._orders = orders
        self._state = state
        self._known = known
        self._items = items
        self._policy = policy
        self._live = {_SUBSCRIPTION: state.discounts}
        self._live |= {at: item.discounts for at, item in enumerate(state.items)}
        self._lists = {
            place: ListDraft(
                [DiscountEntry.kept(each) for each in live],
                state.customer_discount if place == _SUBSCRIPTION else None,
                keep_customer=policy.customer_discount == "keep",
            )
            for place, live in self._live.items()
        }
        self._proof = ProofDraft(known, state.metadata)
        self._ours: dict[tuple[int, str], str] = {}

    def claim(self, records: Sequence[GrantedAttachment]) -> None:
        """Mark what is there through attachments of ours."""
        for g in records:
            place = self._place(g.scope)
            if place is not None and seen(g, self._live[place]):
                self._ours[place, g.coupon_id] = g.snapshot_id

    def _place(self, scope: Scope) -> int | None:
        if scope.order_item_id is None:
            return _SUBSCRIPTION
        record = self._items.get(scope.order_item_id)
        return find_item(scope.order_item_id, record, self._state.items, self._policy)

    def _is_another_lines_too(self, scope: Scope, place: int) -> bool:
        record = self._items.get(scope.order_item_id or "")
        return place != _SUBSCRIPTION and is_another_lines_too(
            record, self._state.items[place], self._policy
        )

    def decide(self, w: WantedAttachment) -> AttachmentOutcome:
        """What becomes of one snapshot, the lists of those before it being settled."""
        state = self._state
        place = self._place(w.scope)
        if self._known.has(w.snapshot_id):
            return self._granted(w, place)
        if ended := refused_by_status(w, state.target_id, state.status):
            return ended
        if self._is_ahead(w, place):
            return refused(w, "target.no_phase_yet", target_id=state.target_id)
        if place is None or self._is_another_lines_too(w.scope, place):
            return self._no_item(w)
        own = self._lists[place]
        refusal = refused_by_currency(w, state.target_id, state.currency) or self._proof.refusal(
            w, state.target_id
        )
        if not refusal and own.find(w.coupon_id):
            return self._there_already(w, place)
        return refusal or refused_by_room(w, state.target_id, [own]) or self._attach(w, place)

    def _is_ahead(self, w: WantedAttachment, place: int | None) -> bool:
        """Whether an amendment that only its contract ties to this subscription is still to come.

        Without a schedule there is no phase of its own to wait for, only its effective date. A line
        of it has come with an item of its own; one with the same price is another order's.
        """
        order = self._orders.get(w.scope.order_id)
        if order is None or order.stripe_id is not None or self._is_own(w.scope, place):
            return False
        day = order.effective_date
        return order.is_amendment and day is not None and day > self._known.now.date()

    def _is_own(self, scope: Scope, place: int | None) -> bool:
        """Whether an item is a line's by name, or a line has nothing left to wait for."""
        if scope.order_item_id is None:
            return False
        record = self._items.get(scope.order_item_id)
        if record and nothing_left(record):
            return True
        item = None if place is None else self._state.items[place]
        return item is not None and (
            item.metadata.get(self._policy.order_item_key) == scope.order_item_id
            or (record is not None and item.item_id == record.stripe_id)
        )

    def _attach(self, w: WantedAttachment, place: int) -> AttachmentOutcome:
        self._lists[place].grant(w)
        self._proof.add(w.snapshot_id)
        self._ours[place, w.coupon_id] = w.snapshot_id
        return AttachmentOutcome(
            w.snapshot_id,
            "attached",
            "it was not attached before",
            coupon_id=w.coupon_id,
            place=self._id_of(place),
        )

    def _granted(self, w: WantedAttachment, place: int | None) -> AttachmentOutcome:
        record = self._known.record(w, self._state.target_id)
        live = seen(record, self._live[place]) if place is not None else None
        gone = refused_by_status(w, self._state.target_id, self._state.status)
        return granted_before(
            w,
            self._known,
            self._state.target_id,
            live,
            present=live is not None or place is None or gone is not None,
        )

    def _no_item(self, w: WantedAttachment) -> AttachmentOutcome:
        """A line with nothing left to bill has no item; any other line should have one."""
        order_item_id = w.scope.order_item_id or ""
        record = self._items.get(order_item_id)
        removed = record and is_taken_away(record, self._items, self._orders)
        code = "target.item_removed" if removed else "target.item_not_found"
        return refused(w, code, target_id=self._state.target_id, order_item_id=order_item_id)

    def _there_already(self, w: WantedAttachment, place: int) -> AttachmentOutcome:
        """The coupon is in the list: adopt it, or wait if it is another attachment of ours.

        Stripe takes a coupon once in a list. Two orders that both grant it for good share it; one
        that runs out is granted again when the first has run out.
        """
        owner = self._ours.get((place, w.coupon_id))
        if owner is not None and w.duration != "forever":
            return refused(
                w,
                "target.coupon_in_use",
                target_id=self._state.target_id,
                coupon_id=w.coupon_id,
            )
        live = next((d for d in self._live[place] if d.coupon_id == w.coupon_id), None)
        self._lists[place].retire(w)
        self._proof.add(w.snapshot_id)
        self._ours[place, w.coupon_id] = owner or w.snapshot_id
        return AttachmentOutcome(
            w.snapshot_id,
            "adopted",
            "the coupon is there already for another order" if owner else "it is there already",
            coupon_id=w.coupon_id,
            discount_id=live.discount_id if live else None,
            place=self._id_of(place),
        )

    def _id_of(self, place: int) -> str:
        if place == _SUBSCRIPTION:
            return self._state.subscription_id
        return self._state.items[place].item_id

    def request(self) -> SubscriptionUpdate | None:
        """The lists that change, with the proof, or None."""
        items = tuple(
            ItemUpdate(item.item_id, self._lists[at].entries)
            for at, item in enumerate(self._state.items)
            if self._lists[at].changed
        )
        own = self._lists[_SUBSCRIPTION]
        if not items and not own.changed and not self._proof.added:
            return None
        return SubscriptionUpdate(
            self._state.subscription_id,
            own.entries if own.changed else None,
            items,
            self._proof.metadata(),
        )
