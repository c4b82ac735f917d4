"""What was read is kept as it was read, and what is gone from the org does not stay behind."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.versions import is_edit
from coupon_pipeline.ledger import Ledger, source
from coupon_pipeline.ledger.source import OrderCouponLink
from tests.domain.strategies import (
    ACTIVATED,
    COUPON,
    DAY,
    ITEM,
    ORDER,
    TEN_PERCENT,
    a_version,
    an_association,
    an_item,
    an_order,
    an_order_coupon,
)

DAY_OF_ORDER = Selection(ACTIVATED.date(), ACTIVATED.date())


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.duckdb")


def _everything(ledger: Ledger, selection: Selection = DAY_OF_ORDER) -> tuple[object, ...]:
    with ledger.reading() as tx:
        source.select_orders(tx, selection)
        return (
            source.read_orders(tx),
            source.read_items(tx),
            source.read_associations(tx),
            source.read_order_coupons(tx),
        )


def test_every_record_comes_back_as_it_was_read(ledger: Ledger) -> None:
    """A decision rests on exactly what Salesforce said, the decimals included."""
    order, item = an_order(currency="EUR"), an_item()
    association = an_association(deleted_at=ACTIVATED + DAY, is_deleted=True)
    copy = an_order_coupon({**TEN_PERCENT, "Percent_Off__c": Decimal("12.50")})
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [order], [item])
        source.record_junctions(tx, DAY_OF_ORDER, [association], [copy])

    assert _everything(ledger) == ([order], [item], [association], [copy])


def test_an_order_that_lacks_an_order_coupon_is_found(ledger: Ledger) -> None:
    """The trigger may leave out the copy for the order, for an item, or none."""
    orders = [an_order(order_id=f"80100000000000{n}AAA", quote_id=f"quote {n}") for n in range(4)]
    items = [
        an_item(order_item_id=f"item {n}", order_id=order.order_id, quote_line_id=f"line {n}")
        for n, order in enumerate(orders)
    ]
    named = [
        each
        for n in range(3)
        for each in (
            an_association(association_id=f"order {n}", parent_id=f"quote {n}"),
            an_association(association_id=f"item {n}", level="order_item", parent_id=f"line {n}"),
        )
    ]
    on_order = [
        an_order_coupon(order_coupon_id=f"order {n}", order_id=orders[n].order_id) for n in (0, 1)
    ]
    on_item = [
        an_order_coupon(order_coupon_id=f"item {n}", order_id=None, order_item_id=f"item {n}")
        for n in (0, 2)
    ]
    of_other_coupon = an_order_coupon(
        order_coupon_id="other", order_id=orders[2].order_id, quote_coupon_id="a1C000000000002AAA"
    )
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, orders, items)
        source.record_junctions(tx, DAY_OF_ORDER, named, [*on_order, *on_item, of_other_coupon])
    with ledger.reading() as tx:
        source.select_orders(tx, DAY_OF_ORDER)
        lacking = source.read_orders_without_order_coupons(tx)
        source.select_orders_by_id(tx, [orders[1].order_id])
        of_one = source.read_orders_without_order_coupons(tx)

    assert lacking == [orders[1].order_id, orders[2].order_id]
    assert of_one == [orders[1].order_id]


def test_an_order_coupon_tells_its_place_and_its_stripe_coupon(ledger: Ledger) -> None:
    """Most decisions ask for no more of it, and its terms are long."""
    on_order = an_order_coupon(stripe_id="sf-1")
    on_item = an_order_coupon(order_coupon_id="a1O000000000002AAA", order_item_id=ITEM)
    on_neither = an_order_coupon(order_coupon_id="a1O000000000003AAA", order_id=None)
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [an_order()], [an_item()])
        source.record_junctions(tx, DAY_OF_ORDER, [], [on_order, on_item, on_neither])
    with ledger.reading() as tx:
        source.select_orders(tx, DAY_OF_ORDER)
        links = source.read_order_coupon_links(tx)

    assert links == [
        OrderCouponLink(on_order.order_coupon_id, ORDER, COUPON, "sf-1"),
        OrderCouponLink(on_item.order_coupon_id, ITEM, COUPON, None),
    ]


def test_an_order_that_is_no_longer_activated_leaves(ledger: Ledger) -> None:
    """Somebody took the activation back before anything was granted."""
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [an_order()], [an_item()])
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [], [])

    assert _everything(ledger)[0] == []


def test_reading_some_orders_leaves_the_others_alone(ledger: Ledger) -> None:
    """`--order` looks at one order of a day and says nothing about its neighbours."""
    first, second = an_order(), an_order(order_id="801000000000002AAA")
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [first, second], [])
    only_second = replace(DAY_OF_ORDER, order_ids=(second.order_id,))
    with ledger.transaction() as tx:
        source.record_orders(tx, only_second, [second], [])

    assert _everything(ledger)[0] == [first, second]
    assert _everything(ledger, only_second)[0] == [second]


def test_an_edit_is_kept_beside_the_version_before_it(ledger: Ledger) -> None:
    """An order that activated before the edit gets the older version."""
    before = a_version()
    after = a_version({**TEN_PERCENT, "Percent_Off__c": 20}, effective_at=ACTIVATED + DAY)
    with ledger.transaction() as tx:
        source.record_coupons(tx, [before], is_edit)
        source.record_coupons(tx, [after], is_edit)
        source.record_orders(tx, DAY_OF_ORDER, [an_order()], [])
        source.record_junctions(tx, DAY_OF_ORDER, [an_association()], [])

    with ledger.reading() as tx:
        source.select_orders(tx, DAY_OF_ORDER)
        assert source.read_coupon_states(tx, [an_association()], [])[0] == [before, after]


def test_our_own_write_back_is_no_new_version(ledger: Ledger) -> None:
    """It moves `LastModifiedDate` like an edit; counted as one it would hide the signed terms."""
    before = a_version()
    written = replace(
        before,
        stripe_id="sf-1",
        effective_at=before.effective_at + timedelta(hours=1),
        fields={**before.fields, "Stripe_ID__c": "sf-1"},
    )
    with ledger.transaction() as tx:
        source.record_coupons(tx, [before], is_edit)
        new = source.record_coupons(tx, [written], is_edit)
        source.record_orders(tx, DAY_OF_ORDER, [an_order()], [])
        source.record_junctions(tx, DAY_OF_ORDER, [an_association()], [])

    assert new == 0
    with ledger.reading() as tx:
        source.select_orders(tx, DAY_OF_ORDER)
        assert source.read_coupon_states(tx, [an_association()], [])[0] == [before]
        assert source.read_quote_coupons(tx)[0].stripe_id == "sf-1"


def test_a_coupon_that_is_referenced_and_was_never_read_is_named(ledger: Ledger) -> None:
    """Rows become visible late; the coupon is then asked for by its id."""
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [an_order()], [])
        source.record_junctions(tx, DAY_OF_ORDER, [an_association()], [])
        assert source.read_unread_coupons(tx) == [COUPON]
        source.record_coupons(tx, [a_version()], is_edit)
        assert source.read_unread_coupons(tx) == []


def test_an_amendment_leads_to_the_only_new_order_on_its_contract(ledger: Ledger) -> None:
    """An org whose contracts do not name the order that they came from."""
    contract = "800000000000001AAA"
    initial = replace(an_order(), contract_id=contract, stripe_id="sub_1", order_type="New")
    amendment = replace(
        initial, order_id="801000000000009AAA", stripe_id=None, order_type="Amendment"
    )
    with ledger.transaction() as tx:
        source.record_orders(tx, DAY_OF_ORDER, [initial, amendment], [])
    with ledger.reading() as tx:
        source.select_orders_by_id(tx, [initial.order_id])
        source.select_orders_on_same_targets(tx)
        found = {order.order_id: order.target_id for order in source.read_orders(tx)}

    assert found == {initial.order_id: "sub_1", amendment.order_id: "sub_1"}
