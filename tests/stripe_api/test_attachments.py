"""Discounts on subscriptions over HTTP: planned request in, ids of the discounts out."""

import pytest

from coupon_pipeline.domain.attachments import ItemUpdate, SubscriptionUpdate
from coupon_pipeline.domain.targets import DiscountEntry
from coupon_pipeline.stripe_api import StripeEdge, StripeFailureKept, StripeRejected
from coupon_pipeline.stripe_api.messages import Answer
from coupon_pipeline.stripe_api.reading import Reader
from tests.stripe_api.accounts import StripeAccount


@pytest.fixture
def coupon(account: StripeAccount) -> str:
    """A coupon of 10 % for three months."""
    return account.make(
        "coupon", {"percent_off": 10, "duration": "repeating", "duration_in_months": 3}
    )


def discount_ids(answer: Answer) -> list[str]:
    """Those of the subscription itself."""
    return [Reader(each).text("id") for each in Reader(answer.body).objects("discounts")]


def item_of(answer: Answer) -> Reader:
    """The only item."""
    items = Reader(Reader(answer.body).inner("items")).objects("data")
    return Reader(items[0])


def granting(subscription: str, coupon: str) -> SubscriptionUpdate:
    """The request for a first discount, with its proof."""
    return SubscriptionUpdate(
        subscription, (DiscountEntry.granted(coupon),), (), {"coupon_pipeline": "proof"}
    )


def test_discount_and_proof_arrive_together(
    account: StripeAccount, edge: StripeEdge, coupon: str
) -> None:
    """The answer alone tells the ledger which discount is ours."""
    subscription = account.subscription()

    answer = edge.write_attachments(granting(subscription, coupon))

    assert len(discount_ids(answer)) == 1
    assert discount_ids(answer)[0].startswith("di_")
    assert Reader(answer.body).texts("metadata")["coupon_pipeline"] == "proof"
    assert answer.request_id


def test_discounts_of_items_are_told_too(
    account: StripeAccount, edge: StripeEdge, coupon: str
) -> None:
    """Order and item have lists of their own."""
    subscription = account.subscription()
    item = item_of(edge.retrieve_subscription(subscription)).text("id")
    update = SubscriptionUpdate(
        subscription,
        None,
        (ItemUpdate(item, (DiscountEntry.granted(coupon),)),),
        {"coupon_pipeline": "proof"},
    )

    answer = edge.write_attachments(update)

    found = item_of(answer).objects("discounts")
    assert [Reader(each).text("object") for each in found] == ["discount"]
    assert discount_ids(answer) == []


@pytest.mark.parametrize(
    "kind", ["cut_after", "truncated", "cut_before", "lock_timeout", "conflict", "server_error"]
)
def test_trouble_on_the_way_grants_no_second_discount(
    kind: str, account: StripeAccount, edge: StripeEdge, coupon: str
) -> None:
    """A discount granted twice restarts its months and uses up a redemption."""
    subscription = account.subscription()
    account.disturb(kind)

    answer = edge.write_attachments(granting(subscription, coupon))

    assert account.get("coupon", coupon)["times_redeemed"] == 1
    assert discount_ids(edge.retrieve_subscription(subscription)) == discount_ids(answer)


def test_a_failure_that_stripe_keeps_leaves_the_question_to_the_next_reading(
    account: StripeAccount, edge: StripeEdge, coupon: str
) -> None:
    """Stripe did the work, said 500 and says it again; another key would grant it twice."""
    subscription = account.subscription()
    account.disturb("error_after")

    with pytest.raises(StripeFailureKept) as caught:
        edge.write_attachments(granting(subscription, coupon))

    there = edge.retrieve_subscription(subscription)
    assert caught.value.may_have_happened
    assert Reader(there.body).texts("metadata")["coupon_pipeline"] == "proof"
    assert len(discount_ids(there)) == 1
    assert account.get("coupon", coupon)["times_redeemed"] == 1


def test_the_same_request_in_another_run_is_the_same_write(
    account: StripeAccount, edge: StripeEdge, coupon: str
) -> None:
    """A run that crashed before it heard the answer repeats the request word for word."""
    subscription = account.subscription()
    first = edge.write_attachments(granting(subscription, coupon))

    again = edge.write_attachments(granting(subscription, coupon))

    assert again.replayed
    assert discount_ids(again) == discount_ids(first)
    assert account.get("coupon", coupon)["times_redeemed"] == 1


def test_a_subscription_that_is_not_there_is_told_apart(edge: StripeEdge) -> None:
    """Gone is a state of the record, not a failure of the run."""
    with pytest.raises(StripeRejected) as caught:
        edge.retrieve_subscription("sub_nowhere")

    assert caught.value.is_missing


def test_a_coupon_that_is_not_there_is_no_missing_subscription(
    account: StripeAccount, edge: StripeEdge
) -> None:
    """Both have the same code; only the status differs."""
    subscription = account.subscription()

    with pytest.raises(StripeRejected) as caught:
        edge.write_attachments(granting(subscription, "nowhere"))

    assert caught.value.reason == "resource_missing"
    assert not caught.value.is_missing


def test_a_schedule_tells_its_subscription_with_the_discounts(
    account: StripeAccount, edge: StripeEdge
) -> None:
    """Live discounts of the current phase are kept by the ids that the subscription has."""
    customer = account.make("customer", {"name": "Acme"})
    schedule = account.make(
        "subscription_schedule",
        {
            "customer": customer,
            "start_date": "now",
            "phases": [
                {
                    "items": [{"price": account.price()}],
                    "duration": {"interval": "month", "interval_count": 12},
                }
            ],
        },
    )

    answer = edge.retrieve_schedule(schedule)

    subscription = Reader(Reader(answer.body).inner("subscription"))
    assert subscription.text("schedule") == schedule
    assert subscription.objects("discounts") == []
