"""Runs that are killed: the end is as if they had not been."""

from pathlib import Path

import dagster as dg
import pytest

from tests.crashes.points import Point
from tests.crashes.processes import kill_process
from tests.crashes.scenarios import SCENARIOS
from tests.crashes.trials import Wait, try_crash, undisturbed

# Points of "a once coupon on an order": 2 and 4 are the requests to Stripe that write.
CREATE = Point("after_request", 2, "stripe")
ATTACH = Point("after_request", 4, "stripe")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "wait"),
    [
        (Point("before_request", 2, "stripe"), "at once"),
        (CREATE, "a day later"),
        (Point("before_request", 4, "stripe"), "a day later"),
        (ATTACH, "at once"),
        (ATTACH, "after an invoice"),
        (Point("after_request", 4, "salesforce"), "a day later"),
        (Point("before_commit", 11), "at once"),
        (Point("after_commit", 11), "a day later"),
    ],
    ids=str,
)
def test_a_killed_process_leaves_nothing_lost_and_nothing_twice(
    tmp_path: Path, instance: dg.DagsterInstance, point: Point, wait: Wait
) -> None:
    """The proof is made with SIGKILL and the real program."""
    scenario = SCENARIOS["a once coupon on an order"]
    plain = undisturbed(scenario, wait, tmp_path, instance)

    found = try_crash(scenario, [point], wait, plain.state, tmp_path, instance, kill=kill_process)

    assert found.by_kind == {}


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=str)
def test_each_scenario_survives_a_crash_at_its_last_write_to_stripe(
    tmp_path: Path, instance: dg.DagsterInstance, scenario: object
) -> None:
    """The work is done, nobody has the answer, and a day later no key remembers it."""
    chosen = SCENARIOS[str(scenario)]
    plain = undisturbed(chosen, "a day later", tmp_path, instance)
    number = max(e.number for e in plain.events if e.service == "stripe" and e.writes)

    found = try_crash(
        chosen,
        [Point("after_request", number, "stripe")],
        "a day later",
        plain.state,
        tmp_path,
        instance,
    )

    assert found.by_kind == {}


def test_two_crashes_in_a_row_change_nothing(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """The rerun may be killed too."""
    scenario = SCENARIOS["no order coupon was written"]
    plain = undisturbed(scenario, "a day later", tmp_path, instance)

    found = try_crash(
        scenario, [CREATE, ATTACH], "a day later", plain.state, tmp_path, instance, settle=True
    )

    assert found.by_kind == {}


def test_the_end_of_a_write_that_nobody_saw_is_found_out(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """An intent without an outcome is a question, and the next run answers it by looking."""
    scenario = SCENARIOS["a once coupon on an order"]
    plain = undisturbed(scenario, "at once", tmp_path, instance)

    found = try_crash(scenario, [CREATE], "at once", plain.state, tmp_path, instance)

    assert found.by_kind == {}  # an open intent would be a difference


def test_our_own_grants_that_used_a_coupon_up_do_not_block_the_rerun(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    """The discounts are there and nobody wrote it down; the coupon reads as exhausted."""
    scenario = SCENARIOS["the last redemptions of a coupon"]
    plain = undisturbed(scenario, "at once", tmp_path, instance)

    found = try_crash(
        scenario, [Point("before_commit", 15)], "at once", plain.state, tmp_path, instance
    )

    assert found.by_kind == {}
