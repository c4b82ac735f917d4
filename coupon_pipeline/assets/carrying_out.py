"""Carrying out writes to Stripe: intent, request, outcome.

The intents of a batch are committed before its requests leave, together with the outcomes of those
before it, so that the requests never wait for the ledger. No request needs an open database. A run
that is killed in between leaves intents without outcome, which the next run settles by reading
Stripe.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar
from uuid import uuid4

from coupon_pipeline.assets.run import Run, now
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Scope
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
    Crew,
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

_AHEAD = 200
"""So many writes may have an intent and no outcome, so many that the workers never run dry."""


@dataclass(frozen=True, slots=True)
class StripeWrite(Generic[Result]):
    """One write that a decision asks for."""

    operation: str
    target_id: str
    params: Mapping[str, object]
    before: Callable[[], Mapping[str, object] | None]
    """Gives what is there as far as it was read, in the form of `params`; None for something new.
    Only what is sent is asked for it."""
    send: Callable[[int], Result]
    """Takes the epoch of the idempotency key: how often this was refused before."""
    request_id_of: Callable[[Result], str | None]
    serial_key: str | None = None
    endpoint: str = ""
    """What the request counts for at Stripe."""

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


class Ended(NamedTuple, Generic[Result]):
    """How the request of an intent ended."""

    intent_id: str
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
    A write that Stripe never answers is that record's trouble as long as others are answered.

    Raises:
        StripeEdgeError: Stripe is down or refuses the key. What was done until then is recorded.
    """
    if run.approved is not None:
        held = [each for each in writes if not run.may_make(each.planned())]
        writes = [each for each in writes if run.may_make(each.planned())]
        with ledger.transaction() as tx:
            record(tx, [Written(each, None, NotInPlan(each)) for each in held])
    log = WriteLog(run, ledger, record)
    run.progress.expect("writes answered", len(writes))
    left = list(reversed(writes))
    crew: Crew[Result] = stripe.crew()
    with crew:
        ended: list[Ended[Result]] = []
        while left or log.open:
            room = _AHEAD - log.open + len(ended)
            enough = room >= _AHEAD // 2 and not crew.has_failed
            due = [left.pop() for _ in range(min(room, len(left)))] if enough else []
            crew.add(log.commit(ended, due))
            ended = [Ended(o.job.name, o.result, o.error) for o in crew.next_batch()]
            run.progress.advance("writes answered", len(ended))
    log.outages.raise_if_nothing_was_answered()


class WriteLog(Generic[Result]):
    """Writes on their way: their intents are committed before, their outcomes after.

    A write whose answer was lost keeps an intent without outcome: only reading Stripe can tell.
    """

    def __init__(
        self,
        run: Run,
        ledger: Ledger,
        record: Callable[[Transaction, Sequence[Written[Result]]], None],
    ) -> None:
        self._run = run
        self._ledger = ledger
        self._record = record
        self._writes: dict[str, StripeWrite[Result]] = {}
        """By intent id: what was handed out and has not ended."""
        self.outages = Outages()

    @property
    def open(self) -> int:
        """How many writes are on their way."""
        return len(self._writes)

    def commit(
        self, ended: Iterable[Ended[Result]], due: Sequence[StripeWrite[Result]]
    ) -> list[Job[Result]]:
        """Keep outcomes and the next intents in one transaction; give the jobs that may now run."""
        results = [
            (each.intent_id, Written(self._writes.pop(each.intent_id), each.result, each.error))
            for each in ended
        ]
        for _, written in results:
            self.outages.judge(written.error)
        if not results and not due:
            return []
        with self._ledger.transaction() as tx:
            record_outcomes(
                tx,
                [
                    _outcome(name, written, self._run.run_id)
                    for name, written in results
                    if _is_known(written)
                ],
            )
            if results:
                self._record(tx, [written for _, written in results])
            intents = self._intents(tx, due)
            record_intents(tx, intents)
        self._writes |= {i.intent_id: each for i, each in zip(intents, due, strict=True)}
        return [
            Job(i.intent_id, partial(each.send, i.epoch), each.serial_key, each.endpoint)
            for i, each in zip(intents, due, strict=True)
        ]

    def _intents(self, tx: Transaction, due: Sequence[StripeWrite[Result]]) -> list[WriteIntent]:
        refusals = read_refusals(tx) if due else {}
        befores = [each.before() for each in due]
        return [
            WriteIntent(
                intent_id=uuid4().hex,
                system="stripe",
                operation=each.operation,
                target_id=each.target_id,
                epoch=refusals.get((each.operation, each.target_id), 0),
                body=json_text(_plain(each.params)),
                run_id=self._run.run_id,
                written_at=now(),
                before=None if before is None else json_text(_plain(before)),
                plan_id=self._run.plan_id,
            )
            for each, before in zip(due, befores, strict=True)
        ]


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


FAILURES = frozenset(
    {
        "stripe.rejected",
        "stripe.unavailable",
        "stripe.object_busy",
        "stripe.permission",
        NotInPlan.code,
    }
)
"""The codes of `problem_of`."""


class UseOfCoupon(Protocol):
    """Whose record it is."""

    @property
    def scope(self) -> Scope:
        """The order or item."""

    @property
    def quote_coupon_id(self) -> str:
        """What is granted to it."""


def problem_of(error: StripeEdgeError, operation: str, snapshot: UseOfCoupon) -> Problem:
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
