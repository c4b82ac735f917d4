"""What the advancing clock does: invoices, spent and ended discounts, stacking."""

import pytest

from tests.sandbox.stripe.shop import Shop, coupons_on, discount_ids, refused


def test_a_once_discount_is_gone_after_its_invoice(shop: Shop) -> None:
    """Its absence proves nothing: it was granted, and it stays on the invoice."""
    shop.percent("ONCE", 10, "once")
    made = shop.subscribe()
    (granted,) = discount_ids(shop.update(made.id, discounts=[{"coupon": "ONCE"}]))

    shop.advance(days=31)

    after = shop.v1.subscriptions.retrieve(made.id, {"expand": ["latest_invoice"]})
    assert after.discounts == []
    assert after.latest_invoice.total == 900
    assert [one.discount for one in after.latest_invoice.total_discount_amounts] == [granted]
    shop.advance(days=31)
    assert shop.v1.invoices.list({"subscription": made.id}).data[0].total == 1000


def test_a_once_discount_may_be_gone_as_soon_as_the_subscription_is_made(shop: Shop) -> None:
    """The first invoice is made at once and uses it up."""
    shop.percent("ONCE", 10, "once")

    made = shop.subscribe(discounts=[{"coupon": "ONCE"}])

    assert made.discounts == []
    assert shop.v1.invoices.retrieve(made.latest_invoice).total == 900


def test_a_repeating_discount_ends_with_its_window(shop: Shop) -> None:
    """Three months of invoices, then it is gone."""
    shop.percent("R", 10, "repeating")
    made = shop.subscribe(discounts=[{"coupon": "R"}])

    totals = [1000 - 100]
    for _ in range(3):
        shop.advance(days=31)
        totals.append(shop.v1.invoices.list({"subscription": made.id}).data[0].total)

    assert totals == [900, 900, 900, 1000]
    assert shop.get(made.id).discounts == []


def test_a_year_passes_in_one_step_and_makes_each_invoice_at_its_time(shop: Shop) -> None:
    """However far the clock is moved, everything happens at its own moment."""
    shop.percent("F", 50)
    made = shop.subscribe(discounts=[{"coupon": "F"}])

    shop.advance(days=365)

    invoices = shop.v1.invoices.list({"subscription": made.id, "limit": 100}).data
    assert len(invoices) == 13
    assert {invoice.total for invoice in invoices} == {500}
    days = {invoice.created - made.created for invoice in invoices}
    assert len(days) == 13


def test_item_discounts_come_first_and_percentages_reduce_what_is_left(shop: Shop) -> None:
    """The order of the list decides what an amount beside a percentage is worth."""
    shop.percent("ITEM", 50)
    shop.percent("P10", 10)
    shop.amount("A100", 100)
    item = {"price": shop.price, "quantity": 2, "discounts": [{"coupon": "ITEM"}]}
    made = shop.subscribe(items=[item], discounts=[{"coupon": "P10"}, {"coupon": "A100"}])
    first = shop.v1.invoices.create_preview({"subscription": made.id})
    percent, amount = discount_ids(made)

    swapped = shop.v1.invoices.create_preview(
        {"subscription": made.id, "discounts": [{"discount": amount}, {"discount": percent}]}
    )

    assert (first.subtotal, first.total) == (2000, 800)
    assert [one.amount for one in first.total_discount_amounts] == [1000, 100, 100]
    assert swapped.total == 810


@pytest.mark.parametrize(("choice", "total"), [("half_up", 997), ("half_even", 998), ("down", 998)])
def test_a_percentage_is_rounded_as_the_switch_says(shop: Shop, choice: str, total: int) -> None:
    """A quarter of a percent of 1,000 is 2.5."""
    shop.percent("P", 0.25)
    shop.switch(percent_rounding=choice)
    price = shop.new_price(1000)
    made = shop.subscribe(items=[{"price": price}], discounts=[{"coupon": "P"}])

    assert shop.v1.invoices.create_preview({"subscription": made.id}).total == total


@pytest.mark.parametrize(("amount", "parts"), [(300, [200, 100]), (9000, [1000, 500])])
def test_an_amount_is_spread_in_proportion_and_takes_no_more_than_there_is(
    shop: Shop, amount: int, parts: list[int]
) -> None:
    """What a line pays decides what it can be credited; no invoice is below zero."""
    shop.amount("A", amount)
    items = [{"price": shop.price}, {"price": shop.new_price(500)}]
    made = shop.subscribe(items=items, discounts=[{"coupon": "A"}])

    preview = shop.v1.invoices.create_preview({"subscription": made.id})

    assert [line.discount_amounts[0].amount for line in preview.lines.data] == parts
    assert preview.total == 1500 - sum(parts)
    assert [one.amount for one in preview.total_discount_amounts] == [sum(parts)]


def test_a_coupon_for_another_product_takes_nothing_off(shop: Shop) -> None:
    """It is accepted, without an error."""
    other = shop.v1.products.create({"name": "Chair"}).id
    shop.v1.coupons.create(
        {
            "id": "CHAIR",
            "percent_off": 50,
            "duration": "forever",
            "applies_to": {"products": [other]},
        }
    )
    chair = shop.new_price(500, product=other)
    made = shop.subscribe(
        items=[{"price": shop.price}, {"price": chair}], discounts=[{"coupon": "CHAIR"}]
    )

    preview = shop.v1.invoices.create_preview({"subscription": made.id})

    assert preview.total == 1250
    desk, chairs = preview.lines.data
    assert (desk.discount_amounts, chairs.discount_amounts[0].amount) == ([], 250)


def test_a_preview_changes_nothing(shop: Shop) -> None:
    """It shows the money with and without a change; nothing is redeemed or spent."""
    shop.percent("ONCE", 10, "once")
    made = shop.subscribe()
    before = shop.get(made.id).to_dict()
    with_it = {"subscription": made.id, "discounts": [{"coupon": "ONCE"}]}

    assert shop.v1.invoices.create_preview({"subscription": made.id}).total == 1000
    assert shop.v1.invoices.create_preview(with_it).total == 900

    assert shop.get(made.id).to_dict() == before
    assert shop.v1.coupons.retrieve("ONCE").times_redeemed == 0
    assert len(shop.v1.invoices.list({"subscription": made.id}).data) == 1


def test_a_trial_is_billed_when_it_ends_and_spends_no_once_discount(shop: Shop) -> None:
    """The invoice over nothing at its start does not count."""
    shop.percent("ONCE", 10, "once")

    made = shop.subscribe(trial_period_days=14, discounts=[{"coupon": "ONCE"}])

    assert (made.status, coupons_on(made)) == ("trialing", ["ONCE"])
    shop.advance(days=14)
    after = shop.v1.subscriptions.retrieve(made.id, {"expand": ["latest_invoice"]})
    assert (after.status, after.latest_invoice.total) == ("active", 900)


def test_a_card_that_fails_makes_a_subscription_past_due_or_incomplete(shop: Shop) -> None:
    """With Stripe's own test payment methods (https://docs.stripe.com/testing)."""
    bad = "pm_card_chargeCustomerFail"
    incomplete = shop.subscribe(default_payment_method=bad)
    healthy = shop.subscribe()
    shop.update(healthy.id, default_payment_method=bad)
    assert incomplete.status == "incomplete"

    shop.advance(days=31)

    assert shop.get(healthy.id).status == "past_due"
    assert shop.get(incomplete.id).status == "incomplete_expired"


def test_a_cancelled_subscription_has_no_next_invoice(shop: Shop) -> None:
    """And takes no discount any more."""
    shop.percent("A", 10)
    made = shop.subscribe()
    shop.update(made.id, cancel_at_period_end=True)

    shop.advance(days=31)

    assert shop.get(made.id).status == "canceled"
    preview = refused(lambda: shop.v1.invoices.create_preview({"subscription": made.id}))
    assert preview.code == "invoice_upcoming_none"
    refused(lambda: shop.update(made.id, discounts=[{"coupon": "A"}]))
    assert shop.update(made.id, metadata={"a": "b"}).metadata.a == "b"


def test_test_clocks_move_their_own_customers_only(shop: Shop) -> None:
    """As in a real test account (https://docs.stripe.com/billing/testing/test-clocks)."""
    clocks = shop.v1.test_helpers.test_clocks
    clock = clocks.create({"frozen_time": shop.now()})
    customer = shop.v1.customers.create({"name": "T", "test_clock": clock.id})
    on_clock = shop.subscribe(customer=customer.id)
    other = shop.subscribe()

    clocks.advance(clock.id, {"frozen_time": shop.now() + 65 * 24 * 3600})

    assert len(shop.v1.invoices.list({"subscription": on_clock.id}).data) == 3
    assert len(shop.v1.invoices.list({"subscription": other.id}).data) == 1


def test_a_paused_subscription_makes_no_invoices(shop: Shop) -> None:
    """It can be paused by request, or because its trial ended without a payment method."""
    asked = shop.subscribe()
    shop.v1.subscriptions.pause(asked.id)
    ends = {"end_behavior": {"missing_payment_method": "pause"}}
    trial = shop.subscribe(trial_period_days=7, trial_settings=ends)

    shop.advance(days=62)

    for one in (asked, trial):
        assert shop.get(one.id).status == "paused"
        assert len(shop.v1.invoices.list({"subscription": one.id}).data) == 1
        assert shop.v1.subscriptions.resume(one.id).status == "active"
        assert len(shop.v1.invoices.list({"subscription": one.id}).data) == 2
    held = shop.subscribe()
    shop.update(held.id, pause_collection={"behavior": "void"})
    shop.advance(days=31)
    assert shop.v1.invoices.list({"subscription": held.id}).data[0].status == "void"


def test_incomplete_until_paid_is_a_state_too(shop: Shop) -> None:
    """A client may ask for it."""
    made = shop.subscribe(payment_behavior="default_incomplete")

    assert made.status == "incomplete"
    assert shop.v1.invoices.retrieve(made.latest_invoice).status == "open"
