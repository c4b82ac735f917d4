"""Pages wait, in memory or in a file, until one transaction takes all of them over."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger import Ledger, source
from coupon_pipeline.ledger import spool as spool_module
from coupon_pipeline.ledger.spool import spool
from coupon_pipeline.ledger.transaction import Spooled
from tests.domain.strategies import ACTIVATED, an_item, an_order

DAY_OF_ORDER = Selection(ACTIVATED.date(), ACTIVATED.date())


@pytest.mark.parametrize("in_memory", [0, 1, spool_module.ROWS_IN_MEMORY])
def test_a_record_that_comes_twice_counts_once_as_it_came_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    """Somebody changes an order while its pages are being read, or two statements name it."""
    monkeypatch.setattr(spool_module, "ROWS_IN_MEMORY", in_memory)
    ledger = Ledger(tmp_path / "ledger.duckdb")
    before, after = an_order(stripe_id=None), an_order(stripe_id="sub_1")
    same, item = replace(before, order_number="again"), an_item()
    with spool() as pages:
        source.spool_orders(pages, [before, same], [])
        source.spool_orders(pages, [after], [item, item])
        spooled = pages.end()
        with ledger.transaction() as tx:
            source.record_orders(
                tx, DAY_OF_ORDER, spooled["activated_orders"], spooled["order_items"]
            )

    with ledger.reading() as tx:
        source.select_orders(tx, DAY_OF_ORDER)
        assert source.read_orders(tx) == [after]
        assert source.read_items(tx) == [item]


def test_groups_of_rows_of_many_sizes_arrive_whole(tmp_path: Path) -> None:
    """In its usual setting DuckDB 2.0.0 finds none of them: 300,000 items once went missing."""
    ledger, path = Ledger(tmp_path / "ledger.duckdb"), tmp_path / "orders.parquet"
    with duckdb.connect(config={"threads": 1, "preserve_insertion_order": False}) as made:
        made.execute(
            "create table o (order_id varchar primary key, target_id varchar,"
            " modified_at timestamptz)"
        )
        for number in range(210):
            made.execute(
                "insert into o select 'order' || (n + ?), 'sub' || n, 'epoch' from range(600) r(n)",
                [600 * number],
            )
        made.execute(f"copy o to '{path}' (format parquet, row_group_size 10000)")

    with ledger.transaction() as tx:
        columns = ["order_id", "target_id", "modified_at"]
        tx.upsert("planned_orders", ["order_id"], columns, Spooled(path))

    with duckdb.connect(str(ledger.path), read_only=True) as look:
        found = look.execute("select count(distinct order_id) from planned_orders").fetchall()
    assert found == [(210 * 600,)]


def test_nothing_read_leaves_nothing_behind(tmp_path: Path) -> None:
    """A page without rows is an answer too."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [an_order()], [an_item()])
    with spool() as pages:
        source.spool_orders(pages, [], [])
        spooled = pages.end()
        with ledger.transaction() as tx:
            source.record_orders(
                tx, DAY_OF_ORDER, spooled["activated_orders"], spooled["order_items"]
            )

    with ledger.reading() as tx:
        source.select_orders(tx, DAY_OF_ORDER)
        assert (source.read_orders(tx), source.read_items(tx)) == ([], [])
