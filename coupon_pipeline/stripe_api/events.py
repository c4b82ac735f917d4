"""Events: what happened in the account, kept for 30 days (https://docs.stripe.com/api/events)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from coupon_pipeline.domain.overwritten import RemovedDiscount, Told
from coupon_pipeline.domain.phase_edits import RewrittenPhases
from coupon_pipeline.stripe_api.listing import list_all
from coupon_pipeline.stripe_api.messages import EVENTS, JsonObject, Send
from coupon_pipeline.stripe_api.reading import Reader

KEPT = timedelta(days=30)
_DISCOUNT_DELETED, _SCHEDULE_UPDATED = "customer.discount.deleted", "subscription_schedule.updated"
_CLOCKS_DIFFER = timedelta(minutes=5)


def undoing_events(send: Send, since: datetime) -> Iterator[Told]:
    """Discounts that requests took away since then, and schedules of which they changed the phases.

    Newest first, 100 in a read. What Stripe did by itself, such as ending a discount, names no
    request and is left out.

    Raises:
        StripeEdgeError: they could not be had.
    """
    begin = int((since - _CLOCKS_DIFFER).timestamp())
    params = {"types": [_DISCOUNT_DELETED, _SCHEDULE_UPDATED], "created": {"gte": begin}}
    for body in list_all(send, EVENTS, params):
        event = Reader(body)
        told = _removed(event) if event.text("type") == _DISCOUNT_DELETED else _rewritten(event)
        if told is not None and (told.request_id or told.idempotency_key):
            yield told


def _removed(event: Reader) -> RemovedDiscount:
    request = Reader(event.inner("request"))
    discount = Reader(Reader(event.inner("data")).inner("object"))
    return RemovedDiscount(
        discount_id=discount.text("id"),
        coupon_id=_coupon_id(discount.body),
        subscription_id=discount.optional_text("subscription"),
        request_id=request.optional_text("id"),
        idempotency_key=request.optional_text("idempotency_key"),
        removed_at=datetime.fromtimestamp(event.whole("created"), UTC),
    )


def _rewritten(event: Reader) -> RewrittenPhases | None:
    """None where the phases stayed as they were."""
    request, data = Reader(event.inner("request")), Reader(event.inner("data"))
    schedule, previous = Reader(data.inner("object")), Reader(data.inner("previous_attributes"))
    if "phases" not in previous.body:
        return None
    return RewrittenPhases(
        schedule_id=schedule.text("id"),
        before=previous.objects("phases"),
        after=schedule.objects("phases"),
        began=Reader(schedule.inner("current_phase")).optional_whole("start_date"),
        request_id=request.optional_text("id"),
        idempotency_key=request.optional_text("idempotency_key"),
        at=datetime.fromtimestamp(event.whole("created"), UTC),
    )


def _coupon_id(discount: JsonObject) -> str:
    """Events have the form of the account's own version; before 2025-09-30 `coupon`, an object."""
    source = discount.get("source")
    coupon = source.get("coupon") if isinstance(source, dict) else discount.get("coupon")
    if isinstance(coupon, dict):
        coupon = coupon.get("id")
    return coupon if isinstance(coupon, str) else "that the event does not name"
