"""What a load of attachments rests on: the orders at hand and what is known of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from coupon_pipeline.assets.replacements import Asked
from coupon_pipeline.domain.attachments import (
    AttachmentOutcome,
    TargetPlan,
)
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.plan import is_attachable, wanted_attachment
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.targets import (
    ScheduleState,
    SubscriptionState,
    TargetPolicy,
    TargetState,
    WantedAttachment,
    find_item,
)
from coupon_pipeline.domain.terms import Terms
from coupon_pipeline.ledger.decisions import Attachment, CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.replacements import Replacement

REFUSED = "attachment.replacement_refused"
NOT_MADE = {"took_effect": "no"}
"""Among the details of an attachment of which a proof speaks although nothing came of it."""


@dataclass(frozen=True, slots=True)
class GrantedWish:
    """A snapshot that was granted earlier, in the form of a wish, and where its order points."""

    target_id: str
    wanted: WantedAttachment


@dataclass(frozen=True, slots=True)
class Situation:
    """The selected orders, those that share a target with them, and what is known of them."""

    orders: Mapping[str, Order]
    snapshots: Mapping[str, Snapshot]
    terms: Mapping[str, DerivedCoupon | Blocked]
    coupons: Mapping[tuple[str, str], RecordedCoupon]
    decided: Mapping[str, CouponDecision]
    before: Mapping[str, Attachment]
    replacements: Sequence[Replacement]
    due_targets: frozenset[str]
    asked: Mapping[str, Asked]
    """What an operator wants replaced, by snapshot id."""

    def days(self) -> dict[str, date]:
        """Activation day by order."""
        return {order.order_id: order.activation_day for order in self.orders.values()}

    def orders_on(self, target_ids: Iterable[str]) -> dict[str, str]:
        """The orders that name one of these targets, with the name, by order id."""
        named = set(target_ids)
        return {
            order.order_id: order.target_id
            for order in self.orders.values()
            if order.target_id is not None and order.target_id in named
        }

    def granted_on(self, target_ids: Iterable[str]) -> list[GrantedWish]:
        """What was granted to the orders that name one of these targets."""
        on = self.orders_on(target_ids)
        made_from = {coupon.coupon_id: coupon.terms for coupon in self.coupons.values()}
        wishes = []
        for snapshot_id, attachment in self.before.items():
            snapshot, terms = self.snapshots[snapshot_id], self.terms[snapshot_id]
            target_id = on.get(snapshot.scope.order_id)
            if target_id is None or not attachment.granted or isinstance(terms, Blocked):
                continue
            made = made_from.get(attachment.coupon_id or "", terms.terms)
            wish = wanted_attachment(snapshot, made, attachment.coupon_id or "")
            wishes.append(GrantedWish(target_id, wish))
        return wishes

    def schedules_to_begin(self, target_ids: Iterable[str]) -> set[str]:
        """Schedules that orders on these targets were granted a discount in which began later.

        When such a schedule ended tells whether it ever did, also after the day of that phase.
        """
        on = self.orders_on(target_ids)
        return {
            row.schedule_id
            for snapshot_id, row in self.before.items()
            if row.granted and row.schedule_id is not None
            if row.discount_id is None and row.place is None
            if self.snapshots[snapshot_id].scope.order_id in on
        }

    def was_granted(self, snapshot_id: str) -> bool:
        """Whether the ledger remembers that it was attached or adopted."""
        before = self.before.get(snapshot_id)
        return before is not None and before.granted

    def targets_to_replace_on(self) -> set[str]:
        """Where an operator wants discounts replaced."""
        orders = [self.orders[each.snapshot.scope.order_id] for each in self.asked.values()]
        return {o.target_id for o in orders if o.target_id is not None and is_attachable(o)}

    def may_be_proven(self, snapshot: Snapshot) -> bool:
        """Whether an attachment may have been made that the ledger does not remember.

        Its terms are good, so it may have been attached before Stripe ended its coupon.
        """
        order = self.orders[snapshot.scope.order_id]
        return (
            snapshot.snapshot_id not in self.before
            and isinstance(self.terms[snapshot.snapshot_id], DerivedCoupon)
            and is_attachable(order)
        )

    def doubtful(self) -> dict[str, list[str]]:
        """Snapshots that are blocked but perhaps proven, by the target that their order names."""
        found: dict[str, list[str]] = {}
        for snapshot_id, snapshot in self.snapshots.items():
            target_id = self.orders[snapshot.scope.order_id].target_id
            if (
                target_id is not None
                and self.may_be_proven(snapshot)
                and isinstance(self._usable(snapshot), Blocked)
            ):
                found.setdefault(target_id, []).append(snapshot_id)
        return found

    def proven(self, snapshot_id: str) -> AttachmentOutcome:
        """The outcome of a snapshot that only the proof in Stripe remembers."""
        terms = self.terms[snapshot_id]
        return AttachmentOutcome(
            snapshot_id,
            "unchanged",
            "the proof in Stripe says it was attached before",
            coupon_id=terms.coupon_id if isinstance(terms, DerivedCoupon) else None,
        )

    def as_proven(self, snapshot_id: str) -> WantedAttachment:
        """The same as a wish, which its target's plan sends on to the phases that need it."""
        snapshot, terms = self.snapshots[snapshot_id], self.terms[snapshot_id]
        assert isinstance(terms, DerivedCoupon), "only such a snapshot is looked for"
        recorded = self.coupons.get((terms.quote_coupon_id, terms.terms_hash))
        coupon_id = recorded.coupon_id if recorded else terms.coupon_id
        return wanted_attachment(snapshot, terms.terms, coupon_id)

    def as_it_is(self, row: Attachment, state: TargetState, prefix: str) -> Attachment:
        """A grant that only the proof remembers, with the coupon that its place really has.

        That of other terms of the same quote coupon where the terms of then are not known any
        more: no order coupon was written, and the quote coupon was edited since.
        """
        snapshot = self.snapshots[row.snapshot_id]
        subscription = state.subscription if isinstance(state, ScheduleState) else state
        if not isinstance(subscription, SubscriptionState) or row.discount_id is not None:
            return row
        place, live = subscription.subscription_id, subscription.discounts
        if snapshot.scope.order_item_id is not None:
            policy = TargetPolicy(metadata_prefix=prefix)
            at = find_item(snapshot.scope.order_item_id, None, subscription.items, policy)
            if at is None:
                return row
            place, live = subscription.items[at].item_id, subscription.items[at].discounts
        ours = {
            c.coupon_id
            for c in self.coupons.values()
            if c.quote_coupon_id == snapshot.quote_coupon_id
        }
        there = next((each for each in live if each.coupon_id in ours), None)
        if there is None:
            return row
        return replace(row, coupon_id=there.coupon_id, discount_id=there.discount_id, place=place)

    def in_place(self, snapshot_id: str, derived: DerivedCoupon) -> WantedAttachment | Blocked:
        """The attachment that takes the place of a granted one, or why its coupon cannot be had."""
        coupon = self.coupons.get((derived.quote_coupon_id, derived.terms_hash))
        decided = self.decided.get(snapshot_id)
        if decided is not None and decided.code is not None:
            return Blocked(REFUSED, {"reason": decided.reason.rstrip(".")})
        if coupon is None:
            return Blocked(REFUSED, {"reason": "its Stripe coupon could not be made"})
        return wanted_attachment(self.snapshots[snapshot_id], derived.terms, coupon.coupon_id)

    def terms_attached_by(self, plans: Iterable[TargetPlan]) -> list[Terms]:
        """The terms of each discount that the plans newly attach."""
        attached = (o.snapshot_id for p in plans for o in p.outcomes if o.outcome == "attached")
        found = (self.terms.get(snapshot_id) for snapshot_id in attached)
        return [each.terms for each in found if isinstance(each, DerivedCoupon)]

    def exhausted(self, snapshot: Snapshot, coupon_id: str, left: int) -> Blocked:
        """That a coupon's redemptions go to orders that were activated earlier."""
        terms = self.terms[snapshot.snapshot_id]
        limit = 0 if isinstance(terms, Blocked) else terms.terms.max_redemptions or 0
        used = {"redeemed": str(limit), "limit": str(limit)}
        return Blocked("coupon.exhausted", {"coupon_id": coupon_id, "left": str(left), **used})

    def ready(self, snapshot: Snapshot) -> WantedAttachment | Blocked:
        """The attachment that a snapshot wants, or why its coupon cannot be used."""
        usable = self._usable(snapshot)
        if isinstance(usable, Blocked):
            return usable
        terms, coupon_id = usable
        return wanted_attachment(snapshot, terms, coupon_id)

    def _usable(self, snapshot: Snapshot) -> tuple[Terms, str] | Blocked:
        """The terms of a snapshot and its Stripe coupon's id, or why that cannot be used."""
        terms = self.terms[snapshot.snapshot_id]
        if isinstance(terms, Blocked):
            return terms
        decided = self.decided.get(snapshot.snapshot_id)
        if decided is not None and decided.code is not None:
            return Blocked(decided.code)
        coupon = self.coupons.get((terms.quote_coupon_id, terms.terms_hash))
        if coupon is None:
            return Blocked("stripe.rejected")
        return terms.terms, coupon.coupon_id
