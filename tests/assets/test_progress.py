"""A long load is seen to move, in its run and on the table's page; a short one says nothing."""

import threading
from collections.abc import Sequence
from functools import partial

import dagster as dg
import pytest

from coupon_pipeline.assets import reporting
from coupon_pipeline.assets.progress import Progress
from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from tests.world import World


class Watched:
    """A stage whose time passes when the test says so, and the lines that it told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.at = 0.0
        self.progress = Progress(self.lines.append, lambda: self.at)

    def after(self, seconds: float, what: str, number: int) -> None:
        """So long it took until so much more was done."""
        self.at += seconds
        self.progress.advance(what, number)


def test_a_line_says_how_far_it_is_and_how_long_it_takes() -> None:
    """Orders whose targets are read and written count when their portion is done."""
    load = Watched()
    load.progress.expect("orders", 10_000)
    load.progress.expect("targets read", 1_950)

    load.after(30, "targets read", 600)
    load.after(30, "targets read", 1_350)
    load.after(60, "orders", 2_000)

    assert load.lines == [
        "orders 0 of 10,000, targets read 600 of 1,950",
        "orders 0 of 10,000, targets read 1,950 of 1,950",
        "orders 2,000 of 10,000, targets read 1,950 of 1,950, about 8 min left",
    ]


def test_nothing_is_said_of_what_takes_seconds() -> None:
    """An hourly run with little to do keeps its log as short as it was."""
    load = Watched()
    load.progress.expect("orders", 3)

    load.after(4, "orders", 1)
    load.after(5.9, "orders", 2)

    assert load.lines == []


def test_the_lines_of_a_long_load_stay_few() -> None:
    """Each record of ten hours counts, and a line comes once a minute."""
    load = Watched()

    for _ in range(36_000):
        load.after(1, "records", 1)

    assert 600 < len(load.lines) < 700
    assert load.lines[:2] == ["records 10", "records 20"]


@pytest.mark.parametrize(
    ("seconds", "left"), [(10, "about 10 s left"), (95, "about 2 min left"), (9_000, "2.5 h left")]
)
def test_time_is_told_as_people_say_it(seconds: float, left: str) -> None:
    """Half is done after so many seconds."""
    load = Watched()
    load.progress.expect("orders", 2)

    load.after(seconds, "orders", 1)

    assert load.lines[0].endswith(left)


def test_what_is_complete_tells_no_time_and_the_next_begins_its_own() -> None:
    """Coupons are written after all orders were looked through."""
    load = Watched()
    load.progress.expect("orders", 5)
    load.after(100, "orders", 5)
    load.progress.expect("writes answered", 30)

    load.after(20, "writes answered", 10)

    assert load.lines == [
        "orders 5 of 5",
        "orders 5 of 5, writes answered 10 of 30, about 40 s left",
    ]


def test_a_portion_counts_when_the_next_one_is_asked_for() -> None:
    """While it is in work it is not done."""
    told: list[str] = []
    progress = Progress(told.append, clock=lambda: 0.0, every=0)
    progress.begin("coupon_snapshots")

    seen = [(portion, list(told)) for portion in progress.over("orders", ["ab", "c"])]

    assert seen == [("ab", []), ("c", ["coupon_snapshots: orders 2"])]
    assert told[-1] == "coupon_snapshots: orders 3"


def test_what_another_thread_counts_is_told_with_the_stages_own() -> None:
    """The log of a run belongs to the thread of its stage."""
    told: list[str] = []
    progress = Progress(told.append, clock=lambda: 0.0, every=0)
    other = threading.Thread(target=progress.advance, args=("targets read", 50))
    other.start()
    other.join()
    assert told == []

    progress.advance("writes answered", 20)

    assert told == ["targets read 50, writes answered 20"]


def test_every_table_that_takes_long_tells_it_in_the_log_of_the_run_and_on_its_page(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if each of the six took long."""
    monkeypatch.setattr(reporting, "Progress", partial(Progress, clock=lambda: 0.0, every=0))
    for _ in range(2):
        world.order(coupons=[world.quote_coupon()])
    day = world.sandbox.clock.now().date().isoformat()

    result = (
        definitions()
        .resolve_job_def(SYNC_JOB)
        .execute_in_process(
            instance=instance,
            tags=dict.fromkeys(
                ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), day
            ),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    )

    told = {
        ("activated_orders", "pages read 2, orders read 2"),
        ("coupon_junctions", "pages read 4, quote coupons read 2, associations read 2"),
        ("coupon_snapshots", "orders 2 of 2"),
        ("stripe_coupons", "orders 2 of 2, writes answered 2 of 2"),
        ("coupon_attachments", "orders 2 of 2, targets read 2 of 2, writes answered 2 of 2"),
        ("salesforce_records", "orders 2 of 2, records sent 4"),
    }
    logged = instance.all_logs(result.run_id)
    assert {(entry.step_key, entry.user_message) for entry in logged} >= told
    assert _observed(logged) >= told
    assert _observed(logged) <= {(entry.step_key, entry.user_message) for entry in logged}


def _observed(logged: Sequence[dg.EventLogEntry]) -> set[tuple[str | None, object]]:
    """What the pages of the tables showed meanwhile."""
    data = [
        entry.dagster_event.asset_observation_data.asset_observation
        for entry in logged
        if entry.dagster_event is not None
        and entry.dagster_event.event_type is dg.DagsterEventType.ASSET_OBSERVATION
    ]
    return {(each.asset_key.to_user_string(), each.metadata["progress"].value) for each in data}
