"""Events: what happened in the account, kept for 30 days (https://docs.stripe.com/api/events)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from coupon_pipeline.domain.overwritten import RemovedDiscount
from coupon_pipeline.stripe_api.listing import list_all
from coupon_pipeline.stripe_api.messages import EVENTS, JsonObject, Send
from coupon_pipeline.stripe_api.reading import Reader

KEPT = timedelta(days=30)
_CLOCKS_DIFFER = timedelta(minutes=5)


def removed_discounts(send: Send, since: datetime) -> Iterator[RemovedDiscount]:
    """Discounts that requests took away since then, newest first; 100 in a read.

    What Stripe did by itself, such as ending one, names no request and is left out.

    Raises:
        StripeEdgeError: they could not be had.
    """
    begin = int((since - _CLOCKS_DIFFER).timestamp())
    params = {"type": "customer.discount.deleted", "created": {"gte": begin}}
    for event in list_all(send, EVENTS, params):
        removed = _removed(Reader(event))
        if removed.request_id is not None or removed.idempotency_key is not None:
            yield removed


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


def _coupon_id(discount: JsonObject) -> str:
    """Events have the form of the account's own version; before 2025-09-30 `coupon`, an object."""
    source = discount.get("source")
    coupon = source.get("coupon") if isinstance(source, dict) else discount.get("coupon")
    if isinstance(coupon, dict):
        coupon = coupon.get("id")
    return coupon if isinstance(coupon, str) else "that the event does not name"
