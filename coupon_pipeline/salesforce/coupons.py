"""Which columns of a coupon are read, and a row of them as a record of the domain."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from coupon_pipeline.domain.ids import InvalidIdError, normalise_id
from coupon_pipeline.domain.records import CouponVersion, OrderCoupon, RawFields
from coupon_pipeline.salesforce.describing import OrgObject
from coupon_pipeline.salesforce.errors import permission_error
from coupon_pipeline.salesforce.names import (
    ORDER_ITEM_OF_COUPON,
    ORDER_OF_COUPON,
    QUOTE_COUPON_ID,
    STRIPE_ID,
    Names,
)
from coupon_pipeline.salesforce.needs import CURRENCY
from coupon_pipeline.salesforce.rows import Row

_SYSTEM = ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp", "IsDeleted")


@dataclass(frozen=True, slots=True)
class Column:
    """`key` as the raw fields name it, `path` as the API does."""

    key: str
    path: str


@dataclass(frozen=True, slots=True)
class CouponColumns:
    """Every readable scalar field of a coupon object, and the wanted paths to its parents."""

    described: OrgObject
    columns: tuple[Column, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """What to select."""
        return (*_SYSTEM, *(column.path for column in self.columns))

    def version(self, row: Row) -> CouponVersion:
        """A quote coupon as it stands in this row."""
        return CouponVersion(
            quote_coupon_id=row.own_id(),
            effective_at=row.known_moment("LastModifiedDate"),
            created_at=row.known_moment("CreatedDate"),
            currency=row.text(CURRENCY),
            stripe_id=row.text(self.described.api(STRIPE_ID)),
            is_deleted=row.flag("IsDeleted"),
            fields=self._raw(row),
        )

    def order_coupon(self, row: Row) -> OrderCoupon:
        """The copy of a quote coupon on an order or an item."""
        api = self.described.api
        return OrderCoupon(
            order_coupon_id=row.own_id(),
            order_id=row.id(api(ORDER_OF_COUPON)),
            order_item_id=row.id(api(ORDER_ITEM_OF_COUPON)),
            quote_coupon_id=_as_id(row.text(api(QUOTE_COUPON_ID)) or ""),
            created_at=row.known_moment("CreatedDate"),
            modified_at=row.known_moment("LastModifiedDate"),
            stripe_id=row.text(api(STRIPE_ID)),
            fields=self._raw(row),
        )

    def changed_at(self, row: Row) -> datetime:
        """When the system last touched the record."""
        return row.known_moment("SystemModstamp")

    def _raw(self, row: Row) -> RawFields:
        return {column.key: row.scalar(column.path) for column in self.columns}


def coupon_columns(described: OrgObject, names: Names, paths: Iterable[str] = ()) -> CouponColumns:
    """All readable scalar fields and the given paths; refuses a path that the user cannot read.

    A path without a dot is a field of the coupon itself. Of a longer one only the first step is
    checked here: what lies behind it is the other object's to tell.
    """
    columns = [
        Column(field.name, field.api_name) for field in described.fields.values() if field.is_scalar
    ]
    for path in dict.fromkeys(paths):
        if "." in path:
            columns.append(Column(path, _api_path(described, names, path)))
        elif path != CURRENCY:  # which an org with a single currency has nowhere
            described.api(path)
    return CouponColumns(described, tuple(columns))


def _api_path(described: OrgObject, names: Names, path: str) -> str:
    first, rest = path.split(".", 1)
    for field in described.fields.values():
        if field.relationship and names.strip(field.relationship) == first:
            return f"{field.relationship}.{names.qualify_path(rest)}"
    raise permission_error(
        f"The mapping asks for {path}, but {described.api_name} has no readable lookup {first}.",
        object_name=described.api_name,
        field_name=first,
    )


def _as_id(text: str) -> str:
    """The text field that names a quote coupon: nothing in Salesforce keeps it a valid id."""
    try:
        return normalise_id(text)
    except InvalidIdError:
        return text
