"""What `discounts` does to subscriptions and items."""

from functools import partial
from typing import Any

import pytest

from tests.sandbox.stripe.shop import Shop, coupons_on, discount_ids, refused


def test_a_filled_list_replaces_and_an_id_keeps(shop: Shop) -> None:
    """As https://docs.stripe.com/billing/subscriptions/coupons says."""
    for name in "ABC":
        shop.percent(name, 10)
    before = shop.subscribe(discounts=[{"coupon": "A"}, {"coupon": "B"}])
    _, kept = discount_ids(before)

    after = shop.update(before.id, discounts=[{"discount": kept}, {"coupon": "C"}])

    assert coupons_on(after) == ["B", "C"]
    assert discount_ids(after)[0] == kept
    assert shop.v1.coupons.retrieve("B").times_redeemed == 1


def test_left_out_and_empty_leave_the_list_and_a_blank_clears_it(shop: Shop) -> None:
    """The SDK never sends an empty list; so to clear, a blank has to be sent."""
    shop.percent("A", 10)
    made = shop.subscribe(discounts=[{"coupon": "A"}])

    assert discount_ids(shop.update(made.id, description="x")) == discount_ids(made)
    assert discount_ids(shop.update(made.id, discounts=[])) == discount_ids(made)
    assert shop.update(made.id, discounts="").discounts == []


def test_a_coupon_sent_again_makes_a_new_discount(shop: Shop) -> None:
    """That restarts a window and revives what was spent: the mistake that ids avoid."""
    shop.percent("R", 10, "repeating")
    made = shop.subscribe(discounts=[{"coupon": "R"}])
    shop.advance(days=20)

    again = shop.update(made.id, discounts=[{"coupon": "R"}])

    assert discount_ids(again) != discount_ids(made)
    assert again.discounts[0].end > made.discounts[0].end
    assert shop.v1.coupons.retrieve("R").times_redeemed == 2
    shop.switch(resent_coupon="does_not_count")
    shop.update(made.id, discounts=[{"coupon": "R"}])
    assert shop.v1.coupons.retrieve("R").times_redeemed == 2


def test_a_list_takes_twenty_unique_coupons(shop: Shop) -> None:
    """A coupon may stand neither twice nor beside a discount or promotion code of it."""
    names = [shop.percent(f"C{number}", 1) for number in range(21)]
    code = shop.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": "C0"}})
    made = shop.subscribe(discounts=[{"coupon": name} for name in names[:20]])
    assert len(made.discounts) == 20
    (first, *_) = discount_ids(made)
    bad: list[list[dict[str, str]]] = [
        [{"coupon": name} for name in names],
        [{"coupon": "C0"}, {"coupon": "C0"}],
        [{"discount": first}, {"coupon": "C0"}],
        [{"coupon": "C0"}, {"promotion_code": code.id}],
        [{"discount": first}, {"discount": first}],
    ]
    for entries in bad:
        error = refused(partial(shop.update, made.id, discounts=entries))
        assert (error.type, error.code) == ("invalid_request_error", None)
    shop.switch(discount_list_code="parameter_invalid")
    assert refused(lambda: shop.update(made.id, discounts=bad[1])).code == "parameter_invalid"
    assert shop.v1.coupons.retrieve("C0").times_redeemed == 1


def test_unknown_coupons_and_other_peoples_discounts_are_refused(shop: Shop) -> None:
    """A discount id is worth something only where it belongs."""
    shop.percent("A", 10)
    stranger = shop.v1.customers.create({"name": "Bob"}).id
    foreign = shop.subscribe(customer=stranger, discounts=[{"coupon": "A"}])
    mine = shop.subscribe()

    unknown = refused(lambda: shop.update(mine.id, discounts=[{"coupon": "NO"}]))
    other = refused(
        lambda: shop.update(mine.id, discounts=[{"discount": discount_ids(foreign)[0]}])
    )

    assert (unknown.code, unknown.param) == ("resource_missing", "discounts[0][coupon]")
    assert (other.code, other.param) == ("resource_missing", "discounts[0][discount]")


def test_an_amount_needs_the_currency_of_the_subscription(shop: Shop) -> None:
    """Its own, or one of its currency options."""
    shop.amount("USD", 500)
    shop.v1.coupons.create(
        {
            "id": "BOTH",
            "amount_off": 500,
            "currency": "usd",
            "currency_options": {"eur": {"amount_off": 400}},
            "duration": "forever",
        }
    )
    euros = shop.new_price(1000, "eur")

    error = refused(lambda: shop.subscribe(items=[{"price": euros}], discounts=[{"coupon": "USD"}]))
    made = shop.subscribe(items=[{"price": euros}], discounts=[{"coupon": "BOTH"}])

    assert error.type == "invalid_request_error"
    assert shop.v1.invoices.create_preview({"subscription": made.id}).total == 600


def test_items_and_subscription_change_together_or_not_at_all(shop: Shop) -> None:
    """One request carries them all, with the proof beside them."""
    shop.percent("A", 10)
    shop.percent("B", 20)
    made = shop.subscribe()
    item = made["items"].data[0].id
    good: dict[str, Any] = {"id": item, "discounts": [{"coupon": "B"}]}

    refused(
        lambda: shop.update(
            made.id, discounts=[{"coupon": "A"}], items=[good, {"id": "si_no"}], metadata={"a": "b"}
        )
    )
    untouched = shop.get(made.id)
    done = shop.update(made.id, discounts=[{"coupon": "A"}], items=[good], metadata={"a": "b"})

    assert untouched.discounts == []
    assert untouched.metadata.to_dict() == {}
    assert untouched["items"].data[0].discounts == []
    assert coupons_on(done) == ["A"]
    assert coupons_on(done["items"].data[0]) == ["B"]
    assert shop.v1.coupons.retrieve("A").times_redeemed == 1


@pytest.mark.parametrize(("choice", "expected"), [("replace", ["B"]), ("merge", ["A", "B"])])
def test_an_items_list_replaces_or_adds(shop: Shop, choice: str, expected: list[str]) -> None:
    """It is documented for subscriptions only."""
    shop.percent("A", 10)
    shop.percent("B", 10)
    shop.switch(item_discounts=choice)
    made = shop.subscribe(items=[{"price": shop.price, "discounts": [{"coupon": "A"}]}])
    item = made["items"].data[0].id

    after = shop.v1.subscription_items.update(
        item, {"discounts": [{"coupon": "B"}], "expand": ["discounts"]}
    )

    assert coupons_on(after) == expected


@pytest.mark.parametrize(("choice", "left"), [("cleared", 0), ("unchanged", 1)])
def test_a_blank_clears_an_item_or_does_not(shop: Shop, choice: str, left: int) -> None:
    """Unconfirmed, so both have to be survived."""
    shop.percent("A", 10)
    shop.switch(item_discounts_blank=choice)
    made = shop.subscribe(items=[{"price": shop.price, "discounts": [{"coupon": "A"}]}])

    after = shop.v1.subscription_items.update(made["items"].data[0].id, {"discounts": ""})

    assert len(after.discounts) == left


def test_the_customers_discount_applies_while_the_subscription_has_none(shop: Shop) -> None:
    """Any discount on the subscription hides it."""
    shop.percent("OLD", 50)
    shop.percent("NEW", 10)
    shop.stripe.raw_request(
        "post", f"/v1/customers/{shop.customer}", coupon="OLD", stripe_version="2025-02-24.acacia"
    )
    made = shop.subscribe()
    preview = shop.v1.invoices.create_preview({"subscription": made.id})
    assert (made.discounts, preview.total) == ([], 500)

    shop.update(made.id, discounts=[{"coupon": "NEW"}])
    assert shop.v1.invoices.create_preview({"subscription": made.id}).total == 900

    customer = shop.v1.customers.retrieve(shop.customer)
    assert customer.discount is not None
    both = [{"discount": customer.discount.id}, {"discount": discount_ids(shop.get(made.id))[0]}]
    carried = shop.update(made.id, discounts=both)
    assert coupons_on(carried) == ["OLD", "NEW"]
    assert discount_ids(carried)[0] == customer.discount.id
    assert shop.v1.invoices.create_preview({"subscription": made.id}).total == 450
    shop.v1.customers.delete_discount(shop.customer)
    assert shop.v1.customers.retrieve(shop.customer).discount is None


def test_a_promotion_code_makes_a_discount_that_names_it(shop: Shop) -> None:
    """Foreign discounts often come from one."""
    shop.percent("A", 10)
    code = shop.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": "A"}, "code": "HELLO", "max_redemptions": 1}
    )

    made = shop.subscribe(discounts=[{"promotion_code": code.id}])

    assert made.discounts[0].promotion_code == code.id
    assert coupons_on(made) == ["A"]
    assert shop.v1.promotion_codes.retrieve(code.id).times_redeemed == 1
    refused(lambda: shop.subscribe(discounts=[{"promotion_code": code.id}]))
