"""New orders under the limits of a live account, 100 requests a second and 25 for each endpoint.

The sandbox refuses what is beyond them with 429. The pipeline runs in a process of its own, as
`coupon-pipeline sync`, with no share left to others. The bound is the least time that the calls of
each stage can take: those of its busiest endpoint, or all of them against the account's limit.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.benchmarks.companies import company
from tests.benchmarks.options import Options
from tests.benchmarks.report import Number


def measure(options: Options) -> Iterator[Number]:
    """The bound's share that is reached, at each latency."""
    for milliseconds in options.latencies:
        yield from _limited(options.limited_orders, milliseconds)


def _limited(orders: int, milliseconds: int) -> Iterator[Number]:
    what = f"{orders:,} orders at {milliseconds} ms"
    with company(orders, frozen=False) as world:  # the sandbox's limits need its clock to run
        sandbox = world.sandbox
        world.setting("COUPON_PIPELINE_STRIPE_PER_SECOND", "100")
        world.setting("COUPON_PIPELINE_STRIPE_LEFT_TO_OTHERS", "0")
        sandbox.switches.stripe_rate_limits = "live"
        sandbox.faults.latency["stripe"] = milliseconds
        began = time.monotonic()
        days = world.selection()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "coupon_pipeline.cli", "sync", "--json"),
                *("--from", days.first_day.isoformat(), "--to", days.last_day.isoformat()),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - began
        rate = json.loads(done.stdout)["rate"]
        refused = sum(call.status == 429 for call in sandbox.calls.all("stripe"))
    yield Number(what, "Stripe calls", rate["stripe_calls"])
    yield Number(what, "calls a second", rate["per_second"])
    yield Number(what, "seconds of the stages that call Stripe", rate["seconds"])
    yield Number(what, "lower bound, seconds", rate["lower_bound_seconds"])
    yield Number(what, "share of the bound", rate["share_of_bound"], "at least 0.90")
    yield Number(what, "answers with 429", refused, "0")
    yield Number(what, "seconds of the whole command", seconds)
