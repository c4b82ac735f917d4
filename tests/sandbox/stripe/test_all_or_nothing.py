"""A refused request changes nothing, whatever it was; an accepted one can be repeated by id."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.stripe import StripeError, StripeService
from coupon_pipeline.sandbox.switches import Switches
from tests.sandbox.stripe.test_service import NOW, subscription

COUPONS = ("A", "B", "ONE", "GONE", "EUR")
ENTRIES = st.lists(
    st.one_of(
        st.sampled_from(COUPONS).map(lambda name: {"coupon": name}),
        st.integers(0, 3).map(lambda number: {"discount": number}),
    ),
    max_size=5,
)


def account() -> tuple[StripeService, str]:
    """Coupons of every kind and a subscription."""
    made = StripeService(Clock(NOW, frozen=True), Switches(), Journal(), seed=7)
    target = subscription(made)["id"]
    made.create("coupon", {"id": "B", "percent_off": 5, "duration": "once"})
    made.create(
        "coupon", {"id": "ONE", "percent_off": 5, "duration": "forever", "max_redemptions": 1}
    )
    made.create("coupon", {"id": "EUR", "amount_off": 5, "currency": "eur"})
    return made, target


def state(made: StripeService) -> list[Any]:
    """Everything that the account shows."""
    kinds = ("coupon", "discount", "subscription", "subscription_item", "invoice")
    return [made.shown(kind, one["id"]) for kind in kinds for one in made.all(kind)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ENTRIES, ENTRIES), min_size=1, max_size=4))
def test_a_request_is_carried_out_whole_or_not_at_all(
    requests: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]],
) -> None:
    """Lists of the subscription and of its item, valid and not, in one request."""
    made, target = account()
    for whole, of_item in requests:
        before = state(made)
        known = [one["id"] for one in made.all("discount")]
        (item,) = made.items_of(target)
        params = {
            "discounts": _named(whole, known) or "",
            "items": [{"id": item["id"], "discounts": _named(of_item, known) or ""}],
        }
        try:
            answer = made.call("POST", f"/v1/subscriptions/{target}", params)
        except StripeError:
            assert state(made) == before
            continue
        coupons = [_coupon(made, one) for one in answer["discounts"]]
        assert len(coupons) == len(set(coupons)) == len(whole)
        kept = [{"discount": one} for one in answer["discounts"]]
        again = made.call("POST", f"/v1/subscriptions/{target}", {"discounts": kept or ""})
        assert again["discounts"] == answer["discounts"]


def _named(entries: list[dict[str, Any]], known: list[str]) -> list[dict[str, str]]:
    return [
        {"discount": known[entry["discount"] % len(known)]} if "discount" in entry else entry
        for entry in entries
    ]


def _coupon(made: StripeService, discount_id: str) -> str:
    discount = made.get("discount", discount_id)
    assert discount is not None
    return str(discount["source"]["coupon"])
