"""Polls Salesforce for what changed, and asks for the days that it concerns."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from coupon_pipeline.assets.names import Names
from coupon_pipeline.assets.resources import (
    open_ledger,
    open_salesforce,
    read_mapping,
)
from coupon_pipeline.automation.day_ranges import ranges_of
from coupon_pipeline.automation.jobs import SYNC_JOB, is_waiting, repeats, request
from coupon_pipeline.automation.schedules import within
from coupon_pipeline.automation.seen_changes import SeenChanges, SensorMemory
from coupon_pipeline.domain.versions import is_edit
from coupon_pipeline.ledger import Ledger, LedgerBusy, source
from coupon_pipeline.ledger.automation import read_open_days_of_coupons, read_pending_days
from coupon_pipeline.salesforce import (
    ChangeCursor,
    ChangedCoupon,
    ChangedOrder,
    ChangesRead,
    Pacing,
    SalesforceEdge,
    SalesforceQuotaExhausted,
    SalesforceUnavailable,
    Timeouts,
)
from coupon_pipeline.salesforce.changes import Changed
from coupon_pipeline.settings import Settings

NAME = "salesforce_changes"
RETRY_PENDING_EVERY = timedelta(minutes=15)
_PAGES_A_LOOK = 10
# A look must end before Dagster gives it up after 60 seconds; the next one comes soon.
_PATIENCE = Pacing(attempts=2, total_seconds=15)
_TIMEOUTS = Timeouts(connect=5, read=20)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at Salesforce found."""

    days: frozenset[date]
    key: str
    """Names exactly these changes."""
    memory: SensorMemory
    told: str


def change_sensor(
    settings: Settings, default_status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """The sensor of one connection, polling as often as the settings say."""
    names = Names.of(settings)
    name = names.named(NAME)

    @dg.sensor(
        name=name,
        job_name=names.named(SYNC_JOB),
        minimum_interval_seconds=settings.coupon_pipeline_poll_seconds,
        default_status=default_status,
        description=(
            "Looks for orders that were activated or got their Stripe id, and for edited quote "
            "coupons, and syncs the activation days that they concern, each change once. Tries "
            "pending orders again every 15 minutes, and failed runs of its own with longer and "
            "longer waits. The first look is over all orders, as with another org or ledger."
        ),
    )
    def evaluate(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if is_waiting(context.instance, name):
            # the changes stay where they are, and become fewer runs when the queue moves again
            return dg.SkipReason("Runs that were asked for before have not begun yet.")
        now = datetime.now(UTC)
        memory = SensorMemory.from_text(context.cursor)
        try:
            with closing(
                open_salesforce(settings, pacing=_PATIENCE, timeouts=_TIMEOUTS)
            ) as salesforce:
                look = look_for_changes(settings, salesforce, memory, now)
        except (SalesforceUnavailable, SalesforceQuotaExhausted, LedgerBusy) as later:
            return dg.SkipReason(
                f"{later} Nothing is missed: the next look begins at the same place."
            )
        wanted = ranges_of(look.days)
        requests = [request(days, name, f"{look.key}:{days.first}:{days.last}") for days in wanted]
        requests += [
            request(again.days, name, f"after {again.failed_run_id}")
            for again in repeats(context.instance, name, now)
            if again.days not in wanted and again.days.first >= settings.first_day
        ]
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else look.told,
            cursor=look.memory.to_text(),
        )

    return evaluate


def look_for_changes(
    settings: Settings, salesforce: SalesforceEdge, memory: SensorMemory, now: datetime
) -> Look:
    """Read what changed since the last look.

    Raises:
        SalesforceError: the org cannot be read; the memory stays as it was.
        LedgerBusy: somebody kept the ledger.
    """
    ledger = open_ledger(settings)
    memory = memory.of(f"{settings.salesforce().instance_url} {ledger.path.resolve()}")
    paths = read_mapping(settings).paths
    tomorrow = now.date() + timedelta(days=1)
    orders, seen_orders = _follow(
        memory.orders,
        salesforce.read_changed_orders,
        now,
        # the org's clock is ahead of this machine's, where its day is no partition yet
        is_too_early=lambda order: order.activation_day == tomorrow,
    )
    coupons, seen_coupons = _follow(
        memory.coupons, lambda after: salesforce.read_changed_coupons(after, paths), now
    )
    edited = _edited(ledger, coupons)
    days = {order.activation_day for order in orders}
    told = f"{len(orders)} changed orders, {len(edited)} edited quote coupons"
    after = replace(memory, orders=seen_orders, coupons=seen_coupons)
    with ledger.reading() as tx:
        if edited:
            # the edit has to be known before the next order, even when no order waits for it
            days |= {now.date(), *read_open_days_of_coupons(tx, [c.record_id for c in edited])}
        if memory.retried_at is None or now - memory.retried_at >= RETRY_PENDING_EVERY:
            pending = read_pending_days(tx)
            told += f", {len(pending)} days with pending orders"
            days |= set(pending)
            after = replace(after, retried_at=now)
    key = _key([*orders, *edited], after.retried_at)
    return Look(frozenset(within(settings, now.date(), days)), key, after, f"{told}.")


def _follow(
    seen: SeenChanges,
    read: Callable[[ChangeCursor | None], ChangesRead[Changed]],
    now: datetime,
    *,
    is_too_early: Callable[[Changed], bool] = lambda _: False,
) -> tuple[list[Changed], SeenChanges]:
    """What is new since the last look, and what to remember of this one.

    What comes too early is not told, and is new to the next look.
    """
    found: list[Changed] = []
    position, is_complete = seen.position, False
    for _ in range(_PAGES_A_LOOK):
        page = read(position)
        found += page.changes
        position, is_complete = page.cursor, page.is_complete
        if is_complete:
            break
    stamps = [(change.record_id, change.changed_at) for change in found]
    early = {change.record_id for change in found if is_too_early(change)}
    new = [
        change
        for change in found
        if change.record_id not in early and seen.is_new(change.record_id, change.changed_at)
    ]
    after = seen.after(stamps, position, now, is_complete=is_complete, too_early=early)
    return new, after


def _edited(ledger: Ledger, changed: Sequence[ChangedCoupon]) -> list[ChangedCoupon]:
    """Those that somebody edited. Our own write-back of a Stripe id is a change and no edit."""
    with ledger.reading() as tx:
        known = source.read_latest_versions(tx, [change.record_id for change in changed])
    return [
        change
        for change in changed
        if change.record_id not in known or is_edit(known[change.record_id], change.version)
    ]


def _key(changes: Iterable[ChangedOrder | ChangedCoupon], retried_at: datetime | None) -> str:
    told = [f"{change.record_id}@{change.changed_at.isoformat()}" for change in changes]
    return hashlib.sha256("|".join([*sorted(told), str(retried_at)]).encode()).hexdigest()[:16]
