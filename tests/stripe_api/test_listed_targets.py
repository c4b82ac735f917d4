"""Targets from lists: what a list of subscriptions and one of schedules say together."""

from collections.abc import Iterator, Mapping, Sequence

import pytest

from coupon_pipeline.domain.targets import FormerSchedule, ScheduleState, SubscriptionState
from coupon_pipeline.stripe_api.listed_targets import ListedTargets, Sought, list_targets
from coupon_pipeline.stripe_api.messages import JsonObject, JsonValue
from tests.stripe_api.replies import a_schedule, a_subscription


class Lists:
    """A Stripe account that can only be listed, and remembers the filters."""

    def __init__(
        self, subscriptions: Sequence[JsonObject] = (), schedules: Sequence[JsonObject] = ()
    ) -> None:
        self._subscriptions = subscriptions
        self._schedules = schedules
        self.filters: list[Mapping[str, object]] = []

    def list_subscriptions(self, params: Mapping[str, object]) -> Iterator[JsonObject]:
        assert params["status"] == "all"
        return iter(self._subscriptions)

    def list_schedules(self, params: Mapping[str, object]) -> Iterator[JsonObject]:
        self.filters.append(params)
        return iter(self._schedules)


def _listed(account: Lists, *target_ids: str) -> ListedTargets:
    sought = Sought(
        frozenset(target_ids), frozenset({"801"}), "salesforce_order_id", frozenset({"sf-1"})
    )
    return list_targets(account, sought)


def _not_begun(**more: JsonValue) -> JsonObject:
    return a_schedule(status="not_started", subscription=None, current_phase=None, **more)


def _ended(**more: JsonValue) -> JsonObject:
    return a_schedule(status="released", subscription=None, current_phase=None, **more)


def test_a_subscription_is_found_by_every_name_that_an_order_gives_it() -> None:
    """Its own, and that of the schedule that manages it."""
    managed = a_subscription(schedule=a_schedule(subscription="sub_1", customer="cus_1"))
    account = Lists([managed], [a_schedule(subscription="sub_1")])

    found = _listed(account, "sub_1", "sub_sched_1").by_id

    assert found["sub_1"] is found["sub_sched_1"]
    assert isinstance(found["sub_1"], ScheduleState)


def test_a_schedule_that_has_not_begun_is_in_the_list_of_schedules_only() -> None:
    """By its id, by the order that its phase names, and as one that looks like ours."""
    named, speaking = _not_begun(), _not_begun(id="sub_sched_2")
    phases: JsonValue = [
        {
            "start_date": 100,
            "end_date": 200,
            "currency": "usd",
            "metadata": {},
            "items": [],
            "discounts": [{"coupon": "sf-1", "discount": None, "promotion_code": None}],
        }
    ]
    ours = _not_begun(id="sub_sched_3", phases=phases)
    of_others = _not_begun(id="sub_sched_4", phases=[])

    found = _listed(Lists([], [named, speaking, ours, of_others]), "sub_sched_1")

    assert [each.target_id for each in found.by_id.values()] == ["sub_sched_1"]
    assert [each.target_id for each in found.by_order["801"]] == ["sub_sched_1", "sub_sched_2"]
    assert [each.target_id for each in found.others] == ["sub_sched_3"]


def test_what_a_schedule_left_running_comes_from_the_list_of_subscriptions() -> None:
    """The order still names the schedule; the lists say all that a read of both would."""
    released = _ended(released_subscription="sub_1", metadata={"coupon_pipeline": "old"})

    state = _listed(Lists([a_subscription()], [released]), "sub_sched_1").by_id["sub_sched_1"]

    assert isinstance(state, ScheduleState)
    assert state.subscription is not None
    assert [each.coupon_id for each in state.subscription.live_discounts()] == ["spring", "line"]
    assert state.target_id == "sub_1"


def test_a_later_schedule_has_the_proofs_of_the_one_before() -> None:
    """As where it is read by itself."""
    released = _ended(released_subscription="sub_1", metadata={"coupon_pipeline": "old"})
    later = a_schedule(id="sub_sched_2", subscription="sub_1", customer="cus_1")

    state = _listed(
        Lists([a_subscription(schedule=later)], [released, later]), "sub_sched_1"
    ).by_id["sub_sched_1"]

    assert isinstance(state, ScheduleState)
    assert state.schedule_id == "sub_sched_2"
    assert state.former == (FormerSchedule("sub_sched_1", {"coupon_pipeline": "old"}),)


def test_a_schedule_that_was_cancelled_before_it_began_is_known_by_its_list() -> None:
    """There is no subscription to look for."""
    state = _listed(Lists([], [{**_ended(), "status": "canceled"}]), "sub_sched_1").by_id[
        "sub_sched_1"
    ]

    assert isinstance(state, ScheduleState)
    assert state.subscription is None


@pytest.mark.parametrize("schedules", [[], [_ended(released_subscription="sub_1")]])
def test_what_no_list_shows_is_left_out(schedules: list[JsonObject]) -> None:
    """Subscriptions of a test clock are in no list: they are read one by one."""
    assert _listed(Lists([], schedules), "sub_1", "sub_sched_1").by_id == {}


def test_schedules_that_have_begun_are_listed_only_where_an_order_names_one() -> None:
    """They come with their subscriptions, unless they have ended."""
    account = Lists([a_subscription()])

    state = _listed(account, "sub_1").by_id["sub_1"]
    _listed(account, "sub_1", "sub_sched_1")

    assert isinstance(state, SubscriptionState)
    assert account.filters == [{"scheduled": True}, {}]
