"""Changes of others that a write of ours undid, because they came after the read.

A list of discounts or of phases replaces what is there, and no answer shows what that was. Stripe's
events tell which request took a discount away and what a schedule was before it
(https://docs.stripe.com/api/events/object).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from coupon_pipeline.domain.phase_edits import Json, PhaseEdit, RewrittenPhases, phase_edits


@dataclass(frozen=True, slots=True)
class RemovedDiscount:
    """That a request took a discount away, as an event tells it."""

    discount_id: str
    coupon_id: str
    subscription_id: str | None
    request_id: str | None
    idempotency_key: str | None
    removed_at: datetime


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """A write of ours to a target, with the ids of all discounts that it knew of."""

    target_id: str
    run_id: str
    request_id: str | None
    """None where its answer was lost."""
    idempotency_key: str
    known: frozenset[str]
    before: Json = field(default_factory=dict)
    """What it was to replace, as that was read."""
    sent: Json = field(default_factory=dict)
    """Its parameters."""


Told: TypeAlias = RemovedDiscount | RewrittenPhases
"""What an event tells of a request."""


@dataclass(frozen=True, slots=True)
class Overwritten:
    """Something that somebody changed between the read and the write of ours that undid it."""

    target_id: str
    run_id: str
    at: datetime
    undone: RemovedDiscount | PhaseEdit

    @property
    def record_id(self) -> str:
        """The discount that is gone, or the schedule."""
        undone = self.undone
        return undone.discount_id if isinstance(undone, RemovedDiscount) else undone.schedule_id

    @property
    def words(self) -> str:
        """Which discount or which edit it is."""
        undone = self.undone
        if isinstance(undone, PhaseEdit):
            return undone.words
        return f"discount {undone.discount_id} from coupon {undone.coupon_id}"


def overwritten(
    writes: Sequence[OwnWrite], told: Iterable[Told], replaced: frozenset[str]
) -> tuple[Overwritten, ...]:
    """What writes of ours undid without knowing of it, in the order of the events.

    Args:
        writes: those that may have done it.
        told: what the events tell.
        replaced: discounts that made room for others of ours, which was meant.
    """
    by_request = {each.request_id: each for each in writes if each.request_id is not None}
    by_key = {each.idempotency_key: each for each in writes}
    found: list[Overwritten] = []
    for each in told:
        write = by_request.get(each.request_id or "") or by_key.get(each.idempotency_key or "")
        if write is not None:
            found += _undone_by(write, each, replaced)
    return tuple(found)


def _undone_by(write: OwnWrite, told: Told, replaced: frozenset[str]) -> Iterator[Overwritten]:
    if isinstance(told, RewrittenPhases):
        for edit in phase_edits(told, write.before, write.sent):
            yield Overwritten(write.target_id, write.run_id, told.at, edit)
    elif told.discount_id not in write.known | replaced:
        yield Overwritten(write.target_id, write.run_id, told.removed_at, told)


def discounts_named(*texts: str | None) -> frozenset[str]:
    """The ids of all discounts that parameters name, given as JSON."""
    found: set[str] = set()
    open_values: list[object] = [json.loads(text) for text in texts if text]
    while open_values:
        value = open_values.pop()
        if isinstance(value, dict):
            named = value.get("discount")
            found |= {named} if isinstance(named, str) else set()
            open_values += value.values()
        elif isinstance(value, list):
            open_values += value
    return frozenset(found)
