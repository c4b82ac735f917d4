"""Back to Salesforce: Stripe ids on coupon records, and the order coupons that are missing."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import uuid4

from coupon_pipeline.assets.collector import collector_paused
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.live_money import refuse_unmeant_live_money
from coupon_pipeline.assets.run import Run, StageReport, now
from coupon_pipeline.assets.stage_asset import stage_asset
from coupon_pipeline.domain.derivation import DeriveOptions, derive
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.problems import Blocked, Effect, Problem
from coupon_pipeline.domain.records import CouponVersion, Scalar, Scope
from coupon_pipeline.domain.snapshots import MissingOrderCoupon, Snapshot, take_snapshots
from coupon_pipeline.domain.terms import terms_hash
from coupon_pipeline.ledger import Ledger, Transaction, decisions, source
from coupon_pipeline.ledger.decisions import CouponDecision, RecordedCoupon
from coupon_pipeline.ledger.problems import (
    NotedProblem,
    SyncRecord,
    note_problems,
    read_selected_problems,
    read_sync_records,
    record_sync_records,
)
from coupon_pipeline.ledger.rows import json_text
from coupon_pipeline.ledger.source import OrderCouponLink
from coupon_pipeline.ledger.writes import (
    WriteIntent,
    WriteOutcome,
    read_open_intents,
    record_intents,
    record_outcomes,
    settle_intents,
)
from coupon_pipeline.salesforce import (
    ORDER_COUPON,
    QUOTE_COUPON,
    STRIPE_ID,
    SYNC_RECORD,
    RowOutcome,
    RowResult,
    SalesforceEdge,
    SalesforceUnavailable,
)
from coupon_pipeline.settings import Settings

STAGE = "salesforce_records"
SET_STRIPE_ID, CREATE_ORDER_COUPON = "stripe_id.update", "order_coupon.create"
UPSERT_SYNC_RECORD = "sync_record.upsert"
_REFUSED = "salesforce.row_refused"
_REQUEST_ID = re.compile(r"\breq_\w+")


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One record to write, and whose problem it is if Salesforce does not take it."""

    operation: str
    object_name: str
    record_key: str
    """The record's id; of a new order coupon the snapshot, of a sync record its compound id."""
    fields: Mapping[str, Scalar]
    before: Mapping[str, Scalar] | None
    """What these fields hold now; None for a new record."""
    order_id: str
    order_item_id: str | None
    quote_coupon_id: str | None
    sync_record: SyncRecord | None = None

    @property
    def value(self) -> str:
        """What people want to know of it."""
        return str(self.fields.get(STRIPE_ID) or self.fields.get("Resolution_Status__c"))

    def planned(self) -> PlannedWrite:
        """The same as data."""
        return PlannedWrite(
            "salesforce", self.operation, self.record_key, self.body, (self.order_id,)
        )

    @property
    def body(self) -> str:
        """Canonical JSON of the fields."""
        return _body(self.fields)

    @classmethod
    def of(
        cls,
        operation: str,
        object_name: str,
        record_key: str,
        fields: Mapping[str, Scalar],
        before: Mapping[str, Scalar] | None,
        snapshot: Snapshot,
    ) -> "RowWrite":
        """A record that belongs to a snapshot."""
        return cls(
            operation,
            object_name,
            record_key,
            fields,
            before,
            snapshot.scope.order_id,
            snapshot.scope.order_item_id,
            snapshot.quote_coupon_id,
        )


@dataclass(slots=True)
class _Situation:
    days: Mapping[str, date]
    """Activation day by order."""
    snapshots: Mapping[str, Snapshot]
    siblings: Sequence[Snapshot]
    """Of other orders with the same quote coupons, for the rates of the latest of them."""
    usable: Mapping[str, CouponDecision]
    """Decisions that gave a Stripe coupon, by snapshot id."""
    order_coupons: Sequence[OrderCouponLink]
    quote_coupons: Sequence[CouponVersion]
    coupons: Mapping[tuple[str, str], RecordedCoupon]
    missing: Sequence[MissingOrderCoupon]
    noted: Sequence[NotedProblem]
    told: Mapping[str, SyncRecord]
    problems: list[Problem] = field(default_factory=list)


def write_back(
    run: Run, ledger: Ledger, salesforce: SalesforceEdge, settings: Settings, mapping: CouponMapping
) -> StageReport:
    """Write what differs, 200 records a request; each record's refusal is its own.

    Some orders at a time, the latest first: a quote coupon is looked at once, with the order that
    was activated last among those that use it.

    Raises:
        RunStopped: live money is not meant.
        SalesforceUnavailable: no answer came for some records; the next run looks and goes on.
    """
    refuse_unmeant_live_money(settings, meant=run.live or run.dry_run)
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        order_ids = list(source.read_order_days(tx))
    report = StageReport(STAGE, whole=run.dry_run)
    seen: set[str] = set()
    for portion in run.portions(order_ids, latest_first=True):
        situation = _read_situation(portion, ledger, salesforce, mapping, seen)
        seen |= {coupon.quote_coupon_id for coupon in situation.quote_coupons}
        report.include(_write_back(run, ledger, salesforce, settings, mapping, situation))
    return report


def _write_back(
    run: Run,
    ledger: Ledger,
    salesforce: SalesforceEdge,
    settings: Settings,
    mapping: CouponMapping,
    situation: _Situation,
) -> StageReport:
    report = StageReport(STAGE, preview_columns=("object", "record", "value"), whole=run.dry_run)
    unanswered: RowResult | None = None
    for batch in _batches(salesforce, settings, mapping, situation):
        rows = batch
        if run.approved is not None:
            rows = [row for row in batch if run.may_make(row.planned())]
            situation.problems += [_held_back(r) for r in batch if not run.may_make(r.planned())]
        if run.dry_run:
            report.writes += [row.planned() for row in rows]
        for row in rows:
            day = situation.days[row.order_id]
            report.count(day, "created" if row.operation == CREATE_ORDER_COUPON else "updated")
            report.show((row.object_name, row.record_key, row.value), is_change=True)
        if rows and not run.dry_run:
            unanswered = _send(run, ledger, salesforce, rows, situation) or unanswered
            run.progress.advance("records sent", len(rows))
    with ledger.transaction() as tx:
        source.select_orders_by_id(tx, situation.days)
        note_problems(tx, STAGE, situation.problems, situation.days, now())
        settle_intents(tx, "salesforce", _read_before(situation), run.run_id, now())
    if unanswered is not None:
        raise SalesforceUnavailable(unanswered.message, unanswered.fix, code=unanswered.code)
    return report


@collector_paused()
def _batches(
    salesforce: SalesforceEdge, settings: Settings, mapping: CouponMapping, situation: _Situation
) -> list[list[RowWrite]]:
    """What differs, by operation and object, as far as the settings allow to write it."""
    kinds = settings.coupon_pipeline_write_back
    batches: list[list[RowWrite]] = []
    if "stripe_ids" in kinds:
        batches.append(_order_coupon_updates(situation))
        batches.append(_quote_coupon_updates(situation, settings, mapping, salesforce))
    if "order_coupons" in kinds:
        batches.append(_creations(situation))
    if "sync_records" in kinds and SYNC_RECORD in salesforce.describe().objects:
        batches.append(_sync_records(situation))
    return batches


@collector_paused()
def _read_situation(
    order_ids: Sequence[str],
    ledger: Ledger,
    salesforce: SalesforceEdge,
    mapping: CouponMapping,
    seen: Collection[str],
) -> _Situation:
    """What the ledger holds of these orders, without quote coupons that were seen with others."""
    org = salesforce.read_org()
    converts = mapping.currency_options == "corporate_rates"
    with ledger.reading() as tx:
        source.select_orders_by_id(tx, order_ids)
        snapshots = {s.snapshot_id: s for s in decisions.read_snapshots(tx)}
        noted = read_selected_problems(tx)
        quote_coupons = source.read_quote_coupons(tx)
        return _Situation(
            days=source.read_order_days(tx),
            snapshots=snapshots,
            siblings=decisions.read_siblings(tx) if converts else (),
            usable=_usable(decisions.read_coupon_decisions(tx), snapshots, noted),
            order_coupons=source.read_order_coupon_links(tx),
            quote_coupons=[c for c in quote_coupons if c.quote_coupon_id not in seen],
            coupons=decisions.read_coupons(tx),
            noted=noted,
            told={**read_sync_records(tx), **_doubtful(read_open_intents(tx), snapshots)},
            missing=_missing(tx, org.org_id, snapshots),  # the last: it selects fewer orders
        )


def _missing(
    tx: Transaction, org_id: str, snapshots: Mapping[str, Snapshot]
) -> Sequence[MissingOrderCoupon]:
    """What the trigger left out; only orders that lack an order coupon are looked at."""
    order_ids = source.read_orders_without_order_coupons(tx)
    if not order_ids:
        return ()
    source.select_orders_by_id(tx, order_ids)
    associations, copies = source.read_associations(tx), source.read_order_coupons(tx)
    versions, _ = source.read_coupon_states(tx, associations, copies)
    return take_snapshots(
        org_id,
        orders=source.read_orders(tx),
        items=source.read_items(tx),
        associations=associations,
        order_coupons=copies,
        versions=versions,
        frozen=snapshots,
    ).missing_order_coupons


def _usable(
    decided: Mapping[str, CouponDecision],
    snapshots: Mapping[str, Snapshot],
    noted: Iterable[NotedProblem],
) -> dict[str, CouponDecision]:
    """Decisions that gave a coupon, without those of terms that are held back by now."""
    held_back = {
        _compound_id(each)
        for each in noted
        if each.stage == "coupon_snapshots" and each.effect == Effect.BLOCKED
    }
    return {
        snapshot_id: decision
        for snapshot_id, decision in decided.items()
        if decision.coupon_id is not None
        and (snapshot := snapshots.get(snapshot_id)) is not None
        and f"{_primary(snapshot.scope)}-{snapshot.quote_coupon_id}" not in held_back
    }


def _primary(scope: Scope) -> str:
    """The record that a coupon of this scope is told at."""
    return scope.order_item_id or scope.order_id


def _doubtful(
    intents: Iterable[WriteIntent], snapshots: Mapping[str, Snapshot]
) -> dict[str, SyncRecord]:
    """Sync records of which nobody knows whether they were written: they are told again."""
    orders = {_primary(s.scope): s.scope.order_id for s in snapshots.values()}
    return {
        intent.target_id: SyncRecord(intent.target_id, orders[primary], "Error", "")
        for intent in intents
        if intent.operation == UPSERT_SYNC_RECORD
        and (primary := intent.target_id.partition("-")[0]) in orders
    }


def _read_before(situation: _Situation) -> list[tuple[str, str]]:
    """Writes of earlier runs whose end this run's reading has shown."""
    records = [c.order_coupon_id for c in situation.order_coupons]
    records += [c.quote_coupon_id for c in situation.quote_coupons]
    return [
        *((SET_STRIPE_ID, record_id) for record_id in records),
        *((CREATE_ORDER_COUPON, snapshot_id) for snapshot_id in situation.snapshots),
    ]


def _order_coupon_updates(situation: _Situation) -> list[RowWrite]:
    by_scope = {(_primary(s.scope), s.quote_coupon_id): s for s in situation.snapshots.values()}
    rows = []
    for copy in situation.order_coupons:
        snapshot = by_scope.get((copy.scope_id, copy.quote_coupon_id))
        decision = situation.usable.get(snapshot.snapshot_id) if snapshot else None
        if snapshot is None or decision is None or copy.stripe_id == decision.coupon_id:
            continue
        rows.append(
            RowWrite.of(
                SET_STRIPE_ID,
                ORDER_COUPON,
                copy.order_coupon_id,
                {STRIPE_ID: decision.coupon_id},
                {STRIPE_ID: copy.stripe_id},
                snapshot,
            )
        )
    return rows


def _quote_coupon_updates(
    situation: _Situation, settings: Settings, mapping: CouponMapping, salesforce: SalesforceEdge
) -> list[RowWrite]:
    """A quote coupon names the Stripe coupon of its terms of today, if there is one already.

    Amounts that are converted are those of the order that was activated last, whichever orders are
    at hand: an older day that is run again must not set the name back.
    """
    org = salesforce.read_org()
    options = DeriveOptions(
        default_currency=None
        if org.is_multi_currency
        else settings.coupon_pipeline_default_currency or org.default_currency,
        extra_currencies=frozenset(settings.coupon_pipeline_extra_currencies),
    )
    own = sorted(situation.snapshots.values(), key=_activated)
    users = {s.quote_coupon_id: s for s in own}
    latest: dict[str, Snapshot] = {}
    for each in sorted((*users.values(), *situation.siblings), key=_activated):
        latest[each.quote_coupon_id] = each
    rows = []
    for coupon in situation.quote_coupons:
        snapshot = users.get(coupon.quote_coupon_id)
        if coupon.is_deleted or snapshot is None:
            continue
        rates = latest[coupon.quote_coupon_id].rates
        derived = derive(coupon.fields, coupon.currency, mapping, options, rates=rates)
        if isinstance(derived, Blocked):
            continue
        known = situation.coupons.get((coupon.quote_coupon_id, terms_hash(derived.terms)))
        if known is None or known.coupon_id == coupon.stripe_id:
            continue
        rows.append(
            RowWrite.of(
                SET_STRIPE_ID,
                QUOTE_COUPON,
                coupon.quote_coupon_id,
                {STRIPE_ID: known.coupon_id},
                {STRIPE_ID: coupon.stripe_id},
                snapshot,
            )
        )
    return rows


def _activated(snapshot: Snapshot) -> tuple[datetime, str]:
    return snapshot.activated_at, snapshot.snapshot_id


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
            RowWrite.of(
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
                None,
                situation.snapshots[missing.snapshot_id],
            )
        )
    return rows


def _sync_records(situation: _Situation) -> list[RowWrite]:
    """What blocks a coupon of an order, where the sales team looks; resolved when it is gone.

    The connector writes its own there, under other ids.
    """
    blocked: dict[str, list[NotedProblem]] = {}
    for problem in situation.noted:
        if problem.effect == Effect.BLOCKED:
            blocked.setdefault(_compound_id(problem), []).append(problem)
    rows = []
    for compound_id, problems in blocked.items():
        told = " ".join(f"{p.code}: {p.message} {p.fix}" for p in problems)
        record = SyncRecord(compound_id, problems[0].order_id or "", "Error", told)
        if not _tells_the_same(situation.told.get(compound_id), record):
            rows.append(
                _sync_record(
                    record,
                    situation.told.get(compound_id),
                    problems[0].order_item_id,
                    problems[0].quote_coupon_id,
                )
            )
    for compound_id, told_before in situation.told.items():
        if told_before.status == "Error" and compound_id not in blocked:
            resolved = replace(told_before, status="Resolved", message="It is done now.")
            item_id, _, coupon_id = compound_id.partition("-")
            is_item = item_id != told_before.order_id
            rows.append(
                _sync_record(resolved, told_before, item_id if is_item else None, coupon_id or None)
            )
    return rows


def _tells_the_same(told: SyncRecord | None, record: SyncRecord) -> bool:
    """Whether only the number of the request that Stripe refused is another one."""
    if told is None:
        return False
    texts = [_REQUEST_ID.sub("", each.message) for each in (told, record)]
    return replace(told, message=texts[0]) == replace(record, message=texts[1])


def _compound_id(problem: NotedProblem) -> str:
    primary = problem.order_item_id or problem.order_id or ""
    return f"{primary}-{problem.quote_coupon_id or ''}"


def _sync_record(
    record: SyncRecord,
    told_before: SyncRecord | None,
    order_item_id: str | None,
    quote_coupon_id: str | None,
) -> RowWrite:
    return RowWrite(
        UPSERT_SYNC_RECORD,
        SYNC_RECORD,
        record.compound_id,
        {
            "Compound_ID__c": record.compound_id,
            "Primary_Record_ID__c": order_item_id or record.order_id,
            "Primary_Object_Type__c": "OrderItem" if order_item_id else "Order",
            "Secondary_Record_ID__c": quote_coupon_id,
            "Secondary_Object_Type__c": QUOTE_COUPON if quote_coupon_id else None,
            **_resolution(record),
        },
        None if told_before is None else _resolution(told_before),
        record.order_id,
        order_item_id,
        quote_coupon_id,
        sync_record=record,
    )


def _resolution(record: SyncRecord) -> dict[str, Scalar]:
    return {"Resolution_Status__c": record.status, "Resolution_Message__c": record.message}


def _send(
    run: Run,
    ledger: Ledger,
    salesforce: SalesforceEdge,
    rows: Sequence[RowWrite],
    situation: _Situation,
) -> RowResult | None:
    """Intent, request, outcome. Gives a result that was never answered, if there is one."""
    intents = [
        WriteIntent(
            intent_id=uuid4().hex,
            system="salesforce",
            operation=row.operation,
            target_id=row.record_key,
            epoch=0,
            body=row.body,
            run_id=run.run_id,
            written_at=now(),
            before=None if row.before is None else _body(row.before),
            plan_id=run.plan_id,
        )
        for row in rows
    ]
    with ledger.transaction() as tx:
        record_intents(tx, intents)
    operation, object_name = rows[0].operation, rows[0].object_name
    if operation == CREATE_ORDER_COUPON:
        results = salesforce.create_records(object_name, [row.fields for row in rows])
    elif operation == UPSERT_SYNC_RECORD:
        results = salesforce.upsert_records(object_name, [row.fields for row in rows])
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
                    run.run_id,
                )
                for intent, result in zip(intents, results, strict=True)
                if result.outcome is not RowOutcome.UNKNOWN
            ],
        )
        done = [row for row, result in zip(rows, results, strict=True) if result.success]
        record_sync_records(tx, [r.sync_record for r in done if r.sync_record], now())
        told_again = [(row.operation, row.record_key) for row in done if row.sync_record]
        settle_intents(tx, "salesforce", told_again, run.run_id, now())
        if operation == SET_STRIPE_ID:
            source.record_stripe_ids(
                tx, object_name, {row.record_key: str(row.fields[STRIPE_ID]) for row in done}
            )
    for row, result in zip(rows, results, strict=True):
        if result.outcome is RowOutcome.REFUSED:
            situation.problems.append(problem_of_row(row, result))
    return next(
        (r for r in results if r.outcome in {RowOutcome.UNKNOWN, RowOutcome.NOT_SENT}), None
    )


def problem_of_row(row: RowWrite, result: RowResult) -> Problem:
    """The discount is attached all the same, so what Salesforce does not take is a warning.

    A row that stayed locked waits for the next run.
    """
    is_locked = result.code == "salesforce.row_locked"
    return Problem(
        result.code if is_locked or result.code == "salesforce.permission" else _REFUSED,
        {
            "operation": f"to write {', '.join(sorted(row.fields))}",
            "object": f"{row.object_name} {row.record_key}",
            "permission": result.permission or "a permission",
            "reason": result.message,
        },
        order_id=row.order_id,
        order_item_id=row.order_item_id,
        quote_coupon_id=row.quote_coupon_id,
        effect_override=None if is_locked else Effect.WARNING,
    )


def _held_back(row: RowWrite) -> Problem:
    return Problem(
        "plan.not_in_plan",
        {"operation": f"{row.operation} of {row.object_name} {row.record_key}"},
        order_id=row.order_id,
        order_item_id=row.order_item_id,
        quote_coupon_id=row.quote_coupon_id,
        effect_override=Effect.WARNING,
    )


def _body(fields: Mapping[str, Scalar]) -> str:
    """Fields as JSON, an exact decimal as its text."""
    exact = (type(None), str, int, bool)
    return json_text({k: v if isinstance(v, exact) else str(v) for k, v in fields.items()})


@stage_asset(
    kinds={"salesforce"},
    deps=["coupon_attachments"],
    service="salesforce",
)
def salesforce_records(run: Run, at: Connection) -> StageReport:
    """Stripe ids on order coupons and quote coupons, and order coupons that the trigger left out.

    Nothing else in Salesforce is ever written, and no record whose value is already right.
    """
    with at.ledger.load_lock():
        return write_back(run, at.ledger, at.salesforce, at.settings, at.mapping)
