"""Amount and currency -> minor units, exactly, and the reasons why not.

The table beside this module (`stripe_currencies.csv`) was made in November 2026 from
https://docs.stripe.com/currencies: the presentment currencies, the zero-decimal currencies and the
special cases. `decimals` is the power of ten between an amount and what the API takes, `step` what
the API's number must be divisible by. `status` says whether Stripe lists the code (`listed`), no
longer lists it and an account must have it confirmed (`on_request`), or dropped it (`dropped`).
Digits of ISO 4217 or of a locale library differ for several codes and must not be used instead.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from importlib import resources
from typing import Literal, TypeAlias, cast

from coupon_pipeline.domain.problems import Blocked

Status: TypeAlias = Literal["listed", "on_request", "dropped"]

_LARGEST_EXPONENT = 20
"""Salesforce numbers have at most 18 digits; beyond this an exponent is noise or an attack."""


@dataclass(frozen=True, slots=True)
class Currency:
    """What one currency's amounts look like in Stripe's API."""

    code: str
    decimals: int
    step: int
    status: Status
    note: str

    @property
    def smallest(self) -> Decimal:
        """The smallest amount in major units; every amount is a multiple of it."""
        return _shifted(self.step, -self.decimals)


def _read_table() -> dict[str, Currency]:
    table = resources.files("coupon_pipeline.domain").joinpath("stripe_currencies.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {
        row["code"]: Currency(
            code=row["code"],
            decimals=int(row["decimals"]),
            step=int(row["step"]),
            status=cast("Status", row["status"]),
            note=row["note"],
        )
        for row in rows
    }


CURRENCIES: Mapping[str, Currency] = _read_table()
"""By lower-case code, those that are not accepted included."""


def find_currency(
    code: str, *, extra_currencies: frozenset[str] = frozenset()
) -> Currency | Blocked:
    """The currency, if amounts in it can be sent; `extra_currencies` are lower-case codes.

    A code that the table does not know stays unsupported even when a setting names it: nobody
    could say how many decimals it has.
    """
    currency = CURRENCIES.get(code.lower())
    if currency is None:
        return _unsupported(code, "Stripe does not list the code")
    if currency.status == "listed":
        return currency
    if currency.status == "on_request" and currency.code in extra_currencies:
        return currency
    return _unsupported(code, currency.note)


def minor_units(
    amount: Decimal, currency: str, *, extra_currencies: frozenset[str] = frozenset()
) -> int | Blocked:
    """A positive amount in major units as the whole number that the API takes.

    Nothing is rounded: an amount that is no whole multiple of the smallest one is blocked with
    `coupon.amount_precision`, an unknown code with `currency.unsupported`.
    """
    found = find_currency(currency, extra_currencies=extra_currencies)
    if isinstance(found, Blocked):
        return found
    details = {"amount": plain(amount), "currency": found.code.upper()}
    if not amount.is_finite() or amount <= 0:
        return Blocked("coupon.amount_not_positive", details)
    units = _whole_units(amount, found)
    if units is None:
        return Blocked("coupon.amount_precision", {**details, "step": plain(found.smallest)})
    return units


def major_units(minor: int, currency: str) -> Decimal:
    """The amount in major units, with the currency's decimals. KeyError for an unknown code."""
    return _shifted(minor, -CURRENCIES[currency.lower()].decimals)


def nearest_minor_units(amount: Fraction, currency: Currency) -> int:
    """A converted amount in minor units, half a step rounded up. Zero when it is below half a step.

    Only for amounts that a rate made: an amount that somebody entered is never rounded.
    """
    steps = amount * 10**currency.decimals / currency.step
    return int(steps + Fraction(1, 2)) * currency.step


def plain(number: Decimal) -> str:
    """A decimal as plain text without exponent or trailing zeros: `10`, `12.5`."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _whole_units(amount: Decimal, currency: Currency) -> int | None:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _LARGEST_EXPONENT:
        return None
    numerator, denominator = amount.as_integer_ratio()
    units, rest = divmod(numerator * 10**currency.decimals, denominator)
    return units if rest == 0 and units % currency.step == 0 else None


def _shifted(number: int, power: int) -> Decimal:
    """`number * 10**power`, without the rounding that Decimal arithmetic could bring."""
    return Decimal(f"{number}E{power}")


def _unsupported(code: str, reason: str) -> Blocked:
    return Blocked("currency.unsupported", {"currency": code.upper(), "reason": reason})
