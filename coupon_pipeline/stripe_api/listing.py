"""Lists of Stripe, page by page."""

from collections.abc import Iterator, Mapping

from coupon_pipeline.stripe_api.messages import Endpoint, JsonObject, Request, Send
from coupon_pipeline.stripe_api.reading import Reader

PAGE_SIZE = 100
"""The most that Stripe gives at once: https://docs.stripe.com/api/pagination"""


def list_all(
    send: Send, endpoint: Endpoint, params: Mapping[str, object] | None = None
) -> Iterator[JsonObject]:
    """Every object that fits the filters, newest first. A page is asked for when it is needed.

    Raises:
        StripeEdgeError: a page could not be had.
    """
    params = {"limit": PAGE_SIZE, **(params or {})}
    while True:
        page = Reader(send(Request(endpoint, None, params)).body)
        found = page.objects("data")
        yield from found
        if not (page.flag("has_more") and found):
            return
        params = {**params, "starting_after": Reader(found[-1]).text("id")}
