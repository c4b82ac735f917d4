"""The company's tables, read from the TOML files beside this module."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeAlias

Target: TypeAlias = Literal[
    "subscription",
    "none",
    "schedule",
    "scheduled_subscription",
    "future_schedule",
    "foreign_discount",
    "customer_discount",
    "item_missing",
    "canceled",
    "invoice",
    "unknown",
]
Trigger: TypeAlias = Literal["works", "fails_silently", "partial"]
Afterwards: TypeAlias = Literal["late_association", "order_coupon_edited", "association_deleted"]


@dataclass(frozen=True)
class Market:
    """Where customers are, and the currency that they pay in. Shares are weights."""

    currency: str
    share: int
    country: str
    forms: tuple[str, ...]
    cities: tuple[str, ...]


@dataclass(frozen=True)
class Product:
    """Something sold, with its monthly or one-time price by currency, in major units."""

    key: str
    name: str
    code: str
    prices: Mapping[str, int]
    one_time: bool = False


@dataclass(frozen=True)
class CouponRow:
    """A quote coupon. Percentages are decimal texts, amounts major units of `currency`."""

    key: str
    duration: str
    name: str | None = None
    group: str | None = None
    percent_off: str | None = None
    amount_off: int | None = None
    currency: str = "USD"
    months: int | None = None
    max_redemptions: int | None = None
    campaign: str | None = None
    imported: bool = False
    edited_to: Mapping[str, str] | None = None
    currency_later: str | None = None
    deleted_later: bool = False


@dataclass(frozen=True)
class Scenario:
    """What is particular about an order; an everyday pattern has a weight instead of a count."""

    key: str
    says: str = ""
    count: int = 0
    weight: int = 0
    order: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    currency: str | None = None
    target: Target = "subscription"
    trigger: Trigger = "works"
    after: tuple[Afterwards, ...] = ()
    clean: bool = True


@dataclass(frozen=True)
class CompanyTables:
    """All of it."""

    sales_people: tuple[tuple[str, str], ...]
    markets: tuple[Market, ...]
    first_names: tuple[str, ...]
    second_names: tuple[str, ...]
    products: tuple[Product, ...]
    campaigns: Mapping[str, str]
    coupons: tuple[CouponRow, ...]
    patterns: tuple[Scenario, ...]
    scenarios: tuple[Scenario, ...]

    def coupon_for(self, reference: str, currency: str) -> CouponRow | None:
        """The coupon with that key, or of that group in the order's currency."""
        for coupon in self.coupons:
            if coupon.key == reference:
                return coupon
            if coupon.group == reference and coupon.currency == currency:
                return coupon
        return None


@cache
def company_tables() -> CompanyTables:
    """The tables, read once."""
    company, coupons, scenarios = (
        _read(name) for name in ("company.toml", "coupons.toml", "scenarios.toml")
    )
    names = company["names"]
    return CompanyTables(
        sales_people=tuple((first, last) for first, last in company["sales_people"]),
        markets=tuple(Market(**_frozen(row)) for row in company["markets"]),
        first_names=tuple(names["first"]),
        second_names=tuple(names["second"]),
        products=tuple(Product(**_frozen(row)) for row in company["products"]),
        campaigns={row["key"]: row["name"] for row in company["campaigns"]},
        coupons=tuple(CouponRow(**_frozen(row)) for row in coupons["coupons"]),
        patterns=tuple(Scenario(**_frozen(row)) for row in scenarios["patterns"]),
        scenarios=tuple(Scenario(**_frozen(row)) for row in scenarios["scenarios"]),
    )


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _frozen(row: Mapping[str, object]) -> dict[str, Any]:
    return {key: _tuples(value) for key, value in row.items()}


def _tuples(value: object) -> object:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value
