"""The executor of those who want a process for each step: Dagster's default, and not ours."""

from pathlib import Path

import dagster as dg
import pytest

from coupon_pipeline.assets.checks import AT_NIGHT, CHECKS
from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from tests.world import World

REPOSITORY = Path(__file__).parents[2]
RUN_CONFIG = {
    "execution": {
        "config": {
            "max_concurrent": 2,
            # a fork server would be shared with the crash tests, and know their variables only
            "start_method": {"spawn": {}},
        }
    },
    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
}


def job_in_processes() -> dg.JobDefinition:
    """The job as the graph has it, with a process for each step."""
    return definitions().resolve_job_def(SYNC_JOB).with_executor_def(dg.multiprocess_executor)


@pytest.mark.slow
def test_a_process_for_each_step_comes_to_the_same_end(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables and checks hand each other nothing but what the ledger holds."""
    monkeypatch.syspath_prepend(str(REPOSITORY))
    ten = world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon(Amount_Off__c=5)]])
    bad = world.order(coupons=[world.bad_quote_coupon(Percent_Off__c=101)])
    day = world.sandbox.clock.now().date().isoformat()

    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        dg.execute_job(
            dg.reconstructable(job_in_processes),
            instance=instance,
            run_config=RUN_CONFIG,
            tags={
                "dagster/asset_partition_range_start": day,
                "dagster/asset_partition_range_end": day,
            },
        ) as result,
    ):
        assert result.success
        checked = {e.check_name for e in result.get_asset_check_evaluations() if e.passed}

    assert checked == {check.name for check in CHECKS if check not in AT_NIGHT}
    assert world.discounted(ten.subscription_id) == [(10, None)]
    assert world.discounted_item(ten.stripe_item_ids[0]) == [(None, 500)]
    assert world.discounted(bad.subscription_id) == []
    assert world.sync().writes == 0
