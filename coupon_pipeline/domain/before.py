"""What a target held before a write, for the evidence: no more than what the write replaces."""

from collections.abc import Iterable, Mapping

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    JsonValue,
    LiveDiscount,
    PhaseState,
    ScheduleState,
    SubscriptionState,
)


def before_subscription(
    state: SubscriptionState, request: SubscriptionUpdate
) -> dict[str, JsonValue]:
    """The lists and keys that the request replaces; a key that is not there is null."""
    items = {item.item_id: item.discounts for item in state.items}
    found: dict[str, JsonValue] = {}
    if request.discounts is not None:
        found["discounts"] = _live(state.discounts)
    if request.items:
        found["items"] = [
            {"id": each.item_id, "discounts": _live(items.get(each.item_id, ()))}
            for each in request.items
        ]
    return found | _metadata(state.metadata, request.metadata)


def before_schedule(state: ScheduleState, request: ScheduleUpdate) -> dict[str, JsonValue]:
    """The discounts of the phases that the request sends again, and the keys that it sets."""
    sent = {phase.start_date for phase in request.phases}
    found: dict[str, JsonValue] = {}
    if sent:
        found["phases"] = [_phase(each) for each in state.phases if each.start_date in sent]
    return found | _metadata(state.metadata, request.metadata)


def _phase(phase: PhaseState) -> JsonValue:
    items: list[JsonValue] = [
        {"price": item.price_id, "discounts": _entries(item.discounts)} for item in phase.items
    ]
    return {
        "start_date": phase.start_date,
        "end_date": phase.end_date,
        "discounts": _entries(phase.discounts),
        "items": items,
    }


def _live(discounts: Iterable[LiveDiscount]) -> JsonValue:
    return _entries(DiscountEntry.kept(each) for each in discounts)


def _entries(entries: Iterable[DiscountEntry]) -> JsonValue:
    return [entry.param() for entry in entries]


def _metadata(held: Mapping[str, str], sent: Mapping[str, str]) -> dict[str, JsonValue]:
    return {"metadata": {key: held.get(key) for key in sent}} if sent else {}
