"""Discounts that an operator wants replaced: which they are, and which coupon takes their place."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from coupon_pipeline.assets.run import Run, now
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.records import Order, OrderItem
from coupon_pipeline.domain.replacement import coupon_in_place, terms_in_place
from coupon_pipeline.domain.replacing import Place, place_of
from coupon_pipeline.domain.schedules import is_proven
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.superseded import superseded
from coupon_pipeline.domain.targets import GrantedAttachment, TargetPolicy, TargetState, time_at
from coupon_pipeline.domain.terms import Terms
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.decisions import Attachment, RecordedCoupon
from coupon_pipeline.ledger.replacements import Replacement, read_replacements
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import Job, StripeEdge
from coupon_pipeline.stripe_api.targets import read_target


def target_policy(settings: Settings) -> TargetPolicy:
    """What an operator chose about discount lists."""
    return TargetPolicy(
        stacking=settings.coupon_pipeline_stacking_order,
        customer_discount=settings.coupon_pipeline_customer_discount,
        metadata_prefix=settings.coupon_pipeline_metadata_prefix,
    )


def granted_terms(
    attachments: Mapping[str, Attachment],
    coupons: Iterable[RecordedCoupon],
    replacements: Iterable[Replacement],
) -> dict[str, Terms]:
    """The terms that discounts were granted from, by snapshot id, as far as they are known.

    A replacement counts with the terms that were asked for; its coupon may have fewer months.
    """
    by_coupon = {coupon.coupon_id: coupon.terms for coupon in coupons}
    asked = {(r.snapshot_id, r.new_coupon_id): r.terms for r in replacements}
    found = {}
    for snapshot_id, made in attachments.items():
        if made.granted and made.coupon_id is not None:
            terms = asked.get((snapshot_id, made.coupon_id), by_coupon.get(made.coupon_id))
            if terms is not None:
                found[snapshot_id] = terms
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """A discount that the operator names, and that the mapping would make otherwise today."""

    snapshot: Snapshot
    derived: DerivedCoupon
    granted: Terms


def asked_for(
    run: Run,
    orders: Mapping[str, Order],
    snapshots: Iterable[Snapshot],
    terms: Mapping[str, DerivedCoupon | Blocked],
    attachments: Mapping[str, Attachment],
    granted: Mapping[str, Terms],
) -> dict[str, Asked]:
    """The discounts to replace, by snapshot id: named, of a selected order, and superseded."""
    found = {}
    for snapshot in snapshots:
        snapshot_id = snapshot.snapshot_id
        derived, was = terms[snapshot_id], granted.get(snapshot_id)
        if was is None or not isinstance(derived, DerivedCoupon):
            continue
        if not _is_named(run, snapshot) or not run.selection.covers(
            orders[snapshot.scope.order_id]
        ):
            continue
        if superseded(snapshot, derived, attachments[snapshot_id].coupon_id or "", was):
            found[snapshot_id] = Asked(snapshot, derived, was)
    return found


def _is_named(run: Run, snapshot: Snapshot) -> bool:
    names = {
        snapshot.snapshot_id,
        snapshot.quote_coupon_id,
        snapshot.scope.order_id,
        snapshot.scope.order_item_id,
    }
    return not names.isdisjoint(run.replace_attached)


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target as it was read, and what is needed to find a scope's place on it."""

    state: TargetState
    items: Mapping[str, OrderItem]
    orders: Mapping[str, Order]
    policy: TargetPolicy
    at: datetime
    not_made: AbstractSet[str] = frozenset()
    """Snapshots of which a proof may speak although nothing came of their request."""
    come: AbstractSet[str] = frozenset()
    """Orders that no target has been planned with so far."""

    def proves(self, attachment_id: str) -> bool:
        """Whether what was written on it says that the attachment was made."""
        return attachment_id not in self.not_made and is_proven(self.state, attachment_id, self.at)

    def place(self, snapshot: Snapshot) -> Place | None:
        """Where the discounts of a snapshot are."""
        return place_of(
            snapshot.scope,
            self.state,
            items=self.items,
            orders=self.orders,
            policy=self.policy,
            now=self.at,
        )

    def in_place(self, asked: Asked, g: GrantedAttachment) -> DerivedCoupon | Blocked | None:
        """The coupon that takes the place of a discount, or why none; None without a place."""
        place = self.place(asked.snapshot)
        if place is None:
            return None
        terms = terms_in_place(
            asked.granted, asked.derived.terms, place.standing(g), int(self.at.timestamp())
        )
        return terms if isinstance(terms, Blocked) else coupon_in_place(asked.derived, terms)


def coupons_in_place(
    run: Run, ledger: Ledger, stripe: StripeEdge, settings: Settings
) -> dict[str, DerivedCoupon]:
    """The coupons that replacements need, by snapshot id; reads the targets, if any is asked for.

    What cannot be read or replaced is told when the attachments are made.
    """
    if not run.replace_attached:
        return {}
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        source.select_orders_on_same_targets(tx)
        orders = {order.order_id: order for order in source.read_orders(tx)}
        items = {item.order_item_id: item for item in source.read_items(tx)}
        snapshots = decisions.read_snapshots(tx)
        terms = decisions.read_terms(tx, snapshots)
        attachments = decisions.read_attachments(tx)
        coupons = decisions.read_coupons(tx).values()
        granted = granted_terms(attachments, coupons, read_replacements(tx))
        asked = asked_for(run, orders, snapshots, terms, attachments, granted)
        grants = decisions.read_grants(tx, [])
    named = {key: orders[each.snapshot.scope.order_id].target_id for key, each in asked.items()}
    states = _read(stripe, sorted({name for name in named.values() if name is not None}))
    found = {}
    for snapshot_id, each in asked.items():
        state = states.get(named[snapshot_id] or "")
        if state is None or snapshot_id not in grants:
            continue
        at = time_at(state, now())
        view = TargetView(state, items, orders, target_policy(settings), at)
        coupon = view.in_place(each, grants[snapshot_id])
        if isinstance(coupon, DerivedCoupon):
            found[snapshot_id] = coupon
    return found


def _read(stripe: StripeEdge, target_ids: Sequence[str]) -> dict[str, TargetState]:
    jobs = [Job(target_id, partial(read_target, stripe, target_id)) for target_id in target_ids]
    return {
        outcome.job.name: outcome.result
        for outcomes in stripe.run_all(jobs)
        for outcome in outcomes
        if outcome.result is not None
    }
