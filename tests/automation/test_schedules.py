"""The schedules, over the days that can still change."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from coupon_pipeline.automation.day_ranges import DayRange
from coupon_pipeline.automation.schedules import DAILY, HOURLY, days_to_run
from coupon_pipeline.definitions import definitions
from coupon_pipeline.settings import load_settings
from tests.automation.operating import Operator, days_asked
from tests.world import World

MUCH_LATER = datetime(2026, 12, 20, 12, 7, tzinfo=UTC)
TODAY = DayRange(datetime(2026, 12, 19, tzinfo=UTC).date(), MUCH_LATER.date())
THAT_DAY = datetime(2026, 11, 2, tzinfo=UTC).date()


def _days() -> list[DayRange]:
    return days_to_run(load_settings(), 2, MUCH_LATER)


@pytest.mark.parametrize("name", [HOURLY.name, DAILY.name])
def test_they_are_off_in_a_clone_and_on_by_one_setting(world: World, name: str) -> None:
    """A clone that is tried out must not write to a real account by itself."""
    stopped = definitions().get_repository_def().get_schedule_def(name)
    assert stopped.default_status is dg.DefaultScheduleStatus.STOPPED

    world.setting("COUPON_PIPELINE_AUTOMATION", "schedules")
    started = definitions().get_repository_def().get_schedule_def(name)
    assert started.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_day_on_which_all_is_done_is_left_alone(world: World) -> None:
    """Years of finished orders must not be read every hour."""
    world.order(coupons=[world.quote_coupon()])
    world.sync()

    assert _days() == [TODAY]


def test_a_day_with_a_pending_order_is_run_however_old(world: World) -> None:
    """A subscription may come months after the order."""
    order = world.order(coupons=[world.quote_coupon()], synced=False)
    world.sync()
    assert _days() == [DayRange(THAT_DAY, THAT_DAY), TODAY]

    world.subscribe_later(order)
    world.sync()
    assert _days() == [TODAY]


def test_a_day_with_a_blocked_record_is_run_however_old(world: World) -> None:
    """Somebody mends the record; nobody has to say so."""
    world.order(coupons=[world.bad_quote_coupon(Percent_Off__c=101)])
    world.sync()

    assert _days() == [DayRange(THAT_DAY, THAT_DAY), TODAY]


def test_a_day_whose_snapshots_were_not_decided_is_run(operator: Operator, world: World) -> None:
    """A run may die between two steps."""
    world.order(coupons=[world.quote_coupon()])
    with operator.stripe_refuses(), pytest.raises(Exception, match=r"."):
        world.sync()

    assert _days() == [DayRange(THAT_DAY, THAT_DAY), TODAY]


def test_days_before_the_first_one_are_never_run(world: World) -> None:
    """They are no partitions."""
    world.order(coupons=[world.quote_coupon()], synced=False)
    world.sync()
    world.setting("COUPON_PIPELINE_SYNC_START_DATE", "2026-11-10")

    assert _days() == [TODAY]


def test_a_tick_asks_for_one_run_for_each_range(operator: Operator, world: World) -> None:
    """And the job takes it."""
    order = world.order(coupons=[world.quote_coupon()], synced=False)
    world.sync()
    order = world.subscribe_later(order)

    asked = operator.tick(HOURLY, MUCH_LATER)
    operator.run(asked[:1])

    assert days_asked(asked) == [("2026-11-02", "2026-11-02"), ("2026-12-19", "2026-12-20")]
    assert world.discounted(order.subscription_id) == [(10, None)]


def test_a_tick_asks_for_nothing_while_the_runs_of_the_last_one_go_on(
    operator: Operator,
) -> None:
    """Runs must not pile up behind a slow one."""
    operator.queue(operator.tick(HOURLY)[0])

    assert operator.tick(HOURLY, datetime.now(UTC) + timedelta(hours=1)) == []
