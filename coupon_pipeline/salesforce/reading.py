"""Reads by set: orders with their items, junctions with their coupons, and a few small ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from coupon_pipeline.domain.ids import is_id
from coupon_pipeline.domain.records import (
    Association,
    CouponVersion,
    Level,
    Order,
    OrderCoupon,
    OrderItem,
    Selection,
)
from coupon_pipeline.salesforce.coupons import CouponColumns, coupon_columns
from coupon_pipeline.salesforce.describing import Description
from coupon_pipeline.salesforce.names import (
    ORDER_COUPON,
    ORDER_ITEM_OF_COUPON,
    ORDER_OF_COUPON,
    QUOTE_ASSOCIATION,
    QUOTE_COUPON,
    QUOTE_LINE_ASSOCIATION,
    STRIPE_ID,
    Names,
)
from coupon_pipeline.salesforce.needs import (
    AMENDED_CONTRACT,
    CONTRACT,
    CURRENCY,
    INITIAL_ORDER,
    PRICE,
    PRODUCT,
    QUOTE,
    QUOTE_LINE,
)
from coupon_pipeline.salesforce.querying import read_pages
from coupon_pipeline.salesforce.rows import Row
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import (
    Statement,
    ids,
    is_in,
    items_in_scope,
    moment,
    orders_in_scope,
    parts_of_ids,
    parts_of_selection,
    select,
)

VISIBILITY_DELAY = timedelta(minutes=10)
"""A transaction may last this long, and its rows become visible with the stamp of when they were
written: a read that begins where the last one ended would miss them."""

_QUOTE_OF_ORDER = QUOTE
_PRODUCT_NAME = f"{PRODUCT}.Name"
_ITEM_NUMBER = "OrderItemNumber"
_LINE_OF_ITEM = QUOTE_LINE
"""These lookups are named like what they look up."""


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """The selection's orders and their items, by activation and id."""

    orders: tuple[Order, ...]
    items: tuple[OrderItem, ...]


@dataclass(frozen=True, slots=True)
class JunctionsRead:
    """What ties coupons to the selection's orders, and the quote coupons that changed."""

    associations: tuple[Association, ...]
    order_coupons: tuple[OrderCoupon, ...]
    coupon_versions: tuple[CouponVersion, ...]
    watermark: datetime | None
    """To be given as `changed_since` of the next read; `None` if there is no quote coupon yet."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads from one org whose description is known."""

    session: SalesforceSession
    names: Names
    description: Description

    def orders(self, selection: Selection) -> OrdersRead:
        """Activated orders of the selection's UTC days and their items: two statements."""
        orders: dict[str, Order] = {}
        items: dict[str, OrderItem] = {}
        read_order = partial(self._order, self._initial_order_paths())
        for part in parts_of_selection(selection):
            statements = [self._orders_statement(part), self._items_statement(part)]
            for page in read_pages(self.session, statements, "Reading activated orders"):
                if page.name == "orders":
                    orders |= {order.order_id: order for order in map(read_order, page.rows)}
                else:
                    items |= {item.order_item_id: item for item in map(self._item, page.rows)}
        return OrdersRead(
            tuple(sorted(orders.values(), key=lambda order: (order.activated_at, order.order_id))),
            tuple(sorted(items.values(), key=lambda item: (item.order_id, item.order_item_id))),
        )

    def junctions(
        self, selection: Selection, changed_since: datetime | None, paths: Iterable[str]
    ) -> JunctionsRead:
        """Associations and order coupons of the selection, and all quote coupons that changed.

        Deleted associations and quote coupons are read too, as long as Salesforce keeps them.
        Five statements, one request for their first pages.
        """
        wanted = coupon_columns(self.description.object(QUOTE_COUPON), self.names, paths)
        copies = coupon_columns(self.description.object(ORDER_COUPON), self.names)
        found = _Junctions(wanted, copies, self._association, changed_since)
        statements = [self._changed_coupons(wanted, changed_since)]
        for part in parts_of_selection(selection):
            statements += self._junction_statements(part, copies)
            for page in read_pages(self.session, statements, "Reading coupon associations"):
                found.take(page.name, page.rows)
            statements = []
        return found.result()

    def quote_coupons(
        self, quote_coupon_ids: Sequence[str], paths: Iterable[str]
    ) -> tuple[CouponVersion, ...]:
        """The quote coupons with these ids, deleted ones too; those that are gone are left out.

        So is a text that is no id: an order coupon names its quote coupon in a mere text field.
        """
        columns = coupon_columns(self.description.object(QUOTE_COUPON), self.names, paths)
        statements = [
            Statement(
                f"quote_coupons_{number}",
                select(columns.paths, columns.described.api_name, f"Id IN {ids(part)}"),
                include_deleted=True,
            )
            for number, part in enumerate(parts_of_ids(list(filter(is_id, quote_coupon_ids))))
        ]
        return tuple(
            columns.version(row)
            for page in read_pages(self.session, statements, "Reading quote coupons")
            for row in page.rows
        )

    def order_days(self, order_ids: Sequence[str]) -> dict[str, date]:
        """The UTC days on which these orders were activated; others are left out."""
        statements = [
            Statement(
                f"order_days_{number}",
                select(
                    ["Id", "ActivatedDate"],
                    "Order",
                    f"StatusCode = 'Activated' AND ActivatedDate != null AND Id IN {ids(part)}",
                ),
            )
            for number, part in enumerate(parts_of_ids(order_ids))
        ]
        return {
            row.own_id(): row.known_moment("ActivatedDate").date()
            for page in read_pages(self.session, statements, "Reading activation days")
            for row in page.rows
        }

    def activation_range(self) -> tuple[date, date] | None:
        """The UTC days on which the first and the last order were activated."""
        statements = [
            Statement(
                f"{name}_activation",
                select(
                    ["ActivatedDate"],
                    "Order",
                    "StatusCode = 'Activated' AND ActivatedDate != null",
                    f"ORDER BY ActivatedDate {direction} LIMIT 1",
                ),
            )
            for name, direction in (("first", "ASC"), ("last", "DESC"))
        ]
        pages = read_pages(self.session, statements, "Reading the first and the last activation")
        days = [row.known_moment("ActivatedDate").date() for page in pages for row in page.rows]
        return (min(days), max(days)) if days else None

    def _orders_statement(self, selection: Selection) -> Statement:
        order = self.description.object("Order")
        fields = [
            "Id",
            "OrderNumber",
            "ActivatedDate",
            "SystemModstamp",
            "AccountId",
            "ContractId",
            "Type",
            "EffectiveDate",
            _QUOTE_OF_ORDER,
            order.api(STRIPE_ID),
        ]
        if order.has(CURRENCY):
            fields.append(CURRENCY)
        if self._quote_has_currency():
            fields.append(f"SBQQ__Quote__r.{CURRENCY}")
        if self._amended_by_quote():
            fields.append(f"SBQQ__Quote__r.{AMENDED_CONTRACT}")
        fields += [path for paths in self._initial_order_paths() for path in paths]
        return Statement("orders", select(fields, "Order", orders_in_scope(selection)))

    def _items_statement(self, selection: Selection) -> Statement:
        fields = [
            "Id",
            "OrderId",
            "Quantity",
            "CreatedDate",
            _LINE_OF_ITEM,
            self.description.object("OrderItem").api(STRIPE_ID),
        ]
        price = self._price_path()
        if price is not None:
            fields.append(price)
        fields += self._naming_paths()
        return Statement("items", select(fields, "OrderItem", items_in_scope(selection)))

    def _junction_statements(self, part: Selection, copies: CouponColumns) -> list[Statement]:
        orders, items = orders_in_scope(part), items_in_scope(part)
        copy = copies.described
        return [
            self._association_statement(
                "order", is_in(self._parent("order"), _QUOTE_OF_ORDER, "Order", orders)
            ),
            self._association_statement(
                "order_item", is_in(self._parent("order_item"), _LINE_OF_ITEM, "OrderItem", items)
            ),
            Statement(
                "copies_on_orders",
                select(
                    copies.paths,
                    copy.api_name,
                    is_in(copy.api(ORDER_OF_COUPON), "Id", "Order", orders),
                ),
            ),
            Statement(
                "copies_on_items",
                select(
                    copies.paths,
                    copy.api_name,
                    is_in(copy.api(ORDER_ITEM_OF_COUPON), "Id", "OrderItem", items),
                ),
            ),
        ]

    def _association_statement(self, level: Level, where: str) -> Statement:
        association = self.description.object(_ASSOCIATIONS[level][0])
        fields = [
            "Id",
            "CreatedDate",
            "IsDeleted",
            "SystemModstamp",
            self._parent(level),
            association.api(QUOTE_COUPON),
        ]
        if association.has(CURRENCY):
            fields.append(CURRENCY)
        return Statement(level, select(fields, association.api_name, where), include_deleted=True)

    def _parent(self, level: Level) -> str:
        object_name, parent = _ASSOCIATIONS[level]
        return self.description.object(object_name).api(parent)

    def _changed_coupons(self, columns: CouponColumns, since: datetime | None) -> Statement:
        where = "" if since is None else f"SystemModstamp >= {moment(since - VISIBILITY_DELAY)}"
        soql = select(columns.paths, columns.described.api_name, where)
        return Statement("changed_coupons", soql, include_deleted=True)

    def _amended_by_quote(self) -> bool:
        """Whether quotes say which contract they amend."""
        quote = self.description.objects.get(QUOTE)
        return quote is not None and quote.has(AMENDED_CONTRACT)

    def _initial_order_paths(self) -> list[tuple[str, str]]:
        """Paths to the order that a contract came from, and to what that one is in Stripe.

        By the order's contract, then by the contract that its quote amends.
        """
        contract = self.description.objects.get(CONTRACT)
        if contract is None or not contract.has(INITIAL_ORDER):
            return []
        stripe_id = self.description.object("Order").api(STRIPE_ID)
        starts = ["Contract"]
        if self._amended_by_quote():
            starts.append("SBQQ__Quote__r.SBQQ__MasterContract__r")
        return [
            (f"{start}.{INITIAL_ORDER}", f"{start}.SBQQ__Order__r.{stripe_id}") for start in starts
        ]

    def _quote_has_currency(self) -> bool:
        quote = self.description.objects.get(QUOTE)
        return quote is not None and quote.has(CURRENCY)

    def _price_path(self) -> str | None:
        price = self.description.objects.get(PRICE)
        if price is None or not price.has(STRIPE_ID):
            return None
        return f"{PRICE}.{price.api(STRIPE_ID)}"

    def _naming_paths(self) -> list[str]:
        """The product's name and the item's number, as far as the user may read them."""
        item, product = self.description.object("OrderItem"), self.description.objects.get(PRODUCT)
        paths = []
        if product is not None and product.has("Name") and item.has("Product2Id"):
            paths.append(_PRODUCT_NAME)
        if item.has(_ITEM_NUMBER):
            paths.append(_ITEM_NUMBER)
        return paths

    def _order(self, initial_order_paths: Sequence[tuple[str, str]], row: Row) -> Order:
        initial_order_id = initial_stripe_id = None
        for path, stripe_path in initial_order_paths:
            if initial_order_id is None:
                initial_order_id, initial_stripe_id = row.id(path), row.text(stripe_path)
        return Order(
            order_id=row.own_id(),
            order_number=row.text("OrderNumber") or "",
            activated_at=row.known_moment("ActivatedDate"),
            modified_at=row.known_moment("SystemModstamp"),
            account_id=row.id("AccountId"),
            quote_id=row.id(_QUOTE_OF_ORDER),
            contract_id=row.id("ContractId") or row.id(f"SBQQ__Quote__r.{AMENDED_CONTRACT}"),
            currency=row.text(CURRENCY),
            quote_currency=row.text(f"SBQQ__Quote__r.{CURRENCY}"),
            stripe_id=row.text(self.description.object("Order").api(STRIPE_ID)),
            order_type=row.text("Type"),
            effective_date=row.day("EffectiveDate"),
            initial_order_id=initial_order_id,
            initial_stripe_id=initial_stripe_id,
        )

    def _item(self, row: Row) -> OrderItem:
        price = self._price_path()
        return OrderItem(
            order_item_id=row.own_id(),
            order_id=row.known_id("OrderId"),
            quote_line_id=row.id(_LINE_OF_ITEM),
            stripe_id=row.text(self.description.object("OrderItem").api(STRIPE_ID)),
            price_id=None if price is None else row.text(price),
            quantity=row.decimal("Quantity"),
            created_at=row.known_moment("CreatedDate"),
            name=" ".join(filter(None, (row.text(_PRODUCT_NAME), row.text(_ITEM_NUMBER)))) or None,
        )

    def _association(self, level: Level, row: Row) -> Association:
        """An association whose coupon was deleted for good has lost it: its id is then empty."""
        association = self.description.object(_ASSOCIATIONS[level][0])
        return Association(
            association_id=row.own_id(),
            level=level,
            parent_id=row.known_id(self._parent(level)),
            quote_coupon_id=row.id(association.api(QUOTE_COUPON)) or "",
            created_at=row.known_moment("CreatedDate"),
            currency=row.text(CURRENCY),
            is_deleted=row.flag("IsDeleted"),
            deleted_at=row.known_moment("SystemModstamp") if row.flag("IsDeleted") else None,
        )


_ASSOCIATIONS: dict[Level, tuple[str, str]] = {
    "order": (QUOTE_ASSOCIATION, "Quote__c"),
    "order_item": (QUOTE_LINE_ASSOCIATION, "Quote_Line__c"),
}


@dataclass(slots=True)
class _Junctions:
    """Takes the pages of the five statements; a record that two of them name counts once."""

    quote_coupons: CouponColumns
    order_coupons: CouponColumns
    association: Callable[[Level, Row], Association]
    watermark: datetime | None
    associations: dict[str, Association] = field(default_factory=dict)
    copies: dict[str, OrderCoupon] = field(default_factory=dict)
    versions: dict[str, CouponVersion] = field(default_factory=dict)

    def take(self, name: str, rows: Iterable[Row]) -> None:
        """The rows of one page of the statement with this name."""
        for row in rows:
            if name in ("order", "order_item"):
                level: Level = "order" if name == "order" else "order_item"
                found = self.association(level, row)
                self.associations[found.association_id] = found
            elif name == "changed_coupons":
                version = self.quote_coupons.version(row)
                self.versions[version.quote_coupon_id] = version
                changed = self.quote_coupons.changed_at(row)
                self.watermark = changed if self.watermark is None else max(changed, self.watermark)
            else:
                copy = self.order_coupons.order_coupon(row)
                self.copies[copy.order_coupon_id] = copy

    def result(self) -> JunctionsRead:
        """Everything taken, in the order of creation."""
        return JunctionsRead(
            tuple(
                sorted(self.associations.values(), key=lambda a: (a.created_at, a.association_id))
            ),
            tuple(sorted(self.copies.values(), key=lambda c: (c.created_at, c.order_coupon_id))),
            tuple(
                sorted(self.versions.values(), key=lambda v: (v.effective_at, v.quote_coupon_id))
            ),
            self.watermark,
        )
