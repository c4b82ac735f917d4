"""The Dagster graph in one place: assets, their job and what they work with."""

import dagster as dg

from coupon_pipeline.assets import ASSETS
from coupon_pipeline.assets.partitions import days_since
from coupon_pipeline.assets.resources import resource_definitions
from coupon_pipeline.settings import load_settings

SYNC_JOB = "sync"


@dg.definitions
def definitions() -> dg.Definitions:
    """Everything that Dagster loads. Reads the settings once; no secret is needed to open it."""
    days = days_since(load_settings().first_day)
    return dg.Definitions(
        assets=dg.map_asset_specs(
            lambda spec: (
                spec.replace_attributes(partitions_def=days)
                if spec.partitions_def is not None
                else spec
            ),
            ASSETS,
        ),
        jobs=[
            dg.define_asset_job(
                SYNC_JOB,
                selection=dg.AssetSelection.all(),
                description="Makes Stripe's discounts what the activated orders signed.",
            )
        ],
        resources=resource_definitions(),
        executor=dg.in_process_executor,
    )
