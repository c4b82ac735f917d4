"""How long a plan takes, and whether it is the same each time.

Orders are extracted first, which is not counted. Then two processes make the plan, each on a copy
of that ledger, and their fingerprints are compared. Waiting for Stripe's reads is told apart: it
depends on the account's limits, not on the planner.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.planning import run_stages
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.assets.run import Run
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.settings import load_settings
from coupon_pipeline.stripe_api import Job, StripeEdge
from coupon_pipeline.stripe_api.workers import Outcome
from tests.benchmarks.growth import NAMES, account, every_order
from tests.benchmarks.measuring import Numbers, call, measured, take_settings, told
from tests.benchmarks.options import Options
from tests.benchmarks.report import Number
from tests.benchmarks.sandbox import served

T = TypeVar("T")
_WITHOUT_WAITING = "plan: seconds without waiting for Stripe"


class TimedStripe(StripeEdge):
    """Notes how long was waited for answers."""

    waited = 0.0

    def run_all(
        self, jobs: Sequence[Job[T]], *, batch_size: int = 200, batch_seconds: float = 1.0
    ) -> Generator[tuple[Outcome[T], ...], None, None]:
        """As it is, with a watch."""
        began = time.monotonic()
        for outcomes in super().run_all(jobs, batch_size=batch_size, batch_seconds=batch_seconds):
            self.waited += time.monotonic() - began
            yield outcomes
            began = time.monotonic()
        self.waited += time.monotonic() - began


def measure(options: Options) -> Iterator[Number]:
    """Two plans, and whether they are the same to the byte."""
    size = str(options.planned_orders)
    with served("--orders", size) as (addresses, _), tempfile.TemporaryDirectory() as home:
        environment = account(addresses, Path(home))
        call("tests.benchmarks.growth:stages", environment, "coupon_junctions")
        first, second = (call("tests.benchmarks.planning:plan", environment) for _ in range(2))
    what = f"plan for {options.planned_orders:,} orders"
    same = first.pop("fingerprint") == second.pop("fingerprint")
    yield from told(what, first, {_WITHOUT_WAITING: "under 5"})
    yield from told(f"{what}, once more", second)
    yield Number(what, "identical to the byte", float(same), "1")


def plan(environment: str) -> Numbers:
    """A plan on a copy of the ledger, from extracted rows to every change that would be made."""
    take_settings(environment)
    settings = load_settings()
    key, base_url = settings.stripe().api_key, settings.stripe().api_base
    numbers: Numbers = {}
    with tempfile.TemporaryDirectory() as folder:
        ledger, stripe = Ledger(Path(folder) / "ledger"), TimedStripe(key, base_url=base_url)
        open_ledger(settings).copy_to(ledger.path)
        run = Run(f"plan-{uuid4()}", every_order(), dry_run=True)
        with closing(Connection(settings, ledger=ledger, stripe=stripe)) as at:
            at.salesforce.describe()
            with measured(numbers, "plan"):
                done = run_stages(run, at, STAGES[NAMES.index("coupon_snapshots") :])
        numbers[_WITHOUT_WAITING] = numbers["plan: seconds"] - stripe.waited
    told = json.dumps([(report.stage, report.totals, report.changes) for report in done])
    numbers["changes"] = sum(len(report.changes) for report in done)
    numbers["fingerprint"] = int(hashlib.sha256(told.encode()).hexdigest()[:12], 16)
    return numbers
