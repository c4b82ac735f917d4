"""Snapshots: each coupon as it stood when its order activated, and the terms that it means."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial

from coupon_pipeline.assets.collector import collector_paused
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.domain.derivation import DerivedCoupon, DeriveOptions, derive_all
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.problems import Blocked, Problem
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.records import CouponVersion
from coupon_pipeline.domain.snapshots import (
    Snapshot,
    SnapshotPolicy,
    SnapshotResult,
    take_snapshots,
)
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.problems import note_problems
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings

_COLUMNS = ("order", "quote coupon", "evidence", "terms or code")


def freeze_snapshots(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, settings: Settings, mapping: CouponMapping
) -> StageReport:
    """Freeze the snapshots that are new, and derive the terms of all that the mapping changed.

    Some orders at a time, each with its own commit: a snapshot depends on its order only.

    Raises:
        SalesforceError: the org cannot be asked who it is.
    """
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        days = source.read_order_days(tx)
    freezing = _Freezing(run, ledger, salesforce, settings, mapping, days)
    report = StageReport("coupon_snapshots", preview_columns=_COLUMNS)
    for order_ids in run.portions(list(days)):
        with collector_paused():
            report.include(freezing.freeze(order_ids))
    return report


class _Freezing:
    """Freezes the snapshots of some orders after the other."""

    def __init__(
        self,
        run: Run,
        ledger: Ledger,
        salesforce: SalesforceEdge,
        settings: Settings,
        mapping: CouponMapping,
        days: Mapping[str, date],
    ) -> None:
        self._run = run
        self._ledger = ledger
        self._salesforce = salesforce
        self._mapping = mapping
        self._days = days
        self._rates: Mapping[date, ConversionRates] | None = None
        org = salesforce.read_org()
        self._org_id = org.org_id
        self._policy = SnapshotPolicy(
            uncertain=settings.coupon_pipeline_uncertain_terms,
            apply_late=settings.coupon_pipeline_apply_late,
        )
        self._options = DeriveOptions(
            default_currency=None
            if org.is_multi_currency
            else settings.coupon_pipeline_default_currency or org.default_currency,
            extra_currencies=frozenset(settings.coupon_pipeline_extra_currencies),
            uncertain=settings.coupon_pipeline_uncertain_terms,
        )

    def freeze(self, order_ids: Sequence[str]) -> StageReport:
        """The snapshots of these orders."""
        with self._ledger.reading() as tx:
            source.select_orders_by_id(tx, order_ids)
            frozen = {s.snapshot_id: s for s in decisions.read_snapshots(tx)}
            granted = {key for key, made in decisions.read_attachments(tx).items() if made.granted}
            associations, copies = source.read_associations(tx), source.read_order_coupons(tx)
            versions, seen_last = source.read_coupon_states(tx, associations, copies)
            look = partial(
                take_snapshots,
                self._org_id,
                orders=source.read_orders(tx),
                items=source.read_items(tx),
                associations=associations,
                order_coupons=copies,
                versions=versions,
                frozen=frozen,
                policy=self._policy,
            )
        result = look()
        converts = self._mapping.currency_options == "corporate_rates"
        if result.new and converts:
            result = look(rates=self._read_rates())
        unrated = [
            key
            for key, snapshot in frozen.items()
            if converts and snapshot.rates is None and key not in granted
        ]
        rated = [
            replace(frozen[key], rates=rates)
            for key in unrated
            if (rates := self._read_rates().get(self._days[frozen[key].scope.order_id])) is not None
        ]
        snapshots = [
            *{**frozen, **{each.snapshot_id: each for each in rated}}.values(),
            *result.new,
        ]
        completed = _with_new_paths(snapshots, self._mapping.relationship_paths(), seen_last)
        derived = derive_all(completed, self._mapping, self._options)
        held_back = {
            snapshot.snapshot_id: outcome
            for snapshot in snapshots
            if isinstance(outcome := derived[snapshot.snapshot_id], Blocked)
            and snapshot.snapshot_id not in granted
        }
        at = now()
        with self._ledger.transaction() as tx:
            source.select_orders_by_id(tx, order_ids)
            decisions.record_snapshots(tx, result.new, at, self._run.run_id)
            decisions.record_rates(tx, rated)
            decisions.record_terms(tx, self._mapping.mapping_hash, derived)
            problems = [*result.problems, *_blocked(snapshots, held_back)]
            note_problems(tx, "coupon_snapshots", problems, self._days, at)
        return _report(snapshots, result, derived, held_back, self._days)

    def _read_rates(self) -> Mapping[date, ConversionRates]:
        """The org's rates on all activation days of the run, asked for once."""
        if self._rates is None:
            days = sorted(set(self._days.values()))
            self._rates = self._salesforce.read_rates(days, now().date())
        return self._rates


def _with_new_paths(
    snapshots: Iterable[Snapshot], paths: Sequence[str], seen_last: Iterable[CouponVersion]
) -> Iterator[Snapshot]:
    """The snapshots, with paths over relationships that nobody read when they were frozen.

    The coupon's own fields were frozen whole; a parent record's value is first asked for when a
    mapping names it, so the value of today is the only one there is.
    """
    today = {coupon.quote_coupon_id: coupon.fields for coupon in seen_last}
    for snapshot in snapshots:
        fields, latest = snapshot.fields, today.get(snapshot.quote_coupon_id, {})
        found = {path: latest[path] for path in paths if path not in fields and path in latest}
        yield replace(snapshot, fields={**fields, **found}) if found else snapshot


def _blocked(snapshots: list[Snapshot], held_back: dict[str, Blocked]) -> list[Problem]:
    """One problem for each; a discount that was granted is not held back by terms made later."""
    return [
        held_back[snapshot.snapshot_id].problem(
            order_id=snapshot.scope.order_id,
            order_item_id=snapshot.scope.order_item_id,
            quote_coupon_id=snapshot.quote_coupon_id,
        )
        for snapshot in snapshots
        if snapshot.snapshot_id in held_back
    ]


def _report(
    snapshots: list[Snapshot],
    result: SnapshotResult,
    derived: dict[str, DerivedCoupon | Blocked],
    held_back: dict[str, Blocked],
    days: Mapping[str, date],
) -> StageReport:
    report = StageReport("coupon_snapshots", preview_columns=_COLUMNS)
    new = {snapshot.snapshot_id for snapshot in result.new}
    for snapshot in snapshots:
        outcome = derived[snapshot.snapshot_id]
        day = days[snapshot.scope.order_id]
        report.count(day, "snapshots")
        if snapshot.snapshot_id in new:
            report.count(day, "new_snapshots")
        if snapshot.snapshot_id in held_back:
            report.count(day, "blocked_snapshots")
        report.show(
            (
                snapshot.scope.order_id,
                snapshot.quote_coupon_id,
                snapshot.evidence,
                outcome.code if isinstance(outcome, Blocked) else outcome.coupon_id,
            )
        )
    return report


@stage_asset(
    kinds={"python", "duckdb"},
    deps=["activated_orders", "coupon_junctions", "coupon_mapping"],
)
def coupon_snapshots(run: Run, at: Connection) -> StageReport:
    """Each coupon of each order or order item, frozen as it stood when the order activated.

    Best evidence first: the order coupon that the trigger wrote, else the coupon version in force
    at activation, else today's coupon, marked as uncertain. Never rewritten; the terms are derived
    again from the frozen fields when the mapping changes.
    """
    return freeze_snapshots(run, at.ledger, at.salesforce, at.settings, at.mapping)
