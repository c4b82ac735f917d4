"""The graph as Dagster loads it."""

import dagster as dg

from coupon_pipeline.definitions import definitions
from tests.world import World


def test_one_run_takes_a_range_of_days_over_all_assets(world: World) -> None:
    """Dagster refuses a range when one of the assets has another backfill policy, or none."""
    del world
    graph = definitions().resolve_asset_graph()
    policies = {graph.get(key).backfill_policy for key in graph.get_all_asset_keys()}

    assert policies == {dg.BackfillPolicy.single_run()}
