"""Frozen raw fields -> the terms and metadata that the mapping makes of them, or why not."""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from coupon_pipeline.domain.currency import minor_units, plain
from coupon_pipeline.domain.mapping import (
    METADATA_VALUE_LENGTH,
    RECORD_KEYS,
    TERMS_KEY,
    CouponField,
    CouponMapping,
)
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.raw_values import (
    UnreadableError,
    exact_number,
    is_blank,
    iso,
    text_form,
    unix_seconds,
    whole_number,
)
from coupon_pipeline.domain.records import RawFields, Scalar
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.terms import (
    DURATIONS,
    NAME_LIMIT,
    Duration,
    Terms,
    coupon_id,
    terms_hash,
)

UncertainPolicy: TypeAlias = Literal["use", "block"]

_MOST_PERCENT = 100
_PERCENT_DECIMALS = 2
_PRODUCT_ID = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)
_BETWEEN_PRODUCTS = re.compile(r"[,;\s]+")


@dataclass(frozen=True, slots=True)
class DeriveOptions:
    """What deriving rests on beside the fields and the mapping."""

    default_currency: str | None = None
    """Of an org with a single currency. None where there are several: there a code that is absent
    is a fault and never the default."""
    extra_currencies: frozenset[str] = frozenset()
    """Lower-case codes of three-decimal currencies that the account may use."""
    uncertain: UncertainPolicy = "use"


@dataclass(frozen=True, slots=True)
class DerivedTerms:
    """What one set of raw fields means under a mapping."""

    terms: Terms
    metadata: Mapping[str, str]
    """The mapped keys only."""
    rates: ConversionRates | None = None
    """The rates that `currency_options` was made with, if it was."""


@dataclass(frozen=True, slots=True)
class DerivedCoupon:
    """The Stripe coupon that a snapshot needs."""

    org_id: str
    quote_coupon_id: str
    terms: Terms
    terms_hash: str
    coupon_id: str
    metadata: Mapping[str, str]
    """The mapped keys only; `full_metadata` adds ours."""
    mapping_hash: str
    rates: ConversionRates | None = None


class _BlockedError(Exception):
    """Leaves the reading of one coupon at its first fault."""

    def __init__(self, code: str, details: Mapping[str, str]) -> None:
        super().__init__(code)
        self.blocked = Blocked(code, details)


def derive_coupon(
    snapshot: Snapshot, mapping: CouponMapping, options: DeriveOptions
) -> DerivedCoupon | Blocked:
    """The coupon that a snapshot needs: its terms, agreement of currencies, and its id."""
    return derive_all([snapshot], mapping, options)[snapshot.snapshot_id]


def derive_all(
    snapshots: Iterable[Snapshot], mapping: CouponMapping, options: DeriveOptions
) -> dict[str, DerivedCoupon | Blocked]:
    """The coupon of each snapshot, or why it has none, by snapshot id.

    Most orders share a coupon and its fields with others, so each distinct set of mapped values is
    read once.
    """
    deriver = _Deriver(mapping, options)
    return {snapshot.snapshot_id: deriver.coupon_of(snapshot) for snapshot in snapshots}


def derive(
    fields: RawFields,
    currency: str | None,
    mapping: CouponMapping,
    options: DeriveOptions,
    *,
    rates: ConversionRates | None = None,
) -> DerivedTerms | Blocked:
    """The terms and the mapped metadata of raw fields.

    `currency` is the quote coupon's code, used where the mapping's own path holds none. Bad data
    blocks: a rounded or guessed discount is a wrong invoice that nobody notices.
    """
    reading = _Reading(fields, mapping, options)
    try:
        terms, used = reading.terms(currency, rates)
        return DerivedTerms(terms, reading.metadata(), used)
    except _BlockedError as fault:
        return fault.blocked


def currency_disagreement(
    terms: Terms, *, quote: str | None, association: str | None, order: str | None
) -> Blocked | None:
    """Which two currencies differ, if an amount is taken off and they do.

    None stands for a currency that is not known, as in an org with a single one. A currency among
    the coupon's options agrees too, as long as quote and order are in the same one.
    """
    if terms.currency is None:
        return None
    covered = {terms.currency, *(code for code, _ in terms.currency_options)}
    for name, code in (("quote", quote), ("association", association), ("order", order)):
        if code is not None and code.lower() not in covered:
            return _mismatch("quote coupon", terms.currency, name, code)
    if quote is not None and order is not None and quote.lower() != order.lower():
        return _mismatch("quote", quote, "order", order)
    return None


def full_metadata(
    coupon: DerivedCoupon, *, instance_url: str, prefix: str = "salesforce_"
) -> dict[str, str]:
    """Everything that is written on the Stripe coupon: the mapped keys and ours, which win."""
    id_key, link_key = (prefix + key for key in RECORD_KEYS)
    return {
        **coupon.metadata,
        id_key: coupon.quote_coupon_id,
        link_key: f"{instance_url.rstrip('/')}/{coupon.quote_coupon_id}",
        TERMS_KEY: coupon.terms_hash,
    }


def _mismatch(first: str, first_code: str, second: str, second_code: str) -> Blocked:
    return Blocked(
        "currency.mismatch",
        {
            "first": first,
            "first_currency": first_code.upper(),
            "second": second,
            "second_currency": second_code.upper(),
        },
    )


class _Deriver:
    """Derives many snapshots under one mapping."""

    def __init__(self, mapping: CouponMapping, options: DeriveOptions) -> None:
        self._mapping = mapping
        self._options = options
        self._paths = mapping.paths
        self._known: dict[Hashable, DerivedCoupon | Blocked] = {}
        self._values: dict[int, tuple[RawFields, Hashable]] = {}
        """With the fields themselves, so that no others get their place in memory meanwhile."""

    def coupon_of(self, snapshot: Snapshot) -> DerivedCoupon | Blocked:
        if snapshot.terms_uncertain and self._options.uncertain == "block":
            return _uncertain(snapshot)
        key = (
            snapshot.org_id,
            snapshot.quote_coupon_id,
            snapshot.currency,
            snapshot.rates.to_json() if snapshot.rates is not None else None,
            self._read_values(snapshot.fields),
        )
        coupon = self._known.get(key)
        if coupon is None:
            coupon = self._known[key] = self._derive(snapshot)
        if isinstance(coupon, Blocked):
            return coupon
        disagreement = currency_disagreement(
            coupon.terms,
            quote=snapshot.quote_currency,
            association=snapshot.association_currency,
            order=snapshot.order_currency,
        )
        return disagreement or coupon

    def _read_values(self, fields: RawFields) -> Hashable:
        """What the mapping reads of the fields; looked up once in fields that snapshots share."""
        shared = self._values.get(id(fields))
        if shared is not None:
            return shared[1]
        # a true and a 1 are equal and are not the same value
        values = tuple((value.__class__, value) for value in map(fields.get, self._paths))
        self._values[id(fields)] = fields, values
        return values

    def _derive(self, snapshot: Snapshot) -> DerivedCoupon | Blocked:
        derived = derive(
            snapshot.fields,
            snapshot.currency,
            self._mapping,
            self._options,
            rates=snapshot.rates,
        )
        if isinstance(derived, Blocked):
            return derived
        hashed = terms_hash(derived.terms)
        return DerivedCoupon(
            org_id=snapshot.org_id,
            quote_coupon_id=snapshot.quote_coupon_id,
            terms=derived.terms,
            terms_hash=hashed,
            coupon_id=coupon_id(snapshot.org_id, snapshot.quote_coupon_id, hashed),
            metadata=derived.metadata,
            mapping_hash=self._mapping.mapping_hash,
            rates=derived.rates,
        )


def _uncertain(snapshot: Snapshot) -> Blocked:
    return Blocked(
        "coupon.terms_uncertain",
        {"activated_at": iso(snapshot.activated_at), "effective_at": iso(snapshot.evidence_at)},
    )


class _Reading:
    """One set of raw fields, read through one mapping."""

    __slots__ = ("_fields", "_mapping", "_options")

    def __init__(self, fields: RawFields, mapping: CouponMapping, options: DeriveOptions) -> None:
        self._fields = fields
        self._mapping = mapping
        self._options = options

    def terms(
        self, currency: str | None, rates: ConversionRates | None
    ) -> tuple[Terms, ConversionRates | None]:
        percent, amount = self._number("percent_off"), self._number("amount_off")
        if percent is not None and amount is not None:
            raise _BlockedError(
                "coupon.amount_and_percent", {"amount": plain(amount), "percent": plain(percent)}
            )
        if percent is not None:
            _check_percent(percent)
        elif amount is None:
            raise _BlockedError("coupon.no_discount", {})
        code: str | None = None
        minor: int | None = None
        options: dict[str, int] = {}
        if amount is not None:
            code = self._currency(amount, currency)
            minor = self._minor_units(amount, code)
            options = self._options_of(minor, code, rates)
        duration = self._duration()
        terms = Terms.of(
            duration=duration,
            name=self._name(),
            percent_off=percent,
            amount_off=minor,
            currency=code,
            currency_options=options,
            duration_in_months=self._months() if duration == "repeating" else None,
            max_redemptions=self._redemptions(),
            redeem_by=self._redeem_by(),
            applies_to_products=self._products(),
        )
        return terms, rates if options else None

    def metadata(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, path in self._mapping.metadata.items():
            text = text_form(self._fields.get(path))
            if text is None:
                continue
            if len(text) > METADATA_VALUE_LENGTH:
                raise _BlockedError(
                    "metadata.value_too_long",
                    {
                        "key": key,
                        "path": path,
                        "length": str(len(text)),
                        "limit": str(METADATA_VALUE_LENGTH),
                    },
                )
            found[key] = text
        return found

    def _options_of(self, minor: int, code: str, rates: ConversionRates | None) -> dict[str, int]:
        if rates is None or self._mapping.currency_options != "corporate_rates":
            return {}
        return rates.convert(minor, code, extra_currencies=self._options.extra_currencies)

    def _value(self, field: CouponField) -> Scalar:
        path = self._mapping.fields.get(field)
        value = None if path is None else self._fields.get(path)
        return self._mapping.defaults.get(field) if is_blank(value) else value

    def _source(self, field: CouponField) -> str:
        return self._mapping.fields.get(field, f"the default of {field}")

    def _number(self, field: CouponField) -> Decimal | None:
        try:
            return exact_number(self._value(field))
        except UnreadableError as error:
            raise _BlockedError(
                "coupon.not_a_number",
                {"field": self._source(field), "target": field, "value": str(error)},
            ) from None

    def _currency(self, amount: Decimal, currency: str | None) -> str:
        mapped = self._value("currency")
        code = text_form(mapped) or currency or self._options.default_currency
        if not code:
            raise _BlockedError("currency.missing", {"amount": plain(amount)})
        return code.lower()

    def _minor_units(self, amount: Decimal, code: str) -> int:
        minor = minor_units(amount, code, extra_currencies=self._options.extra_currencies)
        if isinstance(minor, Blocked):
            raise _BlockedError(minor.code, minor.details)
        return minor

    def _duration(self) -> Duration:
        value = self._value("duration")
        for known in DURATIONS:
            if value == known:
                return known
        raise _BlockedError("coupon.duration_invalid", {"duration": text_form(value) or "(empty)"})

    def _name(self) -> str | None:
        value = self._value("name")
        if is_blank(value):
            return None
        name = text_form(value) or ""
        if len(name) > NAME_LIMIT:
            raise _BlockedError(
                "coupon.name_too_long",
                {"name": name, "length": str(len(name)), "limit": str(NAME_LIMIT)},
            )
        return name

    def _months(self) -> int:
        months = self._positive("duration_in_months", "coupon.months_missing", "months")
        if months is None:
            raise _BlockedError("coupon.months_missing", {"months": "(empty)"})
        return months

    def _redemptions(self) -> int | None:
        return self._positive("max_redemptions", "coupon.redemptions_invalid", "redemptions")

    def _positive(self, field: CouponField, code: str, detail: str) -> int | None:
        value = self._value(field)
        try:
            number = whole_number(value)
        except UnreadableError as error:
            raise _BlockedError(code, {detail: str(error)}) from None
        if number is not None and number < 1:
            raise _BlockedError(code, {detail: str(number)})
        return number

    def _redeem_by(self) -> int | None:
        try:
            return unix_seconds(self._value("redeem_by"))
        except UnreadableError as error:
            raise _BlockedError(
                "coupon.redeem_by_invalid",
                {"field": self._source("redeem_by"), "value": str(error)},
            ) from None

    def _products(self) -> tuple[str, ...]:
        text = text_form(self._value("applies_to.products")) or ""
        products = tuple(filter(None, _BETWEEN_PRODUCTS.split(text)))
        for product in products:
            if not _PRODUCT_ID.fullmatch(product):
                raise _BlockedError("coupon.products_invalid", {"value": product})
        return products


def _check_percent(percent: Decimal) -> None:
    details = {"percent": plain(percent)}
    if not 0 < percent <= _MOST_PERCENT:
        raise _BlockedError("coupon.percent_out_of_range", details)
    if "." in (text := plain(percent)) and len(text.split(".")[1]) > _PERCENT_DECIMALS:
        raise _BlockedError("coupon.percent_precision", details)
