"""Every write, before it leaves and after it was answered.

An intent without an outcome is a question to the other system: the run that wrote it may have
been killed before or after the request was carried out. It is settled by reading that system.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from coupon_pipeline.domain.planned_writes import System
from coupon_pipeline.ledger.evidence import actor, append_entries
from coupon_pipeline.ledger.rows import Cell, utc
from coupon_pipeline.ledger.transaction import Transaction


@dataclass(frozen=True, slots=True)
class WriteIntent:
    """A request that is about to be sent."""

    intent_id: str
    system: System
    operation: str
    target_id: str
    epoch: int
    """Part of the idempotency key: how often the same was refused before."""
    body: str
    """JSON, as it is sent."""
    run_id: str
    written_at: datetime
    before: str | None = None
    """JSON: what was there, in the form of the body; None where it was not read."""
    plan_id: str | None = None
    """The saved plan that is carried out."""


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of an intent."""

    intent_id: str
    outcome: Literal["done", "refused", "settled"]
    """`settled`: a later run found out by reading."""
    request_id: str | None
    detail: str
    written_at: datetime
    run_id: str


def record_intents(tx: Transaction, intents: Iterable[WriteIntent]) -> None:
    """Keep intents; to be committed before their requests leave."""
    append_entries(
        tx,
        [
            (
                "intent",
                intent.intent_id,
                intent.run_id,
                intent.plan_id,
                actor(),
                intent.written_at,
                intent.system,
                intent.operation,
                intent.target_id,
                intent.epoch,
                intent.before,
                intent.body,
                None,
                None,
                None,
            )
            for intent in intents
        ],
    )


def record_outcomes(tx: Transaction, outcomes: Iterable[WriteOutcome]) -> None:
    """Keep what became of intents; where that is known already, the first word stands."""
    found = list(outcomes)
    if not found:
        return
    tx.stage("write_outcomes", ["intent_id"], [(each.intent_id,) for each in found])
    answered = {row[0] for row in tx.rows("answered_of_staged")}
    append_entries(
        tx,
        [
            (
                "outcome",
                outcome.intent_id,
                outcome.run_id,
                None,
                actor(),
                outcome.written_at,
                *[None] * 6,
                outcome.outcome,
                outcome.request_id,
                outcome.detail,
            )
            for outcome in found
            if outcome.intent_id not in answered
        ],
    )


def read_open_intents(tx: Transaction) -> list[WriteIntent]:
    """Intents whose outcome nobody knows, oldest first."""
    return [_intent(row) for row in tx.rows("open_intents")]


def read_intents_of_run(tx: Transaction, run_id: str) -> list[WriteIntent]:
    """What a run has sent, oldest first."""
    tx.stage("write_intents", ["run_id"], [(run_id,)])
    return [_intent(row) for row in tx.rows("intents_of_run")]


@dataclass(frozen=True, slots=True)
class SentToTarget:
    """A write to a subscription or schedule."""

    target_id: str
    run_id: str
    epoch: int
    before: str | None
    """JSON."""
    body: str
    """JSON."""
    request_id: str | None
    """None where no answer came."""


def read_first_write_to_targets(
    tx: Transaction, since: datetime, run_id: str | None = None
) -> datetime | None:
    """When a subscription or schedule was first written since then; None where none was."""
    tx.stage("write_intents", ["written_at", "run_id"], [(since, run_id)])
    first = tx.rows("first_write_to_targets")[0][0]
    return None if first is None else utc(cast("datetime", first))


def read_writes_to_targets(
    tx: Transaction, since: datetime, request_ids: Iterable[str]
) -> list[SentToTarget]:
    """Of the writes to targets since then, these requests and what was not answered."""
    tx.stage("write_intents", ["written_at"], [(since,)], name="asked_since")
    tx.stage("write_outcomes", ["request_id"], [(each,) for each in request_ids])
    return [
        SentToTarget(
            target_id=cast("str", row[0]),
            run_id=cast("str", row[1]),
            epoch=cast("int", row[2]),
            before=cast("str | None", row[3]),
            body=cast("str", row[4]),
            request_id=cast("str | None", row[5]),
        )
        for row in tx.rows("writes_to_targets")
    ]


def _intent(row: tuple[Cell, ...]) -> WriteIntent:
    return WriteIntent(
        intent_id=cast("str", row[0]),
        system=cast("System", row[1]),
        operation=cast("str", row[2]),
        target_id=cast("str", row[3]),
        epoch=cast("int", row[4]),
        body=cast("str", row[5]),
        run_id=cast("str", row[6]),
        written_at=utc(cast("datetime", row[7])),
    )


def read_refusals(tx: Transaction) -> dict[tuple[str, str], int]:
    """How often each operation on each target was refused."""
    return {
        (cast("str", row[0]), cast("str", row[1])): cast("int", row[2])
        for row in tx.rows("refusals")
    }


def settle_intents(
    tx: Transaction, system: System, seen: Iterable[tuple[str, str]], run_id: str, now: datetime
) -> None:
    """Close intents of earlier runs on targets that this one has seen: (operation, target) of each.

    What the earlier request did is in what was seen, and the plan that follows rests on that. A
    request of this run that was not answered left after that, so it stays open.
    """
    read = set(seen)
    record_outcomes(
        tx,
        [
            WriteOutcome(intent.intent_id, "settled", None, "found out by reading", now, run_id)
            for intent in read_open_intents(tx)
            if intent.system == system
            and intent.run_id != run_id
            and (intent.operation, intent.target_id) in read
        ],
    )
