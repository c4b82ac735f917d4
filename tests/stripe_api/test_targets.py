"""Reading targets: what the SDK's reply says, in the domain's words."""

from collections.abc import Mapping, Sequence

import pytest

from coupon_pipeline.domain.targets import (
    DiscountEntry,
    FormerSchedule,
    LiveDiscount,
    ScheduleState,
    SubscriptionState,
    TargetGone,
)
from coupon_pipeline.stripe_api.errors import StripeRejected
from coupon_pipeline.stripe_api.messages import Answer, JsonObject
from coupon_pipeline.stripe_api.targets import (
    EXPAND_SCHEDULE,
    EXPAND_SUBSCRIPTION,
    parse_schedule,
    parse_subscription,
    read_target,
)
from tests.stripe_api.replies import a_discount, a_schedule, a_subscription


class Account:
    """A Stripe account that holds a few objects and remembers what was asked."""

    def __init__(self, objects: Mapping[str, JsonObject]) -> None:
        self._objects = objects
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def retrieve_subscription(self, subscription_id: str, expand: Sequence[str]) -> Answer:
        return self._find(subscription_id, expand)

    def retrieve_schedule(self, schedule_id: str, expand: Sequence[str]) -> Answer:
        return self._find(schedule_id, expand)

    def _find(self, object_id: str, expand: Sequence[str]) -> Answer:
        self.asked.append((object_id, tuple(expand)))
        if object_id not in self._objects:
            raise StripeRejected("No such object.", reason="resource_missing", status=404)
        return Answer(self._objects[object_id], "req_1")


def test_a_subscription_is_read_with_every_level_in_one_request() -> None:
    """Reads count against the account's allowance."""
    account = Account({"sub_1": a_subscription()})

    state = read_target(account, "sub_1")

    assert isinstance(state, SubscriptionState)
    assert state.discounts == (LiveDiscount("di_1", "spring", None, 1_000, None, "once"),)
    assert state.customer_discount == LiveDiscount("di_vip", "vip", None, 1_000)
    (item,) = state.items
    assert (item.item_id, item.price_id, item.quantity) == ("si_1", "price_1", 2)
    assert item.metadata == {"salesforce_order_item_id": "oi_1"}
    assert item.discounts == (LiveDiscount("di_item", "line", None, 1_000, 2_000),)
    assert item.current_period_end == 3_000
    assert state.customer_id == "cus_1"
    assert account.asked == [("sub_1", EXPAND_SUBSCRIPTION)]


def test_no_expansion_goes_deeper_than_stripe_allows() -> None:
    """Stripe refuses the fifth level, and with it the read."""
    assert all(path.count(".") < 4 for path in (*EXPAND_SUBSCRIPTION, *EXPAND_SCHEDULE))


def test_a_schedule_is_read_with_its_subscription_in_one_request() -> None:
    """The current phase's discounts are those of the subscription."""
    account = Account({"sub_sched_1": a_schedule()})

    state = read_target(account, "sub_sched_1")

    assert isinstance(state, ScheduleState)
    assert state.current_phase == (100, 200)
    assert state.subscription is not None
    (phase,) = state.phases
    assert phase.discounts == (DiscountEntry("discount", "di_1", "spring"),)
    assert phase.items[0].discounts == (DiscountEntry("coupon", "line", "line"),)
    assert phase.metadata == {"salesforce_order_id": "801"}
    assert len(account.asked) == 1


def test_a_subscription_under_a_schedule_comes_back_as_the_schedule() -> None:
    """A change made beside the schedule is undone by its next phase."""
    schedule = a_schedule(subscription="sub_1", customer="cus_1")
    account = Account({"sub_1": a_subscription(schedule=schedule)})

    state = read_target(account, "sub_1")

    assert isinstance(state, ScheduleState)
    assert state.subscription is not None
    assert state.subscription.subscription_id == "sub_1"
    assert state.customer_discount == LiveDiscount("di_vip", "vip", None, 1_000)
    assert len(account.asked) == 1


def test_the_customer_of_a_schedule_not_begun_is_read_too() -> None:
    """Its own discount is hidden by any discount of a phase."""
    customer: JsonObject = {"id": "cus_1", "discount": a_discount("di_vip", "vip")}
    state = parse_schedule(
        a_schedule(status="not_started", subscription=None, current_phase=None, customer=customer)
    )

    assert state.subscription is None
    assert state.current_phase is None
    assert state.customer_discount == LiveDiscount("di_vip", "vip", None, 1_000)


def test_the_subscription_that_a_schedule_left_running_is_read() -> None:
    """The order still names the schedule."""
    released = a_schedule(
        status="released", subscription=None, current_phase=None, released_subscription="sub_1"
    )
    account = Account({"sub_sched_1": released, "sub_1": a_subscription()})

    state = read_target(account, "sub_sched_1")

    assert isinstance(state, ScheduleState)
    assert state.subscription is not None
    assert state.subscription.subscription_id == "sub_1"
    assert [asked for asked, _ in account.asked] == ["sub_sched_1", "sub_1"]


def test_a_later_schedule_of_the_same_subscription_is_found() -> None:
    """The proof on the first schedule still counts."""
    released = a_schedule(
        status="released",
        subscription=None,
        current_phase=None,
        released_subscription="sub_1",
        metadata={"coupon_pipeline": "old"},
    )
    later = a_schedule(id="sub_sched_2", subscription="sub_1")
    account = Account({"sub_sched_1": released, "sub_1": a_subscription(schedule=later)})

    state = read_target(account, "sub_sched_1")

    assert isinstance(state, ScheduleState)
    assert state.schedule_id == "sub_sched_2"
    assert state.former == (FormerSchedule("sub_sched_1", {"coupon_pipeline": "old"}),)


@pytest.mark.parametrize(
    ("target_id", "code", "reads"),
    [
        ("sub_gone", "target.not_found", 1),
        ("sub_sched_gone", "target.not_found", 1),
        ("in_1", "target.not_subscription", 0),
        ("cus_1", "target.not_found", 0),
        ("", "target.not_found", 0),
    ],
)
def test_what_is_no_subscription_is_told_by_its_id(target_id: str, code: str, reads: int) -> None:
    """Asking for an invoice among the subscriptions would only say that it is missing."""
    account = Account({})

    assert read_target(account, target_id) == TargetGone(code, target_id)
    assert len(account.asked) == reads


@pytest.mark.parametrize("target_id", ["sub_1", "sub_sched_1"])
def test_any_other_refusal_is_raised(target_id: str) -> None:
    """Taking it for a missing subscription would report a wrong cause."""

    class Refusing(Account):
        def _find(self, object_id: str, expand: Sequence[str]) -> Answer:
            raise StripeRejected(f"{object_id} {expand}", reason="api_key_expired", status=400)

    with pytest.raises(StripeRejected):
        read_target(Refusing({}), target_id)


def test_an_id_that_cannot_be_part_of_an_address_is_not_found() -> None:
    """People paste more than the id."""

    class Strict(Account):
        def _find(self, object_id: str, expand: Sequence[str]) -> Answer:
            raise StripeRejected(f"{object_id} {expand}", reason="id_unusable")

    assert read_target(Strict({}), "sub_1 or so") == TargetGone("target.not_found", "sub_1 or so")


@pytest.mark.parametrize("paused", ["status", "collection"])
def test_a_paused_subscription_says_so(paused: str) -> None:
    """It is shown to people; discounts are attached all the same."""
    pause: JsonObject = (
        {"status": "paused"} if paused == "status" else {"pause_collection": {"behavior": "void"}}
    )
    state = parse_subscription(a_subscription(**pause))

    assert isinstance(state, SubscriptionState)
    assert state.paused


def test_discounts_that_were_not_expanded_are_refused() -> None:
    """Taking them for none would drop or double them."""
    with pytest.raises(StripeRejected):
        parse_subscription(a_subscription(discounts=["di_1"]))


def test_a_status_that_nobody_knows_is_refused() -> None:
    """What it allows cannot be guessed."""
    with pytest.raises(StripeRejected):
        parse_schedule(a_schedule(status="hibernating"))
