"""What a run of the benchmarks can be told."""

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
