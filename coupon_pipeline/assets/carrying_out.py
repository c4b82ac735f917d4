"""Carrying out writes to Stripe: intent, request, outcome.

The intents of a batch are committed before its requests leave and the outcomes as they come, with
no database open while anything is on its way. A run that is killed in between leaves intents
without outcome, which the next run settles by reading Stripe.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from uuid import uuid4

from coupon_pipeline.assets.run import Run, now
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.ledger import Ledger, Transaction
from coupon_pipeline.ledger.rows import json_text
from coupon_pipeline.ledger.writes import (
    WriteIntent,
    WriteOutcome,
    read_refusals,
    record_intents,
    record_outcomes,
)
from coupon_pipeline.stripe_api import (
    Job,
    StripeEdge,
    StripeEdgeError,
    StripeFailureKept,
    StripeObjectBusy,
    StripeRefused,
    StripeUnavailable,
)

Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)

_BATCH = 200


@dataclass(frozen=True, slots=True)
class StripeWrite(Generic[Result]):
    """One write that a decision asks for."""

    operation: str
    target_id: str
    params: Mapping[str, object]
    before: Mapping[str, object] | None
    """What is there as far as it was read, in the form of `params`; None for something new."""
    send: Callable[[int], Result]
    """Takes the epoch of the idempotency key: how often this was refused before."""
    request_id_of: Callable[[Result], str | None]
    serial_key: str | None = None

    def planned(self, order_ids: Iterable[str] = ()) -> PlannedWrite:
        """The same as data."""
        body = json_text(_plain(self.params))
        return PlannedWrite("stripe", self.operation, self.target_id, body, tuple(order_ids))


class NotInPlan(StripeEdgeError):  # noqa: N818 - as the errors of stripe_api, it names what happened
    """A write that an applied plan does not hold. It was not sent."""

    code = "plan.not_in_plan"

    def __init__(self, write: StripeWrite[Result]) -> None:
        super().__init__(f"{write.operation} of {write.target_id} is not in the plan.")


@dataclass(frozen=True, slots=True)
class Written(Generic[Result]):
    """How a write ended: with Stripe's answer, or with an error that is this write's own."""

    write: StripeWrite[Result]
    result: Result | None
    error: StripeEdgeError | None


def carry_out(
    run: Run,
    ledger: Ledger,
    stripe: StripeEdge,
    writes: Sequence[StripeWrite[Result]],
    record: Callable[[Transaction, Sequence[Written[Result]]], None],
) -> None:
    """Make the writes; `record` keeps what came of a batch, in the transaction of its outcomes.

    A write that an applied plan does not hold is not sent, which is that record's trouble.
    A write whose answer was lost keeps an intent without outcome: only reading Stripe can tell.
    A write that Stripe never answers is that record's trouble as long as others are answered.

    Raises:
        StripeEdgeError: Stripe is down or refuses the key. What was done until then is recorded.
    """
    if run.approved is not None:
        held = [each for each in writes if not run.may_make(each.planned())]
        writes = [each for each in writes if run.may_make(each.planned())]
        with ledger.transaction() as tx:
            record(tx, [Written(each, None, NotInPlan(each)) for each in held])
    outages = Outages()
    for start in range(0, len(writes), _BATCH):
        batch = writes[start : start + _BATCH]
        with ledger.transaction() as tx:
            refusals = read_refusals(tx)
            epochs = [refusals.get((each.operation, each.target_id), 0) for each in batch]
            intents = [
                WriteIntent(
                    intent_id=uuid4().hex,
                    system="stripe",
                    operation=each.operation,
                    target_id=each.target_id,
                    epoch=epoch,
                    body=json_text(_plain(each.params)),
                    run_id=run.run_id,
                    written_at=now(),
                    before=None if each.before is None else json_text(_plain(each.before)),
                    plan_id=run.plan_id,
                )
                for each, epoch in zip(batch, epochs, strict=True)
            ]
            record_intents(tx, intents)
        by_intent = {i.intent_id: each for i, each in zip(intents, batch, strict=True)}
        jobs = [
            Job(intent.intent_id, partial(each.send, intent.epoch), each.serial_key)
            for intent, each in zip(intents, batch, strict=True)
        ]
        for outcomes in stripe.run_all(jobs):
            ended = [
                (o.job.name, Written(by_intent[o.job.name], o.result, o.error)) for o in outcomes
            ]
            for _, written in ended:
                outages.judge(written.error)
            with ledger.transaction() as tx:
                record_outcomes(
                    tx,
                    [
                        _outcome(name, written, run.run_id)
                        for name, written in ended
                        if _is_known(written)
                    ],
                )
                record(tx, [written for _, written in ended])
    outages.raise_if_nothing_was_answered()


class Outages:
    """Tells a record that Stripe does not answer from Stripe being down.

    With few requests the edge cannot see the difference: then it is down if none was answered.
    """

    def __init__(self) -> None:
        self._answered = False
        self._outage: StripeEdgeError | None = None

    def judge(self, error: StripeEdgeError | None) -> None:
        """Take the end of one request into account."""
        if isinstance(error, StripeUnavailable) and not isinstance(error, StripeObjectBusy):
            self._outage = error
        else:
            self._answered = True

    def raise_if_nothing_was_answered(self) -> None:
        """End the run when Stripe is down.

        Raises:
            StripeUnavailable: there were requests and none was answered.
        """
        if self._outage is not None and not self._answered:
            raise self._outage


def _is_known(written: Written[Result]) -> bool:
    """Whether it is known what became of a write; a failure that Stripe keeps would be repeated."""
    unknown = isinstance(written.error, StripeUnavailable)
    return not unknown or isinstance(written.error, StripeFailureKept)


def problem_of(error: StripeEdgeError, operation: str, snapshot: Snapshot) -> Problem:
    """What a record's own error at Stripe means for that record."""
    code, permission = "stripe.rejected", None
    if isinstance(error, StripeUnavailable):
        busy = isinstance(error, StripeObjectBusy)
        code = "stripe.object_busy" if busy else "stripe.unavailable"
    if isinstance(error, NotInPlan):
        code = error.code
    if isinstance(error, StripeRefused):
        code, permission = "stripe.permission", error.permission
    return Problem(
        code,
        {
            "operation": operation,
            "message": error.message,
            "request_id": error.request_id or "without an id",
            "permission": permission or "a permission that Stripe did not name",
        },
        order_id=snapshot.scope.order_id,
        order_item_id=snapshot.scope.order_item_id,
        quote_coupon_id=snapshot.quote_coupon_id,
    )


def _outcome(intent_id: str, written: Written[Result], run_id: str) -> WriteOutcome:
    error = written.error
    if error is not None:
        return WriteOutcome(intent_id, "refused", error.request_id, error.message, now(), run_id)
    assert written.result is not None, "a write ends with a result or an error"
    request_id = written.write.request_id_of(written.result)
    return WriteOutcome(intent_id, "done", request_id, "", now(), run_id)


def _plain(value: object) -> object:
    """Parameters in a form that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
