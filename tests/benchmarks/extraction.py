"""Orders and their items from Salesforce into DuckDB, beside dlt: rows a second, memory, processor.

    python -m tests.benchmarks.extraction [--orders N] [--dlt-python PYTHON]

dlt is no dependency of ours: install the extra `benchmark-extraction`, or name the Python of an
environment that has `dlt[duckdb]`. Both read the same orders and items of the same sandbox, page
after page of 2,000 rows; ours also reads the org's description and forgets orders that are gone.
Every part runs in a process of its own.
"""

import argparse
import sys
import tempfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import click

from coupon_pipeline.assets.activated_orders import extract_orders
from coupon_pipeline.assets.resources import open_ledger, open_salesforce, read_mapping
from coupon_pipeline.assets.run import Run
from coupon_pipeline.settings import load_settings
from tests.benchmarks.growth import account, every_order
from tests.benchmarks.measuring import (
    Numbers,
    Row,
    call,
    measured,
    per_second,
    rows_of,
    take_settings,
)
from tests.benchmarks.sandbox import served

NO_TAP = (
    "A Singer tap is not measured: tap-salesforce logs in at login.salesforce.com or "
    "test.salesforce.com and takes no instance address, so it cannot read the sandbox."
)
NO_DLT = "dlt is not measured: it is not installed (extra `benchmark-extraction`)."


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--dlt-python", default=sys.executable, help="a Python that has dlt")
    asked = parser.parse_args()
    for what, name, number in measure(asked.orders, dlt_python=asked.dlt_python):
        click.echo(f"{what:40} {name:28} {number:12,.2f}")
    for note in skipped(asked.dlt_python):
        click.echo(note)


def skipped(dlt_python: str = sys.executable) -> list[str]:
    """What is not measured, and why."""
    missing = dlt_python == sys.executable and find_spec("dlt") is None
    return [*([NO_DLT] if missing else []), NO_TAP]


def measure(orders: int = 100_000, *, dlt_python: str = sys.executable) -> list[Row]:
    """Rows of ours and, where it is there, of dlt."""
    what = f"extraction of {orders:,} orders"
    with served("--orders", str(orders)) as (addresses, _), tempfile.TemporaryDirectory() as home:
        environment = account(addresses, Path(home))
        numbers = call("tests.benchmarks.extraction:extract", environment)
        rows = rows_of(f"{what}, ours", numbers)
        if NO_DLT not in skipped(dlt_python):
            theirs = call(
                "tests.benchmarks.dlt_extraction:extract", environment, home, python=dlt_python
            )
            rows += rows_of(f"{what}, dlt", theirs)
    return rows


def extract(environment: str) -> Numbers:
    """The stage `activated_orders`, with the org's description."""
    take_settings(environment)
    settings = load_settings()
    run = Run(f"extraction-{uuid4()}", every_order())
    numbers: Numbers = {}
    with measured(numbers, "all"), closing(open_salesforce(settings)) as salesforce:
        ledger, mapping = open_ledger(settings), read_mapping(settings)
        report = extract_orders(run, ledger, salesforce, settings, mapping)
    return per_second(numbers, report.totals["orders"] + report.totals["items"])


if __name__ == "__main__":
    main()
