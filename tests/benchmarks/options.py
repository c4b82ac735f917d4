"""What a run of the benchmarks can be told."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes; the defaults are what the report in `docs/` is made with."""

    orders: tuple[int, ...] = (1_000, 10_000)
    """Where calls are counted."""
    limited_orders: int = 1_000
    """Where the limits of a live account are kept."""
    latencies: tuple[int, ...] = (50, 300)
    """Milliseconds that Stripe takes to answer."""
    associations: int = 100_000
    """To snapshots and terms."""
    planned_orders: int = 10_000
    """Of the company that a plan is made for."""
    grown: tuple[int, ...] = (1_000, 10_000, 100_000)
    """Orders of companies that grow."""
    until: str = "salesforce_records"
    """The last stage of those."""
    extracted_orders: int = 100_000
    """Beside dlt."""
    dlt_python: str = sys.executable
    """The Python of an environment that has dlt."""
