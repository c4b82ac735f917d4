"""A run over some orders at a time does what a run over all at once does."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.planning import run_stages
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.ledger import Ledger
from coupon_pipeline.settings import load_settings
from tests.world import World


@pytest.fixture
def orders(world: World) -> Sequence[str]:
    """Six orders: two on one subscription, three that want the last redemption of a coupon."""
    often, once = world.quote_coupon(), world.quote_coupon(Max_Redemptions__c=1)
    first = world.order(coupons=[often], lines=[[often]])
    shared = world.another_order_on(first, coupons=[once])
    scarce = [world.order(coupons=[often, once]) for _ in range(2)]
    later = [world.order(coupons=[often], synced=False), world.order(lines=[[often], []])]
    return [each.order_id for each in (first, shared, *scarce, *later)]


def run(world: World, ledger: Ledger, *, at_a_time: int, dry_run: bool) -> list[StageReport]:
    """All stages, with so many orders at a time."""
    settings = load_settings()
    with closing(Connection(settings, ledger=ledger)) as at:
        this = Run(f"run-{uuid4()}", world.selection(), dry_run=dry_run, orders_at_a_time=at_a_time)
        return run_stages(this, at)


def told(reports: list[StageReport]) -> list[tuple[dict[str, int], list[tuple[object, ...]]]]:
    """Counts, and every change."""
    return [(report.totals, sorted(report.changes, key=str)) for report in reports]


@pytest.mark.usefixtures("orders")
def test_a_run_does_the_same_however_many_orders_it_holds_at_a_time(
    world: World, tmp_path: Path
) -> None:
    """Orders that share a subscription, or a coupon's last redemption, are decided together."""
    whole = run(world, Ledger(tmp_path / "whole"), at_a_time=100, dry_run=True)
    parted = run(world, Ledger(tmp_path / "parted"), at_a_time=1, dry_run=True)

    assert told(parted) == told(whole)

    run(world, world.ledger, at_a_time=1, dry_run=False)
    world.sandbox.calls.clear()
    again = run(world, world.ledger, at_a_time=1, dry_run=False)

    assert {call.method for call in world.sandbox.calls.all("stripe")} == {"GET"}
    assert [report.changes for report in again] == [[]] * len(again)
