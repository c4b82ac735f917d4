"""Looking for discounts of others that our own writes took away, through Stripe's events."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from coupon_pipeline.assets.run import Run, now
from coupon_pipeline.domain.overwritten import (
    Overwritten,
    OwnWrite,
    discounts_named,
    overwritten,
)
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Scope
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.problems import add_problems
from coupon_pipeline.ledger.replacements import read_replaced_discounts
from coupon_pipeline.ledger.writes import (
    SentToTarget,
    read_first_write_to_targets,
    read_writes_to_targets,
)
from coupon_pipeline.stripe_api import StripeEdge, StripeEdgeError
from coupon_pipeline.stripe_api.attachments import key_of_write
from coupon_pipeline.stripe_api.events import KEPT


@dataclass(frozen=True, slots=True)
class WrittenFor:
    """One of the snapshots that a write to a target was about."""

    snapshot_id: str
    scope: Scope
    quote_coupon_id: str
    day: date
    """On which its order was activated."""

    def problem(self, code: str, details: Mapping[str, str]) -> Problem:
        """A problem of that snapshot."""
        return Problem(
            code,
            details,
            order_id=self.scope.order_id,
            order_item_id=self.scope.order_item_id,
            quote_coupon_id=self.quote_coupon_id,
        )


def find_overwritten(
    ledger: Ledger, stripe: StripeEdge, run_id: str | None = None
) -> tuple[Overwritten, ...]:
    """What writes of ours took away unknowingly, of one run or as long as Stripe keeps events.

    No request is sent where nothing was written.

    Raises:
        StripeEdgeError: the events could not be had.
    """
    with ledger.reading() as tx:
        since = read_first_write_to_targets(tx, now() - KEPT, run_id)
    if since is None:
        return ()
    removed = list(stripe.removed_discounts(since))
    with ledger.reading() as tx:
        requests = [each.request_id for each in removed if each.request_id is not None]
        sent = read_writes_to_targets(tx, since, requests)
        replaced = read_replaced_discounts(tx, since)
    return overwritten(list(map(_own_write, sent)), removed, replaced)


def note_overwritten(
    run: Run, ledger: Ledger, stripe: StripeEdge, stage: str, written: Mapping[str, WrittenFor]
) -> None:
    """Keep a problem for each target of this run that lost a discount to it.

    Args:
        run: the run that wrote.
        ledger: holds its writes.
        stripe: whose events are looked through, once.
        stage: the asset that wrote.
        written: by the id that a request went to.
    """
    if not written:
        return
    try:
        found = find_overwritten(ledger, stripe, run.run_id)
    except StripeEdgeError as error:
        anyone = next(iter(written.values()))
        unread = anyone.problem("stripe.events_unread", {"message": error.message})
        _keep(ledger, stage, {}, [(anyone, unread)], now())
        return
    by_target: dict[str, list[Overwritten]] = {}
    for each in found:
        by_target.setdefault(each.target_id, []).append(each)
    problems = {
        target_id: (
            written[target_id],
            written[target_id].problem(
                "target.overwritten",
                {"target_id": target_id, "discounts": " and ".join(e.words for e in lost)},
            ),
        )
        for target_id, lost in by_target.items()
        if target_id in written
    }
    rows = {each.snapshot_id: problem for each, problem in problems.values()}
    _keep(ledger, stage, rows, problems.values(), now())


def _keep(
    ledger: Ledger,
    stage: str,
    rows: Mapping[str, Problem],
    problems: Iterable[tuple[WrittenFor, Problem]],
    at: datetime,
) -> None:
    """With the attachment, so that later runs tell it too, and among the problems."""
    found = list(problems)
    if not found:
        return
    with ledger.transaction() as tx:
        source.select_orders_by_id(tx, {each.scope.order_id for each, _ in found})
        attachments = decisions.read_attachments(tx)
        decisions.record_attachments(
            tx,
            [
                replace(attachments[i], code=problem.code, details=problem.details)
                for i, problem in rows.items()
                if i in attachments
            ],
        )
        days = {each.scope.order_id: each.day for each, _ in found}
        add_problems(tx, stage, [problem for _, problem in found], days, at)


def _own_write(sent: SentToTarget) -> OwnWrite:
    return OwnWrite(
        target_id=sent.target_id,
        run_id=sent.run_id,
        request_id=sent.request_id,
        idempotency_key=key_of_write(sent.target_id, json.loads(sent.body), sent.epoch),
        known=discounts_named(sent.before, sent.body),
    )
