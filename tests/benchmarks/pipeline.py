"""Calls and time of the pipeline: `make benchmark`, or `python -m tests.benchmarks.pipeline`.

All in one run against the same sandbox; writes `docs/benchmarks.md` and `docs/benchmarks.json`.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import dagster as dg
import pytest

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.benchmarks.record_by_record import Script
from tests.crashes.in_process import Life
from tests.crashes.matrix import where_and_when
from tests.world import World

REPORT = Path(__file__).parents[2] / "docs" / "benchmarks"
NOW = datetime(2026, 11, 2, 0, tzinfo=UTC)
COUPONS, LINES = 50, 3
LATENCIES = (50, 300)

Numbers = dict[str, float]


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--limited", type=int, default=1000, help="orders under emulated limits")
    parser.add_argument("--out", type=Path, default=REPORT, help="path of the report, no ending")
    asked = parser.parse_args()
    began = time.monotonic()
    rows: list[tuple[str, Numbers]] = []
    for orders in asked.orders:
        rows.append((f"{orders} orders, pipeline", told(measure_calls(orders))))
        rows.append((f"{orders} orders, record by record", told(measure_script(orders))))
    rows += [
        (
            f"{asked.limited} orders at {ms} ms, live limits",
            told(measure_limited(asked.limited, ms)),
        )
        for ms in LATENCIES
    ]
    rows.append(("one order, through Dagster in process", told(measure_dagster())))
    facts = where_and_when("tests.benchmarks.pipeline", time.monotonic() - began)
    document = {**facts, "rows": [{"what": what, **numbers} for what, numbers in rows]}
    text = json.dumps(document, indent=1) + "\n"
    asked.out.with_suffix(".json").write_text(text, encoding="utf-8")
    table = "\n".join(
        f"| {what} | {name} | {n:,.2f} |" for what, all_ in rows for name, n in all_.items()
    )
    asked.out.with_suffix(".md").write_text(_TEXT.format(**facts, table=table), encoding="utf-8")


def told(numbers: Numbers) -> Numbers:
    """Show numbers while the others are still being measured."""
    click.echo(", ".join(f"{name} {number:,.2f}" for name, number in numbers.items()), err=True)
    return numbers


def measure_calls(orders: int) -> Numbers:
    """New orders, the same again with nothing new, and a plan of that."""
    with company(orders) as world:
        log = world.sandbox.calls
        seconds = timed(world)
        made = {"Stripe calls": log.total("stripe"), "Salesforce calls": log.total("salesforce")}
        log.clear()
        again = timed(world)
        return {
            **{name: float(number) for name, number in made.items()},
            "Stripe calls per order": made["Stripe calls"] / orders,
            "seconds": seconds,
            "rerun: Stripe calls": float(log.total("stripe")),
            "rerun: Salesforce calls": float(log.total("salesforce")),
            "rerun: seconds": again,
            "peak memory with the sandbox, MiB": peak_mebibytes(),
        }


def measure_script(orders: int) -> Numbers:
    """The same orders, record by record."""
    with company(orders) as world:
        log = world.sandbox.calls
        began = time.monotonic()
        Script(world.sandbox.addresses).sync()
        return {
            "Stripe calls": float(log.total("stripe")),
            "Salesforce calls": float(log.total("salesforce")),
            "Stripe calls per order": log.total("stripe") / orders,
            "seconds": time.monotonic() - began,
        }


def measure_limited(orders: int, milliseconds: int) -> Numbers:
    """Through Dagster, with the limits of a live account kept by both sides."""
    with company(orders, frozen=False) as world:  # the sandbox's limits need its clock to run
        sandbox = world.sandbox
        world.setting("COUPON_PIPELINE_STRIPE_PER_SECOND", "100")
        world.setting("COUPON_PIPELINE_STRIPE_LEFT_TO_OTHERS", "0")
        sandbox.switches.stripe_rate_limits = "live"
        sandbox.faults.latency["stripe"] = milliseconds
        rate = world.sync().rate
        refused = sum(call.status == 429 for call in sandbox.calls.all("stripe"))
        return {
            "Stripe calls": float(rate.stripe_calls),
            "seconds of the stages": rate.seconds,
            "lower bound, seconds": rate.lower_bound_seconds,
            "share of the bound": rate.share_of_bound or 0.0,
            "429": float(refused),
        }


def measure_dagster() -> Numbers:
    """What Dagster adds to the smallest run with nothing new."""
    with company(1) as world:
        timed(world)
        plain = timed(world)
        began = time.monotonic()
        world.sync()
        return {"seconds without": plain, "seconds with": time.monotonic() - began}


@contextmanager
def company(orders: int, *, frozen: bool = True) -> Iterator[World]:
    """Orders of three lines and two coupons out of fifty, activated and with subscriptions."""
    with (
        dg.DagsterInstance.ephemeral() as instance,
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as env,
        Sandbox(company=False, clock=Clock(NOW, frozen=frozen)) as sandbox,
    ):
        world = World(sandbox, Path(folder), instance, env)
        made = [
            world.quote_coupon(Percent_Off__c=1 + n % 40, Duration__c="forever")
            for n in range(COUPONS)
        ]
        for number in range(orders):
            pair = [made[number % COUPONS], made[(number + 7) % COUPONS]]
            world.order(coupons=pair, lines=[[]] * LINES)
        sandbox.calls.clear()
        yield world


def timed(world: World) -> float:
    """Seconds of a run of all stages, without Dagster."""
    began = time.monotonic()
    assert Life(world).run()
    return time.monotonic() - began


def peak_mebibytes() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


_TEXT = """# Benchmarks

New orders have three lines and two of fifty coupons each. The pipeline and the script that works
record by record (`tests/benchmarks/record_by_record.py`) run against the same local sandbox, which
shares the machine's cores. `seconds` without limits are the speed of this machine, not of Stripe.

| what | number | value |
|---|---|---|
{table}

Made on {date} in {seconds} s by `{command}` on {machine}. `make benchmark` repeats it.

Not measured here: extraction against dlt and a Singer tap (not installed), Dagster's multiprocess
executor, 100,000 orders.
"""


if __name__ == "__main__":
    main()
