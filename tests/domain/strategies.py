"""Builders and hypothesis strategies for records, snapshots, terms and coupons."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from coupon_pipeline.domain.currency import CURRENCIES
from coupon_pipeline.domain.derivation import (
    DerivedCoupon,
    DerivedTerms,
    DeriveOptions,
    derive,
)
from coupon_pipeline.domain.mapping import DEFAULT_MAPPING, CouponMapping
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.records import (
    Association,
    CouponVersion,
    Order,
    OrderCoupon,
    OrderItem,
    RawFields,
    Scalar,
    Scope,
)
from coupon_pipeline.domain.reuse import StripeCoupon
from coupon_pipeline.domain.snapshots import Snapshot, SnapshotResult, take_snapshots
from coupon_pipeline.domain.terms import Duration, Terms, coupon_id, terms_hash
from coupon_pipeline.domain.wanted import WantedCoupon

ORG = "00D000000000001AAA"
ORDER = "801000000000001AAA"
ITEM = "802000000000001AAA"
QUOTE = "a0Q000000000001AAA"
LINE = "a0L000000000001AAA"
COUPON = "a1C000000000001AAA"
ASSOCIATION = "a1A000000000001AAA"
ORDER_COUPON = "a1O000000000001AAA"

ACTIVATED = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)

TEN_PERCENT: RawFields = {
    "Name__c": "Spring",
    "Percent_Off__c": 10,
    "Amount_Off__c": None,
    "Duration__c": "once",
    "Duration_In_Months__c": None,
    "Max_Redemptions__c": None,
}
FIVE_DOLLARS: RawFields = {
    **TEN_PERCENT,
    "Percent_Off__c": None,
    "Amount_Off__c": 5,
    "CurrencyIsoCode": "USD",
}


def an_order(**changes: Any) -> Order:
    order = Order(
        order_id=ORDER,
        order_number="00000100",
        activated_at=ACTIVATED,
        modified_at=ACTIVATED,
        account_id=None,
        quote_id=QUOTE,
        contract_id=None,
        currency=None,
        quote_currency=None,
        stripe_id=None,
        order_type="New",
        effective_date=None,
    )
    return replace(order, **changes)


def an_item(**changes: Any) -> OrderItem:
    item = OrderItem(
        order_item_id=ITEM,
        order_id=ORDER,
        quote_line_id=LINE,
        stripe_id=None,
        price_id=None,
        quantity=Decimal(1),
        created_at=ACTIVATED - DAY,
    )
    return replace(item, **changes)


def an_association(**changes: Any) -> Association:
    association = Association(
        association_id=ASSOCIATION,
        level="order",
        parent_id=QUOTE,
        quote_coupon_id=COUPON,
        created_at=ACTIVATED - DAY,
        currency=None,
        is_deleted=False,
    )
    return replace(association, **changes)


def a_line_association(**changes: Any) -> Association:
    return an_association(level="order_item", parent_id=LINE, **changes)


def an_order_coupon(fields: RawFields = TEN_PERCENT, **changes: Any) -> OrderCoupon:
    order_coupon = OrderCoupon(
        order_coupon_id=ORDER_COUPON,
        order_id=ORDER,
        order_item_id=None,
        quote_coupon_id=COUPON,
        created_at=ACTIVATED,
        modified_at=ACTIVATED,
        stripe_id=None,
        fields=fields,
    )
    return replace(order_coupon, **changes)


def a_version(fields: RawFields = TEN_PERCENT, **changes: Any) -> CouponVersion:
    code = fields.get("CurrencyIsoCode")
    version = CouponVersion(
        quote_coupon_id=COUPON,
        effective_at=ACTIVATED - 2 * DAY,
        created_at=ACTIVATED - 2 * DAY,
        currency=None if code is None else str(code),
        stripe_id=None,
        is_deleted=False,
        fields=fields,
    )
    return replace(version, **changes)


def look(**given: Any) -> SnapshotResult:
    """What one look at the org gives; an order with its quote's association unless told."""
    records: dict[str, Any] = {
        "orders": [an_order()],
        "items": [],
        "associations": [an_association()],
        "order_coupons": [],
        "versions": [a_version()],
        "frozen": {},
    }
    return take_snapshots(ORG, **(records | given))


def codes(result: SnapshotResult) -> list[str]:
    return [problem.code for problem in result.problems]


def a_snapshot(fields: RawFields = TEN_PERCENT, **changes: Any) -> Snapshot:
    snapshot = Snapshot(
        snapshot_id="sn_1",
        org_id=ORG,
        scope=Scope(ORDER, None),
        quote_coupon_id=COUPON,
        association_id=ASSOCIATION,
        association_created_at=ACTIVATED - DAY,
        activated_at=ACTIVATED,
        evidence="order_coupon",
        evidence_record_id=ORDER_COUPON,
        evidence_at=ACTIVATED,
        terms_uncertain=False,
        currency=None,
        quote_currency=None,
        order_currency=None,
        association_currency=None,
        fields=fields,
    )
    return replace(snapshot, **changes)


def derived(
    fields: RawFields,
    *,
    currency: str | None = None,
    mapping: CouponMapping = DEFAULT_MAPPING,
    options: DeriveOptions | None = None,
) -> DerivedTerms:
    result = derive(fields, currency, mapping, options or DeriveOptions())
    assert isinstance(result, DerivedTerms), result
    return result


def blocked(
    fields: RawFields,
    *,
    currency: str | None = None,
    mapping: CouponMapping = DEFAULT_MAPPING,
    options: DeriveOptions | None = None,
) -> Blocked:
    result = derive(fields, currency, mapping, options or DeriveOptions())
    assert isinstance(result, Blocked), result
    return result


def a_derived_coupon(
    terms: Terms, metadata: Mapping[str, str] | None = None, *, coupon: str = COUPON
) -> DerivedCoupon:
    hashed = terms_hash(terms)
    return DerivedCoupon(
        org_id=ORG,
        quote_coupon_id=coupon,
        terms=terms,
        terms_hash=hashed,
        coupon_id=coupon_id(ORG, coupon, hashed),
        metadata=metadata or {},
        mapping_hash=DEFAULT_MAPPING.mapping_hash,
    )


def a_wanted_coupon(
    terms: Terms,
    *,
    metadata: Mapping[str, str] | None = None,
    new_attachments: int = 1,
    stripe_ids: tuple[str, ...] = (),
    coupon: str = COUPON,
) -> WantedCoupon:
    return WantedCoupon(
        derived=a_derived_coupon(terms, coupon=coupon),
        metadata=dict(metadata or {"campaign": "Spring"}),
        new_attachments=new_attachments,
        first_order_id=ORDER,
        stripe_ids=stripe_ids,
    )


def in_stripe(terms: Terms, stripe_id: str, **changes: Any) -> StripeCoupon:
    """A coupon in Stripe that was made from the terms."""
    coupon = StripeCoupon(
        coupon_id=stripe_id,
        duration=terms.duration,
        name=terms.name,
        percent_off=terms.percent_off,
        amount_off=terms.amount_off,
        currency=terms.currency,
        currency_options=dict(terms.currency_options),
        duration_in_months=terms.duration_in_months,
        max_redemptions=terms.max_redemptions,
        redeem_by=terms.redeem_by,
        applies_to_products=terms.applies_to_products,
        metadata={"campaign": "Spring"},
    )
    return replace(coupon, **changes)


# Strategies -------------------------------------------------------------------------------------

accepted_currencies = st.sampled_from(
    sorted(code for code, currency in CURRENCIES.items() if currency.status == "listed")
)
percentages = st.integers(1, 10_000).map(lambda hundredths: Decimal(hundredths) / 100)
names = st.none() | st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=40
)
durations: st.SearchStrategy[Duration] = st.sampled_from(["once", "repeating", "forever"])
product_ids = st.lists(
    st.text("abcXYZ019_", min_size=1, max_size=8).map(lambda tail: f"prod_{tail}"), max_size=3
).map(tuple)


@st.composite
def all_terms(draw: st.DrawFn) -> Terms:
    """Terms that Stripe would take."""
    is_amount = draw(st.booleans())
    code = draw(accepted_currencies) if is_amount else None
    options = draw(st.dictionaries(accepted_currencies, st.integers(1, 10**9), max_size=3))
    return Terms.of(
        duration=draw(durations),
        name=draw(names),
        percent_off=None if is_amount else draw(percentages),
        amount_off=draw(st.integers(1, 10**9)) if is_amount else None,
        currency=code,
        currency_options={key: value for key, value in options.items() if key != code},
        duration_in_months=draw(st.integers(1, 36)),
        max_redemptions=draw(st.none() | st.integers(1, 10_000)),
        redeem_by=draw(st.none() | st.integers(1_700_000_000, 2_000_000_000)),
        applies_to_products=draw(product_ids),
    )


def respelled(value: Scalar, choice: int) -> Scalar:
    """Another spelling of the same value, as another API or another field type gives it."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return value
    plain = format(Decimal(value), "f")
    padded = plain if "." in plain else f"{plain}.0"
    return (value, Decimal(plain), Decimal(f"{padded}0"), f" {plain} ")[choice % 4]
