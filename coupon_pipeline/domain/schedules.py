"""Discounts on what a subscription schedule manages: every phase, and what goes on in later ones.

An update of a schedule rewrites all current and future phases, so the plan is a whole: the current
phase with the discounts that are live on the subscription, by their ids, and the future phases as
they are, with what is new (https://docs.stripe.com/billing/subscriptions/subscription-schedules).

A coupon is named in one phase only, or a `once` would be granted and a `repeating` window begun
anew by each phase; only one for good is named in all of them. What earlier orders were granted
goes on as `carry_over` says.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from coupon_pipeline.domain.attachments import (
    AttachmentOutcome,
    Lacking,
    PhaseUpdate,
    ScheduleUpdate,
    SubscriptionUpdate,
    TargetPlan,
)
from coupon_pipeline.domain.carry_over import CarryOver, is_named_throughout
from coupon_pipeline.domain.discounts import ids_of_places, plan_subscription
from coupon_pipeline.domain.drafts import (
    Known,
    ListDraft,
    ProofDraft,
    granted_before,
    is_over,
    missing_from,
    plan_gone,
    refused,
    refused_by_currency,
    refused_by_room,
    refused_by_status,
)
from coupon_pipeline.domain.phase_runs import WHOLE_PHASE, Key, PhaseRuns, Run
from coupon_pipeline.domain.phases import phase_params, unwritable
from coupon_pipeline.domain.proof import Proof
from coupon_pipeline.domain.records import Order, OrderItem, Scope
from coupon_pipeline.domain.targets import (
    MAX_DISCOUNTS,
    DiscountEntry,
    GrantedAttachment,
    LiveDiscount,
    PhaseState,
    ScheduleState,
    SubscriptionState,
    TargetGone,
    TargetPolicy,
    TargetState,
    WantedAttachment,
    as_former,
    in_stacking_order,
)


def plan_target(
    state: TargetState,
    wanted: Sequence[WantedAttachment],
    *,
    granted: Mapping[str, GrantedAttachment],
    items: Mapping[str, OrderItem],
    orders: Mapping[str, Order],
    policy: TargetPolicy,
    now: datetime,
    not_made: AbstractSet[str] = frozenset(),
) -> TargetPlan:
    """The plan for whatever an order's Stripe id names.

    `wanted` are the snapshots of any orders on the target, `granted` what the ledger holds, by
    snapshot id; `items` and `orders` are by id; `not_made` are snapshots of which a proof may speak
    although an answer of Stripe's showed that they were not attached.
    """
    if isinstance(state, TargetGone):
        return plan_gone(state, wanted, Known.of(granted, [], [state.target_id], now))
    if isinstance(state, SubscriptionState):
        return plan_subscription(
            state,
            wanted,
            granted=granted,
            items=items,
            orders=orders,
            policy=policy,
            now=now,
            not_made=not_made,
        )
    return plan_schedule(
        state,
        wanted,
        granted=granted,
        items=items,
        orders=orders,
        policy=policy,
        now=now,
        not_made=not_made,
    )


def ids_of_grants(state: TargetState) -> list[str]:
    """Every id under which the ledger may remember what was granted on a target, and where."""
    if isinstance(state, ScheduleState):
        return _objects_and_ids(state)[1]
    return ids_of_places(state) if isinstance(state, SubscriptionState) else [state.target_id]


def is_proven(state: TargetState, snapshot_id: str, now: datetime) -> bool:
    """Whether what was written on a target says that the snapshot was attached to it."""
    if isinstance(state, TargetGone):
        return False
    objects = [state.metadata]
    if isinstance(state, ScheduleState):
        objects, _ = _objects_and_ids(state)
    return Known.of({}, objects, [], now).has(snapshot_id)


def awaits_its_phase(state: TargetState, order: Order, policy: TargetPolicy, now: datetime) -> bool:
    """Whether a phase of an order, into which discounts would go on, is still to come.

    A schedule may also be made of a plain subscription for an amendment; that it has not been when
    the amendment takes effect, a later look finds only where something has changed on the order.
    """
    if isinstance(state, ScheduleState) and state.is_open:
        runs = PhaseRuns(state, {}, {order.order_id: order}, policy, now)
        return runs.of(Scope(order.order_id, None)) == "target.no_phase_yet"
    subscription = state.subscription if isinstance(state, ScheduleState) else state
    return (
        isinstance(subscription, SubscriptionState)
        and not is_over(subscription.status)
        and order.is_amendment
        and order.effective_date is not None
        and order.effective_date >= now.date()
    )


def never_began(
    states: Iterable[TargetState], granted: Mapping[str, GrantedAttachment]
) -> frozenset[str]:
    """Snapshots whose coupon a phase named that never began, as its schedule ended before.

    No discount came of it and none will, so it is no second one that is granted in the next
    schedule (https://docs.stripe.com/billing/subscriptions/subscription-schedules).
    """
    ends: dict[str, int] = {}
    for state in states:
        if isinstance(state, ScheduleState):
            over = (*state.former, *(() if state.is_open else (as_former(state),)))
            ends |= {e.schedule_id: e.ended_at for e in over if e.ended_at is not None}
    return frozenset(
        snapshot_id
        for snapshot_id, g in granted.items()
        if not g.discount_id
        and g.carried_to
        and g.schedule_id in ends
        and ends[g.schedule_id] < min(g.carried_to)
    )


def not_taken_away(
    state: TargetState,
    granted: Mapping[str, GrantedAttachment],
    come: AbstractSet[str],
    amendments: Sequence[Order],
    policy: TargetPolicy,
    now: datetime,
) -> dict[str, GrantedAttachment]:
    """What was granted, not yet sent on to the phases of orders that have come since.

    An amendment may take over a phase that another order had. That it has nothing of what was sent
    on to the phase before it does not say that somebody took that out. `amendments` are those of
    them that name the target: a phase that no order marks is theirs by its date.
    """
    if not isinstance(state, ScheduleState):
        return dict(granted)
    taken_over = frozenset(
        phase.start_date for phase in state.phases if phase.metadata.get(policy.order_key) in come
    )
    if amendments:
        runs = PhaseRuns(state, {}, {each.order_id: each for each in amendments}, policy, now)
        taken_over |= {start for each in amendments for start in runs.own_starts(each.order_id)}
    return {
        snapshot_id: replace(g, taken_over=taken_over)
        if g.scope.order_id not in come and g.carried_in(state.schedule_id) & taken_over
        else g
        for snapshot_id, g in granted.items()
    }


def plan_schedule(
    state: ScheduleState,
    wanted: Sequence[WantedAttachment],
    *,
    granted: Mapping[str, GrantedAttachment],
    items: Mapping[str, OrderItem],
    orders: Mapping[str, Order],
    policy: TargetPolicy,
    now: datetime,
    not_made: AbstractSet[str] = frozenset(),
) -> TargetPlan:
    """One request that rewrites all open phases, or the subscription of an ended schedule.

    What was granted earlier is carried on even when nothing is wanted, so a target that has a
    `CarryLater` is planned again with what the ledger holds.
    """
    subscription = state.subscription
    known = Known.of(granted, *_objects_and_ids(state), now, not_made)
    if state.is_open:
        draft = _ScheduleDraft(state, known, PhaseRuns(state, items, orders, policy, now))
        return draft.plan(wanted, policy)
    if state.status == "canceled" or subscription is None:
        gone = TargetGone("target.ended", state.target_id, {"status": state.status})
        return plan_gone(gone, wanted, known)
    return plan_subscription(
        subscription,
        wanted,
        granted=granted,
        items=items,
        orders=orders,
        policy=policy,
        now=now,
        known=known,
    )


def lacking_in_phases(
    state: TargetState,
    *,
    granted: Mapping[str, GrantedAttachment],
    items: Mapping[str, OrderItem],
    orders: Mapping[str, Order],
    policy: TargetPolicy,
    now: datetime,
) -> list[Lacking]:
    """What was granted and ends unseen, because phases that somebody wrote since do not name it.

    A run sends on what it is to send on once; where nothing is wanted on a target afterwards, none
    looks at it again.
    """
    if not isinstance(state, ScheduleState) or not state.is_open:
        return []
    known = Known.of(granted, *_objects_and_ids(state), now)
    draft = _ScheduleDraft(state, known, PhaseRuns(state, items, orders, policy, now))
    lacking = draft.lacking()
    carried = draft.plan([], policy).carried
    sent = {(each.snapshot_id, start) for each in carried for start in each.phases}
    return [
        replace(each, goes_on={(each.snapshot_id, start) for start in each.phases} <= sent)
        for each in lacking
    ]


def unproven(state: ScheduleState) -> SubscriptionUpdate | None:
    """What a subscription lacks of its schedule's proof, which ends with the schedule.

    The metadata of a phase reaches the subscription when the phase is entered
    (https://docs.stripe.com/api/subscription_schedules/update); whether it does so too when the
    phase that is on is updated, the answer shows.
    """
    if state.status != "active" or state.subscription is None:
        return None
    proof, there = Proof.read(state.metadata), Proof.read(state.subscription.metadata)
    if not isinstance(proof, Proof) or not isinstance(there, Proof):
        return None
    missing = missing_from(state.subscription.metadata, proof.together_with(there))
    if not missing:
        return None
    return SubscriptionUpdate(state.subscription.subscription_id, None, (), missing)


def _objects_and_ids(state: ScheduleState) -> tuple[list[Mapping[str, str]], list[str]]:
    """The metadata of all that a schedule consists of or has been, and their ids."""
    objects = [state.metadata, *(each.metadata for each in state.former)]
    ids = [state.schedule_id, *(each.schedule_id for each in state.former)]
    if state.subscription:
        objects.append(state.subscription.metadata)
        ids += ids_of_places(state.subscription)
    return objects, ids


class _ScheduleDraft:
    """The lists of all open phases while attachments are carried on and decided."""

    def __init__(self, state: ScheduleState, known: Known, runs: PhaseRuns) -> None:
        self._state = state
        self._known = known
        self._runs = runs
        self._phases = runs.phases
        self._fault = _fault(state, runs)
        self._proof = ProofDraft(known, state.metadata, _copies(state, runs))
        self._lists = _lists(state, runs)
        self._over = CarryOver(state, known, runs, self._lists)

    def plan(self, wanted: Sequence[WantedAttachment], policy: TargetPolicy) -> TargetPlan:
        """First what was granted goes on, then what is new is added."""
        if not self._fault:
            self._over.send_on(self._known.records(wanted, self._state.target_id))
        outcomes = tuple(self._decide(w) for w in in_stacking_order(wanted, policy))
        return TargetPlan(
            self._state.target_id,
            self._request(),
            outcomes,
            tuple(self._over.carried),
            tuple(self._over.later),
        )

    def lacking(self) -> list[Lacking]:
        """What later phases lack of the ledger's grants.

        When a `once` is used up is told by the items, where they are those of the phase.
        """
        here = self._known.here()
        told = [g for g in here if g.duration != "once" or self._runs.matches_subscription]
        return self._over.lacking(told)

    def _decide(self, w: WantedAttachment) -> AttachmentOutcome:
        if self._known.has(w.snapshot_id):
            return self._granted(w)
        run = self._runs.of(w.scope)
        subscription = self._state.subscription
        if subscription and (
            ended := refused_by_status(w, subscription.subscription_id, subscription.status)
        ):
            return ended
        if self._fault:
            code, details = self._fault
            return refused(w, code, **details)
        if not isinstance(run, str) and self._runs.are_another_lines_too(w.scope, run):
            run = "target.item_not_found"
        if isinstance(run, str):
            item = w.scope.order_item_id or ""
            return refused(w, run, target_id=self._state.target_id, order_item_id=item)
        return (
            refused_by_currency(w, self._state.target_id, self._phases[run[0][0]].currency)
            or self._proof.refusal(w, self._state.target_id)
            or self._there_already(w, run)
            or refused_by_room(
                w, self._state.target_id, [self._lists[k] for k in self._new(w, run)]
            )
            or self._attach(w, run)
        )

    def _granted(self, w: WantedAttachment) -> AttachmentOutcome:
        record = self._known.record(w, self._state.target_id)
        run = self._runs.of_granted(record)
        if w.snapshot_id in self._over.crowded:
            before = AttachmentOutcome(
                w.snapshot_id,
                "unchanged",
                "it was attached before",
                coupon_id=w.coupon_id,
                discount_id=record.discount_id,
            )
            return self._crowded(before)
        subscription = self._state.subscription
        ended = subscription and refused_by_status(w, "", subscription.status)
        live = None if isinstance(run, str) else self._over.live_of(record, run)
        return granted_before(
            w,
            self._known,
            self._state.target_id,
            live,
            present=bool(ended)
            or (isinstance(run, str) and not self._runs.has_lost(record))
            or (
                not isinstance(run, str)
                and w.snapshot_id not in self._over.taken_away
                and (live is not None or any(self._over.awaits(record, key, run) for key in run))
            ),
        )

    def _new(self, w: WantedAttachment, run: Run) -> Run:
        """Where the coupon is named: the first phase, and for good ones the later ones too."""
        if not is_named_throughout(w):
            return run[:1]
        return run[:1] + tuple(k for k in run[1:] if not self._lists[k].find(w.coupon_id))

    def _attach(self, w: WantedAttachment, run: Run) -> AttachmentOutcome:
        keys = self._new(w, run)
        for key in keys:
            self._lists[key].grant(w)
            self._over.owners[key, w.coupon_id] = w.snapshot_id
        for key in run:
            self._lists[key].retire(w)
        self._proof.add(w.snapshot_id)
        self._over.remember(w, run)
        return AttachmentOutcome(
            w.snapshot_id,
            "attached",
            "it was not attached before",
            coupon_id=w.coupon_id,
            place=self._runs.id_of(run[0]),
            phases=tuple(self._phases[phase].start_date for phase, _ in keys),
        )

    def _there_already(self, w: WantedAttachment, run: Run) -> AttachmentOutcome | None:
        """The coupon is in the first phase: adopt it, or wait if it is ours for another order.

        So it does where the discount of another order is still to be sent on to that phase, or a
        later phase names the coupon for another order: Stripe takes a coupon once in a list, and
        what is left of the one or the other would be lost.
        """
        target_id = self._state.target_id
        if not self._lists[run[0]].find(w.coupon_id):
            is_promised = (run[0], w.coupon_id) in self._over.promised
            if not is_promised and not self._over.is_cut_short(w, run):
                return None
            return refused(w, "target.coupon_in_use", target_id=target_id, coupon_id=w.coupon_id)
        owner = self._over.owners.get((run[0], w.coupon_id))
        if owner is not None and w.duration != "forever":
            return refused(w, "target.coupon_in_use", target_id=target_id, coupon_id=w.coupon_id)
        record = self._known.record(w, target_id)
        live = self._over.live_of(record, run)
        for key in run:
            self._lists[key].retire(w)
        self._proof.add(w.snapshot_id)
        self._over.owners[run[0], w.coupon_id] = owner or w.snapshot_id
        if live:
            self._over.carry_live(record, live, run)
        else:
            self._over.spread(record, run)
        outcome = AttachmentOutcome(
            w.snapshot_id,
            "adopted",
            "the coupon is there already for another order" if owner else "it is there already",
            coupon_id=w.coupon_id,
            discount_id=live.discount_id if live else None,
            place=self._runs.id_of(run[0]),
            phases=(self._phases[run[0][0]].start_date,),
        )
        return self._crowded(outcome) if w.snapshot_id in self._over.crowded else outcome

    def _crowded(self, outcome: AttachmentOutcome) -> AttachmentOutcome:
        """A discount that is there, with the code that says that a later phase cannot have it."""
        details = {
            "target_id": self._state.target_id,
            "count": str(MAX_DISCOUNTS + 1),
            "limit": str(MAX_DISCOUNTS),
        }
        reason = f"{outcome.reason}; a later phase has no room for it"
        return replace(outcome, code="target.too_many_discounts", details=details, reason=reason)

    def _request(self) -> ScheduleUpdate | SubscriptionUpdate | None:
        changed = any(own.changed for own in self._lists.values())
        if not changed and not self._proof.added:
            return unproven(self._state)
        phases = tuple(self._sent(at, phase) for at, phase in enumerate(self._phases))
        return ScheduleUpdate(self._state.schedule_id, phases, self._proof.metadata())

    def _sent(self, at: int, phase: PhaseState) -> PhaseUpdate:
        own = self._lists[at, WHOLE_PHASE].entries
        of_items = [self._lists[at, place].entries for place in range(len(phase.items))]
        body = phase_params(phase, own, of_items)
        if metadata := self._proof.of_phase(phase.metadata):
            body["metadata"] = metadata
        return PhaseUpdate(
            phase.start_date,
            phase.end_date,
            own,
            tuple((i.price_id, each) for i, each in zip(phase.items, of_items, strict=True)),
            body,
        )


def _copies(state: ScheduleState, runs: PhaseRuns) -> list[Mapping[str, str]]:
    """The metadata of what holds the proof besides: the phases, and the subscription with them."""
    phases = [phase.metadata for phase in runs.phases]
    running = state.subscription.metadata if state.subscription else {}
    return [*phases, *({**running, **each} for each in phases)]


def _fault(state: ScheduleState, runs: PhaseRuns) -> tuple[str, dict[str, str]] | None:
    """Why the phases cannot be sent back as they are, if so."""
    details = {"target_id": state.target_id, "schedule_id": state.schedule_id}
    for phase in runs.phases:
        if beyond := unwritable(phase.body):
            reason = f"no parameter takes {', '.join(beyond)}"
            return "target.schedule_unsupported", {**details, "reason": reason}
    if not runs.matches_subscription:
        subscription = state.subscription
        target_id = subscription.subscription_id if subscription else state.target_id
        return "target.phase_mismatch", {**details, "target_id": target_id}
    return None


def _lists(state: ScheduleState, runs: PhaseRuns) -> dict[Key, ListDraft]:
    """The current phase as the subscription has it, the future ones as the schedule has them."""
    keep = runs.policy.customer_discount == "keep"
    shown = {
        (at, place): entries
        for at, phase in enumerate(runs.phases)
        for place, entries in [
            (WHOLE_PHASE, phase.discounts),
            *enumerate(item.discounts for item in phase.items),
        ]
    }
    lists = {}
    for key, planned in shown.items():
        real = runs.is_current(key) and runs.matches_subscription
        entries = tuple(map(DiscountEntry.kept, runs.live(key))) if real else planned
        reaches = key[1] == WHOLE_PHASE and _customer_reaches(state, runs, key[0])
        customer = state.customer_discount if reaches else None
        if not real and customer and _is_alone(customer, entries):
            entries = ()
        lists[key] = ListDraft(entries, customer, keep_customer=keep)
    return lists


def _is_alone(customer: LiveDiscount, entries: Sequence[DiscountEntry]) -> bool:
    """Whether a list names the customer's own discount only, as our write does to inherit it."""
    return [(each.kind, each.reference) for each in entries] == [("discount", customer.discount_id)]


def _customer_reaches(state: ScheduleState, runs: PhaseRuns, at: int) -> bool:
    """Whether a phase without discounts of its own shows the customer's.

    An explicit list ends the inheriting, so the customer's discount is named in it
    (https://docs.stripe.com/billing/subscriptions/coupons). A `once` may be used up before a
    later phase begins, and takes effect by itself once nothing hides it.
    """
    customer = state.customer_discount
    if customer is None or runs.is_current((at, WHOLE_PHASE)):
        return customer is not None
    over = customer.end is not None and customer.end <= runs.phases[at].start_date
    return not over and customer.duration != "once"
