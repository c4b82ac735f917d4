"""The account behind the key, and the invoices that it would make."""

from coupon_pipeline.stripe_api import StripeEdge
from coupon_pipeline.stripe_api.reading import Reader
from tests.stripe_api.accounts import StripeAccount


def test_the_account_says_who_it_is(account: StripeAccount, edge: StripeEdge) -> None:
    """The ledger belongs to one account and must notice another."""
    assert edge.account.account_id == account.sandbox.stripe.account_id


def test_a_preview_takes_discounts_and_changes_nothing(
    account: StripeAccount, edge: StripeEdge
) -> None:
    """It is Stripe's own arithmetic, free of side effects."""
    subscription = account.subscription()
    coupon = account.make("coupon", {"percent_off": 25, "duration": "once"})

    plain = edge.preview_invoice(subscription)
    reduced = edge.preview_invoice(subscription, {"discounts": [{"coupon": coupon}]})

    assert Reader(plain.body).whole("total") == 10_000
    assert Reader(reduced.body).whole("total") == 7_500
    assert Reader(edge.retrieve_subscription(subscription).body).objects("discounts") == []
    assert edge.calls.writes == 0
