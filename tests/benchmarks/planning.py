"""How long a plan takes, and whether it is the same each time.

    python -m tests.benchmarks.planning [--orders N]

Orders are extracted first, which is not counted. Then two processes make the plan, each on a copy
of that ledger, and their fingerprints are compared. Waiting for Stripe's reads is told apart: it
depends on the account's limits, not on the planner.
"""

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import click

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.resources import open_ledger
from coupon_pipeline.assets.run import Run
from coupon_pipeline.assets.stages import STAGES
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.settings import load_settings
from coupon_pipeline.stripe_api import Job, StripeEdge
from coupon_pipeline.stripe_api.workers import Outcome
from tests.benchmarks.growth import NAMES, account, every_order
from tests.benchmarks.measuring import Numbers, Row, call, measured, rows_of, take_settings
from tests.benchmarks.sandbox import served

T = TypeVar("T")


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    for what, name, number in measure(parser.parse_args().orders):
        click.echo(f"{what:32} {name:44} {number:12,.2f}")


def measure(orders: int = 10_000) -> list[Row]:
    """Rows of the two plans, and whether they are the same to the byte."""
    with served("--orders", str(orders)) as (addresses, _), tempfile.TemporaryDirectory() as home:
        environment = account(addresses, Path(home))
        call("tests.benchmarks.growth:stages", environment, "False", "coupon_junctions")
        first, second = (call("tests.benchmarks.planning:plan", environment) for _ in range(2))
    same = first.pop("fingerprint") == second.pop("fingerprint")
    rows = [*rows_of(f"plan for {orders:,} orders", first), *rows_of("once more", second)]
    return [*rows, ("both", "identical to the byte", float(same))]


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
                done = [stage.make(run, at) for stage in STAGES[NAMES.index("coupon_snapshots") :]]
        numbers["plan: seconds without waiting for Stripe"] = (
            numbers["plan: seconds"] - stripe.waited
        )
    told = json.dumps([(report.stage, report.totals, report.changes) for report in done])
    numbers["changes"] = sum(len(report.changes) for report in done)
    numbers["fingerprint"] = int(hashlib.sha256(told.encode()).hexdigest()[:12], 16)
    return numbers


if __name__ == "__main__":
    main()
