"""Coupons: read with everything that a comparison needs, made once, metadata changed in place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from coupon_pipeline.domain.reuse import Missing, Reading, StripeCoupon
from coupon_pipeline.domain.terms import DURATIONS, Terms, parameters
from coupon_pipeline.stripe_api.errors import StripeEdgeError, StripeFailureKept, StripeRejected
from coupon_pipeline.stripe_api.keys import MOST_KEYS, holds, idempotency_key
from coupon_pipeline.stripe_api.listing import list_all
from coupon_pipeline.stripe_api.messages import (
    COUPON,
    COUPON_CREATE,
    COUPON_UPDATE,
    COUPONS,
    JsonObject,
    Request,
    Send,
)
from coupon_pipeline.stripe_api.reading import Reader

EXPANDED = ("applies_to", "currency_options")
"""Stripe leaves these out unless asked, and a comparison without them finds false differences:
https://docs.stripe.com/api/coupons/object"""


_IN_OTHER_MODE = "a similar object exists in"
"""Stripe's words for an id of the other mode, where it answers as for one that is unknown."""


@dataclass(frozen=True, slots=True)
class CouponReads:
    """What a set of coupon ids stands for in Stripe."""

    readings: Mapping[str, Reading] = field(default_factory=dict)
    failed: Mapping[str, StripeEdgeError] = field(default_factory=dict)
    """Could not be read; nothing may be concluded about them."""


@dataclass(frozen=True, slots=True)
class CouponWritten:
    """The coupon as Stripe has it after a write."""

    coupon: StripeCoupon
    request_id: str | None
    was_there: bool = False
    """The id existed already: the content must be compared before it is used."""


def read_coupon(send: Send, coupon_id: str) -> Reading:
    """The coupon with all its terms, or why there is none to be had.

    Raises:
        StripeEdgeError: it could not be read.
    """
    try:
        answer = send(Request(COUPON, coupon_id, {"expand": list(EXPANDED)}))
    except StripeRejected as rejected:
        if rejected.reason == "livemode_mismatch" or _IN_OTHER_MODE in rejected.message:
            return Missing.OTHER_MODE
        if rejected.is_missing:
            return Missing.ABSENT
        raise
    if answer.body.get("deleted") is True:
        return Missing.DELETED
    return parse_coupon(answer.body)


def create_coupon(
    send: Send, coupon_id: str, terms: Terms, metadata: Mapping[str, str], epoch: int = 0
) -> CouponWritten:
    """Make the coupon under its derived id. If the id is there already, that one is read back.

    Because the id is derived, a failure that Stripe keeps under the key is no obstacle: the
    coupon is looked for and, if it is not there, asked for under the next key.

    Raises:
        StripeEdgeError: it was not made, or could not be read back.
    """
    params: dict[str, object] = {"id": coupon_id, **parameters(terms), "expand": list(EXPANDED)}
    if metadata:
        params["metadata"] = dict(metadata)
    hindrance: StripeRejected | StripeFailureKept
    for key_number in range(epoch, epoch + MOST_KEYS):
        key = idempotency_key("coupon.create", coupon_id, params, key_number)
        try:
            answer = send(Request(COUPON_CREATE, None, params, idempotency_key=key))
        except StripeRejected as rejected:
            if not rejected.already_exists:
                raise
            hindrance = rejected
        except StripeFailureKept as kept:
            hindrance = kept
        else:
            return CouponWritten(parse_coupon(answer.body), answer.request_id)
        there = read_coupon(send, coupon_id)
        if isinstance(there, StripeCoupon):
            return CouponWritten(there, hindrance.request_id, was_there=True)
        if isinstance(hindrance, StripeRejected):
            break
    raise hindrance


def update_coupon_metadata(
    send: Send, coupon_id: str, metadata: Mapping[str, str], epoch: int = 0
) -> CouponWritten:
    """Set these metadata keys and leave the others; `""` removes a key.

    A change back to earlier values within a day has the key of the earlier write, and Stripe
    would only repeat that answer, so a repeated answer is checked against the coupon itself,
    and a failure that Stripe keeps is answered with the next key: setting twice does no harm.
    https://docs.stripe.com/api/metadata and https://docs.stripe.com/api/idempotent_requests

    Raises:
        StripeEdgeError: it was not changed.
    """
    params = {"metadata": dict(metadata), "expand": list(EXPANDED)}
    kept: StripeFailureKept | None = None
    for key_number in range(epoch, epoch + MOST_KEYS):
        key = idempotency_key("coupon.metadata", coupon_id, params, key_number)
        try:
            answer = send(Request(COUPON_UPDATE, coupon_id, params, idempotency_key=key))
        except StripeFailureKept as failure:
            kept = failure
            continue
        kept = None
        there = read_coupon(send, coupon_id) if answer.replayed else parse_coupon(answer.body)
        if isinstance(there, StripeCoupon) and holds(there.metadata, metadata):
            return CouponWritten(there, answer.request_id, was_there=True)
    if kept is not None:
        raise kept
    raise StripeRejected(
        f"Coupon {coupon_id} does not keep the metadata that was written to it.",
        reason="metadata_not_kept",
    )


def list_coupons(send: Send) -> Iterator[StripeCoupon]:
    """All coupons of the account with their terms, newest first, a page of 100 a call."""
    params = {"expand": [f"data.{name}" for name in EXPANDED]}
    return map(parse_coupon, list_all(send, COUPONS, params))


def parse_coupon(body: JsonObject) -> StripeCoupon:
    """A coupon from a reply, with exact numbers. Amounts are in minor units.

    Raises:
        StripeRejected: the reply is not what Stripe documents for a coupon.
    """
    reader = Reader(body)
    return StripeCoupon(
        coupon_id=reader.text("id"),
        duration=reader.choice("duration", DURATIONS),
        name=reader.optional_text("name"),
        percent_off=reader.optional_decimal("percent_off"),
        amount_off=reader.optional_whole("amount_off"),
        currency=reader.optional_text("currency"),
        currency_options={
            currency: Reader(option).whole("amount_off")
            for currency, option in reader.maps("currency_options").items()
        },
        duration_in_months=reader.optional_whole("duration_in_months"),
        max_redemptions=reader.optional_whole("max_redemptions"),
        redeem_by=reader.optional_whole("redeem_by"),
        applies_to_products=Reader(reader.inner("applies_to")).text_list("products"),
        metadata=reader.texts("metadata"),
        times_redeemed=reader.whole("times_redeemed"),
        valid=reader.flag("valid"),
        livemode=reader.flag("livemode"),
    )
