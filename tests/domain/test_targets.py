"""One target, whatever the orders call it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coupon_pipeline.domain.targets import (
    FormerSchedule,
    ScheduleState,
    TargetState,
    time_at,
    with_history_of,
)
from tests.domain.target_builders import a_phase, a_schedule, a_subscription, an_item, at

PROOF = {"coupon_pipeline": "of a grant"}


def _moment(day: str) -> datetime:
    return datetime.fromtimestamp(at(day), UTC)


def _ended(schedule_id: str) -> ScheduleState:
    phase = a_phase("2025-01-01", "2026-01-01")
    ended = a_schedule(phase, status="released", subscription=a_subscription())
    return replace(ended, schedule_id=schedule_id, metadata=PROOF)


def test_an_ended_schedule_stands_for_the_subscription_that_it_left() -> None:
    """A request that named the schedule would be refused."""
    ended = _ended("sub_sched_1")

    assert ended.target_id == "sub_1"
    assert replace(ended, subscription=None).target_id == "sub_sched_1"
    assert replace(ended, status="active").target_id == "sub_sched_1"


@pytest.mark.parametrize(
    ("one", "other", "former"),
    [
        (_ended("sub_sched_1"), _ended("sub_sched_2"), ["sub_sched_2"]),
        (_ended("sub_sched_1"), _ended("sub_sched_1"), []),
        (_ended("sub_sched_1"), a_subscription(), []),
        (a_subscription(), _ended("sub_sched_1"), []),
    ],
)
def test_the_proofs_of_all_schedules_that_led_to_a_subscription_count(
    one: TargetState, other: TargetState, former: list[str]
) -> None:
    """What one of them granted must not be granted again because another was read first."""
    both = with_history_of(one, other)

    assert isinstance(both, ScheduleState)
    assert both.schedule_id == "sub_sched_1"
    assert list(both.former) == [FormerSchedule(schedule_id, PROOF) for schedule_id in former]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [("2026-02-01", "2026-03-01"), ("2026-03-20", "2026-03-20"), ("2026-05-01", "2026-05-01")],
    ids=["before the period", "in it", "after it"],
)
def test_a_target_is_at_least_as_late_as_its_billing_period(ours: str, expected: str) -> None:
    """Of the items' periods the latest; a schedule has that of its subscription."""
    periods = [("2026-01-01", "2027-01-01"), ("2026-03-01", "2026-04-01")]
    items = [
        replace(an_item(f"si_{n}"), current_period_start=at(start), current_period_end=at(end))
        for n, (start, end) in enumerate(periods)
    ]
    billed = a_subscription(items=items)

    for state in (billed, a_schedule(a_phase("2026-01-01", "2027-01-01"), subscription=billed)):
        assert time_at(state, _moment(ours)) == _moment(expected)
    assert time_at(a_subscription(), _moment(ours)) == _moment(ours)
