"""An org's own conversion rates, as they stood on a day, and the amounts that they make."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Literal, TypeAlias

from coupon_pipeline.domain.currency import (
    CURRENCIES,
    find_currency,
    nearest_minor_units,
    plain,
)
from coupon_pipeline.domain.problems import Blocked

RateSource: TypeAlias = Literal["CurrencyType", "DatedConversionRate"]


@dataclass(frozen=True, slots=True)
class ConversionRates:
    """How many units of each currency one unit of the corporate currency was worth.

    Both of Salesforce's objects hold rates in this direction
    (https://developer.salesforce.com/docs, objects CurrencyType and DatedConversionRate).
    """

    as_of: date
    source: RateSource
    rates: Mapping[str, Decimal]
    """By code, the active currencies only; the corporate one has the rate 1."""

    def convert(
        self, minor: int, currency: str, *, extra_currencies: frozenset[str] = frozenset()
    ) -> dict[str, int]:
        """The amount in every other currency that has a rate and that Stripe takes.

        In minor units, half a smallest unit rounded up: a rate has no exact result, so the rounding
        is part of what the option means. A currency in which nothing would be left has no entry.
        """
        rates = {code.lower(): Fraction(rate) for code, rate in self.rates.items() if rate > 0}
        own = rates.pop(currency.lower(), None)
        if own is None:
            return {}
        major = Fraction(minor, 10 ** CURRENCIES[currency.lower()].decimals)
        converted: dict[str, int] = {}
        for code, rate in rates.items():
            target = find_currency(code, extra_currencies=extra_currencies)
            if isinstance(target, Blocked):
                continue
            amount = nearest_minor_units(major / own * rate, target)
            if amount > 0:
                converted[code] = amount
        return converted

    def to_json(self) -> str:
        """As text, to be kept with the snapshot."""
        return json.dumps(
            {
                "as_of": self.as_of.isoformat(),
                "source": self.source,
                "rates": {code: plain(rate) for code, rate in self.rates.items()},
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> "ConversionRates":
        """What `to_json` wrote, read again."""
        stored = json.loads(text)
        return cls(
            as_of=date.fromisoformat(stored["as_of"]),
            source=stored["source"],
            rates={code: Decimal(rate) for code, rate in stored["rates"].items()},
        )
