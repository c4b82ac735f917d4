"""Carrying out writes to Stripe: intent, request, outcome.

The intents of a batch are committed before its requests leave and the outcomes as they come, with
no database open while anything is on its way. A run that is killed in between leaves intents
without outcome, which the next run settles by reading Stripe.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar
from uuid import uuid4

from coupon_pipeline.assets.run import Run, now
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
    StripeObjectBusy,
    StripeRefused,
    StripeUnavailable,
)

Result = TypeVar("Result")

_BATCH = 200


@dataclass(frozen=True, slots=True)
class StripeWrite(Generic[Result]):
    """One write that a decision asks for."""

    operation: str
    target_id: str
    params: Mapping[str, object]
    send: Callable[[int], Result]
    """Takes the epoch of the idempotency key: how often this was refused before."""
    request_id_of: Callable[[Result], str | None]
    serial_key: str | None = None


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

    A write whose answer was lost keeps an intent without outcome: only reading Stripe can tell.

    Raises:
        StripeEdgeError: Stripe is down or refuses the key. What was done until then is recorded.
    """
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
                )
                for each, epoch in zip(batch, epochs, strict=True)
            ]
            record_intents(tx, intents)
        by_intent = {i.intent_id: each for i, each in zip(intents, batch, strict=True)}
        jobs = [
            Job(intent.intent_id, partial(each.send, intent.epoch), each.serial_key)
            for intent, each in zip(intents, batch, strict=True)
        ]
        outage: StripeEdgeError | None = None
        for outcomes in stripe.run_all(jobs):
            ended = [
                (o.job.name, Written(by_intent[o.job.name], o.result, o.error)) for o in outcomes
            ]
            outage = outage or next((w.error for _, w in ended if is_outage(w.error)), None)
            with ledger.transaction() as tx:
                record_outcomes(
                    tx,
                    [
                        _outcome(name, written)
                        for name, written in ended
                        if not isinstance(written.error, StripeUnavailable)
                    ],
                )
                record(tx, [written for _, written in ended])
        if outage is not None:
            raise outage


def is_outage(error: StripeEdgeError | None) -> bool:
    """Whether Stripe as a whole gave no answer, rather than this record having trouble."""
    return isinstance(error, StripeUnavailable) and not isinstance(error, StripeObjectBusy)


def problem_of(error: StripeEdgeError, operation: str, snapshot: Snapshot) -> Problem:
    """What a record's own error at Stripe means for that record."""
    code = "stripe.object_busy" if isinstance(error, StripeUnavailable) else "stripe.rejected"
    permission = None
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


def _outcome(intent_id: str, written: Written[Result]) -> WriteOutcome:
    if written.error is not None:
        return WriteOutcome(
            intent_id, "refused", written.error.request_id, written.error.message, now()
        )
    assert written.result is not None, "a write ends with a result or an error"
    request_id = written.write.request_id_of(written.result)
    return WriteOutcome(intent_id, "done", request_id, "", now())


def _plain(value: object) -> object:
    """Parameters in a form that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
