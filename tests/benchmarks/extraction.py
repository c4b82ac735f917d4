"""Orders and their items from Salesforce into DuckDB, beside dlt: rows a second, memory, processor.

dlt is no dependency of ours: install the extra `benchmark-extraction`, or name the Python of an
environment that has `dlt[duckdb]` with `--dlt-python`; without it only ours is measured. Both read
the same orders and items of the same sandbox, page after page of 2,000 rows; ours also reads the
org's description and forgets orders that are gone. A Singer tap is not measured: tap-salesforce
logs in at login.salesforce.com or test.salesforce.com and takes no instance address, so it cannot
read the sandbox. Every part runs in a process of its own.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from coupon_pipeline.assets.activated_orders import extract_orders
from coupon_pipeline.assets.resources import open_ledger, open_salesforce, read_mapping
from coupon_pipeline.assets.run import Run
from coupon_pipeline.settings import load_settings
from tests.benchmarks.growth import account, every_order
from tests.benchmarks.measuring import Numbers, call, measured, per_second, take_settings, told
from tests.benchmarks.options import Options
from tests.benchmarks.report import Number
from tests.benchmarks.sandbox import served


def measure(options: Options) -> Iterator[Number]:
    """Ours and, where it is there, dlt."""
    what, size = f"{options.extracted_orders:,} orders", str(options.extracted_orders)
    with served("--orders", size) as (addresses, _), tempfile.TemporaryDirectory() as home:
        environment = account(addresses, Path(home))
        yield from told(f"{what}, ours", call("tests.benchmarks.extraction:extract", environment))
        if options.dlt_python == sys.executable and find_spec("dlt") is None:
            yield Number(f"{what}, dlt", "skipped: it is not installed", 0)
            return
        python = options.dlt_python
        theirs = call("tests.benchmarks.dlt_extraction:extract", environment, home, python=python)
        yield from told(f"{what}, dlt", theirs)


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
