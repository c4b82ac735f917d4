"""Discounts of others that a write of ours took away, because they came after the read.

A list of discounts replaces what is there, and no answer shows what that was. Stripe's events tell
which request took a discount away (https://docs.stripe.com/api/events/object).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime


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


@dataclass(frozen=True, slots=True)
class Overwritten:
    """A discount that somebody added between the read and the write of ours that removed it."""

    target_id: str
    run_id: str
    removed: RemovedDiscount

    @property
    def words(self) -> str:
        """Which discount it is."""
        return f"discount {self.removed.discount_id} from coupon {self.removed.coupon_id}"


def overwritten(
    writes: Sequence[OwnWrite], removed: Iterable[RemovedDiscount], replaced: frozenset[str]
) -> tuple[Overwritten, ...]:
    """What writes of ours took away without knowing of it, in the order of the events.

    Args:
        writes: those that may have done it.
        removed: what the events tell.
        replaced: discounts that made room for others of ours, which was meant.
    """
    by_request = {each.request_id: each for each in writes if each.request_id is not None}
    by_key = {each.idempotency_key: each for each in writes}
    found = []
    for each in removed:
        write = by_request.get(each.request_id or "") or by_key.get(each.idempotency_key or "")
        if write is None or each.discount_id in write.known | replaced:
            continue
        found.append(Overwritten(write.target_id, write.run_id, each))
    return tuple(found)


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
