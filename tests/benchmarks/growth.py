"""Time and memory as orders grow: `python -m tests.benchmarks.growth [--orders N ...]`.

The sandbox serves a company of that size from a process of its own; the stages run one after the
other in another, without Dagster, whose highest memory is what counts.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import click

from coupon_pipeline.assets.activated_orders import extract_orders
from coupon_pipeline.assets.coupon_attachments import load_attachments
from coupon_pipeline.assets.coupon_junctions import extract_junctions
from coupon_pipeline.assets.coupon_snapshots import freeze_snapshots
from coupon_pipeline.assets.report import report_of
from coupon_pipeline.assets.resources import (
    open_ledger,
    open_salesforce,
    open_stripe,
    read_mapping,
)
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.assets.salesforce_records import write_back
from coupon_pipeline.assets.stripe_coupons import load_coupons
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.settings import load_settings
from tests.benchmarks.measuring import Numbers, Row, call, measured, rows_of
from tests.benchmarks.sandbox import Addresses, served

SIZES = (1000, 10_000, 100_000)
LIMIT_MIB = 600
_LONG_AGO = date(2015, 1, 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=SIZES)
    parser.add_argument("--only-plan", action="store_true", help="write nothing to either service")
    asked = parser.parse_args()
    for what, name, number in measure(asked.orders, only_plan=asked.only_plan):
        click.echo(f"{what:40} {name:44} {number:12,.2f}")


def measure(sizes: Sequence[int] = SIZES, *, only_plan: bool = False) -> list[Row]:
    """Rows for each size: every stage, and the run as a whole."""
    rows = []
    for size in sizes:
        with served("--orders", str(size)) as (addresses, _), tempfile.TemporaryDirectory() as home:
            numbers = call(
                "tests.benchmarks.growth:stages", *account(addresses, Path(home)), str(only_plan)
            )
        rows += rows_of(f"a company of {size:,} orders", numbers)
    return rows


def account(addresses: Addresses, home: Path) -> tuple[str, ...]:
    """Settings for a run against the sandbox, as `NAME=value` separated by line ends."""
    values = {
        "SALESFORCE_INSTANCE_URL": addresses["salesforce"]["url"],
        "SALESFORCE_ACCESS_TOKEN": addresses["salesforce"]["access_token"],
        "SALESFORCE_NAMESPACE": addresses["salesforce"]["namespace"],
        "STRIPE_API_KEY": addresses["stripe"]["api_key"],
        "STRIPE_API_BASE": addresses["stripe"]["url"],
        "COUPON_PIPELINE_DB": str(home / "ledger.duckdb"),
    }
    return ("\n".join(f"{name}={value}" for name, value in values.items()),)


def stages(environment: str, only_plan: str) -> Numbers:
    """All stages over all orders, in this process."""
    take_settings(environment)
    settings = load_settings()
    selection = Selection(_LONG_AGO, datetime.now(UTC).date())
    run = Run(f"growth-{uuid4()}", selection, dry_run=only_plan == "True")
    ledger, mapping = open_ledger(settings), read_mapping(settings)
    numbers: Numbers = {}
    with closing(open_salesforce(settings)) as salesforce, closing(open_stripe(settings)) as stripe:
        steps: dict[str, Callable[[], StageReport]] = {
            "activated_orders": lambda: extract_orders(run, ledger, salesforce, settings, mapping),
            "coupon_junctions": lambda: extract_junctions(run, ledger, salesforce, mapping),
            "coupon_snapshots": lambda: freeze_snapshots(
                run, ledger, salesforce, settings, mapping
            ),
            "stripe_coupons": lambda: load_coupons(run, ledger, stripe, settings, mapping),
            "coupon_attachments": lambda: load_attachments(run, ledger, stripe, settings),
            "salesforce_records": lambda: write_back(run, ledger, salesforce, settings, mapping),
        }
        for name, step in steps.items():
            with measured(numbers, name):
                step()
        with measured(numbers, "report"):
            report = report_of(run, ledger)
    for kind in ("seconds", "processor seconds"):
        numbers[f"all: {kind}"] = sum(n for k, n in numbers.items() if k.endswith(f": {kind}"))
    numbers["all: peak MiB"] = max(n for k, n in numbers.items() if k.endswith(": peak MiB"))
    numbers["activated orders"] = report.orders
    numbers["snapshots"] = report.snapshots
    for outcome, number in report.attachments.items():
        numbers[f"discounts {outcome}"] = number
    return numbers


def take_settings(environment: str) -> None:
    """Put the settings that `account` made into this process's environment."""
    for line in environment.splitlines():
        name, _, value = line.partition("=")
        os.environ[name] = value


if __name__ == "__main__":
    main()
