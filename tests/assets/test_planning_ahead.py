"""Planning some orders while those before them are written: in order, and never on old news."""

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from uuid import uuid4

import pytest

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.planning import run_stages
from coupon_pipeline.assets.planning_ahead import AHEAD, ahead_with, orders_in, planned_ahead
from coupon_pipeline.assets.run import Run, RunStopped
from coupon_pipeline.domain.caps import Caps
from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.settings import load_settings
from coupon_pipeline.stripe_api import Limits, StripeEdge
from tests.world import World


class PassingTime:
    """Time that passes by waiting, so that a slow rate costs a test nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0.0

    def now(self) -> float:
        """Seconds."""
        return self._now

    def wait(self, seconds: float) -> None:
        """Somebody's pause."""
        with self._lock:
            self._now += seconds


def sync_one_at_a_time(world: World, caps: Caps | None = None) -> None:
    """A run at a rate so slow that a portion is a single order."""
    settings, time = load_settings(), PassingTime()
    account = settings.stripe()
    stripe = StripeEdge(
        account.api_key,
        base_url=account.api_base,
        limits=Limits(0.5, 0.5, left_to_others=0),
        workers=8,
        pause=time.wait,
        clock=time.now,
    )
    run = Run(f"run-{uuid4()}", world.selection(), caps=caps or Caps())
    with closing(Connection(settings, stripe=stripe)) as at:
        run_stages(run, at)


def test_a_target_is_written_soon_after_it_was_read_however_many_there_are(world: World) -> None:
    """What somebody adds between the read and the write would be lost."""
    coupon = world.quote_coupon(Duration__c="forever")
    orders = [world.order(coupons=[coupon]) for _ in range(7)]
    world.sandbox.calls.clear()

    sync_one_at_a_time(world)

    methods = [c.method for c in world.sandbox.calls.all("stripe") if "/subscriptions/" in c.path]
    waiting = [
        read - written
        for n in range(len(methods))
        for read, written in [(methods[: n + 1].count("GET"), methods[: n + 1].count("POST"))]
    ]
    assert Counter(methods) == {"GET": 7, "POST": 7}
    assert max(waiting) <= 1 + AHEAD
    assert all(world.discounted(order.subscription_id) == [(10, None)] for order in orders)


def test_what_was_read_before_another_order_changed_it_is_read_again(world: World) -> None:
    """Two orders call one subscription by different names, and neither discount is lost."""
    first = world.order(coupons=[world.quote_coupon(Duration__c="forever")])
    schedule_id = world.manage(first)
    world.stripe.v1.subscription_schedules.release(schedule_id)
    world.update("Order", first.order_id, Stripe_ID__c=schedule_id)
    second = world.quote_coupon(Duration__c="forever", Percent_Off__c=20)
    world.another_order_on(first, coupons=[second])
    world.sandbox.faults.arm(
        FaultRule(
            service="stripe",
            kind="slow",
            method="POST",
            path="/v1/subscriptions/",
            milliseconds=400,
        )
    )

    sync_one_at_a_time(world)

    assert world.discounted(first.subscription_id) == [(10, None), (20, None)]


def test_where_a_cap_would_end_the_run_nothing_is_written_before_all_is_decided(
    world: World,
) -> None:
    """A cap that three orders exceed stops the first of them too."""
    coupon = world.quote_coupon(Duration__c="forever")
    orders = [world.order(coupons=[coupon]) for _ in range(3)]

    with pytest.raises(RunStopped):
        sync_one_at_a_time(world, Caps(attachments=2))

    assert [world.discounted(order.subscription_id) for order in orders] == [[], [], []]
    sync_one_at_a_time(world, Caps(attachments=3, amount={"usd": 1}, growth=Decimal(1)))
    assert all(world.discounted(order.subscription_id) == [(10, None)] for order in orders)


def test_a_portion_is_what_the_allowed_rate_reads_in_two_seconds() -> None:
    """At least one order; where there is no limit, nothing is gained by small ones."""
    assert orders_in(Limits.documented("live", left_to_others=0)) == 50
    assert orders_in(Limits(5, 25, left_to_others=0)) == 10
    assert orders_in(Limits(0.1, 25)) == 1
    assert ahead_with(Limits.documented("test")) == AHEAD
    assert ahead_with(Limits.none()) == 0


def _noting(seen: list[int], fails_at: int | None = None) -> Callable[[int], int]:
    def plan(portion: int) -> int:
        seen.append(portion)
        if portion == fails_at:
            raise ValueError(portion)
        return -portion

    return plan


def test_portions_come_in_their_order_and_the_next_ones_are_begun_before() -> None:
    """No further than is asked for."""
    seen: list[int] = []
    with closing(planned_ahead(_noting(seen), range(1, 9), ahead=2)) as coming:
        assert next(coming) == -1
        assert len(seen) <= 3
        assert list(coming) == [-2, -3, -4, -5, -6, -7, -8]
    assert seen == list(range(1, 9))


def test_what_went_wrong_is_told_when_its_portion_is_due() -> None:
    """Those before it are done first, and those after it are not."""
    seen: list[int] = []
    done = []
    coming = planned_ahead(_noting(seen, fails_at=3), range(1, 99), ahead=2)
    with pytest.raises(ValueError, match="3"), closing(coming):
        done += [each for each in coming if each < 0]
    assert done == []
    assert max(seen) <= 5


def test_closing_ends_the_planning() -> None:
    """As when a write has shown that Stripe is down."""
    seen: list[int] = []
    with closing(planned_ahead(_noting(seen), range(1, 99), ahead=2)) as coming:
        next(coming)
    assert len(seen) <= 3
