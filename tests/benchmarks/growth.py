"""Time and memory as orders grow.

The sandbox serves a company of each size from a process of its own; the stages run one after the
other in another, without Dagster, whose highest memory is what counts.
"""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.report import report_of
from coupon_pipeline.assets.reporting import counted_stage
from coupon_pipeline.assets.run import Run
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.settings import load_settings
from tests.benchmarks.measuring import Numbers, call, measured, take_settings, told
from tests.benchmarks.options import Options
from tests.benchmarks.report import Number
from tests.benchmarks.sandbox import Addresses, served

NAMES = [stage.name for stage in STAGES]
_LONG_AGO = date(2015, 1, 1)


def measure(options: Options) -> Iterator[Number]:
    """Every stage for each size, and the run as a whole."""
    for size in options.grown:
        with served("--orders", str(size)) as (addresses, _), tempfile.TemporaryDirectory() as home:
            environment = account(addresses, Path(home))
            numbers = call("tests.benchmarks.growth:stages", environment, options.until)
        yield from told(f"a company of {size:,} orders", numbers, {"all: peak MiB": "at most 600"})


def account(addresses: Addresses, home: Path) -> str:
    """Settings for a run against the sandbox, in the form of `take_settings`."""
    values = {
        "SALESFORCE_INSTANCE_URL": addresses["salesforce"]["url"],
        "SALESFORCE_ACCESS_TOKEN": addresses["salesforce"]["access_token"],
        "SALESFORCE_NAMESPACE": addresses["salesforce"]["namespace"],
        "STRIPE_API_KEY": addresses["stripe"]["api_key"],
        "STRIPE_API_BASE": addresses["stripe"]["url"],
        "COUPON_PIPELINE_DB": str(home / "ledger.duckdb"),
    }
    return "\n".join(f"{name}={value}" for name, value in values.items())


def every_order() -> Selection:
    """All that were ever activated."""
    return Selection(_LONG_AGO, datetime.now(UTC).date())


def stages(environment: str, until: str) -> Numbers:
    """The stages over all orders, in this process."""
    take_settings(environment)
    run = Run(f"growth-{uuid4()}", every_order())
    numbers: Numbers = {}
    with closing(Connection(load_settings())) as at:
        for stage in STAGES[: NAMES.index(until) + 1]:
            with measured(numbers, stage.name), counted_stage(run, at) as counted:
                counted.report = stage.make(run, at)
        with measured(numbers, "report"):
            report = report_of(run, at.ledger)
    for kind in ("seconds", "processor seconds"):
        numbers[f"all: {kind}"] = sum(n for k, n in numbers.items() if k.endswith(f": {kind}"))
    numbers["all: peak MiB"] = max(n for k, n in numbers.items() if k.endswith(": peak MiB"))
    numbers |= {"orders": report.orders, "snapshots": report.snapshots}
    return numbers | {f"discounts {each}": n for each, n in report.attachments.items()}
