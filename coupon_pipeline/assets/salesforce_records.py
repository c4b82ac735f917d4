"""Back to Salesforce: Stripe ids on coupon records, and the order coupons that are missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import dagster as dg

from coupon_pipeline.assets.coupon_attachments import coupon_attachments
from coupon_pipeline.assets.partitions import activation_days
from coupon_pipeline.assets.reporting import record_stage, run_of
from coupon_pipeline.assets.resources import RunOptions
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.domain.derivation import DeriveOptions, derive
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.problems import Blocked, Effect, Problem
from coupon_pipeline.domain.records import CouponVersion, Order, OrderCoupon, Scalar
from coupon_pipeline.domain.snapshots import MissingOrderCoupon, Snapshot, take_snapshots
from coupon_pipeline.domain.terms import terms_hash
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.decisions import CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.problems import note_problems
from coupon_pipeline.ledger.rows import json_text
from coupon_pipeline.ledger.writes import (
    WriteIntent,
    WriteOutcome,
    record_intents,
    record_outcomes,
    settle_intents,
)
from coupon_pipeline.salesforce import (
    ORDER_COUPON,
    QUOTE_COUPON,
    STRIPE_ID,
    RowOutcome,
    RowResult,
    SalesforceEdge,
    SalesforceUnavailable,
)
from coupon_pipeline.settings import Settings

STAGE = "salesforce_records"
SET_STRIPE_ID, CREATE_ORDER_COUPON = "stripe_id.update", "order_coupon.create"


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One record to write, and whose problem it is if Salesforce does not take it."""

    operation: str
    object_name: str
    record_key: str
    """The record's id; for a new order coupon the snapshot that it states."""
    fields: Mapping[str, Scalar]
    snapshot: Snapshot


@dataclass(slots=True)
class _Situation:
    orders: Mapping[str, Order]
    snapshots: Mapping[str, Snapshot]
    usable: Mapping[str, CouponDecision]
    """Decisions that gave a Stripe coupon, by snapshot id."""
    copies: Sequence[OrderCoupon]
    quote_coupons: Sequence[CouponVersion]
    coupons: Mapping[tuple[str, str], RecordedCoupon]
    missing: Sequence[MissingOrderCoupon]
    problems: list[Problem] = field(default_factory=list)


def write_back(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, settings: Settings, mapping: CouponMapping
) -> StageReport:
    """Write what differs, 200 records a request; each record's refusal is its own.

    Raises:
        SalesforceUnavailable: no answer came for some records; the next run looks and goes on.
    """
    report = StageReport(STAGE, preview_columns=("object", "record", "field", "value"))
    if not settings.coupon_pipeline_write_back:
        return report
    situation = _read_situation(run, ledger, salesforce)
    updates = [
        *_order_coupon_updates(situation),
        *_quote_coupon_updates(situation, settings, mapping, salesforce),
    ]
    creations = _creations(situation)
    for row in (*updates, *creations):
        day = situation.orders[row.snapshot.scope.order_id].activation_day
        report.count(day, "updated" if row.operation == SET_STRIPE_ID else "created")
        line = (row.object_name, row.record_key, STRIPE_ID, str(row.fields[STRIPE_ID]))
        report.preview.append(line)
        report.changes.append(line)
    unanswered: RowResult | None = None
    if not run.dry_run:
        for object_name in (ORDER_COUPON, QUOTE_COUPON):
            rows = [row for row in updates if row.object_name == object_name]
            unanswered = _send(run, ledger, salesforce, rows, situation) or unanswered
        unanswered = _send(run, ledger, salesforce, creations, situation) or unanswered
    with ledger.transaction() as tx:
        source.select_orders(tx, run.selection)
        days = {order.order_id: order.activation_day for order in situation.orders.values()}
        note_problems(tx, STAGE, situation.problems, days, now())
    if unanswered is not None:
        raise SalesforceUnavailable(unanswered.message, unanswered.fix, code=unanswered.code)
    return report


def _read_situation(run: Run, ledger: Ledger, salesforce: SalesforceEdge) -> _Situation:
    org = salesforce.read_org()
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        orders = source.read_orders(tx)
        snapshots = {s.snapshot_id: s for s in decisions.read_snapshots(tx)}
        copies = source.read_order_coupons(tx)
        known = take_snapshots(
            org.org_id,
            orders=orders,
            items=source.read_items(tx),
            associations=source.read_associations(tx),
            order_coupons=copies,
            versions=source.read_versions(tx),
            frozen=snapshots,
        )
        return _Situation(
            orders={order.order_id: order for order in orders},
            snapshots=snapshots,
            usable={
                snapshot_id: decision
                for snapshot_id, decision in decisions.read_coupon_decisions(tx).items()
                if decision.coupon_id is not None
            },
            copies=copies,
            quote_coupons=source.read_quote_coupons(tx),
            coupons=decisions.read_coupons(tx),
            missing=known.missing_order_coupons,
        )


def _order_coupon_updates(situation: _Situation) -> list[RowWrite]:
    by_scope = {
        (s.scope.order_item_id or s.scope.order_id, s.quote_coupon_id): s
        for s in situation.snapshots.values()
    }
    rows = []
    for copy in situation.copies:
        scope = copy.order_item_id or copy.order_id or ""
        snapshot = by_scope.get((scope, copy.quote_coupon_id))
        decision = situation.usable.get(snapshot.snapshot_id) if snapshot else None
        if snapshot is None or decision is None or copy.stripe_id == decision.coupon_id:
            continue
        rows.append(
            RowWrite(
                SET_STRIPE_ID,
                ORDER_COUPON,
                copy.order_coupon_id,
                {STRIPE_ID: decision.coupon_id},
                snapshot,
            )
        )
    return rows


def _quote_coupon_updates(
    situation: _Situation, settings: Settings, mapping: CouponMapping, salesforce: SalesforceEdge
) -> list[RowWrite]:
    """A quote coupon names the Stripe coupon of its terms of today, if there is one already."""
    org = salesforce.read_org()
    options = DeriveOptions(
        default_currency=None
        if org.is_multi_currency
        else settings.coupon_pipeline_default_currency or org.default_currency,
        extra_currencies=frozenset(settings.coupon_pipeline_extra_currencies),
    )
    users = {s.quote_coupon_id: s for s in situation.snapshots.values()}
    rows = []
    for coupon in situation.quote_coupons:
        snapshot = users.get(coupon.quote_coupon_id)
        if coupon.is_deleted or snapshot is None:
            continue
        derived = derive(coupon.fields, coupon.currency, mapping, options, rates=snapshot.rates)
        if isinstance(derived, Blocked):
            continue
        known = situation.coupons.get((coupon.quote_coupon_id, terms_hash(derived.terms)))
        if known is None or known.coupon_id == coupon.stripe_id:
            continue
        rows.append(
            RowWrite(
                SET_STRIPE_ID,
                QUOTE_COUPON,
                coupon.quote_coupon_id,
                {STRIPE_ID: known.coupon_id},
                snapshot,
            )
        )
    return rows


def _creations(situation: _Situation) -> list[RowWrite]:
    """Order coupons that the trigger left out; one whose terms nobody can prove is not stated."""
    rows = []
    for missing in situation.missing:
        decision = situation.usable.get(missing.snapshot_id)
        if decision is None or missing.terms_uncertain:
            continue
        scope: dict[str, Scalar] = (
            {"Order__c": missing.scope.order_id}
            if missing.scope.order_item_id is None
            else {"Order_Item__c": missing.scope.order_item_id}
        )
        currency: dict[str, Scalar] = (
            {"CurrencyIsoCode": missing.currency} if missing.currency else {}
        )
        rows.append(
            RowWrite(
                CREATE_ORDER_COUPON,
                ORDER_COUPON,
                missing.snapshot_id,
                {
                    **missing.fields,
                    **scope,
                    **currency,
                    "Quote_Stripe_Coupon_Id__c": missing.quote_coupon_id,
                    STRIPE_ID: decision.coupon_id,
                },
                situation.snapshots[missing.snapshot_id],
            )
        )
    return rows


def _send(
    run: Run,
    ledger: Ledger,
    salesforce: SalesforceEdge,
    rows: Sequence[RowWrite],
    situation: _Situation,
) -> RowResult | None:
    """Intent, request, outcome. Gives a result that was never answered, if there is one.

    What an earlier run did not learn the end of was settled by this run's reading: a record that
    it wrote is not among the rows any more.
    """
    if not rows:
        return None
    intents = [
        WriteIntent(
            intent_id=uuid4().hex,
            system="salesforce",
            operation=row.operation,
            target_id=row.record_key,
            epoch=0,
            body=json_text({k: _plain(v) for k, v in row.fields.items()}),
            run_id=run.run_id,
            written_at=now(),
        )
        for row in rows
    ]
    with ledger.transaction() as tx:
        settle_intents(tx, "salesforce", [(row.operation, row.record_key) for row in rows], now())
        record_intents(tx, intents)
    object_name = rows[0].object_name
    if rows[0].operation == CREATE_ORDER_COUPON:
        results = salesforce.create_records(object_name, [row.fields for row in rows])
    else:
        results = salesforce.update_records(
            object_name, [(row.record_key, row.fields) for row in rows]
        )
    with ledger.transaction() as tx:
        record_outcomes(
            tx,
            [
                WriteOutcome(
                    intent.intent_id,
                    "done" if result.success else "refused",
                    None,
                    result.message or (result.record_id or ""),
                    now(),
                )
                for intent, result in zip(intents, results, strict=True)
                if result.outcome is not RowOutcome.UNKNOWN
            ],
        )
        done = [row for row, result in zip(rows, results, strict=True) if result.success]
        if rows[0].operation == SET_STRIPE_ID:
            source.record_stripe_ids(
                tx, object_name, {row.record_key: str(row.fields[STRIPE_ID]) for row in done}
            )
    for row, result in zip(rows, results, strict=True):
        if result.outcome is RowOutcome.REFUSED:
            situation.problems.append(_problem(row, result))
    return next(
        (r for r in results if r.outcome in {RowOutcome.UNKNOWN, RowOutcome.NOT_SENT}), None
    )


def _problem(row: RowWrite, result: RowResult) -> Problem:
    """The discount is attached all the same, so what Salesforce does not take is a warning."""
    code = "salesforce.row_refused"
    if result.code == "salesforce.permission":
        code = result.code
    return Problem(
        code,
        {
            "operation": f"to write {', '.join(sorted(row.fields))}",
            "object": f"{row.object_name} {row.record_key}",
            "permission": result.permission or "a permission",
            "reason": result.message,
        },
        order_id=row.snapshot.scope.order_id,
        order_item_id=row.snapshot.scope.order_item_id,
        quote_coupon_id=row.snapshot.quote_coupon_id,
        effect_override=Effect.WARNING,
    )


def _plain(value: Scalar) -> str | int | bool | None:
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


@dg.asset(
    partitions_def=activation_days,
    deps=[coupon_attachments],
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="salesforce",
    kinds={"salesforce"},
    owners=["team:revenue-operations"],
    pool="salesforce",
)
def salesforce_records(
    context: dg.AssetExecutionContext,
    options: RunOptions,
    ledger: dg.ResourceParam[Ledger],
    salesforce: dg.ResourceParam[SalesforceEdge],
    settings: dg.ResourceParam[Settings],
    mapping: dg.ResourceParam[CouponMapping],
) -> None:
    """Stripe ids on order coupons and quote coupons, and order coupons that the trigger left out.

    Nothing else in Salesforce is ever written, and no record whose value is already right.
    """
    run = run_of(context, options)
    with record_stage(context, run, ledger, salesforce=salesforce) as stage, ledger.load_lock():
        stage.report = write_back(run, ledger, salesforce, settings, mapping)
