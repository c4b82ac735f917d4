"""Actions on Stripe coupons -> writes, and what comes of them -> rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from coupon_pipeline.assets.carrying_out import (
    StripeWrite,
    Written,
    problem_of,
)
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.domain.caps import exceeded_by_coupons
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.problems import Effect, Problem
from coupon_pipeline.domain.records import Scope
from coupon_pipeline.domain.reuse import (
    CouponAction,
    CouponPlanner,
    KnownCoupon,
    Reading,
    StripeCoupon,
)
from coupon_pipeline.domain.terms import parameters
from coupon_pipeline.domain.wanted import CouponKey, WantedCoupon
from coupon_pipeline.ledger import Transaction, decisions
from coupon_pipeline.ledger.decisions import CouponDecision, RecordedCoupon
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import CouponWritten, StripeEdge, StripeEdgeError, StripeRejected
from coupon_pipeline.stripe_api.messages import COUPON_CREATE, COUPON_UPDATE

STAGE = "stripe_coupons"
CREATE, UPDATE = "coupon.create", "coupon.update"


@dataclass(frozen=True, slots=True)
class CouponNeed:
    """What is kept of a snapshot that uses a coupon: a run may have hundreds of thousands."""

    snapshot_id: str
    scope: Scope
    quote_coupon_id: str
    is_open: bool
    """Whether its discount is still to be made: it was not granted so far, and can be."""


@dataclass(frozen=True, slots=True)
class CouponSituation:
    """What decisions about the selected orders' coupons rest on."""

    days: Mapping[str, date]
    """Activation day by order."""
    needs: Mapping[CouponKey, Sequence[CouponNeed]]
    """By quote coupon and terms hash, in the order of activation."""
    wanted: Sequence[WantedCoupon]
    known: Sequence[KnownCoupon]
    perhaps_granted: frozenset[str]
    in_place: frozenset[str]
    """Ids of snapshots whose discount is to be replaced."""


class CouponMaking:
    """Turns actions into writes, and what comes of them into rows."""

    def __init__(
        self,
        run: Run,
        mapping: CouponMapping,
        situation: CouponSituation,
        planner: CouponPlanner,
        settings: Settings,
        actions: dict[tuple[str, str], CouponAction],
        readings: Mapping[str, Reading],
    ) -> None:
        self._run = run
        self._mapping = mapping
        self._situation = situation
        self._planner = planner
        self._settings = settings
        self._actions = actions
        self._readings = readings
        self._wanted = {each.key: each for each in situation.wanted}
        self._updated: set[tuple[str, str]] = set()
        self.errors: dict[tuple[str, str], StripeEdgeError] = {}
        self.answered: set[str] = set()
        """Coupons that Stripe has shown in answer to a write."""

    def planned(self) -> list[RecordedCoupon]:
        """The coupons as they would be recorded, for a plan."""
        self._updated = {a.key for a in self._actions.values() if a.decision == "update"}
        return [self._recorded(a) for a in self._actions.values() if a.decision != "blocked"]

    def found(self) -> list[RecordedCoupon]:
        """Coupons that Stripe has just as they shall be, so that no write tells of them.

        A ledger that was lost learns them again in this way.
        """
        known = {each.key: dict(each.metadata) for each in self._situation.known}
        return [
            self._recorded(action)
            for action in self._actions.values()
            if action.decision in {"reuse", "adopt"}
            and not action.metadata_changes
            and known.get(action.key) != dict(action.metadata)
        ]

    def creations(self, stripe: StripeEdge) -> list[StripeWrite[CouponWritten]]:
        """The coupons to make."""
        return [
            StripeWrite(
                operation=CREATE,
                target_id=action.coupon_id,
                params={**parameters(action.terms), "metadata": dict(action.metadata)},
                before=lambda: None,
                send=partial(stripe.create_coupon, action.coupon_id, action.terms, action.metadata),
                request_id_of=_request_id,
                endpoint=COUPON_CREATE.path,
            )
            for action in self._actions.values()
            if action.decision == "create"
        ]

    def updates(self, stripe: StripeEdge) -> list[StripeWrite[CouponWritten]]:
        """The metadata to bring up to date, on coupons of ours and on adopted ones."""
        return [
            StripeWrite(
                operation=UPDATE,
                target_id=action.coupon_id,
                params={"metadata": dict(action.metadata_changes)},
                before=partial(self._before, action),
                send=partial(
                    stripe.update_coupon_metadata, action.coupon_id, dict(action.metadata_changes)
                ),
                request_id_of=_request_id,
                endpoint=COUPON_UPDATE.path,
            )
            for action in self._actions.values()
            if action.decision in {"update", "adopt"} and action.metadata_changes
        ]

    def _before(self, action: CouponAction) -> Mapping[str, object]:
        """The keys that change, as they were read or, where nobody read them, last written."""
        reading = self._readings.get(action.coupon_id)
        known = next((k.metadata for k in self._situation.known if k.key == action.key), {})
        held = reading.metadata if isinstance(reading, StripeCoupon) else known
        return {"metadata": {key: held.get(key) for key in action.metadata_changes}}

    def beyond_a_cap(self) -> Problem | None:
        """Why nothing may be made, if more would be than a cap allows."""
        usable = [action for action in self._actions.values() if action.decision != "blocked"]
        return exceeded_by_coupons(
            self._run.caps,
            sum(action.decision == "create" for action in usable),
            [a.terms for a in usable if self._wanted[a.key].new_attachments],
        )

    def order_ids(self) -> dict[str, list[str]]:
        """The orders at hand that each coupon is for, by coupon id."""
        found: dict[str, dict[str, None]] = {}
        for action in self._actions.values():
            orders = found.setdefault(action.coupon_id, {})
            orders |= dict.fromkeys(s.scope.order_id for s in self._open(action.key))
        return {coupon_id: list(orders) for coupon_id, orders in found.items()}

    def record(self, tx: Transaction, batch: Sequence[Written[CouponWritten]]) -> None:
        """Keep the coupons of a batch; a create that found its id taken is decided again."""
        keep = []
        for written in batch:
            action = self._action_of(written.write)
            if written.error is not None:
                self.errors[action.key] = written.error
                if written.write.operation == UPDATE and _is_missing(written.error):
                    keep.append(self._recorded(action))  # or each run would try it again
                continue
            assert written.result is not None, "a write without an error has a result"
            self.answered.add(action.coupon_id)
            if written.write.operation == CREATE and written.result.was_there:
                action = self._planner.after_conflict(
                    self._wanted[action.key], written.result.coupon
                )
                self._actions[action.key] = action
            if written.write.operation == UPDATE:
                self._updated.add(action.key)
            if action.decision != "blocked":
                keep.append(self._recorded(action))
        decisions.record_coupons(tx, keep)

    def decisions(self) -> Iterator[CouponDecision]:
        """The decision on each snapshot; those that have their discount keep theirs."""
        at = now()
        return (
            CouponDecision(
                snapshot_id=need.snapshot_id,
                decision=self._decision(action, number),
                coupon_id=None if action.blocked else action.coupon_id,
                code=action.blocked.code if action.blocked else None,
                reason=self._reason(action, number),
                differences=tuple(
                    f"{near.coupon_id}: {difference}"
                    for near in action.near_matches
                    for difference in near.differences
                ),
                redemptions_left=action.redemptions_left,
                decided_at=at,
                run_id=self._run.run_id,
            )
            for action in self._actions.values()
            if self._wanted[action.key].new_attachments and action.key not in self.errors
            for number, need in enumerate(self._open(action.key))
        )

    def problems(self) -> list[Problem]:
        """One for each snapshot whose coupon cannot be had.

        That of a replacement blocks nothing, because the discount stays; what became of its coupon
        in Stripe is told where the attachments are made.
        """
        found: list[Problem] = []
        for key in self._situation.needs:
            error, action = self.errors.get(key), self._actions.get(key)
            for need in self._open(key):
                in_place = need.snapshot_id in self._situation.in_place
                if error is not None:
                    problem = problem_of(error, "making the coupon", need)
                    if in_place and problem.effect is Effect.BLOCKED:
                        problem = replace(problem, effect_override=Effect.WARNING)
                    found.append(problem)
                elif action is not None and action.blocked is not None and not in_place:
                    found.append(
                        action.blocked.problem(
                            order_id=need.scope.order_id,
                            order_item_id=need.scope.order_item_id,
                            quote_coupon_id=need.quote_coupon_id,
                        )
                    )
        return found

    def report(self) -> StageReport:
        """Counts by the day of each coupon's first order at hand."""
        report = StageReport(
            STAGE,
            preview_columns=("quote coupon", "decision", "Stripe coupon", "reason"),
            whole=self._run.dry_run,
        )
        for key in self._not_made():
            for need in self._open(key):
                report.count(self._situation.days[need.scope.order_id], "not_made")
        for action in self._actions.values():
            if action.key in self._not_made():
                continue
            first = self._situation.needs[action.key][0]
            day = self._situation.days[first.scope.order_id]
            report.count(
                day,
                {
                    "create": "created",
                    "reuse": "reused",
                    "adopt": "adopted",
                    "update": "reused",
                    "blocked": "blocked",
                }[action.decision],
            )
            if action.key in self._updated:
                report.count(day, "updated")
            row = (action.quote_coupon_id, action.decision, action.coupon_id, action.reason)
            report.show(row, is_change=action.decision in {"create", "adopt", "update"})
        return report

    def _not_made(self) -> set[tuple[str, str]]:
        """Coupons that there is nothing of to attach, because Stripe refused or was away."""
        return self.errors.keys() - {known.key for known in self._situation.known}

    def _action_of(self, write: StripeWrite[CouponWritten]) -> CouponAction:
        return next(a for a in self._actions.values() if a.coupon_id == write.target_id)

    def _open(self, key: CouponKey) -> list[CouponNeed]:
        """The snapshots of a coupon whose discount is still to be made.

        What becomes of the coupon later does not concern those that have their discount.
        """
        return [need for need in self._situation.needs[key] if need.is_open]

    def _decision(self, action: CouponAction, number: int) -> str:
        """The first order makes or adopts the coupon, the others reuse it."""
        if action.decision == "update" or (number and action.decision in {"create", "adopt"}):
            return "reuse"
        return action.decision

    def _reason(self, action: CouponAction, number: int) -> str:
        if number and action.decision in {"create", "adopt"}:
            first = self._wanted[action.key].first_order_id
            return f"Order {first} has the same coupon with the same terms."
        return action.reason

    def _recorded(self, action: CouponAction) -> RecordedCoupon:
        earlier = next((k for k in self._situation.known if k.key == action.key), None)
        recorded = RecordedCoupon(
            quote_coupon_id=action.quote_coupon_id,
            terms_hash=action.terms_hash,
            coupon_id=action.coupon_id,
            origin="adopted" if action.decision == "adopt" else "created",
            reason=action.reason,
            terms=action.terms,
            metadata=action.metadata,
            mapping_hash=self._mapping.mapping_hash,
            first_order_id=self._wanted[action.key].first_order_id,
            recorded_at=now(),
            run_id=self._run.run_id,
        )
        if earlier is None:
            return recorded
        return replace(
            recorded,
            origin=earlier.origin,
            first_order_id=earlier.first_order_id,
            recorded_at=earlier.recorded_at,
        )


def _request_id(written: CouponWritten) -> str | None:
    return written.request_id


def _is_missing(error: StripeEdgeError) -> bool:
    return isinstance(error, StripeRejected) and error.is_missing
