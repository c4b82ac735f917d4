"""What a plan does, order by order, told from the copy of the ledger on which it was decided."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.terms import terms_in_words
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.decisions import Attachment, CouponDecision
from coupon_pipeline.ledger.problems import NotedProblem, read_selected_problems

Verb: TypeAlias = Literal["create", "reuse", "adopt", "update", "attach", "write", "wait", "block"]


@dataclass(frozen=True, slots=True)
class PlannedAction:
    """One thing that is done, or why it is not."""

    verb: Verb
    subject: str
    """What is made, changed or blocked, in words; it holds text from Salesforce."""
    reason: str
    differences: tuple[str, ...] = ()
    """Where something is new although something like it exists: the fields that differ."""
    quote_coupon_id: str | None = None
    order_item_id: str | None = None
    stripe_id: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """What is done for one order."""

    order_id: str
    order_number: str
    activated_at: datetime
    target_id: str | None
    actions: tuple[PlannedAction, ...]

    def as_json(self) -> dict[str, object]:
        """For `--json` and the plan file."""
        return {**asdict(self), "activated_at": self.activated_at.isoformat()}


def plans_of_orders(
    run: Run, ledger: Ledger, stages: Iterable[StageReport]
) -> tuple[OrderPlan, ...]:
    """The orders of a plan for which something is done, waits or is blocked, oldest first."""
    writes: defaultdict[str, list[PlannedWrite]] = defaultdict(list)
    for write in (write for stage in stages for write in stage.writes):
        for order_id in write.order_ids:
            writes[order_id].append(write)
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        source.select_orders_on_same_targets(tx)
        orders = source.read_orders(tx)
        snapshots = decisions.read_snapshots(tx)
        told = _Told(
            run.run_id,
            decisions.read_terms(tx, snapshots),
            decisions.read_coupon_decisions(tx),
            decisions.read_attachments(tx),
            {},
        )
        for problem in read_selected_problems(tx):
            told.problems.setdefault(problem.order_id or "", []).append(problem)
    by_order: defaultdict[str, list[Snapshot]] = defaultdict(list)
    for snapshot in snapshots:
        by_order[snapshot.scope.order_id].append(snapshot)
    plans = (
        _plan(order, by_order[order.order_id], writes[order.order_id], told) for order in orders
    )
    return tuple(plan for plan in plans if plan.actions)


@dataclass(frozen=True, slots=True)
class _Told:
    run_id: str
    terms: Mapping[str, DerivedCoupon | Blocked]
    decided: Mapping[str, CouponDecision]
    attachments: Mapping[str, Attachment]
    problems: dict[str, list[NotedProblem]]


def _plan(
    order: Order, snapshots: Sequence[Snapshot], writes: Sequence[PlannedWrite], told: _Told
) -> OrderPlan:
    actions: list[PlannedAction] = []
    updated = {w.target_id for w in writes if w.operation == "coupon.update"}
    for snapshot in snapshots:
        actions += _coupon_actions(snapshot, told, updated)
        actions += _attachment_actions(snapshot, told)
    attached = {a.stripe_id for a in actions if a.verb == "attach"}
    actions += _target_actions(writes, attached, told, snapshots)
    actions += [_record_action(write) for write in writes if write.system == "salesforce"]
    actions += [_problem_action(p) for p in told.problems.get(order.order_id, ()) if _is_shown(p)]
    return OrderPlan(
        order.order_id, order.order_number, order.activated_at, order.stripe_id, tuple(actions)
    )


def _coupon_actions(snapshot: Snapshot, told: _Told, updated: set[str]) -> Iterable[PlannedAction]:
    decided, derived = told.decided.get(snapshot.snapshot_id), told.terms[snapshot.snapshot_id]
    made = told.attachments.get(snapshot.snapshot_id)
    if decided is None or isinstance(derived, Blocked) or decided.coupon_id is None:
        return
    verbs: Mapping[str, Verb] = {"create": "create", "reuse": "reuse", "adopt": "adopt"}
    verb = verbs[decided.decision]
    is_new = decided.run_id == told.run_id and (made is None or made.run_id == told.run_id)
    subject = f"coupon {decided.coupon_id}: {terms_in_words(derived.terms)}"
    action = PlannedAction(
        verb,
        subject,
        decided.reason,
        decided.differences,
        quote_coupon_id=snapshot.quote_coupon_id,
        order_item_id=snapshot.scope.order_item_id,
        stripe_id=decided.coupon_id,
    )
    if is_new:
        yield action
    if decided.coupon_id in updated and verb != "create":
        yield replace(action, verb="update", reason="its metadata is brought up to date")


def _attachment_actions(snapshot: Snapshot, told: _Told) -> Iterable[PlannedAction]:
    made, derived = told.attachments.get(snapshot.snapshot_id), told.terms[snapshot.snapshot_id]
    if made is None or made.run_id != told.run_id or isinstance(derived, Blocked):
        return
    if made.outcome not in {"attached", "adopted"}:
        return
    place = made.place or made.target_id or ""
    where = f" from phase {made.phases[0]} on" if made.phases and made.place is None else ""
    yield PlannedAction(
        "attach" if made.outcome == "attached" else "adopt",
        f"discount of {terms_in_words(derived.terms)} on {place}{where}",
        made.reason,
        quote_coupon_id=snapshot.quote_coupon_id,
        order_item_id=snapshot.scope.order_item_id,
        stripe_id=made.target_id,
        code=made.code,
    )


def _target_actions(
    writes: Sequence[PlannedWrite],
    attached: set[str | None],
    told: _Told,
    snapshots: Sequence[Snapshot],
) -> Iterable[PlannedAction]:
    """Requests to a target on which nothing new is granted to this order."""
    mine = {
        told.attachments[s.snapshot_id].target_id
        for s in snapshots
        if s.snapshot_id in told.attachments
    }
    for write in writes:
        if write.operation not in {"subscription.update", "schedule.update"}:
            continue
        if attached & {*mine, write.target_id}:
            continue
        yield PlannedAction(
            "update",
            f"{write.target_id}",
            "what was granted is written down or goes on into later phases",
            stripe_id=write.target_id,
        )


def _record_action(write: PlannedWrite) -> PlannedAction:
    subjects = {
        "stripe_id.update": "Stripe_ID__c of",
        "order_coupon.create": "the missing order coupon of snapshot",
        "sync_record.upsert": "sync record",
    }
    return PlannedAction("write", f"{subjects[write.operation]} {write.target_id}", "in Salesforce")


def _is_shown(problem: NotedProblem) -> bool:
    return problem.effect in {"blocked", "pending"}


def _problem_action(problem: NotedProblem) -> PlannedAction:
    return PlannedAction(
        "block" if problem.effect == "blocked" else "wait",
        problem.message,
        problem.fix,
        quote_coupon_id=problem.quote_coupon_id,
        order_item_id=problem.order_item_id,
        code=problem.code,
    )
