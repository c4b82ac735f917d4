"""Caps: how much one run may do before somebody has to look.

A cap that is not set stops nothing. One that is met exactly stops nothing either.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from coupon_pipeline.domain.currency import CURRENCIES, major_units, minor_units, plain
from coupon_pipeline.domain.problems import Blocked, Problem
from coupon_pipeline.domain.terms import Terms

LEAST_RUNS = 3
"""Growth is only measured against at least so many earlier runs that attached something."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that a run may do; None where there is no cap."""

    coupons: int | None = None
    """Stripe coupons to be made."""
    attachments: int | None = None
    """Discounts to be attached."""
    percent: Decimal | None = None
    """Percentage of any discount."""
    amount: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Sum of the amounts off that are attached, by currency, in minor units."""
    growth: Decimal | None = None
    """Discounts to be attached, as a multiple of the mean of the last runs."""

    def raised(self, by: "Caps") -> "Caps":
        """These caps with those that the other sets in their place."""
        given = {
            each.name: value
            for each in fields(Caps)
            if (value := getattr(by, each.name)) is not None
        }
        return replace(self, **{**given, "amount": {**self.amount, **by.amount}})


def parse_amounts(text: str) -> dict[str, int]:
    """`"usd=1000,eur=900.50"` in major units, by lower-case code in minor units.

    Raises:
        ValueError: naming the part that is no amount in a currency.
    """
    amounts = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        code, _, number = part.partition("=")
        try:
            amount = minor_units(
                Decimal(number.strip()), code.strip(), extra_currencies=frozenset(CURRENCIES)
            )
        except InvalidOperation:
            amount = Blocked("coupon.not_a_number")
        if isinstance(amount, Blocked):
            raise ValueError(f"{part} is not an amount, such as usd=1000")  # noqa: TRY004 - what was written is wrong
        amounts[code.strip().lower()] = amount
    return amounts


def exceeded_by_coupons(caps: Caps, created: int, used: Iterable[Terms]) -> Problem | None:
    """Why a run must not make its coupons: too many, or one that gives too much.

    Args:
        caps: what is allowed.
        created: how many coupons would be made.
        used: the terms of all coupons from which discounts are to be made.
    """
    if caps.coupons is not None and created > caps.coupons:
        return _problem("cap.coupons", created, caps.coupons)
    percents = [terms.percent_off for terms in used if terms.percent_off is not None]
    if caps.percent is not None and percents and max(percents) > caps.percent:
        return _problem("cap.percent", plain(max(percents)), plain(caps.percent))
    return None


def exceeded_by_attachments(
    caps: Caps, attached: Sequence[Terms], earlier: Sequence[int]
) -> Problem | None:
    """Why a run must not attach what it would attach.

    Args:
        caps: what is allowed.
        attached: the terms of each discount that would be attached.
        earlier: how many each of the last runs attached that attached any.
    """
    count = len(attached)
    if caps.attachments is not None and count > caps.attachments:
        return _problem("cap.attachments", count, caps.attachments)
    sums: dict[str, int] = {}
    for terms in attached:
        if terms.currency is not None:
            sums[terms.currency] = sums.get(terms.currency, 0) + (terms.amount_off or 0)
    for currency, total in sorted(sums.items()):
        most = caps.amount.get(currency)
        if most is not None and total > most:
            code = currency.upper()
            return _problem(
                "cap.amount",
                f"{major_units(total, currency)} {code}",
                f"{major_units(most, currency)} {code}",
            )
    if caps.growth is not None and len(earlier) >= LEAST_RUNS:
        most_now = caps.growth * sum(earlier) / len(earlier)
        if count > most_now:
            return _problem("cap.growth", count, plain(round(most_now, 1)))
    return None


class Allowance:
    """What a run may still attach, portion by portion."""

    def __init__(self, caps: Caps, earlier: Sequence[int]) -> None:
        self._caps = caps
        self._earlier = earlier
        self._attached: list[Terms] = []

    def ends_with(self, attached: Iterable[Terms]) -> bool:
        """Whether so much would be more than a run may attach."""
        found = exceeded_by_attachments(self._caps, [*self._attached, *attached], self._earlier)
        return found is not None

    def use(self, attached: Iterable[Terms]) -> Problem | None:
        """Why this portion must not be attached after those before it; None if it may be."""
        self._attached += attached
        return exceeded_by_attachments(self._caps, self._attached, self._earlier)


def _problem(code: str, found: object, limit: object) -> Problem:
    return Problem(code, {"found": str(found), "limit": str(limit)})
