"""Canonical terms, their hash and the coupon id.

Two coupons are the same when their canonical terms are, however an API spelled them: 10 and 10.0
are one percentage, null and absent are one, and the order of keys or products says nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeAlias

from coupon_pipeline.domain.currency import major_units, plain

Duration: TypeAlias = Literal["once", "repeating", "forever"]
DURATIONS: tuple[Duration, ...] = ("once", "repeating", "forever")

JsonValue: TypeAlias = "str | int | list[JsonValue] | dict[str, JsonValue]"

NAME_LIMIT = 40
"""Characters that Stripe takes for a name (https://docs.stripe.com/api/coupons/create)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What Stripe never lets us change about a coupon, and its name.

    Amounts are in minor units of `currency`. Build it through `Terms.of`, which brings every
    spelling into the one form.
    """

    duration: Duration
    name: str | None = None
    percent_off: Decimal | None = None
    amount_off: int | None = None
    currency: str | None = None
    currency_options: tuple[tuple[str, int], ...] = ()
    """Further currencies and the amount in minor units of each, sorted by code."""
    duration_in_months: int | None = None
    max_redemptions: int | None = None
    redeem_by: int | None = None
    """Unix seconds."""
    applies_to_products: tuple[str, ...] = ()
    """Stripe product ids, sorted."""

    @classmethod
    def of(
        cls,
        *,
        duration: Duration,
        name: str | None = None,
        percent_off: Decimal | None = None,
        amount_off: int | None = None,
        currency: str | None = None,
        currency_options: Mapping[str, int] | None = None,
        duration_in_months: int | None = None,
        max_redemptions: int | None = None,
        redeem_by: int | None = None,
        applies_to_products: tuple[str, ...] = (),
    ) -> "Terms":
        """The terms in their one form.

        Months count with `repeating` only and a currency with an amount only; the coupon's own
        currency among the options repeats the amount and is left out.
        """
        code = currency.lower() if currency and amount_off is not None else None
        options = {key.lower(): amount for key, amount in (currency_options or {}).items()}
        if code is not None and options.get(code) == amount_off:
            del options[code]
        return cls(
            duration=duration,
            name=name or None,
            percent_off=None if percent_off is None else Decimal(plain(percent_off)),
            amount_off=amount_off,
            currency=code,
            currency_options=tuple(sorted(options.items())) if amount_off is not None else (),
            duration_in_months=duration_in_months if duration == "repeating" else None,
            max_redemptions=max_redemptions,
            redeem_by=redeem_by,
            applies_to_products=tuple(sorted(set(applies_to_products))),
        )


@dataclass(frozen=True, slots=True)
class TermDifference:
    """A term that two coupons do not share; both values as text, `none` when absent."""

    field: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.field} is {self.theirs}, not {self.ours}"


def parameters(terms: Terms) -> dict[str, JsonValue]:
    """The terms under Stripe's own names, as a coupon is created; absent ones are left out."""
    every: dict[str, JsonValue | None] = {
        "name": terms.name,
        "percent_off": None if terms.percent_off is None else plain(terms.percent_off),
        "amount_off": terms.amount_off,
        "currency": terms.currency,
        "currency_options": {
            code: {"amount_off": amount} for code, amount in terms.currency_options
        }
        or None,
        "duration": terms.duration,
        "duration_in_months": terms.duration_in_months,
        "max_redemptions": terms.max_redemptions,
        "redeem_by": terms.redeem_by,
        "applies_to": {"products": list(terms.applies_to_products)}
        if terms.applies_to_products
        else None,
    }
    return {key: value for key, value in every.items() if value is not None}


def canonical(terms: Terms) -> str:
    """The terms as the one JSON text that stands for them: keys sorted, nothing absent named."""
    return json.dumps(parameters(terms), sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=2048)
def terms_from_canonical(text: str) -> Terms:
    """What `canonical` wrote, read again; the same terms for the same text."""
    stored = json.loads(text)
    percent = stored.get("percent_off")
    return Terms.of(
        duration=stored["duration"],
        name=stored.get("name"),
        percent_off=None if percent is None else Decimal(percent),
        amount_off=stored.get("amount_off"),
        currency=stored.get("currency"),
        currency_options={
            code: option["amount_off"]
            for code, option in stored.get("currency_options", {}).items()
        },
        duration_in_months=stored.get("duration_in_months"),
        max_redemptions=stored.get("max_redemptions"),
        redeem_by=stored.get("redeem_by"),
        applies_to_products=tuple(stored.get("applies_to", {}).get("products", ())),
    )


def terms_hash(terms: Terms) -> str:
    """SHA-256 of the canonical terms, in hexadecimal."""
    return _sha256(canonical(terms))


def coupon_id(org_id: str, quote_coupon_id: str, hash_of_terms: str) -> str:
    """The id that the Stripe coupon of these terms has, whoever computes it and whenever.

    Lower case with letters, digits and hyphens only, and made from the 18-character id: its last
    three characters keep ids apart that differ in case alone.
    """
    key = _sha256(f"{org_id}|{quote_coupon_id}|{hash_of_terms}")
    return f"sf-{quote_coupon_id.lower()}-{key[:16]}"


def differences(ours: Terms, theirs: Terms) -> tuple[TermDifference, ...]:
    """Every term that is not the same, in the order of the fields."""
    return tuple(
        TermDifference(field.name, _shown(mine), _shown(other))
        for field in fields(Terms)
        if (mine := getattr(ours, field.name)) != (other := getattr(theirs, field.name))
    )


def terms_in_words(terms: Terms) -> str:
    """`10% off for 3 months`, as a sales person would say it."""
    if terms.percent_off is not None:
        value = f"{terms.percent_off}% off"
    else:
        assert terms.amount_off is not None, "terms have a percentage or an amount"
        assert terms.currency is not None, "an amount has a currency"
        value = f"{major_units(terms.amount_off, terms.currency)} {terms.currency.upper()} off"
    length = {
        "once": "once",
        "forever": "for good",
        "repeating": f"for {terms.duration_in_months} months",
    }[terms.duration]
    more = (
        f", at most {terms.max_redemptions} times over all orders" if terms.max_redemptions else ""
    )
    name = f'"{terms.name}": ' if terms.name else ""
    return f"{name}{value} {length}{more}"


def _shown(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, tuple):
        return ", ".join(
            f"{entry[0]} {entry[1]}" if isinstance(entry, tuple) else str(entry) for entry in value
        )
    return str(value)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
