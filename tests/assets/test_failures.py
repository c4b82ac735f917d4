"""What an operator reads of a run that could not go on."""

import dagster as dg

from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from tests.world import World


def test_a_failed_step_says_code_sentence_and_remedy(
    world: World, instance: dg.DagsterInstance
) -> None:
    """Its page begins with them; the stack is for those who wrote the stage."""
    world.order(coupons=[world.quote_coupon()])
    world.setting("STRIPE_API_KEY", "sk_test_revoked")

    result = _sync(world, instance)

    (failed,) = result.get_step_failure_events()
    told = failed.step_failure_data.user_failure_data
    assert told is not None
    assert told.metadata["code"].value == "stripe.login"
    assert "STRIPE_API_KEY" in str(told.metadata["what_to_do"].value)
    assert told.description


def _sync(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    day = world.sandbox.clock.now().date().isoformat()
    job = definitions().resolve_job_def(SYNC_JOB)
    return job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags={"dagster/asset_partition_range_start": day, "dagster/asset_partition_range_end": day},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
