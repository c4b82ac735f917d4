"""The targets of a load as they are in Stripe, each read once whatever the orders call it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from coupon_pipeline.assets.carrying_out import Outages
from coupon_pipeline.assets.decision_book import DecisionBook
from coupon_pipeline.assets.situation import Situation
from coupon_pipeline.domain.plan import names_disagree
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.targets import (
    ScheduleState,
    TargetState,
    WantedAttachment,
    with_history_of,
)
from coupon_pipeline.stripe_api import Job, StripeEdge, StripeEdgeError
from coupon_pipeline.stripe_api.targets import endpoint_of, is_schedule_id, read_target
from coupon_pipeline.stripe_api.workers import Outcome


@dataclass(slots=True)
class Target:
    """One thing in Stripe with all that is wanted on it, whatever id the orders call it by."""

    state: TargetState
    named: set[str] = field(default_factory=set)
    wanted: list[WantedAttachment] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        """Every id under which it is known."""
        ids = {*self.named, self.state.target_id}
        if isinstance(self.state, ScheduleState) and self.state.subscription is not None:
            ids.add(self.state.subscription.subscription_id)
        return ids


def read_targets(
    stripe: StripeEdge,
    wanted: Mapping[str, Sequence[WantedAttachment]],
    situation: Situation,
    book: DecisionBook,
    known: Mapping[str, TargetState] = MappingProxyType({}),
) -> list[Target]:
    """The targets by id; two names of the same one become one.

    Those in `known` have been read already. Of the others, schedules are read first: the answer
    holds the subscription that a schedule manages, which other orders may name.

    Raises:
        StripeEdgeError: Stripe is down or refuses the key.
    """
    reading = _Reading(wanted, book)
    for name in sorted(wanted.keys() & known.keys()):
        reading.take(name, known[name])
    outages = Outages()
    for names in (
        sorted(filter(is_schedule_id, wanted)),
        sorted(name for name in wanted if not is_schedule_id(name)),
    ):
        jobs = [
            Job(name, partial(read_target, stripe, name), endpoint=endpoint_of(name))
            for name in names
            if name not in known and not reading.knows(name)
        ]
        book.progress.expect("targets read", len(jobs))
        read: list[Outcome[TargetState]] = []
        for outcomes in stripe.run_all(jobs):
            book.progress.advance("targets read", len(outcomes))
            read += outcomes
        for outcome in read:  # when no thread that reads waits for this one to let it go on
            outages.judge(outcome.error)
            if outcome.error is not None:
                reading.fail(outcome.job.name, outcome.error)
            else:
                assert outcome.result is not None, "a read ends with a state or an error"
                reading.take(outcome.job.name, outcome.result)
    outages.raise_if_nothing_was_answered()
    reading.set_conflicts_apart(situation)
    return [reading.targets[target_id] for target_id in sorted(reading.targets)]


class _Reading:
    def __init__(
        self, wanted: Mapping[str, Sequence[WantedAttachment]], book: DecisionBook
    ) -> None:
        self._wanted = wanted
        self._book = book
        self._failed: dict[str, StripeEdgeError] = {}
        self._by_id: dict[str, Target] = {}
        self.targets: dict[str, Target] = {}

    def knows(self, name: str) -> bool:
        """Whether it came with another target; what is wanted there is then wanted on that one."""
        target = self._by_id.get(name)
        if target is not None:
            self._name(target, name)
        return target is not None

    def take(self, name: str, state: TargetState) -> None:
        """A target as it was read under a name; two former schedules may lead to one."""
        target = self.targets.setdefault(state.target_id, Target(state))
        if target.state is not state:
            target.state = with_history_of(target.state, state)
        self._name(target, name)

    def _name(self, target: Target, name: str) -> None:
        target.named.add(name)
        target.wanted.extend(self._wanted[name])
        self._by_id.update(dict.fromkeys(target.ids, target))

    def fail(self, name: str, error: StripeEdgeError) -> None:
        """A target that could not be read."""
        self._failed[name] = error
        self._book.fail([w.snapshot_id for w in self._wanted[name]], error, f"reading {name}")

    def set_conflicts_apart(self, situation: Situation) -> None:
        """An amendment and the initial order of its contract must lead to the same target."""
        for target in list(self.targets.values()):
            for w in list(target.wanted):
                order = situation.orders[w.scope.order_id]
                other = order.initial_stripe_id or ""
                if not names_disagree(order) or situation.was_granted(w.snapshot_id):
                    continue
                there = self._by_id.get(other)
                if there is target:
                    continue
                target.wanted.remove(w)
                if there is None:
                    self._book.fail([w.snapshot_id], self._failed[other], f"reading {other}")
                    continue
                conflict = {
                    "target_id": order.stripe_id or "",
                    "other_target_id": other,
                    "initial_order_id": order.initial_order_id or "",
                }
                self._book.decide(
                    situation.snapshots[w.snapshot_id],
                    "blocked",
                    Blocked("target.contract_conflict", conflict),
                    "the amendment and its contract name different targets",
                )
                self._book.tell(w.snapshot_id)


def ids_of(targets: Collection[Target]) -> set[str]:
    """Every id under which any of the targets is known."""
    return {target_id for target in targets for target_id in target.ids}
