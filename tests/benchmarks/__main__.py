"""All benchmarks in one run: `make benchmark`, or `python -m tests.benchmarks`."""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import cast

import click

from tests.benchmarks.options import Options
from tests.benchmarks.report import REPORT, Number, Part, write

PARTS = ("calls", "rates", "dagster_overhead")
"""Modules of this folder; each has `measure`, and a docstring that says what it measures."""


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="This part; repeatable.")
@click.option("--orders", type=int, multiple=True, help="Orders to count calls for; repeatable.")
@click.option("--limited", type=int, help="Orders under the limits of a live account.")
@click.option("--latency", type=int, multiple=True, help="Milliseconds of an answer; repeatable.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Path of the report without its ending; docs/benchmarks unless a part is left out.",
)
def main(
    only: tuple[str, ...],
    orders: tuple[int, ...],
    limited: int | None,
    latency: tuple[int, ...],
    out: Path | None,
) -> None:
    """Measure, show each number as it comes, and write the report."""
    usual = Options()
    options = Options(
        orders or usual.orders, limited or usual.limited_orders, latency or usual.latencies
    )
    began = time.monotonic()
    parts = [_measured(name, options) for name in PARTS if name in only or not only]
    path = out or (None if only else REPORT)
    if path is not None:
        write(parts, time.monotonic() - began, path)


def _measured(name: str, options: Options) -> Part:
    module = import_module(f"tests.benchmarks.{name}")
    measure = cast("Callable[[Options], Iterator[Number]]", module.measure)
    numbers = []
    for number in measure(options):
        click.echo(str(number))
        numbers.append(number)
    return Part(name, (module.__doc__ or "").strip(), numbers)


if __name__ == "__main__":
    main()
