"""Which quote coupon was promised to which order or order item, and by which records.

An association names a quote or a quote line. It promises the coupon to every order made from that
quote, respectively to every order item made from that line.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from coupon_pipeline.domain.records import Association, Order, OrderCoupon, OrderItem, Scope

GrantKey: TypeAlias = tuple[str, str, str]
"""Order, order item or an empty text, quote coupon."""


@dataclass(slots=True)
class Grant:
    """One quote coupon for one scope, and every record that speaks of it."""

    order: Order
    scope: Scope
    quote_coupon_id: str
    in_time: list[Association] = field(default_factory=list)
    """Made at or before activation and still there at activation."""
    late: list[Association] = field(default_factory=list)
    order_coupons: list[OrderCoupon] = field(default_factory=list)

    def add(self, association: Association) -> None:
        """Sort an association in; one deleted after activation, or nobody knows when, counts."""
        activated_at, deleted_at = self.order.activated_at, association.deleted_at
        if association.created_at > activated_at:
            if not association.is_deleted:
                self.late.append(association)
        elif not association.is_deleted or deleted_at is None or deleted_at > activated_at:
            self.in_time.append(association)

    def put_in_order(self) -> None:
        """Oldest first, so that the result does not depend on the order of the rows."""
        for associations in (self.in_time, self.late):
            if len(associations) > 1:
                associations.sort(key=_association_age)
        if len(self.order_coupons) > 1:
            self.order_coupons.sort(key=_order_coupon_age)


def group_grants(
    *,
    orders: Iterable[Order],
    items: Iterable[OrderItem],
    associations: Iterable[Association],
    order_coupons: Iterable[OrderCoupon],
) -> list[Grant]:
    """Every grant of the given orders, sorted by order, item and coupon.

    Records of other orders are passed over. A grant may be empty: all that spoke of it was deleted
    before it mattered.
    """
    scopes = _Scopes(orders, items)
    grants: dict[GrantKey, Grant] = {}

    def grant(order: Order, item_id: str | None, quote_coupon_id: str) -> Grant:
        key = (order.order_id, item_id or "", quote_coupon_id)
        found = grants.get(key)
        if found is None:
            scope = Scope(order.order_id, item_id)
            found = grants[key] = Grant(order, scope, quote_coupon_id)
        return found

    for association in associations:
        for order, item_id in scopes.of_association(association):
            grant(order, item_id, association.quote_coupon_id).add(association)
    for order_coupon in order_coupons:
        scope = scopes.of_order_coupon(order_coupon)
        if scope is not None:
            grant(*scope, order_coupon.quote_coupon_id).order_coupons.append(order_coupon)
    for each in grants.values():
        each.put_in_order()
    return [grants[key] for key in sorted(grants)]


class _Scopes:
    """Finds the orders and items at hand that a record speaks of."""

    def __init__(self, orders: Iterable[Order], items: Iterable[OrderItem]) -> None:
        self._orders = {order.order_id: order for order in orders}
        self._by_quote: defaultdict[str, list[Order]] = defaultdict(list)
        for order in self._orders.values():
            if order.quote_id is not None:
                self._by_quote[order.quote_id].append(order)
        self._items: dict[str, OrderItem] = {}
        self._by_line: defaultdict[str, list[OrderItem]] = defaultdict(list)
        for item in items:
            if item.order_id in self._orders and item.order_item_id not in self._items:
                self._items[item.order_item_id] = item
                if item.quote_line_id is not None:
                    self._by_line[item.quote_line_id].append(item)

    def of_association(self, association: Association) -> Iterator[tuple[Order, str | None]]:
        if association.level == "order":
            for order in self._by_quote.get(association.parent_id, ()):
                yield order, None
        else:
            for item in self._by_line.get(association.parent_id, ()):
                yield self._orders[item.order_id], item.order_item_id

    def of_order_coupon(self, order_coupon: OrderCoupon) -> tuple[Order, str | None] | None:
        item_id = order_coupon.order_item_id
        item = self._items.get(item_id) if item_id is not None else None
        order = self._orders.get(item.order_id if item else order_coupon.order_id or "")
        return None if order is None else (order, item_id)


def _association_age(association: Association) -> tuple[datetime, str]:
    return association.created_at, association.association_id


def _order_coupon_age(order_coupon: OrderCoupon) -> tuple[datetime, str]:
    return order_coupon.created_at, order_coupon.order_coupon_id
