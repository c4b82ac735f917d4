"""What a key may do, found out without writing: right where it is told, unknown where it is not."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from pydantic import SecretStr

from coupon_pipeline.domain.diagnosis import Diagnosis, Status
from coupon_pipeline.sandbox.switches import turn
from coupon_pipeline.stripe_api import StripeEdge
from coupon_pipeline.stripe_api.permissions import NEEDS, permissions_to_give
from tests.stripe_api.accounts import StripeAccount

TO_GIVE = tuple(need.permission.name for need in permissions_to_give())


@pytest.fixture(scope="module")
def shared() -> Iterator[StripeAccount]:
    """One account with something in it for all tests here: none of them may change it."""
    from coupon_pipeline.sandbox.serving import Sandbox  # noqa: PLC0415 - started once

    with Sandbox(company=False) as sandbox:
        account = StripeAccount(sandbox)
        account.subscription()
        account.make("coupon", {"percent_off": 5, "duration": "once"})
        yield account


def examined(account: StripeAccount, *permissions: str, **switches: str) -> dict[str, Diagnosis]:
    """The lines about a restricted key with these permissions, by check."""
    sandbox = account.sandbox
    before = {name: getattr(sandbox.switches, name) for name in switches}
    sandbox.run_on_loop(lambda: turn(sandbox.switches, switches))
    key = sandbox.run_on_loop(lambda: sandbox.stripe.restricted_key(*permissions))
    try:
        edge = StripeEdge(
            SecretStr(key), base_url=sandbox.addresses.stripe_url, pause=lambda _: None
        )
        with closing(edge):
            return {line.check: line for line in edge.examine().lines}
    finally:
        sandbox.run_on_loop(lambda: turn(sandbox.switches, before))


def everything(account: StripeAccount) -> dict[str, object]:
    """All that the account holds."""
    stripe = account.sandbox.stripe
    kinds = ("coupon", "customer", "subscription", "subscription_item", "price", "product")
    return account.sandbox.run_on_loop(lambda: {kind: stripe.all(kind) for kind in kinds})


def test_the_listed_permissions_are_exactly_enough(shared: StripeAccount) -> None:
    """Who ticks what the page lists is told that nothing is missing and nothing too many."""
    lines = examined(shared, *TO_GIVE)

    assert {line.status for line in lines.values()} == {Status.PASSED}


@pytest.mark.parametrize("left_out", TO_GIVE)
def test_a_permission_that_is_left_out_is_named(shared: StripeAccount, left_out: str) -> None:
    """A person can then tick exactly that box."""
    lines = examined(shared, *(name for name in TO_GIVE if name != left_out))

    need = next(need for need in NEEDS if need.permission.name == left_out)
    line = lines[f"stripe.permission.{left_out}"]
    assert line.status is (Status.UNKNOWN if need.optional else Status.FAILED)
    assert left_out in line.message
    assert need.permission.words in line.fix


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("rak_customer_write", "Customers: Write"),
        ("rak_product_read", "Products: Read"),
        ("rak_plan_write", "Prices: Write"),
        ("rak_promotion_code_write", "Promotion codes: Write"),
    ],
)
def test_a_permission_too_many_is_named(shared: StripeAccount, extra: str, words: str) -> None:
    """A key that is stolen can do what it may do, whoever uses it."""
    lines = examined(shared, *TO_GIVE, extra)

    failed = [line for line in lines.values() if line.status is Status.FAILED]
    assert [line.subject for line in failed] == [words]
    assert "Set" in failed[0].fix
    assert lines["stripe.beyond"].status is Status.UNKNOWN
    assert "PaymentIntents" in lines["stripe.beyond"].message


def test_asking_for_permissions_changes_nothing(shared: StripeAccount) -> None:
    """Whatever a key may do, the account is the same afterwards, and no write is counted."""
    before = everything(shared)
    key = shared.sandbox.stripe.api_key
    for permissions in (TO_GIVE, (*TO_GIVE, "rak_customer_write", "rak_product_write"), ()):
        examined(shared, *permissions)
    with closing(StripeEdge(SecretStr(key), base_url=shared.sandbox.addresses.stripe_url)) as edge:
        edge.examine()
        assert edge.calls.writes == 0

    assert everything(shared) == before


def test_a_secret_key_is_sent_reads_only(shared: StripeAccount) -> None:
    """It has every permission by its kind, so that there is nothing to find out."""
    shared.sandbox.calls.clear()
    key = shared.sandbox.stripe.api_key
    with closing(StripeEdge(SecretStr(key), base_url=shared.sandbox.addresses.stripe_url)) as edge:
        lines = edge.examine().lines

    assert {call.method for call in shared.sandbox.calls.all("stripe")} == {"GET"}
    assert {line.status for line in lines} == {Status.PASSED}


def test_an_answer_is_unknown_where_permissions_are_looked_at_last(shared: StripeAccount) -> None:
    """If Stripe looked for the object first, "no such object" would tell nothing of a key."""
    lines = examined(
        shared, "rak_coupon_read", "rak_subscription_read", stripe_permission_check="after_lookup"
    )

    for name in ("rak_coupon_write", "rak_subscription_write"):
        assert lines[f"stripe.permission.{name}"].status is Status.UNKNOWN
    assert lines["stripe.permission.rak_coupon_read"].status is Status.PASSED
    assert lines["stripe.permission.rak_customer_read"].status is Status.FAILED
    assert lines["stripe.beyond"].status is Status.UNKNOWN


def test_a_key_that_may_not_ask_who_it_is_is_examined_all_the_same(shared: StripeAccount) -> None:
    """Whether a restricted key may is not documented."""
    lines = examined(shared, *TO_GIVE, stripe_account_permission="rak_accounts_kyc_basic_read")

    assert lines.pop("stripe.account").status is Status.UNKNOWN
    assert {line.status for line in lines.values()} == {Status.PASSED}


def test_a_key_that_stripe_does_not_know_is_one_failed_line(shared: StripeAccount) -> None:
    """Nothing else can be asked with it."""
    edge = StripeEdge(SecretStr("rk_test_unknown"), base_url=shared.sandbox.addresses.stripe_url)
    with closing(edge):
        lines = {line.check: line for line in edge.examine().lines}

    assert lines["stripe.account"].status is Status.FAILED
    assert "STRIPE_API_KEY" in lines["stripe.account"].fix
    assert "rk_test_unknown" not in str(lines)
