"""What was read from Salesforce: kept as it was read, given back typed.

Each read replaces what the selection held before, so that an order that is no longer activated
or an item that is gone does not stay behind; coupon versions are only ever added.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, TypeAlias, cast

from coupon_pipeline.domain.records import (
    Association,
    CouponVersion,
    Level,
    Order,
    OrderCoupon,
    OrderItem,
    Selection,
)
from coupon_pipeline.ledger.rows import Cell, decode_fields, encode_fields, utc
from coupon_pipeline.ledger.spool import Spool
from coupon_pipeline.ledger.transaction import Spooled, Transaction


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to when quote coupons were read, and what was selected then."""

    read_up_to: datetime
    reading: str


@dataclass(frozen=True, slots=True)
class OrderCouponLink:
    """Which Stripe coupon an order coupon names, without the terms that it copies."""

    order_coupon_id: str
    scope_id: str
    """The order item that it is on, else the order; empty where it names neither."""
    quote_coupon_id: str
    stripe_id: str | None


def select_orders(tx: Transaction, selection: Selection) -> None:
    """Make `selected_orders` hold the orders that the following statements are about."""
    tx.stage(
        "activated_orders",
        ["activation_day"],
        [(selection.first_day,), (selection.last_day,)],
        name="selected_days",
    )
    tx.stage(
        "activated_orders", ["order_id"], [(i,) for i in selection.order_ids], name="asked_orders"
    )
    tx.run("select_orders")


def select_orders_on_same_targets(tx: Transaction) -> None:
    """Add the orders that name the same subscription or schedule as a selected one."""
    tx.run("select_orders_on_same_targets")


def select_orders_by_id(tx: Transaction, order_ids: Iterable[str]) -> None:
    """Make the following statements be about these orders, whatever their day."""
    tx.stage("activated_orders", ["order_id"], [(order_id,) for order_id in order_ids])
    tx.run("select_staged_orders")


def orders_of_id(tx: Transaction, record_id: str) -> list[str]:
    """Orders that an id of Salesforce's or Stripe's, or an order number, is about."""
    tx.stage("activated_orders", ["order_id"], [(record_id,)])
    return [cast("str", row[0]) for row in tx.rows("orders_of_id")]


def spool_orders(spool: Spool, orders: Iterable[Order], items: Iterable[OrderItem]) -> None:
    """Put what was read of orders and items with what was read before."""
    spool.add("activated_orders", "order_id", _ORDER_COLUMNS, map(_order_row, orders))
    spool.add("order_items", "order_item_id", _ITEM_COLUMNS, map(_item_row, items))


def record_orders(
    tx: Transaction,
    selection: Selection,
    orders: Iterable[Order] | Spooled,
    items: Iterable[OrderItem] | Spooled,
) -> None:
    """Keep the orders and items of a selection, and forget those that are gone from it."""
    select_orders(tx, selection)
    tx.upsert(
        "activated_orders",
        ["order_id"],
        _ORDER_COLUMNS,
        orders if isinstance(orders, Spooled) else map(_order_row, orders),
    )
    tx.run("forget_unread_orders")
    tx.run("select_orders")
    tx.upsert(
        "order_items",
        ["order_item_id"],
        _ITEM_COLUMNS,
        items if isinstance(items, Spooled) else map(_item_row, items),
    )
    tx.run("forget_unread_items")


def spool_junctions(
    spool: Spool, associations: Iterable[Association], order_coupons: Iterable[OrderCoupon]
) -> None:
    """Put what was read of associations and order coupons with what was read before."""
    spool.add(
        "coupon_junctions", "association_id", _JUNCTION_COLUMNS, map(_junction_row, associations)
    )
    spool.add(
        "order_coupons",
        "order_coupon_id",
        _ORDER_COUPON_COLUMNS,
        map(_order_coupon_row, order_coupons),
    )


def record_junctions(
    tx: Transaction,
    selection: Selection,
    associations: Iterable[Association] | Spooled,
    order_coupons: Iterable[OrderCoupon] | Spooled,
) -> None:
    """Keep the associations and order coupons of a selection, and forget those that are gone."""
    select_orders(tx, selection)
    tx.upsert(
        "coupon_junctions",
        ["association_id"],
        _JUNCTION_COLUMNS,
        associations if isinstance(associations, Spooled) else map(_junction_row, associations),
    )
    tx.run("forget_unread_junctions")
    tx.upsert(
        "order_coupons",
        ["order_coupon_id"],
        _ORDER_COUPON_COLUMNS,
        order_coupons
        if isinstance(order_coupons, Spooled)
        else map(_order_coupon_row, order_coupons),
    )
    tx.run("forget_unread_order_coupons")


def record_coupons(
    tx: Transaction,
    observed: Sequence[CouponVersion],
    is_edit: Callable[[CouponVersion, CouponVersion], bool],
) -> int:
    """Keep quote coupons as they are now, and a version for each real edit.

    Args:
        tx: the transaction.
        observed: what was just read.
        is_edit: whether the second state differs from the first in more than what we write.

    Returns:
        How many versions are new.
    """
    rows = [_version_row(version) for version in observed]
    tx.upsert("quote_coupons", ["quote_coupon_id"], _VERSION_COLUMNS, rows)
    latest = {v.quote_coupon_id: v for v in map(_version, tx.rows("latest_versions_of_staged"))}
    edits = [
        version
        for version in observed
        if version.quote_coupon_id not in latest
        or (
            version.effective_at > latest[version.quote_coupon_id].effective_at
            and is_edit(latest[version.quote_coupon_id], version)
        )
    ]
    tx.append("coupon_versions", _VERSION_COLUMNS, map(_version_row, edits))
    return len(edits)


def record_stripe_ids(tx: Transaction, object_name: str, written: Mapping[str, str]) -> None:
    """Remember the Stripe ids that we wrote, until the records are read again."""
    table, key = {
        "Order_Stripe_Coupon__c": ("order_coupons", "order_coupon_id"),
        "Quote_Stripe_Coupon__c": ("quote_coupons", "quote_coupon_id"),
    }[object_name]
    tx.stage(table, [key, "stripe_id"], written.items())
    tx.run(f"set_stripe_ids_on_{table}")


def record_watermark(tx: Transaction, watermark: Watermark) -> None:
    """Remember how far quote coupons have been read."""
    tx.upsert(
        "watermarks",
        ["source"],
        ["source", "read_up_to", "reading"],
        [("quote_coupons", watermark.read_up_to, watermark.reading)],
    )


def read_watermark(tx: Transaction) -> Watermark | None:
    """How far quote coupons have been read, or None before the first time."""
    rows = tx.rows("watermark")
    if not rows:
        return None
    read_up_to, reading = rows[0]
    return Watermark(utc(cast("datetime", read_up_to)), cast("str", reading))


def read_orders(tx: Transaction) -> list[Order]:
    """The selected orders, by time of activation."""
    return [_order(row) for row in tx.rows("orders")]


def read_order_days(tx: Transaction) -> dict[str, date]:
    """The activation day of each selected order, by time of activation."""
    return {cast("str", row[0]): cast("date", row[1]) for row in tx.rows("order_days")}


def count_orders(tx: Transaction) -> int:
    """How many orders are selected."""
    return cast("int", tx.rows("count_of_selected")[0][0])


def count_by_day(tx: Transaction, what: Literal["items", "associations"]) -> dict[date, int]:
    """How many the selected orders have, by day of activation; one of two days counts once."""
    return {cast("date", row[0]): cast("int", row[1]) for row in tx.rows(f"{what}_by_day")}


def read_bonds(tx: Transaction) -> list[tuple[str, str]]:
    """Selected orders with what they share with others, so that they are decided together."""
    return [(cast("str", row[0]), cast("str", row[1])) for row in tx.rows("bonds_of_selected")]


def read_items(tx: Transaction) -> list[OrderItem]:
    """The items of the selected orders."""
    return [_item(row) for row in tx.rows("order_items")]


def read_associations(tx: Transaction) -> list[Association]:
    """The associations of the selected orders' quotes and lines."""
    return [_association(row) for row in tx.rows("junctions")]


def read_order_coupons(tx: Transaction) -> list[OrderCoupon]:
    """The order coupons on the selected orders and their items."""
    return [_order_coupon(row) for row in tx.rows("order_coupons")]


def read_order_coupon_links(tx: Transaction) -> list[OrderCouponLink]:
    """The same order coupons in the same order, where nobody asks for their terms."""
    return [_link(row) for row in tx.rows("order_coupon_links")]


def read_orders_without_order_coupons(tx: Transaction) -> list[str]:
    """Selected orders with a coupon, promised or too late, of which the trigger left no copy."""
    return [cast("str", row[0]) for row in tx.rows("orders_without_order_coupons")]


def read_quote_coupons(tx: Transaction) -> list[CouponVersion]:
    """The quote coupons that the selected orders use, as they were last seen."""
    tx.run("referenced_coupons")
    return [_version(row) for row in tx.rows("quote_coupons_of_referenced")]


def read_coupon_states(
    tx: Transaction, associations: Iterable[Association], order_coupons: Iterable[OrderCoupon]
) -> tuple[list[CouponVersion], list[CouponVersion]]:
    """Every known version of the quote coupons that these name, and these as last seen."""
    ids = {each.quote_coupon_id for records in (associations, order_coupons) for each in records}
    tx.stage(
        "quote_coupons", ["quote_coupon_id"], [(each,) for each in ids], name="referenced_coupons"
    )
    versions = [_version(row) for row in tx.rows("versions_of_referenced")]
    return versions, [_version(row) for row in tx.rows("quote_coupons_of_referenced")]


def read_latest_versions(tx: Transaction, ids: Iterable[str]) -> dict[str, CouponVersion]:
    """The newest known version of each of these quote coupons, by id."""
    tx.stage("coupon_versions", ["quote_coupon_id"], [(each,) for each in ids])
    return {v.quote_coupon_id: v for v in map(_version, tx.rows("latest_versions_of_staged"))}


def read_unread_coupons(tx: Transaction) -> list[str]:
    """Ids of quote coupons that the selected orders use and that were never read."""
    tx.run("referenced_coupons")
    return [cast("str", row[0]) for row in tx.rows("unread_coupons")]


_ORDER_COLUMNS = (
    "order_id",
    "order_number",
    "activation_day",
    "activated_at",
    "modified_at",
    "account_id",
    "quote_id",
    "contract_id",
    "currency",
    "quote_currency",
    "stripe_id",
    "order_type",
    "effective_date",
    "initial_order_id",
    "initial_stripe_id",
)
_ITEM_COLUMNS = (
    "order_item_id",
    "order_id",
    "quote_line_id",
    "stripe_id",
    "price_id",
    "quantity",
    "created_at",
    "name",
)
_JUNCTION_COLUMNS = (
    "association_id",
    "level",
    "parent_id",
    "quote_coupon_id",
    "created_at",
    "currency",
    "is_deleted",
    "deleted_at",
)
_ORDER_COUPON_COLUMNS = (
    "order_coupon_id",
    "order_id",
    "order_item_id",
    "quote_coupon_id",
    "created_at",
    "modified_at",
    "stripe_id",
    "fields",
)
_VERSION_COLUMNS = (
    "quote_coupon_id",
    "effective_at",
    "created_at",
    "currency",
    "stripe_id",
    "is_deleted",
    "fields",
)


def _order_row(order: Order) -> tuple[Cell, ...]:
    return (
        order.order_id,
        order.order_number,
        order.activation_day,
        order.activated_at,
        order.modified_at,
        order.account_id,
        order.quote_id,
        order.contract_id,
        order.currency,
        order.quote_currency,
        order.stripe_id,
        order.order_type,
        order.effective_date,
        order.initial_order_id,
        order.initial_stripe_id,
    )


def _item_row(item: OrderItem) -> tuple[Cell, ...]:
    return (
        item.order_item_id,
        item.order_id,
        item.quote_line_id,
        item.stripe_id,
        item.price_id,
        None if item.quantity is None else format(item.quantity, "f"),
        item.created_at,
        item.name,
    )


def _junction_row(association: Association) -> tuple[Cell, ...]:
    return (
        association.association_id,
        association.level,
        association.parent_id,
        association.quote_coupon_id,
        association.created_at,
        association.currency,
        association.is_deleted,
        association.deleted_at,
    )


def _order_coupon_row(copy: OrderCoupon) -> tuple[Cell, ...]:
    return (
        copy.order_coupon_id,
        copy.order_id,
        copy.order_item_id,
        copy.quote_coupon_id,
        copy.created_at,
        copy.modified_at,
        copy.stripe_id,
        encode_fields(copy.fields),
    )


def _order(row: tuple[Cell, ...]) -> Order:
    texts = cast("tuple[str | None, ...]", row)
    return Order(
        order_id=cast("str", row[0]),
        order_number=cast("str", row[1]),
        activated_at=utc(cast("datetime", row[2])),
        modified_at=utc(cast("datetime", row[3])),
        account_id=texts[4],
        quote_id=texts[5],
        contract_id=texts[6],
        currency=texts[7],
        quote_currency=texts[8],
        stripe_id=texts[9],
        order_type=texts[10],
        effective_date=cast("date | None", row[11]),
        initial_order_id=texts[12],
        initial_stripe_id=texts[13],
    )


_ItemCells: TypeAlias = tuple[
    str, str, str | None, str | None, str | None, str | None, datetime, str | None, bool
]


def _item(row: tuple[Cell, ...]) -> OrderItem:
    order_item_id, order_id, line_id, stripe_id, price_id, quantity, created_at, name, shared = (
        cast("_ItemCells", row)
    )
    return OrderItem(
        order_item_id=order_item_id,
        order_id=order_id,
        quote_line_id=line_id,
        stripe_id=stripe_id,
        price_id=price_id,
        quantity=None if quantity is None else Decimal(quantity),
        created_at=utc(created_at),
        name=name,
        price_is_shared=shared,
    )


def _association(row: tuple[Cell, ...]) -> Association:
    its_id, level, parent_id, quote_coupon_id, created_at, currency, is_deleted, deleted_at = cast(
        "tuple[str, Level, str, str, datetime, str | None, bool, datetime | None]", row
    )
    return Association(
        association_id=its_id,
        level=level,
        parent_id=parent_id,
        quote_coupon_id=quote_coupon_id,
        created_at=utc(created_at),
        currency=currency,
        is_deleted=is_deleted,
        deleted_at=None if deleted_at is None else utc(deleted_at),
    )


def _order_coupon(row: tuple[Cell, ...]) -> OrderCoupon:
    its_id, order_id, item_id, quote_coupon_id, created_at, modified_at, stripe_id, fields = cast(
        "tuple[str, str | None, str | None, str, datetime, datetime, str | None, str]", row
    )
    return OrderCoupon(
        order_coupon_id=its_id,
        order_id=order_id,
        order_item_id=item_id,
        quote_coupon_id=quote_coupon_id,
        created_at=utc(created_at),
        modified_at=utc(modified_at),
        stripe_id=stripe_id,
        fields=decode_fields(fields),
    )


def _link(row: tuple[Cell, ...]) -> OrderCouponLink:
    its_id, order_id, item_id, quote_coupon_id, stripe_id = cast(
        "tuple[str, str | None, str | None, str, str | None]", row
    )
    return OrderCouponLink(its_id, item_id or order_id or "", quote_coupon_id, stripe_id)


def _version(row: tuple[Cell, ...]) -> CouponVersion:
    return CouponVersion(
        quote_coupon_id=cast("str", row[0]),
        effective_at=utc(cast("datetime", row[1])),
        created_at=utc(cast("datetime", row[2])),
        currency=cast("str | None", row[3]),
        stripe_id=cast("str | None", row[4]),
        is_deleted=cast("bool", row[5]),
        fields=decode_fields(cast("str", row[6])),
    )


def _version_row(version: CouponVersion) -> tuple[Cell, ...]:
    return (
        version.quote_coupon_id,
        version.effective_at,
        version.created_at,
        version.currency,
        version.stripe_id,
        version.is_deleted,
        encode_fields(version.fields),
    )
