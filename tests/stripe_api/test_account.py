"""The account behind the key, and what the key may do."""

from pydantic import SecretStr

from coupon_pipeline.stripe_api import StripeEdge
from coupon_pipeline.stripe_api.reading import Reader
from tests.stripe_api.accounts import StripeAccount


def test_the_account_says_who_it_is(account: StripeAccount, edge: StripeEdge) -> None:
    """The ledger belongs to one account and must notice another."""
    assert edge.account.account_id == account.sandbox.stripe.account_id


def test_a_full_key_may_do_everything(edge: StripeEdge) -> None:
    """Asked without leaving a trace in the account."""
    permissions = edge.probe_permissions()

    assert all(permission.granted for permission in permissions)
    assert list(edge.list_coupons()) == []


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


def test_permissions_that_a_restricted_key_lacks_are_named(account: StripeAccount) -> None:
    """A person can then tick exactly those boxes."""
    key = account.sandbox.run_on_loop(
        lambda: account.sandbox.stripe.restricted_key("rak_coupon_read", "rak_subscription_read")
    )
    edge = StripeEdge(SecretStr(key), base_url=account.sandbox.addresses.stripe_url)

    permissions = {permission.purpose: permission for permission in edge.probe_permissions()}
    edge.close()

    assert permissions["read coupons"].granted
    assert permissions["read subscriptions"].granted
    assert permissions["read subscription schedules"].granted
    assert permissions["write coupons"].missing == "rak_coupon_write"
    assert permissions["write subscriptions"].missing == "rak_subscription_write"
    assert not permissions["read customers"].granted
