"""Looking for changes of others that our own writes undid, through Stripe's events."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice

from coupon_pipeline.assets.run import Run, now
from coupon_pipeline.domain.overwritten import (
    Overwritten,
    OwnWrite,
    discounts_named,
    overwritten,
)
from coupon_pipeline.domain.phase_edits import PhaseEdit
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

_EVENTS_AT_ONCE = 1000
"""So many are held against the ledger together: a schedule's are as long as its phases."""


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
    ledger: Ledger, stripe: StripeEdge, *, run_id: str | None = None, back: timedelta = KEPT
) -> tuple[Overwritten, ...]:
    """What writes of ours undid unknowingly, of one run or of all for some time.

    No request is sent where nothing was written.

    Raises:
        StripeEdgeError: the events could not be had.
    """
    with ledger.reading() as tx:
        since = read_first_write_to_targets(tx, now() - back, run_id)
    if since is None:
        return ()
    found: list[Overwritten] = []
    events = stripe.undoing_events(since)
    while told := list(islice(events, _EVENTS_AT_ONCE)):
        with ledger.reading() as tx:
            requests = [each.request_id for each in told if each.request_id is not None]
            sent = read_writes_to_targets(tx, since, requests)
            replaced = read_replaced_discounts(tx, since)
        found += overwritten(list(map(_own_write, sent)), told, replaced)
    return tuple(found)


def note_overwritten(
    run: Run, ledger: Ledger, stripe: StripeEdge, stage: str, written: Mapping[str, WrittenFor]
) -> None:
    """Keep a problem for each target of this run on which it undid what others had changed.

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
        found = find_overwritten(ledger, stripe, run_id=run.run_id)
    except StripeEdgeError as error:
        anyone = next(iter(written.values()))
        unread = anyone.problem("stripe.events_unread", {"message": error.message})
        _keep(ledger, stage, {}, [(anyone, unread)], now())
        return
    undone: dict[tuple[str, str], list[str]] = {}
    for each in found:
        if each.target_id in written:
            undone.setdefault((each.target_id, _code(each)), []).append(each.words)
    problems = []
    for (target_id, code), words in undone.items():
        about = written[target_id]
        details = {"target_id": target_id, _DETAILS[code]: " and ".join(words)}
        problems.append((about, about.problem(code, details)))
    rows = {about.snapshot_id: problem for about, problem in problems}
    _keep(ledger, stage, rows, problems, now())


_DETAILS = {"target.overwritten": "discounts", "target.edit_overwritten": "edits"}


def _code(found: Overwritten) -> str:
    is_edit = isinstance(found.undone, PhaseEdit)
    return "target.edit_overwritten" if is_edit else "target.overwritten"


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
    params = json.loads(sent.body)
    return OwnWrite(
        target_id=sent.target_id,
        run_id=sent.run_id,
        request_id=sent.request_id,
        idempotency_key=key_of_write(sent.target_id, params, sent.epoch),
        known=discounts_named(sent.before, sent.body),
        before=json.loads(sent.before or "{}"),
        sent=params,
    )
