"""Reads by set: orders with their items, junctions with their coupons, and a few small ones."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from coupon_pipeline.salesforce.querying import Page, read_pages
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
    """Orders and items of one page. A record may come twice while the org is being changed."""

    orders: tuple[Order, ...]
    items: tuple[OrderItem, ...]


@dataclass(frozen=True, slots=True)
class JunctionsRead:
    """One page of what ties coupons to the selection's orders, or of quote coupons that changed.

    A record may come twice: two statements may name it.
    """

    associations: tuple[Association, ...] = ()
    order_coupons: tuple[OrderCoupon, ...] = ()
    coupon_versions: tuple[CouponVersion, ...] = ()
    watermark: datetime | None = None
    """The latest of all pages is to be given as `changed_since` of the next read."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads from one org whose description is known."""

    session: SalesforceSession
    names: Names
    description: Description

    def orders(self, selection: Selection) -> Iterator[OrdersRead]:
        """Activated orders of the selection's UTC days and their items: two statements.

        Page by page, so that no more than a page is held however many there are.
        """
        read_order = partial(self._order, self._initial_order_paths())
        for part in parts_of_selection(selection):
            statements = [self._orders_statement(part), self._items_statement(part)]
            for page in read_pages(self.session, statements, "Reading activated orders"):
                if page.name == "orders":
                    yield OrdersRead(tuple(map(read_order, page.rows)), ())
                else:
                    yield OrdersRead((), tuple(map(self._item, page.rows)))

    def junctions(
        self, selection: Selection, changed_since: datetime | None, paths: Iterable[str]
    ) -> Iterator[JunctionsRead]:
        """Associations and order coupons of the selection, and all quote coupons that changed.

        Deleted associations and quote coupons are read too, as long as Salesforce keeps them.
        Five statements, one request for their first pages.
        """
        wanted = coupon_columns(self.description.object(QUOTE_COUPON), self.names, paths)
        copies = coupon_columns(self.description.object(ORDER_COUPON), self.names)
        statements = [self._changed_coupons(wanted, changed_since)]
        for part in parts_of_selection(selection):
            statements += self._junction_statements(part, copies)
            for page in read_pages(self.session, statements, "Reading coupon associations"):
                yield self._junctions_of(page, wanted, copies, changed_since)
            statements = []

    def _junctions_of(
        self,
        page: Page,
        wanted: CouponColumns,
        copies: CouponColumns,
        changed_since: datetime | None,
    ) -> JunctionsRead:
        if page.name == "changed_coupons":
            changed = [wanted.changed_at(row) for row in page.rows]
            return JunctionsRead(
                coupon_versions=tuple(map(wanted.version, page.rows)),
                watermark=max(
                    [*changed, *([changed_since] if changed_since else [])], default=None
                ),
            )
        if page.name in _ASSOCIATIONS:
            level: Level = "order" if page.name == "order" else "order_item"
            return JunctionsRead(
                associations=tuple(self._association(level, row) for row in page.rows)
            )
        return JunctionsRead(order_coupons=tuple(map(copies.order_coupon, page.rows)))

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
        return Statement(
            "orders", select(fields, "Order", orders_in_scope(selection)), kinds=order.kinds
        )

    def _items_statement(self, selection: Selection) -> Statement:
        item = self.description.object("OrderItem")
        fields = [
            "Id",
            "OrderId",
            "Quantity",
            "CreatedDate",
            _LINE_OF_ITEM,
            item.api(STRIPE_ID),
        ]
        price = self._price_path()
        if price is not None:
            fields.append(price)
        fields += self._naming_paths()
        return Statement(
            "items", select(fields, "OrderItem", items_in_scope(selection)), kinds=item.kinds
        )

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
                kinds=copy.kinds,
            ),
            Statement(
                "copies_on_items",
                select(
                    copies.paths,
                    copy.api_name,
                    is_in(copy.api(ORDER_ITEM_OF_COUPON), "Id", "OrderItem", items),
                ),
                kinds=copy.kinds,
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
        return Statement(
            level,
            select(fields, association.api_name, where),
            include_deleted=True,
            kinds=association.kinds,
        )

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
