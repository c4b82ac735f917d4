"""What a load of attachments decides, and the rows and problems that come of it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from coupon_pipeline.assets.carrying_out import Written, problem_of
from coupon_pipeline.assets.progress import Progress
from coupon_pipeline.assets.replacements import granted_terms
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.assets.situation import NOT_MADE, REFUSED, Situation
from coupon_pipeline.domain.attachments import (
    AttachmentOutcome,
    OutcomeName,
    ScheduleUpdate,
    TargetPlan,
    made_discounts,
)
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.problems import Blocked, Problem
from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.schedules import unproven
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.superseded import superseded
from coupon_pipeline.domain.targets import (
    ScheduleState,
)
from coupon_pipeline.domain.terms import Terms
from coupon_pipeline.domain.verification import (
    ended_with_phase,
    verify_schedule,
    verify_subscription,
    without_effect,
)
from coupon_pipeline.ledger import Transaction, decisions
from coupon_pipeline.ledger.decisions import Attachment, Carry, RecordedCoupon
from coupon_pipeline.ledger.replacements import Replacement, record_replacements
from coupon_pipeline.stripe_api import Answer, StripeEdgeError
from coupon_pipeline.stripe_api.targets import parse_schedule, parse_subscription

_OVERWRITTEN = frozenset({"target.overwritten", "target.edit_overwritten"})
"""What no later look at a target shows: it stays told."""
_GRANTED = frozenset({"attached", "adopted", "replaced", "unchanged"})
_MADE = frozenset({"attached", "adopted", "replaced"})


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
        self.never_began: frozenset[str] = frozenset()
        """Snapshots that a schedule named for later which ended before: granted, and never made."""
        self._failures: dict[str, Problem] = {}
        self._blocked_earlier: set[str] = set()

    @property
    def run_id(self) -> str:
        """The run that decides."""
        return self._run.run_id

    @property
    def progress(self) -> Progress:
        """Of that run."""
        return self._run.progress

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
                self.keep(
                    [
                        self._not_sent_on(o, written.error, plan)
                        for o in plan.outcomes
                        if o not in undone
                    ],
                    plan.target_id,
                )
                self.undone.add(plan.target_id)
                continue
            kept += self._keep_answered(plan, written.result)
            kept += self._carried(plan)
            answered.append(plan)
        decisions.record_attachments(tx, kept)
        record_replacements(tx, self.replaced)
        decisions.record_carries(tx, [p.target_id for p in answered], self.carries(answered))

    def _not_sent_on(
        self, outcome: AttachmentOutcome, error: StripeEdgeError, plan: TargetPlan
    ) -> AttachmentOutcome:
        """What was granted before, with what kept it from going on in later phases."""
        snapshot = self._situation.snapshots.get(outcome.snapshot_id)
        if snapshot is None or all(c.snapshot_id != outcome.snapshot_id for c in plan.carried):
            return outcome
        operation = f"sending a discount on in the phases of {plan.target_id}"
        problem = problem_of(error, operation, snapshot)
        return replace(outcome, code=problem.code, details=problem.details)

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

    def not_made(self) -> frozenset[str]:
        """Snapshots of which a proof may speak, and an answer showed that nothing came of it."""
        return frozenset(
            snapshot_id for snapshot_id, row in self.before.items() if _had_no_effect(row)
        )

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
            granted_before = (
                old is not None and old.granted and current.attached_at == old.attached_at
            )
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
        not_made = {} if granted or not _had_no_effect(old) else NOT_MADE
        at = now()
        order = self._order_of(outcome.snapshot_id)
        row = Attachment(
            snapshot_id=outcome.snapshot_id,
            outcome=outcome.outcome,
            code=outcome.code,
            details={**outcome.details, **not_made},
            reason=outcome.reason,
            coupon_id=outcome.coupon_id,
            target_id=target_id if granted or order is None else order.target_id,
            place=outcome.place,
            discount_id=outcome.discount_id,
            phases=outcome.phases,
            attached_at=at if granted else None,
            decided_at=at,
            run_id=self._run.run_id,
            schedule_id=target_id if outcome.phases else None,
        )
        if old is None and outcome.outcome == "unchanged" and order is not None:
            row = replace(row, attached_at=order.activated_at)  # the earliest that it can have been
        begins_anew = outcome.snapshot_id in self.never_began and outcome.outcome in _MADE
        if outcome.outcome == "replaced" and old is not None:
            self.replaced.append(self._replacement(old, row))
        elif old is not None and old.granted and not begins_anew:
            says = old if outcome.code is None and old.code in _OVERWRITTEN else outcome
            row = replace(
                old,
                code=says.code,
                details=says.details,
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
            missed = without_effect(plan, after)
            ended = ended_with_phase(plan, after)
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
            missed = ended = frozenset()
        outcomes = [
            replace(o, discount_id=made.get(o.snapshot_id, o.discount_id)) for o in plan.outcomes
        ]
        touched = {o.snapshot_id for o in plan.outcomes if o.outcome in _MADE}
        touched |= {each.snapshot_id for each in plan.carried}
        if differences:
            details = {
                "target_id": plan.target_id,
                "differences": "; ".join(
                    f"{d.where}: {d.sent} was sent and {d.found} is there" for d in differences
                ),
            }
            outcomes = [
                replace(o, code="target.changed_meanwhile", details=details)
                if o.snapshot_id in touched
                else o
                for o in outcomes
            ]
        outcomes = [
            replace(
                o,
                code="attachment.ended_with_phase",
                details={"target_id": plan.target_id, "coupon_id": o.coupon_id or ""},
            )
            if o.snapshot_id in ended
            else o
            for o in outcomes
        ]
        outcomes = [
            AttachmentOutcome(
                o.snapshot_id,
                "pending",
                "its phase was over when the request arrived",
                code="target.phase_begun",
                details={"target_id": plan.target_id, **NOT_MADE},
                coupon_id=o.coupon_id,
            )
            if o.snapshot_id in missed
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
            kept = old.phases if old.schedule_id in {None, plan.target_id} else ()
            row = replace(
                old,
                discount_id=carried.discount_id or old.discount_id,
                phases=tuple(sorted({*kept, *carried.phases})),
                schedule_id=plan.target_id,
            )
            self.rows[carried.snapshot_id] = row
            rows.append(row)
        return rows

    def _order_of(self, snapshot_id: str) -> Order | None:
        snapshot = self._situation.snapshots.get(snapshot_id)
        return None if snapshot is None else self._situation.orders[snapshot.scope.order_id]


def _had_no_effect(row: Attachment | None) -> bool:
    return row is not None and not row.granted and NOT_MADE.items() <= row.details.items()


def _says_the_same(old: Attachment, new: Attachment) -> bool:
    return (old.outcome, old.code, old.reason, old.target_id, dict(old.details)) == (
        new.outcome,
        new.code,
        new.reason,
        new.target_id,
        dict(new.details),
    )
