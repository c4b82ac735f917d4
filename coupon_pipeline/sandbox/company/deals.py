"""Which orders the company has: decided from the seed alone, before anything is written."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, count
from typing import Final

from coupon_pipeline.sandbox.company.tables import CompanyTables, CouponRow, Market, Scenario

DAYS: Final = 90
OPENING_HOUR: Final = 8
WORKING_MINUTES: Final = 10 * 60
STORY_ORDERS: Final = 2000
"""Only so many, the latest ones, have their story told; earlier ones are everyday orders."""
SCENARIO_BASE: Final = 200
SCENARIO_SHARE: Final = 0.16
ORDERS_PER_ACCOUNT: Final = 2.2
SUNDAY_AND_SATURDAY: Final = (5, 6)
HOME_CURRENCY: Final = "USD"


@dataclass(frozen=True)
class Customer:
    """An account, and the number that makes its name unique."""

    number: int
    name: str
    city: str
    market: Market
    first: str


@dataclass(frozen=True)
class DealLine:
    """One product of an order, with the coupons that its quote line gets."""

    product: str
    quantity: int
    coupons: tuple[CouponRow, ...]


@dataclass(frozen=True)
class Deal:
    """One order with all that leads to it. Times are UTC."""

    number: int
    scenario: Scenario
    customer: Customer
    currency: str
    sales_person: int
    quoted_at: datetime
    ordered_at: datetime
    activated_at: datetime
    order_coupons: tuple[CouponRow, ...]
    lines: tuple[DealLine, ...]


def plan_deals(
    tables: CompanyTables, orders: int, seed: int, present: datetime, *, multi_currency: bool
) -> list[Deal]:
    """Deals in the order of their activation, all of them before `present`."""
    draw = random.Random(f"company/{seed}")  # noqa: S311 - the same seed, the same company
    moments = sorted(_working_moment(draw, present) for _ in range(orders))
    scenarios = _scenarios(tables, orders, draw, multi_currency=multi_currency)
    customers = _Customers(tables, draw, multi_currency=multi_currency)
    return [
        _deal(tables, number, scenario, moment, customers, draw)
        for number, (scenario, moment) in enumerate(zip(scenarios, moments, strict=True), 1)
    ]


def _working_moment(draw: random.Random, present: datetime) -> datetime:
    while True:
        day = present - timedelta(days=draw.randrange(DAYS))
        if day.weekday() in SUNDAY_AND_SATURDAY and draw.random() < 0.85:  # noqa: PLR2004
            continue
        moment = day.replace(hour=OPENING_HOUR, minute=0, second=0, microsecond=0) + timedelta(
            minutes=draw.randrange(WORKING_MINUTES), seconds=draw.randrange(60)
        )
        if moment < present - timedelta(hours=1):
            return moment


def _scenarios(
    tables: CompanyTables, orders: int, draw: random.Random, *, multi_currency: bool
) -> list[Scenario]:
    """One for each order: remarkable ones up to their share, everyday patterns for the rest."""
    remarkable = [
        scenario
        for scenario in tables.scenarios
        if multi_currency or scenario.currency in (None, HOME_CURRENCY)
    ]
    told = min(orders, STORY_ORDERS)
    chosen: list[Scenario] = []
    for scenario in remarkable:
        chosen += [scenario] * max(1, round(scenario.count * told / SCENARIO_BASE))
    del chosen[int(told * SCENARIO_SHARE) :]
    weights = list(accumulate(pattern.weight for pattern in tables.patterns))
    everyday = draw.choices(tables.patterns, cum_weights=weights, k=orders - len(chosen))
    story = chosen + everyday[: told - len(chosen)]
    draw.shuffle(story)
    return everyday[told - len(chosen) :] + story


class _Customers:
    """Gives each order a customer in the right currency; most customers order again."""

    def __init__(self, tables: CompanyTables, draw: random.Random, *, multi_currency: bool) -> None:
        self._draw = draw
        self._markets = [
            market
            for market in tables.markets
            if multi_currency or market.currency == HOME_CURRENCY
        ]
        self._weights = list(accumulate(market.share for market in self._markets))
        self._names = _names(tables, draw)
        self._known: dict[str, list[Customer]] = {market.currency: [] for market in self._markets}
        self._made = 0

    def take(self, currency: str | None, *, alone: bool) -> Customer:
        """A customer; `alone` for one that has no other order."""
        markets = {market.currency: market for market in self._markets}
        drawn = self._draw.choices(self._markets, cum_weights=self._weights)[0]
        market = drawn if currency is None else markets.get(currency, self._markets[0])
        known = self._known[market.currency]
        if not alone and known and self._draw.random() > 1 / ORDERS_PER_ACCOUNT:
            return known[self._draw.randrange(len(known))]
        self._made += 1
        first, name = next(self._names)
        customer = Customer(
            self._made,
            f"{name} {self._draw.choice(market.forms)}",
            self._draw.choice(market.cities),
            market,
            first,
        )
        if not alone:
            known.append(customer)
        return customer


def _names(tables: CompanyTables, draw: random.Random) -> Iterator[tuple[str, str]]:
    pairs = [(first, second) for first in tables.first_names for second in tables.second_names]
    draw.shuffle(pairs)
    yield from ((first, f"{first} {second}") for first, second in pairs)
    for number in count(2):
        yield from ((first, f"{first} {second} {number}") for first, second in pairs)


def _deal(
    tables: CompanyTables,
    number: int,
    scenario: Scenario,
    activated_at: datetime,
    customers: _Customers,
    draw: random.Random,
) -> Deal:
    customer = customers.take(scenario.currency, alone=scenario.target == "customer_discount")
    currency = scenario.currency or customer.market.currency
    ordered_at = activated_at - timedelta(minutes=draw.randrange(5, 120))
    quoted_at = ordered_at - timedelta(days=draw.randrange(2, 14), minutes=draw.randrange(120))
    return Deal(
        number=number,
        scenario=scenario,
        customer=customer,
        currency=currency,
        sales_person=draw.randrange(len(tables.sales_people)),
        quoted_at=quoted_at,
        ordered_at=ordered_at,
        activated_at=activated_at,
        order_coupons=_coupons(tables, scenario.order, currency),
        lines=tuple(_lines(tables, scenario, currency, draw)),
    )


def _lines(
    tables: CompanyTables, scenario: Scenario, currency: str, draw: random.Random
) -> Iterator[DealLine]:
    one_time = scenario.target == "invoice"
    products = [product.key for product in tables.products if product.one_time == one_time]
    most = 1 if one_time else 4
    wanted = max(len(scenario.lines), draw.choices(range(1, most + 1), (40, 30, 20, 10)[:most])[0])
    if scenario.target == "item_missing":
        wanted = max(wanted, 2)
    main, *others = products
    for index, product in enumerate([main, *draw.sample(others, min(wanted - 1, len(others)))]):
        keys = scenario.lines[index] if index < len(scenario.lines) else ()
        quantity = draw.randrange(3, 40) if product == "seats" else 1
        yield DealLine(product, quantity, _coupons(tables, keys, currency))


def _coupons(tables: CompanyTables, keys: tuple[str, ...], currency: str) -> tuple[CouponRow, ...]:
    found = (tables.coupon_for(key, currency) for key in keys)
    return tuple(coupon for coupon in found if coupon is not None)
