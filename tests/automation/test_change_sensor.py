"""The change sensor against an org over HTTP, and the runs that it asks for."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from coupon_pipeline.assets.resources import open_salesforce
from coupon_pipeline.automation import jobs
from coupon_pipeline.automation.change_sensor import NAME, look_for_changes
from coupon_pipeline.automation.seen_changes import SensorMemory
from coupon_pipeline.definitions import definitions
from coupon_pipeline.ledger import source
from coupon_pipeline.settings import load_settings
from tests.automation.operating import Operator, days_asked
from tests.world import World

DAY = ("2026-11-02", "2026-11-02")


def test_it_is_off_in_a_clone_and_on_by_one_setting(world: World) -> None:
    """A clone that is tried out must not write to a real account by itself."""
    assert not _is_on()

    world.setting("COUPON_PIPELINE_AUTOMATION", "true")
    assert _is_on()

    world.setting("COUPON_PIPELINE_AUTOMATION", "schedules")
    assert not _is_on()


def _is_on() -> bool:
    return _sensor().default_status is dg.DefaultSensorStatus.RUNNING


def _sensor() -> dg.SensorDefinition:
    return definitions().get_repository_def().get_sensor_def(NAME)


def test_it_polls_as_often_as_the_connector_unless_told_otherwise(world: World) -> None:
    """An order then has its discounts about when it has its subscription."""
    assert _sensor().minimum_interval_seconds == 90

    world.setting("COUPON_PIPELINE_POLL_SECONDS", "300")
    assert _sensor().minimum_interval_seconds == 300


def test_an_activated_order_is_synced_once(operator: Operator, world: World) -> None:
    """Looks overlap by ten minutes, so the same order is read again and again."""
    order = world.order(coupons=[world.quote_coupon()])

    asked = operator.look(NAME)
    assert days_asked(asked)[0] == DAY
    operator.run(asked)

    assert world.discounted(order.subscription_id) == [(10, None)]
    assert operator.look(NAME) == []
    assert operator.look(NAME) == []


def test_orders_of_neighbouring_days_are_one_run(operator: Operator, world: World) -> None:
    """After an outage there are many days, and each run costs seconds to start."""
    operator.look(NAME)
    for _ in range(3):
        world.order(coupons=[])
        world.let_time_pass(days=1)
    world.let_time_pass(days=3)
    world.order(coupons=[])

    assert days_asked(operator.look(NAME)) == [
        ("2026-11-02", "2026-11-04"),
        ("2026-11-08", "2026-11-08"),
    ]


def test_an_order_that_got_its_stripe_id_is_synced_again(operator: Operator, world: World) -> None:
    """The order sync may be minutes behind the activation."""
    order = world.order(coupons=[world.quote_coupon()], synced=False)
    operator.run(operator.look(NAME))
    assert operator.look(NAME) == []

    order = world.subscribe_later(order)
    asked = operator.look(NAME)
    operator.run(asked)

    assert days_asked(asked) == [DAY]
    assert world.discounted(order.subscription_id) == [(10, None)]


def test_our_own_write_back_is_no_edit(operator: Operator, world: World) -> None:
    """It moves the coupon's stamp; a run for it would be one for nothing, every time."""
    world.order(coupons=[world.quote_coupon()])
    operator.run(operator.look(NAME))
    world.let_time_pass(minutes=20)

    assert operator.look(NAME) == []


def test_an_edited_coupon_is_known_before_the_next_order(operator: Operator, world: World) -> None:
    """Two edits between two orders would otherwise be one, and the terms in between lost."""
    coupon = world.quote_coupon(Percent_Off__c=10)
    operator.run(operator.look(NAME))

    world.let_time_pass(minutes=1)
    world.update("Quote_Stripe_Coupon__c", coupon, Percent_Off__c=20)
    asked = operator.look(NAME)
    operator.run(asked)

    assert len(asked) == 1
    with world.ledger.reading() as tx:
        latest = source.read_latest_versions(tx, [coupon])[coupon]
    assert latest.fields["Percent_Off__c"] == 20
    assert operator.look(NAME) == []


def test_pending_orders_are_tried_again(operator: Operator, world: World) -> None:
    """What Stripe lacks may come without any change in Salesforce."""
    world.order(coupons=[world.quote_coupon()], synced=False)
    operator.run(operator.look(NAME))
    assert operator.look(NAME) == []

    operator.let_sensor_time_pass(NAME, minutes=16)

    assert days_asked(operator.look(NAME)) == [DAY]
    assert operator.look(NAME) == []


def test_a_lost_cursor_looks_at_everything_again(operator: Operator, world: World) -> None:
    """Nothing is missed, and a second run over the same orders writes nothing."""
    world.order(coupons=[world.quote_coupon()])
    operator.run(operator.look(NAME))
    before = world.state_of_both()

    operator.forget_cursor(NAME)
    operator.run(operator.look(NAME))

    assert world.state_of_both() == before


def test_with_another_ledger_it_looks_at_everything_again(
    operator: Operator, world: World, tmp_path: Path
) -> None:
    """Whoever tried the sandbox or a test account first has a cursor that is of no use."""
    world.order(coupons=[world.quote_coupon()])
    operator.run(operator.look(NAME))
    assert operator.look(NAME) == []

    world.setting("COUPON_PIPELINE_DB", str(tmp_path / "other.duckdb"))

    assert DAY in days_asked(operator.look(NAME))


def test_an_org_that_does_not_answer_is_asked_again_later(operator: Operator, world: World) -> None:
    """Missed polls are caught up: the cursor stays where it is."""
    operator.look(NAME)
    order = world.order(coupons=[world.quote_coupon()])
    with world.sandbox.down("salesforce"):
        assert operator.look(NAME) == []

    operator.run(operator.look(NAME))

    assert world.discounted(order.subscription_id) == [(10, None)]


def test_an_order_of_tomorrow_waits_until_that_is_a_day_here_too(world: World) -> None:
    """The clock of this machine may be behind the org's, around midnight."""
    world.order(coupons=[world.quote_coupon()])
    settings = load_settings()
    midnight = datetime(2026, 11, 2, tzinfo=UTC)

    with closing(open_salesforce(settings)) as org:
        memory = SensorMemory()
        for minutes in (-2, -1):
            before = look_for_changes(settings, org, memory, midnight + timedelta(minutes=minutes))
            memory = before.memory
            assert date(2026, 11, 2) not in before.days
        after = look_for_changes(settings, org, memory, midnight + timedelta(minutes=1))
        again = look_for_changes(settings, org, after.memory, midnight + timedelta(minutes=2))

    assert after.days == {date(2026, 11, 2)}
    assert again.days == set()


def test_a_run_that_failed_is_asked_for_again_and_not_at_once(
    operator: Operator, world: World
) -> None:
    """The change was told; only the history of runs knows that nothing came of it."""
    order = world.order(coupons=[world.quote_coupon()])
    asked = operator.look(NAME)[:1]
    with operator.stripe_refuses():
        assert operator.run(asked, raise_on_error=False) == [False]
    assert operator.look(NAME) == []

    later = operator.due_repeats(NAME, minutes=6)
    operator.run(later)

    assert days_asked(later) == days_asked(asked)
    assert world.discounted(order.subscription_id) == [(10, None)]
    assert operator.due_repeats(NAME, minutes=60) == []


def test_a_run_that_fails_for_days_is_tried_every_six_hours(
    operator: Operator, world: World
) -> None:
    """A key is revoked on a Friday evening, and every change of the weekend fails by itself."""
    world.order(coupons=[world.quote_coupon()])
    asked = operator.look(NAME)[:1]
    for _ in range(6):
        operator.fail(asked[0])
    assert operator.due_repeats(NAME, hours=2) == []
    assert days_asked(operator.due_repeats(NAME, hours=3)) == days_asked(asked)

    for _ in range(40):
        operator.fail(asked[0])
    assert operator.look(NAME) == []
    assert operator.due_repeats(NAME, hours=5) == []
    assert days_asked(operator.due_repeats(NAME, hours=7)) == days_asked(asked)


def test_days_that_are_no_partitions_any_more_are_not_tried_again(
    operator: Operator, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody moved the first day, and such a run fails each time, for ever."""
    monkeypatch.setattr(jobs, "_FIRST_WAIT", timedelta(0))
    world.order(coupons=[world.quote_coupon()])
    operator.fail(operator.look(NAME)[0])

    world.setting("COUPON_PIPELINE_SYNC_START_DATE", "2026-11-03")

    assert DAY not in days_asked(operator.look(NAME))


def test_a_run_that_failed_is_not_lost_among_those_of_a_busy_day(
    operator: Operator, world: World
) -> None:
    """More than a hundred an hour, between two attempts that are six hours apart."""
    world.order(coupons=[world.quote_coupon()])
    asked = operator.look(NAME)[:1]
    for _ in range(8):
        operator.fail(asked[0])
    for _ in range(700):
        operator.instance.add_run(
            dg.DagsterRun(
                job_name="sync",
                run_id=make_new_run_id(),
                status=dg.DagsterRunStatus.SUCCESS,
                tags={**asked[0].tags, "dagster/asset_partition_range_end": "2026-11-09"},
            )
        )

    assert days_asked(operator.due_repeats(NAME, hours=7)) == days_asked(asked)


def test_nothing_more_is_asked_for_while_runs_wait_in_the_queue(
    operator: Operator, world: World
) -> None:
    """A queue that stands still would otherwise grow by a run every 90 seconds."""
    world.order(coupons=[world.quote_coupon()])
    operator.queue(operator.look(NAME)[0])
    world.order(coupons=[world.quote_coupon()])

    assert operator.look(NAME) == []

    operator.clear_queue()
    assert DAY in days_asked(operator.look(NAME))
