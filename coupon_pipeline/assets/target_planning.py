"""The plans of all targets at hand: what is granted, and what takes the place of what."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from coupon_pipeline.assets.collector import collector_paused
from coupon_pipeline.assets.decision_book import DecisionBook
from coupon_pipeline.assets.found_again import FoundAgain
from coupon_pipeline.assets.reading_targets import Target, ids_of
from coupon_pipeline.assets.replacements import TargetView, target_policy
from coupon_pipeline.assets.run import now
from coupon_pipeline.assets.situation import Situation
from coupon_pipeline.domain.attachments import TargetPlan
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.drafts import seen
from coupon_pipeline.domain.plan import beyond_the_limit
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.replacing import Replacing, plan_with_replacements
from coupon_pipeline.domain.schedules import (
    ids_of_grants,
    is_proven,
    never_began,
    not_taken_away,
    plan_target,
)
from coupon_pipeline.domain.targets import (
    GrantedAttachment,
    WantedAttachment,
    time_at,
)
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdge


@collector_paused()
def plan_targets(
    ledger: Ledger,
    stripe: StripeEdge,
    situation: Situation,
    targets: Sequence[Target],
    settings: Settings,
    book: DecisionBook,
) -> list[TargetPlan]:
    """The pure plan of every target, with all that was granted there by whichever order."""
    orders = dict(situation.orders)
    with ledger.reading() as tx:
        source.select_orders_by_id(tx, orders)
        places = {each for target in targets for each in ids_of_grants(target.state)}
        granted = decisions.read_grants(tx, ids_of(targets) | places)
        items = {item.order_item_id: item for item in source.read_items(tx)}
        come = decisions.read_orders_never_planned(tx)
        others = {g.scope.order_id for g in granted.values()} - orders.keys()
        if others:
            source.select_orders_by_id(tx, others)
            orders |= {order.order_id: order for order in source.read_orders(tx)}
            items |= {item.order_item_id: item for item in source.read_items(tx)}
            book.before.update(decisions.read_attachments(tx))
    book.never_began = never_began([target.state for target in targets], granted)
    granted = {key: g for key, g in granted.items() if key not in book.never_began}
    at, policy = now(), target_policy(settings)
    not_made = book.not_made() | book.never_began
    views = {
        target.state.target_id: TargetView(
            target.state, items, orders, policy, time_at(target.state, at), not_made, come
        )
        for target in targets
    }
    doubtful = situation.doubtful()
    for target in targets:
        for snapshot_id in (each for name in target.named for each in doubtful.get(name, ())):
            if is_proven(target.state, snapshot_id, at):
                book.keep([situation.proven(snapshot_id)], target.state.target_id)
                target.wanted.append(situation.as_proven(snapshot_id))
            elif _may_be_adopted(situation, snapshot_id, views[target.state.target_id], granted):
                target.wanted.append(situation.as_proven(snapshot_id))
    again = FoundAgain(situation, book, views)
    granted = again.replaced(granted)
    wishes = again.known_by_proof(
        stripe, {target.state.target_id: target.wanted for target in targets}, granted
    )
    for target in targets:
        target.wanted = wishes[target.state.target_id]
    plan = partial(_plan_all, situation, book, granted, views)
    plans = plan(targets)
    beyond = _beyond_the_limit(ledger, situation, targets, plans, book)
    if beyond:
        for target in targets:
            target.wanted = [
                w
                for w in target.wanted
                if w.snapshot_id not in beyond or w.snapshot_id in book.staying
            ]
        plans = plan(targets)
    book.plans = {plan.request.target_id: plan for plan in plans if plan.request is not None}
    return plans


def _may_be_adopted(
    situation: Situation,
    snapshot_id: str,
    view: TargetView,
    granted: Mapping[str, GrantedAttachment],
) -> bool:
    """Whether what is wanted is there already, so that it needs nothing of its ended coupon.

    One of another order's that runs out is no grant of this one.
    """
    place = view.place(situation.snapshots[snapshot_id])
    wish = situation.as_proven(snapshot_id)
    there = [d for d in place.live if d.coupon_id == wish.coupon_id] if place else []
    return bool(there) and (
        wish.duration == "forever" or not any(seen(g, there) for g in granted.values())
    )


def _plan_all(
    situation: Situation,
    book: DecisionBook,
    granted: Mapping[str, GrantedAttachment],
    views: Mapping[str, TargetView],
    targets: Sequence[Target],
) -> list[TargetPlan]:
    plans = []
    grants = _Grants(granted)
    amendments = _amendments_come(situation, views)
    for target in targets:
        view = views[target.state.target_id]

        def planned(
            wanted: Sequence[WantedAttachment],
            held: Mapping[str, GrantedAttachment],
            view: TargetView = view,
        ) -> TargetPlan:
            return plan_target(
                view.state,
                wanted,
                granted=held,
                items=view.items,
                orders=view.orders,
                policy=view.policy,
                now=view.at,
                not_made=view.not_made,
            )

        replacing = _replacing(situation, book, granted, view, target)
        held = grants.concerning(target, replacing)
        plan, refused = plan_with_replacements(
            planned,
            target.wanted,
            not_taken_away(
                view.state,
                held,
                view.come,
                [each for name in target.named for each in amendments.get(name, ())],
                view.policy,
                view.at,
            ),
            replacing,
        )
        for snapshot_id, outcome in refused.items():
            book.stays(snapshot_id, Blocked(outcome.code or "stripe.rejected", outcome.details))
        plans.append(plan)
    return plans


def _amendments_come(
    situation: Situation, views: Mapping[str, TargetView]
) -> dict[str, list[Order]]:
    """Amendments that have come since their targets were planned, by what they call them."""
    come = frozenset[str]().union(*{view.come for view in views.values()})
    found: dict[str, list[Order]] = {}
    for order in situation.orders.values():
        if order.is_amendment and order.order_id in come and order.target_id is not None:
            found.setdefault(order.target_id, []).append(order)
    return found


class _Grants:
    """What was granted, found by target: each plan looks at its own few, not at all of them."""

    def __init__(self, granted: Mapping[str, GrantedAttachment]) -> None:
        self._granted = granted
        self._places = {snapshot_id: place for place, snapshot_id in enumerate(granted)}
        self._by_target: dict[str, list[str]] = {}
        for snapshot_id, g in granted.items():
            for each in g.found_by:
                self._by_target.setdefault(each, []).append(snapshot_id)

    def concerning(
        self, target: Target, replacing: Mapping[str, Replacing]
    ) -> dict[str, GrantedAttachment]:
        """What the target holds, and wherever it is what is wanted or to be replaced there."""
        target_ids = {*ids_of_grants(target.state), *(r.old.target_id for r in replacing.values())}
        found = {w.snapshot_id for w in target.wanted} | replacing.keys()
        found &= self._granted.keys()
        found.update(key for each in target_ids for key in self._by_target.get(each, ()))
        return {key: self._granted[key] for key in sorted(found, key=self._places.__getitem__)}


def _replacing(
    situation: Situation,
    book: DecisionBook,
    granted: Mapping[str, GrantedAttachment],
    view: TargetView,
    target: Target,
) -> dict[str, Replacing]:
    """What an operator wants replaced on a target, with what takes its place."""
    found = {}
    for snapshot_id, asked in situation.asked.items():
        order, old = situation.orders[asked.snapshot.scope.order_id], granted.get(snapshot_id)
        if order.target_id not in target.named or old is None or snapshot_id in book.staying:
            continue
        coupon = view.in_place(asked, old)
        if isinstance(coupon, DerivedCoupon):
            new = situation.in_place(snapshot_id, coupon)
            if isinstance(new, WantedAttachment):
                place = view.place(asked.snapshot)
                live = None if place is None else place.standing(old).live
                found[snapshot_id] = Replacing(old, live, new)
            else:
                book.stays(snapshot_id, new)
        elif coupon is not None:
            book.stays(snapshot_id, coupon)
    return found


def _beyond_the_limit(
    ledger: Ledger,
    situation: Situation,
    targets: Sequence[Target],
    plans: Sequence[TargetPlan],
    book: DecisionBook,
) -> frozenset[str]:
    """Snapshots for which `max_redemptions` leaves nothing; they are decided here."""
    outcomes = [outcome for plan in plans for outcome in plan.outcomes]
    attached = {o.snapshot_id for o in outcomes if o.outcome == "attached"}
    wishes = {w.snapshot_id: w for target in targets for w in target.wanted}
    wanted = [w for snapshot_id, w in wishes.items() if snapshot_id in attached]
    replacing = {o.snapshot_id: o.coupon_id or "" for o in outcomes if o.outcome == "replaced"}
    wanted += [replace(wishes[key], coupon_id=new) for key, new in replacing.items()]
    left = {
        w.coupon_id: decided.redemptions_left
        for w in wanted
        if (decided := situation.decided.get(w.snapshot_id)) is not None
        and decided.redemptions_left is not None
    }
    if left:
        with ledger.reading() as tx:
            promised = decisions.read_promised(tx, left, now(), book.never_began)
        left = {coupon_id: number - promised[coupon_id] for coupon_id, number in left.items()}
    beyond = beyond_the_limit(wanted, left)
    for w in wanted:
        if w.snapshot_id in beyond:
            snapshot = situation.snapshots[w.snapshot_id]
            exhausted = situation.exhausted(snapshot, w.coupon_id, left[w.coupon_id])
            if w.snapshot_id in replacing:
                book.stays(w.snapshot_id, exhausted)
                continue
            book.decide(snapshot, "blocked", exhausted, "the coupon is used up by earlier orders")
            book.tell(w.snapshot_id)
    return beyond
