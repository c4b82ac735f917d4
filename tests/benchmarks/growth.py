"""Time and memory as orders grow: `python -m tests.benchmarks.growth [--orders N ...]`.

The sandbox serves a company of that size from a process of its own; the stages run one after the
other in another, without Dagster, whose highest memory is what counts.
"""

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import click

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.report import report_of
from coupon_pipeline.assets.reporting import counted_stage
from coupon_pipeline.assets.run import Run
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.settings import load_settings
from tests.benchmarks.measuring import Numbers, Row, call, measured, rows_of, take_settings
from tests.benchmarks.sandbox import Addresses, served

SIZES = (1000, 10_000, 100_000)
NAMES = [stage.name for stage in STAGES]
_LONG_AGO = date(2015, 1, 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=SIZES)
    parser.add_argument("--plan", action="store_true", help="write nothing to either service")
    parser.add_argument("--until", choices=NAMES, default=NAMES[-1], help="the last stage")
    asked = parser.parse_args()
    for what, name, number in measure(asked.orders, plan=asked.plan, until=asked.until):
        click.echo(f"{what:40} {name:44} {number:12,.2f}")


def measure(
    sizes: Sequence[int] = SIZES, *, plan: bool = False, until: str = NAMES[-1]
) -> list[Row]:
    """Rows for each size: every stage up to one, and the run as a whole."""
    rows = []
    for size in sizes:
        with served("--orders", str(size)) as (addresses, _), tempfile.TemporaryDirectory() as home:
            numbers = call(
                "tests.benchmarks.growth:stages", account(addresses, Path(home)), str(plan), until
            )
        rows += rows_of(f"a company of {size:,} orders", numbers)
    return rows


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


def stages(environment: str, plan: str, until: str) -> Numbers:
    """The stages over all orders, in this process."""
    take_settings(environment)
    run = Run(f"growth-{uuid4()}", every_order(), dry_run=plan == "True")
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


if __name__ == "__main__":
    main()
