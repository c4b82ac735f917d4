"""New orders, and the same again with nothing new, beside a script that works record by record.

Each order has three lines and two of fifty coupons. The script, `record_by_record.py` in
`tests/benchmarks/`, asks for the lines and associations of each order, gets each coupon, retrieves
or creates it in Stripe, and updates each record that differs.
"""

import time
from collections.abc import Generator, Iterator

from tests.benchmarks.companies import company
from tests.benchmarks.options import Options
from tests.benchmarks.record_by_record import Script
from tests.benchmarks.report import Number
from tests.world import World

_CALLS_OF_A_SCRIPT = 20
"""To Salesforce for each order, at most."""


def measure(options: Options) -> Iterator[Number]:
    """Calls and seconds of both, for each size."""
    for orders in options.orders:
        ours = yield from _pipeline(orders)
        theirs = yield from _script(orders)
        what = f"{orders:,} orders, script / pipeline"
        yield Number(what, "all calls", sum(theirs) / sum(ours), "at least 6")
        yield Number(what, "Salesforce calls", theirs[1] / ours[1], "at least 100")


def _pipeline(orders: int) -> Generator[Number, None, tuple[int, int]]:
    what = f"{orders:,} orders, pipeline"
    with company(orders) as world:
        log = world.sandbox.calls
        seconds = timed(world)
        made = log.total("stripe"), log.total("salesforce")
        log.clear()
        again = timed(world)
        yield Number(what, "Stripe calls per order", made[0] / orders, "at most 2.2")
        yield Number(what, "Salesforce calls", made[1])
        yield Number(what, "seconds", seconds)
        what = f"{orders:,} orders again, nothing new"
        yield Number(what, "Stripe calls", log.total("stripe"), "0")
        yield Number(what, "Salesforce calls", log.total("salesforce"), "at most 6 for 1,000")
        yield Number(what, "seconds in process", again, "below 3 for 1,000")
    return made


def _script(orders: int) -> Generator[Number, None, tuple[int, int]]:
    what = f"{orders:,} orders, record by record"
    with company(orders) as world:
        log = world.sandbox.calls
        # more than the 100,000 of a day that the org begins with, for 10,000 orders
        world.sandbox.salesforce.org.usage.limit = _CALLS_OF_A_SCRIPT * orders
        began = time.monotonic()
        Script(world.sandbox.addresses).sync()
        seconds = time.monotonic() - began
        made = log.total("stripe"), log.total("salesforce")
        yield Number(what, "Stripe calls per order", made[0] / orders)
        yield Number(what, "Salesforce calls", made[1])
        yield Number(what, "seconds", seconds)
    return made


def timed(world: World) -> float:
    """Seconds of a run of all stages, without Dagster."""
    began = time.monotonic()
    world.sync_without_dagster(world.selection())
    return time.monotonic() - began
