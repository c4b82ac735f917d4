"""What the Salesforce user needs: one list for reading, writing, `doctor` and the permission set.

Names are without the package's namespace. A field that the mapping names comes on top.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from coupon_pipeline.salesforce.names import (
    ORDER_COUPON,
    ORDER_ITEM_OF_COUPON,
    ORDER_OF_COUPON,
    QUOTE_ASSOCIATION,
    QUOTE_COUPON,
    QUOTE_COUPON_ID,
    QUOTE_LINE_ASSOCIATION,
    STRIPE_ID,
    SYNC_RECORD,
    SYNC_RECORD_FIELDS,
    TERM_FIELDS,
)

CURRENCY = "CurrencyIsoCode"
PRICE = "PricebookEntry"
PRODUCT = "Product2"
QUOTE = "SBQQ__Quote__c"
QUOTE_LINE = "SBQQ__QuoteLine__c"
CONTRACT = "Contract"
AMENDED_CONTRACT = "SBQQ__MasterContract__c"
"""On a quote: the contract that it amends."""
INITIAL_ORDER = "SBQQ__Order__c"
"""On a contract: the order that it came from."""

WriteKind: TypeAlias = Literal["stripe_ids", "order_coupons", "sync_records"]
"""What is written, each of which the settings can leave out."""


@dataclass(frozen=True, slots=True)
class ObjectNeed:
    """What has to be open on one object, and what for."""

    name: str
    why: str
    required: tuple[str, ...] = ()
    """Without reading these the pipeline cannot work."""
    read: tuple[str, ...] = ()
    """Read as well; what is missing of them is done without or told by name."""
    optional: bool = False
    """Whether the org may do without the object."""
    create: Mapping[WriteKind, tuple[str, ...]] | None = None
    edit: Mapping[WriteKind, tuple[str, ...]] | None = None

    def creates(self, kinds: Collection[WriteKind]) -> tuple[str, ...]:
        """Fields set on new records, given what is written."""
        return _of_kinds(self.create, kinds)

    def edits(self, kinds: Collection[WriteKind]) -> tuple[str, ...]:
        """Fields changed on existing records, given what is written."""
        return _of_kinds(self.edit, kinds)


def _of_kinds(
    fields: Mapping[WriteKind, tuple[str, ...]] | None, kinds: Collection[WriteKind]
) -> tuple[str, ...]:
    return tuple(
        field for kind, named in (fields or {}).items() if kind in kinds for field in named
    )


NEEDS: tuple[ObjectNeed, ...] = (
    ObjectNeed(
        "Order",
        "which orders were activated, and what they became in Stripe",
        required=("StatusCode", "ActivatedDate", QUOTE, STRIPE_ID),
        read=("OrderNumber", "AccountId", "ContractId", "Type", "EffectiveDate"),
    ),
    ObjectNeed(
        "OrderItem",
        "which order product came from which quote line",
        required=(QUOTE_LINE, STRIPE_ID),
        read=("OrderId", "Quantity", "OrderItemNumber", "Product2Id"),
    ),
    ObjectNeed(
        QUOTE,
        "the currency of the quote, and the contract that it amends",
        read=(AMENDED_CONTRACT,),
        optional=True,
    ),
    ObjectNeed(
        CONTRACT,
        "the initial order of an amendment, in whose schedule it is",
        read=(INITIAL_ORDER,),
        optional=True,
    ),
    ObjectNeed(PRODUCT, "what an order product is called", read=("Name",), optional=True),
    ObjectNeed(PRICE, "which Stripe price an order product has", read=(STRIPE_ID,), optional=True),
    ObjectNeed(
        QUOTE_ASSOCIATION,
        "which coupons are on a quote",
        required=("Quote__c", QUOTE_COUPON),
    ),
    ObjectNeed(
        QUOTE_LINE_ASSOCIATION,
        "which coupons are on a quote line",
        required=("Quote_Line__c", QUOTE_COUPON),
    ),
    ObjectNeed(
        QUOTE_COUPON,
        "the coupons that sales people edit",
        required=(STRIPE_ID,),
        read=TERM_FIELDS,
        edit={"stripe_ids": (STRIPE_ID,)},
    ),
    ObjectNeed(
        ORDER_COUPON,
        "the coupons as they stood when the order was activated",
        required=(QUOTE_COUPON_ID, ORDER_OF_COUPON, ORDER_ITEM_OF_COUPON, STRIPE_ID),
        read=TERM_FIELDS,
        create={
            "order_coupons": (
                *TERM_FIELDS,
                CURRENCY,
                ORDER_OF_COUPON,
                ORDER_ITEM_OF_COUPON,
                QUOTE_COUPON_ID,
                STRIPE_ID,
            )
        },
        edit={"stripe_ids": (STRIPE_ID,)},
    ),
    ObjectNeed(
        SYNC_RECORD,
        "where blocked coupons are shown to sales people",
        optional=True,
        create={"sync_records": SYNC_RECORD_FIELDS},
        edit={"sync_records": SYNC_RECORD_FIELDS},
    ),
)

REQUIRED: Mapping[str, tuple[str, ...]] = {
    need.name: need.required for need in NEEDS if not need.optional
}
"""What the pipeline cannot work without. Terms are not here: the mapping says which it needs."""
OPTIONAL: tuple[str, ...] = tuple(need.name for need in NEEDS if need.optional)

_ALL: tuple[WriteKind, ...] = ("stripe_ids", "order_coupons", "sync_records")
MAY_CREATE: Mapping[str, frozenset[str]] = {
    need.name: frozenset(need.creates(_ALL)) for need in NEEDS if need.create and not need.optional
}
MAY_UPDATE: Mapping[str, frozenset[str]] = {
    need.name: frozenset(need.edits(_ALL)) for need in NEEDS if need.edit and not need.optional
}
MAY_UPSERT: Mapping[str, frozenset[str]] = {
    need.name: frozenset(need.edits(_ALL)) for need in NEEDS if need.edit and need.optional
}
"""Records that are created or changed by their external id."""
