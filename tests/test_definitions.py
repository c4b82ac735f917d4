"""The graph as Dagster loads it."""

from datetime import timedelta

import dagster as dg
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from coupon_pipeline.definitions import definitions
from tests.world import World


def test_one_run_takes_a_range_of_days_over_all_assets(world: World) -> None:
    """Dagster refuses a range when one of the assets has another backfill policy, or none."""
    del world
    graph = definitions().resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in graph.get_all_asset_keys()}

    assert policies == {dg.BackfillPolicy.single_run()}


def test_tables_are_overdue_only_where_something_says_how_often_they_are_made(
    world: World,
) -> None:
    """A tile that says overdue in a clone that nobody runs would soon be passed over."""
    assert _windows() == set()

    world.setting("COUPON_PIPELINE_AUTOMATION", "changes")
    assert _windows() == set()

    world.setting("COUPON_PIPELINE_AUTOMATION", "schedules")
    assert _windows() == {(timedelta(hours=3), timedelta(hours=6))}

    world.setting("COUPON_PIPELINE_FRESH_HOURS", "48")
    assert _windows() == {(timedelta(hours=24), timedelta(hours=48))}


def _windows() -> set[tuple[timedelta | None, timedelta]]:
    """After how long a table is late and overdue."""
    graph = definitions().resolve_asset_graph()
    policies = [graph.get(key).freshness_policy for key in graph.get_all_asset_keys()]
    return {
        (
            policy.warn_window and policy.warn_window.to_timedelta(),
            policy.fail_window.to_timedelta(),
        )
        for policy in policies
        if isinstance(policy, TimeWindowFreshnessPolicy)
    }
