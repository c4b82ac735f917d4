"""One Stripe coupon for each quote coupon and terms."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from coupon_pipeline.assets.carrying_out import (
    Outages,
    carry_out,
)
from coupon_pipeline.assets.collector import collector_paused
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.coupon_making import (
    CREATE,
    STAGE,
    UPDATE,
    CouponMaking,
    CouponNeed,
    CouponSituation,
)
from coupon_pipeline.assets.live_money import refuse_unmeant_live_money
from coupon_pipeline.assets.progress import Progress
from coupon_pipeline.assets.replacements import coupons_in_place
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.plan import is_attachable, is_settled
from coupon_pipeline.domain.planned_writes import digest_of
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.reuse import (
    CouponPlanner,
    KnownCoupon,
    Reading,
    StripeCoupon,
)
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.wanted import CouponKey, CouponRequest, wanted_coupons
from coupon_pipeline.ledger import Identity, Ledger, Transaction, decisions, source
from coupon_pipeline.ledger.decisions import RecordedCoupon
from coupon_pipeline.ledger.problems import note_problems
from coupon_pipeline.ledger.source import OrderCouponLink
from coupon_pipeline.ledger.writes import WriteIntent, read_open_intents, settle_intents
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdge, StripeEdgeError, StripeRefused


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
    readings, failed = _read_coupons(stripe, reads, run.progress)
    readable = [
        each
        for each in situation.wanted
        if not any(coupon_id in failed for coupon_id in planner.next_reads([each]))
    ]
    actions = {action.key: action for action in planner.plan(readable, readings)}
    made = CouponMaking(run, mapping, situation, planner, settings, actions, readings)
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


@collector_paused()
def _read_situation(
    run: Run, ledger: Ledger, settings: Settings, in_place: Mapping[str, DerivedCoupon]
) -> CouponSituation:
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
    return CouponSituation(
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
        self.needs: dict[CouponKey, list[CouponNeed]] = {}

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
            named = _stripe_ids(source.read_order_coupon_links(tx))
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
                    CouponNeed(
                        snapshot.snapshot_id, snapshot.scope, snapshot.quote_coupon_id, is_open
                    )
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


def _stripe_ids(links: Iterable[OrderCouponLink]) -> dict[tuple[str, str], list[str]]:
    named: dict[tuple[str, str], list[str]] = {}
    for link in links:
        if link.stripe_id:
            named.setdefault((link.scope_id, link.quote_coupon_id), []).append(link.stripe_id)
    return named


def _scope_key(snapshot: Snapshot) -> tuple[str, str]:
    return snapshot.scope.order_item_id or snapshot.scope.order_id, snapshot.quote_coupon_id


def _read_coupons(
    stripe: StripeEdge, coupon_ids: frozenset[str], progress: Progress
) -> tuple[Mapping[str, Reading], Mapping[str, StripeEdgeError]]:
    if not coupon_ids:
        return {}, {}
    progress.expect("coupons read", len(coupon_ids))
    read = stripe.read_coupons(coupon_ids, partial(progress.advance, "coupons read"))
    outages = Outages()
    for coupon_id in coupon_ids:
        outages.judge(read.failed.get(coupon_id))
    outages.raise_if_nothing_was_answered()
    return read.readings, read.failed


@stage_asset(
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
