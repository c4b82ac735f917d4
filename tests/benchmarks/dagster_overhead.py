"""What Dagster adds to the smallest run with nothing new: one order, all assets and checks.

Without Dagster the same stages run one after the other in this process. The multiprocess executor
starts a process for each step, and each imports everything again.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from coupon_pipeline.automation.jobs import SYNC_JOB
from coupon_pipeline.definitions import definitions
from tests.benchmarks.calls import timed
from tests.benchmarks.companies import company
from tests.benchmarks.options import Options
from tests.benchmarks.report import Number
from tests.world import World

_REPOSITORY = Path(__file__).parents[2]
_FROM, _TO = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def measure(_options: Options) -> Iterator[Number]:
    """Seconds of the three ways to run."""
    what = "one order, nothing new"
    with company(1) as world:
        timed(world)
        plain = timed(world)
        yield Number(what, "seconds without Dagster", plain)
        began = time.monotonic()
        world.sync()
        yield Number(what, "seconds in process", time.monotonic() - began)
        yield Number(what, "seconds with the multiprocess executor", _in_processes(world))


def multiprocess_job() -> dg.JobDefinition:
    """The job as the graph has it, with a process for each step."""
    job = definitions().resolve_job_def(SYNC_JOB)
    return job.with_executor_def(dg.multiprocess_executor)


def _in_processes(world: World) -> float:
    days = world.selection()
    sys.path.append(str(_REPOSITORY))  # the others are given it, and are in another folder by then
    with (
        tempfile.TemporaryDirectory() as folder,
        dg.DagsterInstance.local_temp(folder) as instance,
    ):
        began = time.monotonic()
        with dg.execute_job(
            dg.reconstructable(multiprocess_job),
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={_FROM: days.first_day.isoformat(), _TO: days.last_day.isoformat()},
        ) as result:
            assert result.success
        return time.monotonic() - began
