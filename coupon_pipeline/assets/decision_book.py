"""What a load of attachments rests on, and the rows and problems that come of it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from coupon_pipeline.assets.carrying_out import Written, problem_of
from coupon_pipeline.assets.replacements import Asked, granted_terms
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.domain.attachments import (
    AttachmentOutcome,
    OutcomeName,
    ScheduleUpdate,
    TargetPlan,
    made_discounts,
)
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.plan import is_attachable, wanted_attachment
from coupon_pipeline.domain.problems import Blocked, Problem
from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.schedules import unproven
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.superseded import superseded
from coupon_pipeline.domain.targets import (
    ScheduleState,
    SubscriptionState,
    TargetPolicy,
    TargetState,
    WantedAttachment,
    find_item,
)
from coupon_pipeline.domain.terms import Terms
from coupon_pipeline.domain.verification import verify_schedule, verify_subscription
from coupon_pipeline.ledger import Transaction, decisions
from coupon_pipeline.ledger.decisions import Attachment, Carry, CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.replacements import Replacement, record_replacements
from coupon_pipeline.stripe_api import Answer, StripeEdgeError
from coupon_pipeline.stripe_api.targets import parse_schedule, parse_subscription

_GRANTED = frozenset({"attached", "adopted", "replaced", "unchanged"})
REFUSED = "attachment.replacement_refused"
_MADE = frozenset({"attached", "adopted", "replaced"})


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

    def doubtful_on(self, target_ids: Collection[str]) -> list[str]:
        """Snapshots of orders that name one of these targets, blocked but perhaps proven."""
        return [
            snapshot_id
            for snapshot_id, snapshot in self.snapshots.items()
            if self.orders[snapshot.scope.order_id].target_id in target_ids
            and self.may_be_proven(snapshot)
            and isinstance(self.ready(snapshot), Blocked)
        ]

    def proven(self, snapshot_id: str) -> AttachmentOutcome:
        """The outcome of a snapshot that only the proof in Stripe remembers."""
        terms = self.terms[snapshot_id]
        return AttachmentOutcome(
            snapshot_id,
            "unchanged",
            "the proof in Stripe says it was attached before",
            coupon_id=terms.coupon_id if isinstance(terms, DerivedCoupon) else None,
        )

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
        terms = self.terms[snapshot.snapshot_id]
        if isinstance(terms, Blocked):
            return terms
        decided = self.decided.get(snapshot.snapshot_id)
        if decided is not None and decided.code is not None:
            return Blocked(decided.code)
        coupon = self.coupons.get((terms.quote_coupon_id, terms.terms_hash))
        if coupon is None:
            return Blocked("stripe.rejected")
        return wanted_attachment(snapshot, terms.terms, coupon.coupon_id)


class DecisionBook:
    """Collects the decisions of a load, by snapshot id."""

    def __init__(self, run: Run, situation: Situation) -> None:
        self._run = run
        self._situation = situation
        self.before = dict(situation.before)
        self.rows: dict[str, Attachment] = {}
        self.plans: dict[str, TargetPlan] = {}
        """By the id that the request goes to."""
        self.replaced: list[Replacement] = []
        self.replaced_earlier: list[Replacement] = []
        """By runs that the ledger does not remember."""
        self.coupons: dict[str, RecordedCoupon] = {}
        """Coupons that were found on targets and that the ledger did not know, by their id."""
        self.notes: dict[str, Problem] = {}
        """What this run alone has to say about a discount that stays as it is, by snapshot id."""
        self.staying: set[str] = set()
        """Ids of snapshots whose discount was to be replaced and cannot be."""
        self.to_prove: list[TargetPlan] = []
        """What the answers show to be still missing of a proof."""
        self.undone: set[str] = set()
        """Targets whose write was refused or not answered: what was remembered of them stays."""
        self._failures: dict[str, Problem] = {}
        self._blocked_earlier: set[str] = set()

    @property
    def run_id(self) -> str:
        """The run that decides."""
        return self._run.run_id

    def replaced_before(
        self, snapshot_id: str, coupon_id: str, terms: Terms, target_id: str
    ) -> None:
        """Only the proof in Stripe remembers that the discount is a replacement."""
        self.replaced_earlier.append(
            Replacement(
                snapshot_id, now(), None, None, coupon_id, terms, target_id, self._run.run_id
            )
        )

    def decide(self, snapshot: Snapshot, outcome: OutcomeName, why: Blocked, reason: str) -> None:
        """A decision for which no target had to be read."""
        if outcome == "blocked":
            self._blocked_earlier.add(snapshot.snapshot_id)
        order = self._situation.orders[snapshot.scope.order_id]
        self._put(
            AttachmentOutcome(
                snapshot.snapshot_id, outcome, reason, code=why.code, details=why.details
            ),
            order.target_id,
        )

    def tell(self, snapshot_id: str) -> None:
        """What blocks this snapshot is this stage's own finding."""
        self._blocked_earlier.discard(snapshot_id)

    def stays(self, snapshot_id: str, why: Blocked) -> None:
        """A discount that was to be replaced stays as it is.

        A reason that is nothing about replacements is told as the reason of this one.
        """
        snapshot = self._situation.snapshots[snapshot_id]
        problem = why.problem(
            order_id=snapshot.scope.order_id,
            order_item_id=snapshot.scope.order_item_id,
            quote_coupon_id=snapshot.quote_coupon_id,
        )
        code, details = why.code, why.details
        if not code.startswith("attachment.replacement_"):
            code, details = REFUSED, {"reason": problem.message.rstrip(".")}
        self.staying.add(snapshot_id)
        self.notes[snapshot_id] = replace(problem, code=code, details=details, effect_override=None)

    def keep(self, outcomes: Iterable[AttachmentOutcome], target_id: str) -> list[Attachment]:
        """Decisions of a plan that are now in force."""
        return [self._put(outcome, target_id) for outcome in outcomes]

    def fail(self, snapshot_ids: Iterable[str], error: StripeEdgeError, operation: str) -> None:
        """A request of one target's own went wrong; the others go on."""
        for snapshot_id in snapshot_ids:
            snapshot = self._situation.snapshots[snapshot_id]
            problem = problem_of(error, operation, snapshot)
            self._failures[snapshot_id] = problem
            pending = problem.effect.value == "pending"
            self.decide(
                snapshot,
                "pending" if pending else "blocked",
                Blocked(problem.code, problem.details),
                problem.message,
            )
            self.tell(snapshot_id)

    def record(self, tx: Transaction, batch: Sequence[Written[Answer]]) -> None:
        """Keep what came of a batch of writes, in the transaction of their outcomes."""
        kept: list[Attachment] = []
        answered: list[TargetPlan] = []
        for written in batch:
            plan = self.plans[written.write.target_id]
            if written.result is None:
                assert written.error is not None, "a write ends with an answer or an error"
                undone = [o for o in plan.outcomes if o.outcome in _MADE]
                operation = f"attaching to {plan.target_id}"
                replacing = {o.snapshot_id for o in undone if o.outcome == "replaced"}
                for snapshot_id in replacing:
                    snapshot = self._situation.snapshots[snapshot_id]
                    self.notes[snapshot_id] = problem_of(written.error, operation, snapshot)
                self.fail(
                    [o.snapshot_id for o in undone if o.snapshot_id not in replacing],
                    written.error,
                    operation,
                )
                self.keep([o for o in plan.outcomes if o not in undone], plan.target_id)
                self.undone.add(plan.target_id)
                continue
            kept += self._keep_answered(plan, written.result)
            kept += self._carried(plan)
            answered.append(plan)
        decisions.record_attachments(tx, kept)
        record_replacements(tx, self.replaced)
        decisions.record_carries(tx, [p.target_id for p in answered], self.carries(answered))

    def carries(self, plans: Iterable[TargetPlan]) -> list[Carry]:
        """What later runs have to send on."""
        return [
            Carry(
                target_id=plan.target_id,
                snapshot_id=later.snapshot_id,
                coupon_id=later.coupon_id,
                due_from=datetime.fromtimestamp(later.due_from, UTC),
                before=datetime.fromtimestamp(later.before, UTC),
                phases=later.phases,
            )
            for plan in plans
            for later in plan.carry_later
        ]

    def orders_of(self, plan: TargetPlan) -> list[str]:
        """The orders whose discounts a plan's request is about."""
        snapshots = (self._situation.snapshots.get(o.snapshot_id) for o in plan.outcomes)
        return list(dict.fromkeys(s.scope.order_id for s in snapshots if s is not None))

    def problems(self) -> list[Problem]:
        """Everything that is odd about the selected orders' discounts, told before or not.

        What blocks the coupon is told by the stage that found it.
        """
        current = {**self._situation.before, **self.rows}
        found = [
            Problem(
                row.code,
                row.details,
                order_id=snapshot.scope.order_id,
                order_item_id=snapshot.scope.order_item_id,
                quote_coupon_id=snapshot.quote_coupon_id,
            )
            for snapshot_id, snapshot in self._situation.snapshots.items()
            if (row := current.get(snapshot_id)) is not None
            and row.code is not None
            and snapshot_id not in self._blocked_earlier
        ]
        return [*found, *self.superseded().values(), *self.notes.values()]

    def superseded(self) -> dict[str, Problem]:
        """Discounts that were granted from other terms than the mapping makes now, by snapshot."""
        situation = self._situation
        coupons = [*situation.coupons.values(), *self.coupons.values()]
        attachments = {**situation.before, **self.rows}
        granted = granted_terms(attachments, coupons, self._replacements())
        found = {}
        for snapshot_id, snapshot in situation.snapshots.items():
            made = attachments.get(snapshot_id)
            if made is None or not made.granted or made.coupon_id is None:
                continue
            derived, was = situation.terms[snapshot_id], granted.get(snapshot_id)
            problem = superseded(snapshot, derived, made.coupon_id, was)
            if problem is not None:
                found[snapshot_id] = problem
        return found

    def _replacements(self) -> list[Replacement]:
        return [*self._situation.replacements, *self.replaced_earlier, *self.replaced]

    def report(self) -> StageReport:
        """Counts of all snapshots by outcome; what was granted before is unchanged."""
        report = StageReport(
            "coupon_attachments",
            preview_columns=("order", "quote coupon", "outcome", "target", "reason"),
            whole=self._run.dry_run,
        )
        replaced = {each.snapshot_id for each in self.replaced}
        superseded = self.superseded()
        for snapshot_id, snapshot in self._situation.snapshots.items():
            row = self.rows.get(snapshot_id)
            old = self._situation.before.get(snapshot_id)
            current = row or old
            if current is None:
                continue
            granted_before = old is not None and old.granted
            outcome = "unchanged" if granted_before else current.outcome
            if snapshot_id in replaced:
                outcome = "replaced"
            day = self._situation.orders[snapshot.scope.order_id].activation_day
            report.count(day, outcome)
            if snapshot_id in superseded:
                report.count(day, "superseded")
            line = (
                snapshot.scope.order_id,
                snapshot.quote_coupon_id,
                outcome,
                current.target_id,
                current.reason,
            )
            report.show(line, is_change=outcome in _MADE)
        return report

    def _put(self, outcome: AttachmentOutcome, target_id: str | None) -> Attachment:
        """The row of a decision; one that says the same as before keeps its time."""
        old = self.before.get(outcome.snapshot_id)
        granted = outcome.outcome in _GRANTED
        at = now()
        order = self._order_of(outcome.snapshot_id)
        row = Attachment(
            snapshot_id=outcome.snapshot_id,
            outcome=outcome.outcome,
            code=outcome.code,
            details=outcome.details,
            reason=outcome.reason,
            coupon_id=outcome.coupon_id,
            target_id=target_id if granted or order is None else order.target_id,
            place=outcome.place,
            discount_id=outcome.discount_id,
            phases=outcome.phases,
            attached_at=at if granted else None,
            decided_at=at,
            run_id=self._run.run_id,
        )
        if old is None and outcome.outcome == "unchanged" and order is not None:
            row = replace(row, attached_at=order.activated_at)  # the earliest that it can have been
        if outcome.outcome == "replaced" and old is not None:
            self.replaced.append(self._replacement(old, row))
        elif old is not None and old.granted:
            row = replace(
                old,
                code=outcome.code,
                details=outcome.details,
                discount_id=outcome.discount_id or old.discount_id,
            )
        elif old is not None and _says_the_same(old, row):
            row = old
        self.rows[outcome.snapshot_id] = row
        return row

    def _replacement(self, old: Attachment, new: Attachment) -> Replacement:
        derived = self._situation.terms[new.snapshot_id]
        assert isinstance(derived, DerivedCoupon), "what is replaced has other terms to be had"
        assert new.coupon_id is not None, "a replacement has a coupon"
        assert new.target_id is not None, "a replacement has a target"
        return Replacement(
            snapshot_id=new.snapshot_id,
            replaced_at=new.decided_at,
            old_coupon_id=old.coupon_id,
            old_discount_id=old.discount_id,
            new_coupon_id=new.coupon_id,
            terms=derived.terms,
            target_id=new.target_id,
            run_id=new.run_id,
        )

    def _keep_answered(self, plan: TargetPlan, answer: Answer) -> list[Attachment]:
        """Decisions as the answer shows them, with what somebody changed in between."""
        if isinstance(plan.request, ScheduleUpdate):
            after = parse_schedule(answer.body)
            differences = verify_schedule(plan.request, after)
            made = made_discounts(plan, after)
            if more := unproven(after):
                self.to_prove.append(TargetPlan(plan.target_id, more, ()))
                self.plans[more.target_id] = self.to_prove[-1]
        else:
            assert plan.request is not None, "only a plan with a request is answered"
            found = parse_subscription(answer.body)
            subscription = found.subscription if isinstance(found, ScheduleState) else found
            assert subscription is not None, "a subscription is answered with itself"
            differences = verify_subscription(plan.request, subscription)
            made = made_discounts(plan, subscription)
        outcomes = [
            replace(o, discount_id=made.get(o.snapshot_id, o.discount_id)) for o in plan.outcomes
        ]
        if differences:
            details = {
                "target_id": plan.target_id,
                "differences": "; ".join(
                    f"{d.where}: {d.sent} was sent and {d.found} is there" for d in differences
                ),
            }
            outcomes = [
                replace(o, code="target.changed_meanwhile", details=details)
                if o.outcome in _MADE
                else o
                for o in outcomes
            ]
        return self.keep(outcomes, plan.target_id)

    def _carried(self, plan: TargetPlan) -> list[Attachment]:
        rows = []
        for carried in plan.carried:
            old = self.rows.get(carried.snapshot_id) or self.before.get(carried.snapshot_id)
            if old is None:
                continue
            row = replace(
                old,
                discount_id=carried.discount_id or old.discount_id,
                phases=tuple(sorted({*old.phases, *carried.phases})),
            )
            self.rows[carried.snapshot_id] = row
            rows.append(row)
        return rows

    def _order_of(self, snapshot_id: str) -> Order | None:
        snapshot = self._situation.snapshots.get(snapshot_id)
        return None if snapshot is None else self._situation.orders[snapshot.scope.order_id]


def _says_the_same(old: Attachment, new: Attachment) -> bool:
    return (old.outcome, old.code, old.reason, old.target_id, dict(old.details)) == (
        new.outcome,
        new.code,
        new.reason,
        new.target_id,
        dict(new.details),
    )
