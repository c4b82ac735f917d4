"""The orders that the benchmarks are about: three lines and two coupons out of fifty each."""

import gc
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.world import World

NOW = datetime(2026, 11, 2, 0, tzinfo=UTC)
COUPONS, LINES = 50, 3


@contextmanager
def company(orders: int, *, frozen: bool = True) -> Iterator[World]:
    """So many activated orders, each with a subscription; nothing of theirs is synced yet."""
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
        with _collector_sparing_what_is_there():
            yield world


@contextmanager
def _collector_sparing_what_is_there() -> Iterator[None]:
    """Without it a look through the company holds all answers up for seconds.

    Requests that waited would then count as sent together, against the limits.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
