"""Snapshots: each coupon as it stood when its order activated, and the terms that it means."""

from dataclasses import replace
from datetime import date
from functools import partial

import dagster as dg

from coupon_pipeline.assets.activated_orders import activated_orders
from coupon_pipeline.assets.coupon_junctions import coupon_junctions
from coupon_pipeline.assets.coupon_mapping import coupon_mapping
from coupon_pipeline.assets.partitions import activation_days
from coupon_pipeline.assets.reporting import record_stage, run_of
from coupon_pipeline.assets.resources import RunOptions
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.domain.derivation import DerivedCoupon, DeriveOptions, derive_all
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.problems import Blocked, Problem
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


def freeze_snapshots(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, settings: Settings, mapping: CouponMapping
) -> StageReport:
    """Freeze the snapshots that are new, and derive the terms of all that the mapping changed.

    Raises:
        SalesforceError: the org cannot be asked who it is.
    """
    org = salesforce.read_org()
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        orders = source.read_orders(tx)
        frozen = {s.snapshot_id: s for s in decisions.read_snapshots(tx)}
        granted = {key for key, made in decisions.read_attachments(tx).items() if made.granted}
        look = partial(
            take_snapshots,
            org.org_id,
            orders=orders,
            items=source.read_items(tx),
            associations=source.read_associations(tx),
            order_coupons=source.read_order_coupons(tx),
            versions=source.read_versions(tx),
            frozen=frozen,
            policy=SnapshotPolicy(
                uncertain=settings.coupon_pipeline_uncertain_terms,
                apply_late=settings.coupon_pipeline_apply_late,
            ),
        )
        today = {coupon.quote_coupon_id: coupon for coupon in source.read_quote_coupons(tx)}
    result = look()
    if result.new and mapping.currency_options == "corporate_rates":
        days_of_new = {snapshot.activated_at.date() for snapshot in result.new}
        result = look(rates=salesforce.read_rates(sorted(days_of_new), now().date()))
    snapshots = [*frozen.values(), *result.new]
    options = DeriveOptions(
        default_currency=None
        if org.is_multi_currency
        else settings.coupon_pipeline_default_currency or org.default_currency,
        extra_currencies=frozenset(settings.coupon_pipeline_extra_currencies),
        uncertain=settings.coupon_pipeline_uncertain_terms,
    )
    completed = [_with_new_paths(snapshot, mapping, today) for snapshot in snapshots]
    derived = derive_all(completed, mapping, options)
    held_back = {
        snapshot.snapshot_id: outcome
        for snapshot in snapshots
        if isinstance(outcome := derived[snapshot.snapshot_id], Blocked)
        and snapshot.snapshot_id not in granted
    }
    days = {order.order_id: order.activation_day for order in orders}
    at = now()
    with ledger.transaction() as tx:
        source.select_orders(tx, run.selection)
        decisions.record_snapshots(tx, result.new, at, run.run_id)
        decisions.record_terms(tx, mapping.mapping_hash, derived)
        problems = [*result.problems, *_blocked(snapshots, held_back)]
        note_problems(tx, "coupon_snapshots", problems, days, at)
    return _report(snapshots, result, derived, held_back, days)


def _with_new_paths(
    snapshot: Snapshot, mapping: CouponMapping, today: dict[str, CouponVersion]
) -> Snapshot:
    """The snapshot, with paths over relationships that nobody read when it was frozen.

    The coupon's own fields were frozen whole; a parent record's value is first asked for when a
    mapping names it, so the value of today is the only one there is.
    """
    missing = [path for path in mapping.relationship_paths() if path not in snapshot.fields]
    latest = today.get(snapshot.quote_coupon_id)
    if not missing or latest is None:
        return snapshot
    found = {path: latest.fields[path] for path in missing if path in latest.fields}
    return replace(snapshot, fields={**snapshot.fields, **found})


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
    days: dict[str, date],
) -> StageReport:
    report = StageReport(
        "coupon_snapshots",
        preview_columns=("order", "quote coupon", "evidence", "terms or code"),
    )
    new = {snapshot.snapshot_id for snapshot in result.new}
    for snapshot in snapshots:
        outcome = derived[snapshot.snapshot_id]
        day = days[snapshot.scope.order_id]
        report.count(day, "snapshots")
        if snapshot.snapshot_id in new:
            report.count(day, "new_snapshots")
        if snapshot.snapshot_id in held_back:
            report.count(day, "blocked_snapshots")
        report.preview.append(
            (
                snapshot.scope.order_id,
                snapshot.quote_coupon_id,
                snapshot.evidence,
                outcome.code if isinstance(outcome, Blocked) else outcome.coupon_id,
            )
        )
    return report


@dg.asset(
    partitions_def=activation_days,
    deps=[activated_orders, coupon_junctions, coupon_mapping],
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="coupons",
    kinds={"python", "duckdb"},
    owners=["team:revenue-operations"],
)
def coupon_snapshots(
    context: dg.AssetExecutionContext,
    options: RunOptions,
    ledger: dg.ResourceParam[Ledger],
    salesforce: dg.ResourceParam[SalesforceEdge],
    settings: dg.ResourceParam[Settings],
    mapping: dg.ResourceParam[CouponMapping],
) -> None:
    """Each coupon of each order or order item, frozen as it stood when the order activated.

    Best evidence first: the order coupon that the trigger wrote, else the coupon version in force
    at activation, else today's coupon, marked as uncertain. Never rewritten; the terms are derived
    again from the frozen fields when the mapping changes.
    """
    run = run_of(context, options)
    with record_stage(context, run, ledger, salesforce=salesforce) as stage:
        stage.report = freeze_snapshots(run, ledger, salesforce, settings, mapping)
