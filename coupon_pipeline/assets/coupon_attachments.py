"""Discounts on the subscriptions and items that the orders became."""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

from coupon_pipeline.assets.carrying_out import FAILURES, StripeWrite, carry_out
from coupon_pipeline.assets.collector import collector_paused
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.decision_book import DecisionBook
from coupon_pipeline.assets.found_again import coupons_gone
from coupon_pipeline.assets.live_money import refuse_unmeant_live_money
from coupon_pipeline.assets.overwritten_changes import WrittenFor, note_overwritten
from coupon_pipeline.assets.planning_ahead import ahead_with, orders_in, planned_ahead
from coupon_pipeline.assets.reading_targets import Target, ids_of, read_targets
from coupon_pipeline.assets.replacements import asked_for, granted_terms, target_policy
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.assets.situation import Situation
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.assets.stripe_coupons import pin_account
from coupon_pipeline.assets.target_planning import plan_targets
from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate, TargetPlan
from coupon_pipeline.domain.before import before_schedule, before_subscription
from coupon_pipeline.domain.caps import Allowance
from coupon_pipeline.domain.plan import is_attachable, is_settled, names_disagree
from coupon_pipeline.domain.planned_writes import digest_of
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.records import Order, Selection
from coupon_pipeline.domain.schedules import awaits_its_phase, is_proven
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.targets import (
    ScheduleState,
    SubscriptionState,
    TargetPolicy,
    TargetState,
    WantedAttachment,
    time_at,
    with_history_of,
)
from coupon_pipeline.ledger import Ledger, Transaction, decisions, inspection, source
from coupon_pipeline.ledger.decisions import Attachment
from coupon_pipeline.ledger.problems import note_problems
from coupon_pipeline.ledger.replacements import read_replacements, record_replacements
from coupon_pipeline.ledger.runs import read_attached_counts
from coupon_pipeline.ledger.writes import read_open_intents, settle_intents
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import Answer, StripeEdge
from coupon_pipeline.stripe_api.listed_targets import ListedTargets, Sought, list_targets
from coupon_pipeline.stripe_api.messages import SCHEDULE_UPDATE, SUBSCRIPTION_UPDATE

STAGE = "coupon_attachments"
SUBSCRIPTION, SCHEDULE = "subscription.update", "schedule.update"
_PASSING = FAILURES | {"target.changed_meanwhile", "target.too_many_discounts"}
"""What only another look at a target takes back."""


def load_attachments(
    run: Run, ledger: Ledger, stripe: StripeEdge, settings: Settings
) -> StageReport:
    """Attach what was signed and is not attached yet: one read and one write for each target.

    Some orders at a time: those that share a target, or the last redemptions of a coupon, are
    decided together. Under a rate limit they are few, so that each target is written soon after it
    was read; where a cap may end the run, as many as can be held are decided before any is written.

    Raises:
        RunStopped: more would be attached than a cap allows, or live money is not meant.
        StripeEdgeError: Stripe is down or refuses the key; what was done so far is kept.
        LedgerError: the ledger belongs to another Stripe account.
    """
    refuse_unmeant_live_money(settings, meant=run.live or run.dry_run)
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        source.select_orders_on_same_targets(tx)
        order_ids, bonds = list(source.read_order_days(tx)), source.read_bonds(tx)
        allowance = Allowance(run.caps, read_attached_counts(tx, run.run_id))
        may_be_stopped = allowance.ends_with(decisions.read_ungranted_terms(tx))
    at_most, ahead = math.inf, 0
    if not (run.dry_run or may_be_stopped):
        at_most, ahead = orders_in(stripe.limits), ahead_with(stripe.limits)
    plan = partial(_plan_portion, run, ledger, stripe, settings)
    report = StageReport(STAGE, whole=run.dry_run)
    written: deque[AbstractSet[str]] = deque(maxlen=ahead)
    written_for: dict[str, WrittenFor] = {}
    with closing(planned_ahead(plan, run.portions(order_ids, bonds, at_most), ahead)) as coming:
        for portion in coming:
            stale = portion.ids & frozenset[str]().union(*written)
            current = plan(portion.order_ids, portion.unless(stale)) if stale else portion
            report.include(_load_portion(run, ledger, stripe, current, allowance))
            written.append(current.ids_written())
            if settings.coupon_pipeline_read_events and not run.dry_run:
                written_for |= current.written_for()
    note_overwritten(run, ledger, stripe, STAGE, written_for)
    return report


@dataclass(frozen=True, slots=True)
class PlannedPortion:
    """Some orders, their targets as they were read, and what is to be done with them."""

    order_ids: Sequence[str]
    situation: Situation
    book: DecisionBook
    targets: Sequence[Target]
    plans: Sequence[TargetPlan]
    policy: TargetPolicy

    @property
    def ids(self) -> AbstractSet[str]:
        """Every id under which any of the targets is known."""
        return ids_of(self.targets)

    def ids_written(self) -> AbstractSet[str]:
        """The same of those that requests went to."""
        asked = {plan.target_id for plan in self.book.plans.values()}
        return ids_of([each for each in self.targets if each.state.target_id in asked])

    def written_for(self) -> dict[str, WrittenFor]:
        """A snapshot for each target that a request went to, by the id in the request."""
        found = {}
        for target_id, plan in self.book.plans.items():
            known = (self.situation.snapshots.get(o.snapshot_id) for o in plan.outcomes)
            snapshot = next((each for each in known if each is not None), None)
            if snapshot is not None:
                day = self.situation.orders[snapshot.scope.order_id].activation_day
                found[target_id] = WrittenFor(
                    snapshot.snapshot_id, snapshot.scope, snapshot.quote_coupon_id, day
                )
        return found

    def unless(self, stale: AbstractSet[str]) -> Mapping[str, TargetState]:
        """The targets that have none of these ids, by what the orders call them."""
        return {
            name: target.state
            for target in self.targets
            if stale.isdisjoint(target.ids)
            for name in target.named
        }


@collector_paused()
def _plan_portion(
    run: Run,
    ledger: Ledger,
    stripe: StripeEdge,
    settings: Settings,
    order_ids: Sequence[str],
    known: Mapping[str, TargetState] = MappingProxyType({}),
) -> PlannedPortion:
    situation = _read_situation(run, order_ids, ledger, live=settings.stripe().live)
    book = DecisionBook(run, situation)
    wanted = _sort_out(situation, book)
    for schedule_id in situation.schedules_to_begin(wanted):
        wanted.setdefault(schedule_id, [])
    if wanted:
        pin_account(ledger, stripe)
    targets = read_targets(stripe, wanted, situation, book, known)
    plans = plan_targets(ledger, stripe, situation, targets, settings, book)
    return PlannedPortion(order_ids, situation, book, targets, plans, target_policy(settings))


def _load_portion(
    run: Run,
    ledger: Ledger,
    stripe: StripeEdge,
    portion: PlannedPortion,
    allowance: Allowance,
) -> StageReport:
    situation, book = portion.situation, portion.book
    targets, plans = portion.targets, portion.plans
    writes = _writes(stripe, targets, plans)
    stops = StageReport(STAGE)
    run.stop(allowance.use(situation.terms_attached_by(plans)), stops)
    if not run.dry_run:
        carry_out(run, ledger, stripe, writes, book.record)
        carry_out(run, ledger, stripe, _writes(stripe, targets, book.to_prove), book.record)
    return _end_portion(run, ledger, portion, writes, stops)


@collector_paused()
def _end_portion(
    run: Run,
    ledger: Ledger,
    portion: PlannedPortion,
    writes: Sequence[StripeWrite[Answer]],
    stops: StageReport,
) -> StageReport:
    """What is left to record when the writes have ended, and what is told of all."""
    situation, book = portion.situation, portion.book
    targets, plans = portion.targets, portion.plans
    for plan in plans:
        if run.dry_run or plan.request is None:
            book.keep(plan.outcomes, plan.target_id)
    target_ids = ids_of(targets)
    left = [each for each in targets if each.state.target_id not in book.undone]
    done = ids_of(left)
    gone = coupons_gone(situation, book, [r for r in book.rows.values() if r.granted])
    with ledger.transaction() as tx:
        source.select_orders_by_id(tx, situation.orders)
        decisions.record_attachments(tx, book.rows.values())
        decisions.record_coupons(tx, [*book.coupons.values(), *gone])
        record_replacements(tx, [*book.replaced_earlier, *book.replaced])
        decisions.record_carries(
            tx, done, book.carries(plan for plan in plans if plan.target_id in done)
        )
        decisions.record_planned_orders(tx, _orders_come_to(left, situation, portion.policy))
        note_problems(tx, STAGE, book.problems(), situation.days(), now())
        settle_intents(
            tx,
            "stripe",
            [(operation, i) for i in target_ids for operation in (SUBSCRIPTION, SCHEDULE)],
            run.run_id,
            now(),
        )
    report = book.report()
    if run.dry_run:
        report.stops = stops.stops
        report.requests = [plan.request for plan in plans if plan.request is not None]
        report.writes = [e.planned(book.orders_of(book.plans[e.target_id])) for e in writes]
        report.basis = {
            f"Stripe {target.state.target_id}": digest_of(target.state) for target in targets
        }
    return report


def _orders_come_to(
    targets: Iterable[Target], situation: Situation, policy: TargetPolicy
) -> list[Order]:
    """The orders that have brought to these targets what they bring.

    One without coupons whose phase is not there yet is looked for by the next run again: what
    earlier orders were granted has to go on in that phase. An initial order that was granted its
    own has had its phase, if only in a schedule that is over.
    """
    at = now()
    granted = {
        snapshot.scope.order_id
        for snapshot_id, snapshot in situation.snapshots.items()
        if situation.was_granted(snapshot_id)
    }
    states = {target_id: target.state for target in targets for target_id in target.ids}
    return [
        order
        for order_id, named in situation.orders_on(states).items()
        for order, state in [(situation.orders[order_id], states[named])]
        if (order_id in granted and not order.is_amendment)
        or not awaits_its_phase(state, order, policy, time_at(state, at))
    ]


@dataclass(frozen=True, slots=True)
class FoundTargets:
    """The targets that a look at everything came across."""

    seen: Mapping[str, TargetState]
    """By the id that a request would name: those of the orders, and others that look like ours."""
    unread: frozenset[str]
    """Names of those that could not be read just now."""


def find_attachments(
    run: Run, ledger: Ledger, stripe: StripeEdge, settings: Settings
) -> FoundTargets:
    """What was granted earlier, as the proofs in Stripe tell it: for a ledger that is made again.

    Only that is recorded, and nothing is written to Stripe; all else is left to the next run.

    Raises:
        StripeEdgeError: Stripe is down or refuses the key.
    """
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        order_ids, bonds = list(source.read_order_days(tx)), source.read_bonds(tx)
        named = frozenset(inspection.read_targets(tx).values())
        ours = frozenset(coupon.coupon_id for coupon in decisions.read_all_coupons(tx))
    key = TargetPolicy(metadata_prefix=settings.coupon_pipeline_metadata_prefix).order_key
    listed = list_targets(stripe, Sought(named, frozenset(order_ids), key, ours))
    seen: dict[str, TargetState] = {}
    unread: set[str] = set()
    for state in listed.states():
        seen[state.target_id] = with_history_of(state, seen.get(state.target_id, state))
    for portion in run.portions(order_ids, bonds):
        found = _find_portion(run, ledger, stripe, settings, portion, listed)
        seen.update(found.seen)
        unread |= found.unread
    return FoundTargets(seen, frozenset(unread))


def _find_portion(
    run: Run,
    ledger: Ledger,
    stripe: StripeEdge,
    settings: Settings,
    order_ids: Sequence[str],
    listed: ListedTargets,
) -> FoundTargets:
    situation = _read_situation(run, order_ids, ledger, live=settings.stripe().live)
    book = DecisionBook(run, situation)
    wanted = _sort_out(situation, book)
    targets = read_targets(stripe, wanted, situation, book, listed.by_id)
    plans = plan_targets(ledger, stripe, situation, targets, settings, book)
    states = {target.state.target_id: target.state for target in targets}
    for plan in plans:
        book.keep([o for o in plan.outcomes if o.outcome == "unchanged"], plan.target_id)
    for snapshot_id, snapshot in situation.snapshots.items():
        for state in listed.by_order.get(snapshot.scope.order_id, ()):
            row = book.rows.get(snapshot_id)
            if (row is None or not row.granted) and is_proven(state, snapshot_id, now()):
                states[state.target_id] = state
                book.keep([situation.proven(snapshot_id)], state.target_id)
    granted = [
        situation.as_it_is(row, states[row.target_id], settings.coupon_pipeline_metadata_prefix)
        for row in book.rows.values()
        if row.granted and row.target_id is not None
    ]
    gone = coupons_gone(situation, book, granted)
    done = [plan for plan in plans if plan.request is None]
    target_ids = {plan.target_id for plan in done}
    left = [target for target in targets if target.state.target_id in target_ids]
    come = _orders_come_to(left, situation, target_policy(settings))
    with ledger.transaction() as tx:
        decisions.record_attachments(tx, granted)
        decisions.record_coupons(tx, [*book.coupons.values(), *gone])
        record_replacements(tx, book.replaced_earlier)
        decisions.record_carries(tx, target_ids, book.carries(done))
        decisions.record_planned_orders(tx, come)
    read = {name for target in targets for name in target.named}
    return FoundTargets(states, frozenset(wanted.keys() - read))


def targets_to_look_at(
    ledger: Ledger, settings: Settings, order_ids: Sequence[str]
) -> frozenset[str]:
    """What a load of these orders would read, by what they call it, as the ledger stands."""
    day = now().date()
    run = Run("look", Selection(day, day, tuple(order_ids)), dry_run=True)
    situation = _read_situation(run, order_ids, ledger, live=settings.stripe().live)
    return frozenset(_sort_out(situation, DecisionBook(run, situation)))


@collector_paused()
def _read_situation(run: Run, order_ids: Sequence[str], ledger: Ledger, *, live: bool) -> Situation:
    """What the ledger holds. What is due later counts as due now in test mode.

    There a test clock may be ahead of ours (https://docs.stripe.com/billing/testing/test-clocks).
    """
    until = now() if live else datetime.max.replace(tzinfo=UTC)
    with ledger.reading() as tx:
        source.select_orders_by_id(tx, order_ids)
        orders = {order.order_id: order for order in source.read_orders(tx)}
        snapshots = decisions.read_snapshots(tx)
        terms = decisions.read_terms(tx, snapshots)
        coupons = decisions.read_coupons(tx)
        before = decisions.read_attachments(tx)
        replacements = read_replacements(tx)
        granted = granted_terms(before, coupons.values(), replacements)
        return Situation(
            orders=orders,
            snapshots={snapshot.snapshot_id: snapshot for snapshot in snapshots},
            terms=terms,
            coupons=coupons,
            decided=decisions.read_coupon_decisions(tx),
            before=before,
            replacements=replacements,
            due_targets=_by_every_name(
                {
                    *decisions.read_due_targets(tx, until),
                    *_unanswered(tx, orders, before),
                    *_to_look_at_again(orders, snapshots, before),
                },
                orders,
                snapshots,
                before,
            ),
            asked=asked_for(run, orders, snapshots, terms, before, granted),
        )


def _unanswered(
    tx: Transaction, orders: Mapping[str, Order], before: Mapping[str, Attachment]
) -> set[str]:
    """Targets of these orders that a request went to and nobody knows what came of it.

    Where nothing new is wanted, nothing else would make a run look at them again.
    """
    sent = {
        intent.target_id
        for intent in read_open_intents(tx)
        if intent.operation in {SUBSCRIPTION, SCHEDULE}
    }
    named = {order.target_id for order in orders.values()}
    return {each for each in sent if each in named | {made.target_id for made in before.values()}}


def _to_look_at_again(
    orders: Mapping[str, Order],
    snapshots: Iterable[Snapshot],
    before: Mapping[str, Attachment],
) -> set[str]:
    """Targets of what was granted and is told to be otherwise than it has to be.

    Something was not as it was sent, a later phase had no room for it, or the last look failed.
    """
    named = {s.snapshot_id: orders[s.scope.order_id].target_id for s in snapshots}
    found = {
        named.get(snapshot_id)
        for snapshot_id, row in before.items()
        if row.granted and row.code in _PASSING
    }
    return {each for each in found if each is not None and not each.startswith("in_")}


def _by_every_name(
    due: AbstractSet[str],
    orders: Mapping[str, Order],
    snapshots: Iterable[Snapshot],
    before: Mapping[str, Attachment],
) -> frozenset[str]:
    """Targets with what the orders call them: what was granted there is then looked at as well."""
    granted = (
        (before[s.snapshot_id].target_id, orders[s.scope.order_id])
        for s in snapshots
        if s.snapshot_id in before
    )
    named = {o.target_id for target_id, o in granted if target_id in due and is_attachable(o)}
    return frozenset(due | {each for each in named if each is not None})


def _sort_out(situation: Situation, book: DecisionBook) -> dict[str, list[WantedAttachment]]:
    """What is wanted on which target; the rest is decided on the spot.

    What was granted earlier comes along where its target is read anyway: a discount that somebody
    took away is then seen. So does the target of one whose coupon can be used no more and of which
    the ledger knows nothing: the ledger may be new, and the proof on the target older.
    """
    wanted: dict[str, list[WantedAttachment]] = {t: [] for t in situation.due_targets}
    for snapshot in situation.snapshots.values():
        order = situation.orders[snapshot.scope.order_id]
        if is_settled(situation.before.get(snapshot.snapshot_id), order):
            continue
        ready = situation.ready(snapshot)
        if isinstance(ready, Blocked):
            book.decide(snapshot, "blocked", ready, "its coupon cannot be used")
            if situation.may_be_proven(snapshot) and order.target_id is not None:
                wanted.setdefault(order.target_id, [])
        elif order.target_id is None:
            none_yet = Blocked("target.none_yet", {"order_number": order.order_number})
            book.decide(snapshot, "pending", none_yet, "the order has no Stripe id so far")
        elif not is_attachable(order):
            invoice = Blocked("target.not_subscription", {"target_id": order.target_id})
            book.decide(snapshot, "not_applicable", invoice, "the order became an invoice")
        else:
            wanted.setdefault(order.target_id, []).append(ready)
            if names_disagree(order) and order.initial_stripe_id is not None:
                wanted.setdefault(order.initial_stripe_id, [])
    for target_id in situation.targets_to_replace_on():
        wanted.setdefault(target_id, [])
    for granted in situation.granted_on(wanted):
        wanted[granted.target_id].append(granted.wanted)
    return wanted


@collector_paused()
def _writes(
    stripe: StripeEdge, targets: Sequence[Target], plans: Sequence[TargetPlan]
) -> list[StripeWrite[Answer]]:
    """One request for each target that must change."""
    states = {target.state.target_id: target.state for target in targets}
    return [
        StripeWrite(
            operation=SCHEDULE if scheduled else SUBSCRIPTION,
            target_id=plan.request.target_id,
            params=plan.request.params(),
            before=partial(_before, states[plan.target_id], plan.request),
            send=partial(stripe.write_attachments, plan.request),
            request_id_of=_request_id,
            serial_key=plan.request.target_id,
            endpoint=(SCHEDULE_UPDATE if scheduled else SUBSCRIPTION_UPDATE).path,
        )
        for plan in plans
        if plan.request is not None
        for scheduled in [isinstance(plan.request, ScheduleUpdate)]
    ]


def _before(
    state: TargetState, request: SubscriptionUpdate | ScheduleUpdate
) -> Mapping[str, object] | None:
    """What the request replaces, as it was read."""
    if isinstance(request, ScheduleUpdate) and isinstance(state, ScheduleState):
        return before_schedule(state, request)
    held = state.subscription if isinstance(state, ScheduleState) else state
    if isinstance(request, SubscriptionUpdate) and isinstance(held, SubscriptionState):
        return before_subscription(held, request)
    return None


def _request_id(answer: Answer) -> str | None:
    return answer.request_id


@stage_asset(
    kinds={"stripe", "duckdb"},
    deps=["stripe_coupons"],
    service="stripe",
)
def coupon_attachments(run: Run, at: Connection) -> StageReport:
    """Discounts on the subscription and its items, stacked, each granted once.

    Every discount that is there is sent back by its own id, foreign ones included, and the proof
    of what was granted is written in the same request: an absent discount proves nothing.
    """
    with at.ledger.load_lock():
        return load_attachments(run, at.ledger, at.stripe, at.settings)
