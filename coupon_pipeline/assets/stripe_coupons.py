"""One Stripe coupon for each quote coupon and terms."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from itertools import chain

from coupon_pipeline.assets.carrying_out import (
    Outages,
    StripeWrite,
    Written,
    carry_out,
    problem_of,
)
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.live_money import refuse_unmeant_live_money
from coupon_pipeline.assets.replacements import coupons_in_place
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.domain.caps import exceeded_by_coupons
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.plan import is_attachable, is_settled
from coupon_pipeline.domain.planned_writes import digest_of
from coupon_pipeline.domain.problems import Blocked, Effect, Problem
from coupon_pipeline.domain.records import OrderCoupon, Scope
from coupon_pipeline.domain.reuse import (
    CouponAction,
    CouponPlanner,
    KnownCoupon,
    Reading,
    StripeCoupon,
)
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.terms import parameters
from coupon_pipeline.domain.wanted import CouponKey, CouponRequest, WantedCoupon, wanted_coupons
from coupon_pipeline.ledger import Identity, Ledger, Transaction, decisions, source
from coupon_pipeline.ledger.decisions import CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.problems import note_problems
from coupon_pipeline.ledger.writes import WriteIntent, read_open_intents, settle_intents
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import CouponWritten, StripeEdge, StripeEdgeError, StripeRefused
from coupon_pipeline.stripe_api.messages import COUPON_CREATE, COUPON_UPDATE

STAGE = "stripe_coupons"
CREATE, UPDATE = "coupon.create", "coupon.update"


@dataclass(frozen=True, slots=True)
class _Need:
    """What is kept of a snapshot that uses a coupon: a run may have hundreds of thousands."""

    snapshot_id: str
    scope: Scope
    quote_coupon_id: str
    is_open: bool
    """Whether its discount is still to be made: it was not granted so far, and can be."""


@dataclass(frozen=True, slots=True)
class _Situation:
    """What decisions about the selected orders' coupons rest on."""

    days: Mapping[str, date]
    """Activation day by order."""
    needs: Mapping[CouponKey, Sequence[_Need]]
    """By quote coupon and terms hash, in the order of activation."""
    wanted: Sequence[WantedCoupon]
    known: Sequence[KnownCoupon]
    perhaps_granted: frozenset[str]
    in_place: frozenset[str]
    """Ids of snapshots whose discount is to be replaced."""


def load_coupons(
    run: Run,
    ledger: Ledger,
    stripe: StripeEdge,
    settings: Settings,
    mapping: CouponMapping,
) -> StageReport:
    """Create, reuse, adopt or update the Stripe coupons that the selected orders need.

    Raises:
        RunStopped: more would be made than a cap allows, or live money is not meant.
        StripeEdgeError: Stripe is down or refuses the key; what was done so far is kept.
        LedgerError: the ledger belongs to another Stripe account.
    """
    refuse_unmeant_live_money(settings, meant=run.live or run.dry_run)
    in_place = coupons_in_place(run, ledger, stripe, settings)
    situation = _read_situation(run, ledger, settings, in_place)
    planner = CouponPlanner(
        situation.known,
        now=now(),
        livemode=settings.stripe().live,
        perhaps_granted=situation.perhaps_granted,
    )
    reads = planner.next_reads(situation.wanted)
    if situation.wanted and any(each.new_attachments for each in situation.wanted):
        pin_account(ledger, stripe)
    readings, failed = _read_coupons(stripe, reads)
    readable = [
        each
        for each in situation.wanted
        if not any(coupon_id in failed for coupon_id in planner.next_reads([each]))
    ]
    actions = {action.key: action for action in planner.plan(readable, readings)}
    made = _Making(run, mapping, situation, planner, settings, actions, readings)
    stops = StageReport(STAGE)
    run.stop(made.beyond_a_cap(), stops)
    if run.dry_run:
        with ledger.transaction() as tx:
            decisions.record_coupons(tx, made.planned())
    else:
        carry_out(run, ledger, stripe, made.creations(stripe), made.record)
        carry_out(run, ledger, stripe, made.updates(stripe), made.record)
    for each in situation.wanted:
        for coupon_id in planner.next_reads([each]) & failed.keys():
            made.errors[each.key] = failed[coupon_id]
    seen = (reads - failed.keys()) | made.answered
    with ledger.transaction() as tx:
        source.select_orders(tx, run.selection)
        decisions.record_coupons(tx, made.found())
        decisions.record_coupon_decisions(tx, made.decisions())
        note_problems(tx, STAGE, made.problems(), situation.days, now())
        settle_intents(
            tx,
            "stripe",
            [(operation, coupon_id) for coupon_id in seen for operation in (CREATE, UPDATE)],
            run.run_id,
            now(),
        )
    report = made.report()
    if run.dry_run:
        report.stops = stops.stops
        order_ids = made.order_ids()
        writes = [*made.creations(stripe), *made.updates(stripe)]
        report.writes = [each.planned(order_ids[each.target_id]) for each in writes]
        report.basis = {f"Stripe coupon {name}": _digest(r) for name, r in readings.items()}
    return report


def _digest(reading: Reading) -> str:
    """What decisions rest on: how often it was redeemed matters only where there is a limit."""
    if isinstance(reading, StripeCoupon) and reading.max_redemptions is None:
        reading = replace(reading, times_redeemed=0)
    return digest_of(reading)


def pin_account(ledger: Ledger, stripe: StripeEdge) -> None:
    """Tie the ledger to the account, before the first request that rests on it.

    A restricted key may not be allowed to ask; the mode is pinned all the same.
    """
    try:
        account_id = stripe.account.account_id
    except StripeRefused:
        return
    ledger.pin(Identity(stripe_account=account_id))


def _read_situation(
    run: Run, ledger: Ledger, settings: Settings, in_place: Mapping[str, DerivedCoupon]
) -> _Situation:
    """What the ledger holds; a discount that is to be replaced counts as one still to be made."""
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        days = source.read_order_days(tx)
        known = decisions.read_coupons(tx)
        intents = read_open_intents(tx)
        siblings = decisions.read_siblings(tx)
        search = _Search(
            known,
            {c.quote_coupon_id: c.stripe_id or "" for c in source.read_quote_coupons(tx)},
            in_place,
        )
        wanted = wanted_coupons(
            chain(
                search.of_siblings(siblings, decisions.read_terms(tx, siblings)),
                search.of_orders(tx, run.portions(list(days))),
            ),
            instance_url=settings.salesforce().instance_url,
            prefix=settings.coupon_pipeline_metadata_prefix,
        )
    doubtful = _doubtful_keys(intents)
    return _Situation(
        days,
        search.needs,
        [each for each in wanted if each.key in search.needs],
        [
            KnownCoupon(
                quote_coupon_id=c.quote_coupon_id,
                terms_hash=c.terms_hash,
                coupon_id=c.coupon_id,
                origin=c.origin,
                terms=c.terms,
                metadata={**c.metadata, **doubtful.get(c.coupon_id, {})},
                first_order_id=c.first_order_id,
                recorded_at=c.recorded_at,
            )
            for c in known.values()
        ],
        _perhaps_granted(intents, known.values()),
        frozenset(in_place),
    )


class _Search:
    """Goes through the snapshots, some orders at a time, and gives their requests for coupons."""

    def __init__(
        self,
        known: Mapping[CouponKey, RecordedCoupon],
        named_by_coupons: Mapping[str, str],
        in_place: Mapping[str, DerivedCoupon],
    ) -> None:
        self._known = known
        self._named_by_coupons = named_by_coupons
        self._in_place = in_place
        self.needs: dict[CouponKey, list[_Need]] = {}

    def of_siblings(
        self, siblings: Sequence[Snapshot], terms: Mapping[str, DerivedCoupon | Blocked]
    ) -> Iterator[CouponRequest]:
        """Other orders' snapshots, which want nothing and say whose metadata are the latest."""
        for snapshot in siblings:
            derived = terms[snapshot.snapshot_id]
            if not isinstance(derived, Blocked):
                named = self._names(derived, [])
                yield CouponRequest(snapshot, derived, needs_attachment=False, stripe_ids=named)

    def of_orders(
        self, tx: Transaction, portions: Iterable[Sequence[str]]
    ) -> Iterator[CouponRequest]:
        """The selected orders' own."""
        for order_ids in portions:
            source.select_orders_by_id(tx, order_ids)
            orders = {order.order_id: order for order in source.read_orders(tx)}
            snapshots = decisions.read_snapshots(tx)
            terms = {**decisions.read_terms(tx, snapshots), **self._in_place}
            attachments = decisions.read_attachments(tx)
            named = _stripe_ids(source.read_order_coupons(tx))
            for snapshot in snapshots:
                derived = terms[snapshot.snapshot_id]
                if isinstance(derived, Blocked):
                    continue
                order = orders[snapshot.scope.order_id]
                is_open = snapshot.snapshot_id in self._in_place or not is_settled(
                    attachments.get(snapshot.snapshot_id), order
                )
                key = (derived.quote_coupon_id, derived.terms_hash)
                self.needs.setdefault(key, []).append(
                    _Need(snapshot.snapshot_id, snapshot.scope, snapshot.quote_coupon_id, is_open)
                )
                if key in self._known:
                    is_open = is_open and is_attachable(order)
                names = self._names(derived, named.get(_scope_key(snapshot), []))
                yield CouponRequest(snapshot, derived, is_open, names)

    def _names(self, derived: DerivedCoupon, by_copies: Sequence[str]) -> tuple[str, ...]:
        by_coupon = self._named_by_coupons.get(derived.quote_coupon_id)
        return (*by_copies, by_coupon) if by_coupon else tuple(by_copies)


def _perhaps_granted(
    intents: Iterable[WriteIntent], known: Iterable[RecordedCoupon]
) -> frozenset[str]:
    """Coupons in requests for discounts of which nobody knows whether they were carried out."""
    bodies = [
        intent.body
        for intent in intents
        if intent.system == "stripe" and intent.operation not in {CREATE, UPDATE}
    ]
    return frozenset(c.coupon_id for c in known if any(c.coupon_id in body for body in bodies))


def _doubtful_keys(intents: Iterable[WriteIntent]) -> dict[str, dict[str, str]]:
    """Metadata of which nobody knows whether it was written, without a value: it is sent again."""
    return {
        intent.target_id: dict.fromkeys(json.loads(intent.body)["metadata"], "")
        for intent in intents
        if intent.operation == UPDATE
    }


def _stripe_ids(copies: Sequence[OrderCoupon]) -> dict[tuple[str, str], list[str]]:
    named: dict[tuple[str, str], list[str]] = {}
    for copy in copies:
        if copy.stripe_id:
            scope = copy.order_item_id or copy.order_id or ""
            named.setdefault((scope, copy.quote_coupon_id), []).append(copy.stripe_id)
    return named


def _scope_key(snapshot: Snapshot) -> tuple[str, str]:
    return snapshot.scope.order_item_id or snapshot.scope.order_id, snapshot.quote_coupon_id


def _read_coupons(
    stripe: StripeEdge, coupon_ids: frozenset[str]
) -> tuple[Mapping[str, Reading], Mapping[str, StripeEdgeError]]:
    if not coupon_ids:
        return {}, {}
    read = stripe.read_coupons(coupon_ids)
    outages = Outages()
    for coupon_id in coupon_ids:
        outages.judge(read.failed.get(coupon_id))
    outages.raise_if_nothing_was_answered()
    return read.readings, read.failed


class _Making:
    """Turns actions into writes, and what comes of them into rows."""

    def __init__(
        self,
        run: Run,
        mapping: CouponMapping,
        situation: _Situation,
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
                before=None,
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
                before={"metadata": self._metadata_before(action)},
                send=partial(
                    stripe.update_coupon_metadata, action.coupon_id, dict(action.metadata_changes)
                ),
                request_id_of=_request_id,
                endpoint=COUPON_UPDATE.path,
            )
            for action in self._actions.values()
            if action.decision in {"update", "adopt"} and action.metadata_changes
        ]

    def _metadata_before(self, action: CouponAction) -> Mapping[str, str | None]:
        """The keys that change, as they were read or, where nobody read them, last written."""
        reading = self._readings.get(action.coupon_id)
        known = next((k.metadata for k in self._situation.known if k.key == action.key), {})
        held = reading.metadata if isinstance(reading, StripeCoupon) else known
        return {key: held.get(key) for key in action.metadata_changes}

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

    def _open(self, key: CouponKey) -> list[_Need]:
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


@stage_asset(
    group="stripe",
    kinds={"stripe", "duckdb"},
    deps=["coupon_snapshots", "coupon_mapping"],
    service="stripe",
)
def stripe_coupons(run: Run, at: Connection) -> StageReport:
    """One Stripe coupon for each quote coupon and terms: made once, then reused.

    The id is derived from org, quote coupon and terms, so that it cannot be made twice. A coupon
    that `Stripe_ID__c` names is adopted when its terms are equal. None is ever deleted.
    """
    with at.ledger.load_lock():
        return load_coupons(run, at.ledger, at.stripe, at.settings, at.mapping)
