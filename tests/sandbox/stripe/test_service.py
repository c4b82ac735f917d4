"""The service for code in the process: state in a file, faults, direct calls."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.faults import ANSWER_KINDS
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.stripe import StripeError, StripeService
from coupon_pipeline.sandbox.switches import Switches

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


def service(journal: Journal | None = None) -> StripeService:
    """An account without HTTP."""
    return StripeService(Clock(NOW, frozen=True), Switches(), journal or Journal(), seed=7)


def subscription(made: StripeService) -> dict[str, Any]:
    """A subscription with a discount."""
    customer = made.create("customer", {"name": "Ada"})["id"]
    product = made.create("product", {"name": "Desk"})["id"]
    recurring = {"interval": "month"}
    price = {"product": product, "currency": "usd", "unit_amount": 1000, "recurring": recurring}
    items = [{"price": made.create("price", price)["id"]}]
    made.create("coupon", {"id": "A", "percent_off": 10, "duration": "forever"})
    discounts = [{"coupon": "A"}]
    return made.create(
        "subscription", {"customer": customer, "items": items, "discounts": discounts}
    )


def test_state_is_there_again_after_a_restart(tmp_path: Path) -> None:
    """Ids, discounts, answers under keys, and what is due."""
    journal = Journal(tmp_path / "state.sqlite")
    before = service(journal)
    made = subscription(before)
    headers = {
        b"authorization": f"Bearer {before.api_key}".encode(),
        b"idempotency-key": b"k1",
    }
    first = before.answer("POST", b"/v1/coupons", b"", headers, b"percent_off=10")
    restricted = before.restricted_key("rak_coupon_read")
    journal.close()

    again = Journal(tmp_path / "state.sqlite")
    after = service(again)
    assert after.shown("subscription", made["id"]) == before.shown("subscription", made["id"])
    replayed = after.answer("POST", b"/v1/coupons", b"", headers, b"percent_off=10")
    assert replayed.body == first.body
    assert (
        after.answer(
            "GET", b"/v1/coupons", b"", {b"authorization": f"Bearer {restricted}".encode()}, b""
        ).status
        == 200
    )
    after.clock.set(datetime(2026, 12, 3, tzinfo=UTC))
    assert len(after.all("invoice")) == 2
    assert subscription_again(after) != made["id"]
    again.close()


def subscription_again(made: StripeService) -> str:
    """One more subscription of the same customer."""
    (customer,) = made.all("customer")
    (price,) = made.all("price")
    params = {"customer": customer["id"], "items": [{"price": price["id"]}]}
    return str(made.create("subscription", params)["id"])


@pytest.mark.parametrize("kind", ANSWER_KINDS["stripe"])
def test_each_fault_that_is_an_answer_has_stripes_shape(kind: str) -> None:
    """The SDK has to recognise it."""
    response = service().fault_response(kind)

    assert response.status_code in {409, 429, 500, 503}
    assert b'"error":{' in bytes(response.body)
    reason = kind.partition(":")[2] if kind.startswith("rate_limit") else ""
    assert response.headers.get("Stripe-Rate-Limited-Reason", "") == reason
    assert ("Request-Id" in response.headers) == (not kind.startswith("lock_timeout"))
    assert response.headers.get("Stripe-Should-Retry") == (
        "true" if kind == "lock_timeout:retry" else None
    )


def test_a_refusal_in_the_process_is_the_same_error() -> None:
    """The company is made through the same rules."""
    with pytest.raises(StripeError, match="percent_off") as caught:
        service().create("coupon", {"percent_off": 150})

    assert caught.value.param == "percent_off"


def test_objects_put_in_bulk_are_served_and_renewed() -> None:
    """They are in stored form already."""
    source, target = service(), service()
    made = subscription(source)
    for kind in ("customer", "product", "price", "coupon", "discount"):
        target.insert(kind, source.all(kind))
    target.insert("subscription_item", source.items_of(made["id"]))
    target.insert("subscription", source.all("subscription"))

    target.clock.set(datetime(2026, 12, 3, tzinfo=UTC))

    assert [one["total"] for one in target.all("invoice")] == [900]
    assert target.preview_invoice(made["id"])["total"] == 900


def test_a_key_has_to_look_like_one() -> None:
    """What the SDK would not take for a key is none."""
    with pytest.raises(ValueError, match="sk_test_"):
        service().register_key("secret")


def test_the_same_seed_gives_the_same_keys() -> None:
    """So that an address and key can be written down."""
    assert service().api_key == service().api_key
