"""Coupons: what can be made, and what can never be changed."""

from functools import partial
from typing import Any

import pytest

from tests.sandbox.stripe.shop import Shop, refused

YEAR = 365 * 24 * 3600
BAD: list[tuple[dict[str, Any], str, str | None]] = [
    ({}, "percent_off", "parameter_missing"),
    (
        {"percent_off": 10, "amount_off": 5, "currency": "usd"},
        "percent_off",
        "parameters_exclusive",
    ),
    ({"percent_off": 0}, "percent_off", None),
    ({"percent_off": 100.5}, "percent_off", None),
    ({"percent_off": -1}, "percent_off", None),
    ({"percent_off": "12.345"}, "percent_off", None),
    ({"percent_off": "1e1"}, "percent_off", None),
    ({"percent_off": 10, "currency_options": {"eur": {"amount_off": 1}}}, "currency_options", None),
    ({"amount_off": 5}, "currency", "parameter_missing"),
    ({"amount_off": 0, "currency": "usd"}, "amount_off", "parameter_invalid_integer"),
    ({"amount_off": "5.5", "currency": "usd"}, "amount_off", "parameter_invalid_integer"),
    ({"amount_off": 5, "currency": "xyz"}, "currency", None),
    ({"amount_off": 150, "currency": "isk"}, "amount_off", "parameter_invalid_integer"),
    ({"amount_off": 1000, "currency": "kwd"}, "currency", None),
    ({"percent_off": 1, "duration": "always"}, "duration", None),
    ({"percent_off": 1, "duration": "repeating"}, "duration_in_months", "parameter_missing"),
    ({"percent_off": 1, "duration_in_months": 3}, "duration_in_months", None),
    (
        {"percent_off": 1, "duration": "repeating", "duration_in_months": 0},
        "duration_in_months",
        "parameter_invalid_integer",
    ),
    ({"percent_off": 1, "max_redemptions": 0}, "max_redemptions", "parameter_invalid_integer"),
    ({"percent_off": 1, "name": "n" * 41}, "name", None),
    ({"percent_off": 1, "name": ""}, "name", "parameter_invalid_empty"),
    ({"percent_off": 1, "id": "a b"}, "id", None),
    ({"percent_off": 1, "metadata": {"k" * 41: "v"}}, f"metadata[{'k' * 41}]", None),
    ({"percent_off": 1, "metadata": {"k": "v" * 501}}, "metadata[k]", None),
    ({"percent_off": 1, "metadata": {f"k{n}": "v" for n in range(51)}}, "metadata", None),
    (
        {"percent_off": 1, "applies_to": {"products": ["prod_no"]}},
        "applies_to[products][0]",
        "resource_missing",
    ),
    ({"percent_off": 1, "colour": "red"}, "colour", "parameter_unknown"),
]


@pytest.mark.parametrize(("params", "param", "code"), BAD)
def test_a_coupon_that_breaks_a_rule_is_refused_by_the_name_of_the_parameter(
    shop: Shop, params: dict[str, Any], param: str, code: str | None
) -> None:
    """A sandbox that took it would let us ship a coupon that Stripe refuses."""
    error = refused(lambda: shop.v1.coupons.create(params))

    assert (error.type, error.param, error.code) == ("invalid_request_error", param, code)
    assert shop.v1.coupons.list().data == []


def test_redeem_by_is_in_the_future_and_at_most_five_years_away(shop: Shop) -> None:
    """As https://docs.stripe.com/api/coupons/create says."""
    for moment in (shop.now(), shop.now() + 6 * YEAR):
        error = refused(partial(shop.v1.coupons.create, {"percent_off": 1, "redeem_by": moment}))
        assert error.param == "redeem_by"
    made = shop.v1.coupons.create({"percent_off": 1, "redeem_by": shop.now() + 5 * YEAR})
    assert made.valid


def test_an_id_that_exists_is_refused(shop: Shop) -> None:
    """That makes creating one twice impossible, whatever answer was lost."""
    shop.percent("X", 10)

    error = refused(lambda: shop.percent("X", 10))

    assert (error.code, error.param) == ("resource_already_exists", "id")


@pytest.mark.parametrize(
    "change",
    [
        {"percent_off": 20},
        {"amount_off": 1},
        {"currency": "usd"},
        {"duration": "once"},
        {"duration_in_months": 2},
        {"max_redemptions": 1},
        {"redeem_by": 2_000_000_000},
        {"applies_to": {"products": []}, "id": "Y"},
    ],
)
def test_terms_can_never_be_changed(shop: Shop, change: dict[str, Any]) -> None:
    """Other terms are another coupon."""
    shop.percent("X", 10)

    error = refused(lambda: shop.v1.coupons.update("X", change))

    assert error.code == "parameter_unknown"
    assert shop.v1.coupons.retrieve("X").percent_off == 10


def test_name_metadata_and_currency_options_can_be_changed(shop: Shop) -> None:
    """Metadata is merged key by key; a blank unsets."""
    shop.amount("X", 500)
    shop.v1.coupons.update("X", {"metadata": {"a": "1", "b": "2"}})

    shop.v1.coupons.update(
        "X",
        {
            "name": "Autumn",
            "metadata": {"a": "", "c": "3"},
            "currency_options": {"eur": {"amount_off": 450}},
        },
    )

    coupon = shop.v1.coupons.retrieve("X", {"expand": ["currency_options"]})
    assert coupon.name == "Autumn"
    assert coupon.metadata is not None
    assert coupon.metadata.to_dict() == {"b": "2", "c": "3"}
    assert coupon.currency_options is not None
    assert coupon.currency_options["eur"].amount_off == 450
    cleared = shop.v1.coupons.update("X", {"metadata": ""}).metadata
    assert cleared is not None
    assert cleared.to_dict() == {}


def test_applies_to_and_currency_options_are_hidden_until_expanded(shop: Shop) -> None:
    """Comparing without expanding them would report a difference that is none."""
    shop.v1.coupons.create(
        {"id": "X", "percent_off": 10, "applies_to": {"products": [shop.product]}}
    )

    assert "applies_to" not in shop.v1.coupons.retrieve("X")
    expanded = shop.v1.coupons.retrieve("X", {"expand": ["applies_to", "currency_options"]})
    assert expanded.applies_to is not None
    assert expanded.applies_to.products == [shop.product]
    shop.switch(coupon_hidden_fields="always")
    assert "applies_to" in shop.v1.coupons.retrieve("X")


def test_a_deleted_coupon_is_gone_and_its_id_is_free(shop: Shop) -> None:
    """Existing discounts keep the old terms, although the id now means other ones."""
    shop.percent("X", 10)
    subscription = shop.subscribe(discounts=[{"coupon": "X"}])
    deleted = shop.v1.coupons.delete("X")
    assert deleted.deleted
    missing = refused(lambda: shop.v1.coupons.retrieve("X"))
    assert (missing.code, missing.message) == ("resource_missing", "No such coupon: 'X'")
    error = refused(lambda: shop.update(subscription.id, discounts=[{"coupon": "X"}]))
    assert error.code == "resource_missing"

    shop.percent("X", 90)

    expanded = shop.v1.subscriptions.retrieve(
        subscription.id, {"expand": ["discounts.source.coupon"]}
    )
    assert expanded.discounts[0].source.coupon.percent_off == 10
    preview = shop.v1.invoices.create_preview({"subscription": subscription.id})
    assert preview.total == 900


def test_an_exhausted_or_expired_coupon_is_not_valid_and_not_redeemed(shop: Shop) -> None:
    """Discounts that exist already survive both."""
    shop.v1.coupons.create(
        {"id": "ONE", "percent_off": 10, "duration": "forever", "max_redemptions": 1}
    )
    shop.v1.coupons.create(
        {"id": "SOON", "percent_off": 5, "duration": "forever", "redeem_by": shop.now() + 60}
    )
    subscription = shop.subscribe(discounts=[{"coupon": "ONE"}, {"coupon": "SOON"}])
    assert shop.v1.coupons.retrieve("ONE").times_redeemed == 1
    assert not shop.v1.coupons.retrieve("ONE").valid
    shop.advance(minutes=2)
    assert not shop.v1.coupons.retrieve("SOON").valid

    used_up = refused(lambda: shop.subscribe(discounts=[{"coupon": "ONE"}]))
    shop.switch(exhausted_coupon_code="coupon_expired")
    used_up_too = refused(lambda: shop.subscribe(discounts=[{"coupon": "ONE"}]))
    expired = refused(lambda: shop.subscribe(discounts=[{"coupon": "SOON"}]))

    assert (used_up.code, used_up_too.code, expired.code) == (
        None,
        "coupon_expired",
        "coupon_expired",
    )
    kept = [{"discount": one.id} for one in shop.get(subscription.id).discounts]
    assert len(shop.update(subscription.id, discounts=kept).discounts) == 2


def test_switches_decide_what_is_unconfirmed_about_coupons(shop: Shop) -> None:
    """The pipeline has to be right under each choice."""
    shop.switch(percent_decimals="any", coupon_id_characters="any", coupon_id_case="insensitive")
    assert shop.percent("a.b", 12.345) == "a.b"
    assert refused(lambda: shop.percent("A.B", 1)).code == "resource_already_exists"
    shop.switch(three_decimals="accepted", doubtful_currencies="refused")
    made = shop.v1.coupons.create({"amount_off": 1000, "currency": "KWD"})
    assert made.currency == "kwd"
    assert (
        refused(lambda: shop.v1.coupons.create({"amount_off": 1, "currency": "bgn"})).param
        == "currency"
    )
    shop.switch(missing_coupon_param="id")
    assert refused(lambda: shop.v1.coupons.retrieve("no")).param == "id"
