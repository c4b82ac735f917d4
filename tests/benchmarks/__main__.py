"""All benchmarks in one run: `make benchmark`, or `python -m tests.benchmarks`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import click

from tests.benchmarks.growth import NAMES
from tests.benchmarks.options import Options
from tests.benchmarks.report import REPORT, Number, Part, write

PARTS = (
    "calls",
    "rates",
    "dagster_overhead",
    "snapshots",
    "planning",
    "growth",
    "extraction",
)
"""Modules of this folder; each has `measure`, and a docstring that says what it measures."""


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="This part; repeatable.")
@click.option("--orders", type=int, multiple=True, help="Orders to count calls for; repeatable.")
@click.option(
    "--limited", "limited_orders", type=int, help="Orders under the limits of a live account."
)
@click.option(
    "--latency", "latencies", type=int, multiple=True, help="Milliseconds of an answer; repeatable."
)
@click.option("--associations", type=int, help="To snapshots and terms.")
@click.option(
    "--planned", "planned_orders", type=int, help="Orders of the company that a plan is made for."
)
@click.option("--grown", type=int, multiple=True, help="Orders of a company; repeatable.")
@click.option("--until", type=click.Choice(NAMES), help="The last stage as they grow.")
@click.option("--extracted", "extracted_orders", type=int, help="Orders to extract beside dlt.")
@click.option("--dlt-python", help="The Python of an environment that has dlt.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Path of the report without its ending; docs/benchmarks unless a part is left out.",
)
def main(only: tuple[str, ...], out: Path | None, **sizes: object) -> None:
    """Measure, show each number as it comes, and write the report."""
    given: dict[str, Any] = {name: size for name, size in sizes.items() if size}
    options = replace(Options(), **given)
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
