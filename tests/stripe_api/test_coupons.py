"""Coupons over HTTP: made once, read with all their terms, metadata changed in place."""

from decimal import Decimal

import pytest

from coupon_pipeline.domain.reuse import Missing, StripeCoupon, terms_of_stripe
from coupon_pipeline.domain.terms import Terms, differences
from coupon_pipeline.stripe_api import StripeEdge, StripeRejected, StripeUnavailable
from tests.stripe_api.accounts import StripeAccount

TEN_PERCENT = Terms.of(duration="once", name="Ten", percent_off=Decimal(10))
EVERY_KIND = {
    "percent": TEN_PERCENT,
    "percent with decimals": Terms.of(duration="forever", percent_off=Decimal("33.33")),
    "everything": Terms.of(duration="once", percent_off=Decimal(100)),
    "amount": Terms.of(duration="once", amount_off=1999, currency="usd"),
    "amount without minor units": Terms.of(duration="once", amount_off=500, currency="jpy"),
    "months": Terms.of(duration="repeating", duration_in_months=12, percent_off=Decimal("12.5")),
    "limited": Terms.of(duration="once", percent_off=Decimal(5), max_redemptions=3),
    "further currencies": Terms.of(
        duration="forever",
        amount_off=1000,
        currency="usd",
        currency_options={"eur": 900, "gbp": 800},
    ),
}


@pytest.mark.parametrize("terms", EVERY_KIND.values(), ids=EVERY_KIND.keys())
def test_a_coupon_comes_back_with_the_terms_that_it_was_made_with(
    terms: Terms, edge: StripeEdge
) -> None:
    """Otherwise the next run finds a difference and blocks its own coupon."""
    written = edge.create_coupon("sf-1", terms, {"coupon_pipeline_terms": "abc"})

    read = edge.read_coupons(["sf-1"]).readings["sf-1"]

    assert not written.was_there
    assert isinstance(read, StripeCoupon)
    assert differences(terms, terms_of_stripe(read)) == ()
    assert differences(terms, terms_of_stripe(written.coupon)) == ()
    assert read.metadata == {"coupon_pipeline_terms": "abc"}
    assert written.request_id


def test_products_and_last_day_come_back_too(account: StripeAccount, edge: StripeEdge) -> None:
    """Stripe gives `applies_to` only to those who ask for it."""
    product = account.make("product", {"name": "Seat"})
    tomorrow = int(account.sandbox.clock.now().timestamp()) + 86_400
    terms = Terms.of(
        duration="once",
        percent_off=Decimal(10),
        redeem_by=tomorrow,
        applies_to_products=(product,),
    )

    written = edge.create_coupon("sf-1", terms, {})

    assert differences(terms, terms_of_stripe(written.coupon)) == ()


def test_a_coupon_made_again_is_the_same_coupon(edge: StripeEdge) -> None:
    """The id is derived, so that losing the ledger cannot make a second one."""
    edge.create_coupon("sf-1", TEN_PERCENT, {})

    again = edge.create_coupon("sf-1", TEN_PERCENT, {}, epoch=1)

    assert again.was_there
    assert differences(TEN_PERCENT, terms_of_stripe(again.coupon)) == ()
    assert len(list(edge.list_coupons())) == 1


def test_an_id_that_holds_something_else_is_given_back_for_comparison(
    account: StripeAccount, edge: StripeEdge
) -> None:
    """Different content under our id is an error, and only a comparison can tell."""
    account.make("coupon", {"id": "sf-1", "percent_off": 20, "duration": "once"})

    written = edge.create_coupon("sf-1", TEN_PERCENT, {})

    found = differences(TEN_PERCENT, terms_of_stripe(written.coupon))
    assert written.was_there
    assert {each.field for each in found} == {"percent_off", "name"}


@pytest.mark.parametrize("kind", ["cut_after", "error_after", "truncated", "cut_before"])
def test_a_lost_answer_makes_no_second_coupon(
    kind: str, account: StripeAccount, edge: StripeEdge
) -> None:
    """Whether the work was done before the connection broke cannot be known."""
    account.disturb(kind)

    written = edge.create_coupon("sf-1", TEN_PERCENT, {})

    assert differences(TEN_PERCENT, terms_of_stripe(written.coupon)) == ()
    assert len(list(edge.list_coupons())) == 1


def test_coupons_are_read_all_at_once_and_each_for_itself(
    account: StripeAccount, edge: StripeEdge
) -> None:
    """What is there, what is not, and what could not be read are three different things."""
    for number in range(5):
        edge.create_coupon(f"sf-{number}", TEN_PERCENT, {})
    account.disturb("lock_timeout", times=None, path="/v1/coupons/sf-3")

    reads = edge.read_coupons([f"sf-{number}" for number in range(6)])

    assert {each for each, found in reads.readings.items() if isinstance(found, StripeCoupon)} == {
        "sf-0",
        "sf-1",
        "sf-2",
        "sf-4",
    }
    assert reads.readings["sf-5"] is Missing.ABSENT
    assert set(reads.failed) == {"sf-3"}


def test_reading_no_coupon_makes_no_call(edge: StripeEdge) -> None:
    """A run with nothing new must be free."""
    assert edge.read_coupons([]).readings == {}
    assert edge.calls.reads == 0


def test_an_outage_while_reading_is_told(account: StripeAccount, edge: StripeEdge) -> None:
    """Nothing may be concluded about coupons that nobody could read."""
    account.disturb("unavailable", times=None)

    with pytest.raises(StripeUnavailable):
        edge.read_coupons([f"sf-{number}" for number in range(50)])


def test_metadata_of_others_stays(account: StripeAccount, edge: StripeEdge) -> None:
    """We write our keys, remove our keys, and leave the rest alone."""
    account.make(
        "coupon",
        {
            "id": "sf-1",
            "percent_off": 20,
            "duration": "once",
            "metadata": {"theirs": "kept", "campaign": "spring", "obsolete": "x"},
        },
    )

    written = edge.update_coupon_metadata("sf-1", {"campaign": "autumn", "obsolete": ""})

    assert written.coupon.metadata == {"theirs": "kept", "campaign": "autumn"}


def test_metadata_changed_back_within_a_day_is_really_changed_back(edge: StripeEdge) -> None:
    """The key of the first write is still known, and Stripe would only repeat its answer."""
    edge.create_coupon("sf-1", TEN_PERCENT, {})
    for campaign in ["spring", "autumn", "spring", "autumn", "spring"]:
        written = edge.update_coupon_metadata("sf-1", {"campaign": campaign})

        assert written.coupon.metadata == {"campaign": campaign}

    read = edge.read_coupons(["sf-1"]).readings["sf-1"]
    assert isinstance(read, StripeCoupon)
    assert read.metadata == {"campaign": "spring"}


def test_terms_that_stripe_refuses_block_this_coupon(edge: StripeEdge) -> None:
    """The reason is Stripe's own code, for people to look up."""
    impossible = Terms.of(duration="once", amount_off=100, currency="zzz")

    with pytest.raises(StripeRejected) as caught:
        edge.create_coupon("sf-1", impossible, {})

    assert caught.value.request_id


def test_a_list_is_read_to_its_end(account: StripeAccount, edge: StripeEdge) -> None:
    """A page holds 100; a lost ledger is made again from all of them."""
    for number in range(205):
        account.make("coupon", {"id": f"sf-{number}", "percent_off": 10, "duration": "once"})

    listed = [coupon.coupon_id for coupon in edge.list_coupons()]

    assert sorted(listed) == sorted(f"sf-{number}" for number in range(205))
    assert edge.calls.reads == 3
