"""A year of invoices, reckoned a second time here and in another way, in fractions of a cent."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from tests.sandbox.stripe.shop import Shop

UNITS = (1999, 3333, 505)


@dataclass
class Granted:
    """A coupon as it was wanted, and whether an invoice has used it up."""

    coupon_id: str
    percent: str | None
    amount: int
    duration: str
    months: int
    spent: bool = False

    def counts(self, month: int) -> bool:
        """Whether it takes part in the invoice of a month, the first being 0."""
        if self.duration == "once":
            return not self.spent
        return self.duration == "forever" or month < self.months

    def take(self, left: list[int], lines: Sequence[int]) -> None:
        """Take its part off these lines."""
        if self.percent is not None:
            for line in lines:
                share = left[line] * Fraction(self.percent) / 100
                left[line] -= int(share + Fraction(1, 2))
        else:
            off = min(self.amount, sum(left[line] for line in lines))
            for line in lines:
                part = min(off, left[line])
                left[line] -= part
                off -= part


def drawn(draw: random.Random, shop: Shop, coupon_id: str, *, amounts: bool) -> Granted:
    """A coupon of any kind, made in Stripe too."""
    duration = draw.choice(("once", "repeating", "forever"))
    months = draw.randint(1, 11)
    percent = draw.choice(("10", "12.5", "33.33", "50", "100", "7.77"))
    made = Granted(coupon_id, percent, 0, duration, months)
    params: dict[str, Any] = {"id": coupon_id, "duration": duration}
    if amounts and draw.random() < 0.5:
        made.percent, made.amount = None, draw.choice((1, 100, 777, 5000))
        params |= {"amount_off": made.amount, "currency": "usd"}
    else:
        params["percent_off"] = percent
    if duration == "repeating":
        params["duration_in_months"] = months
    shop.v1.coupons.create(params)
    return made


@pytest.mark.parametrize("seed", range(6))
def test_every_invoice_of_a_year_is_what_pencil_and_paper_say(shop: Shop, seed: int) -> None:
    """Item discounts, then the subscription's, each of what is left, each for its time."""
    draw = random.Random(seed)
    quantities = [draw.randint(1, 7) for _ in UNITS]
    own = [
        [
            drawn(draw, shop, f"I{line}-{number}", amounts=True)
            for number in range(draw.randint(0, 2))
        ]
        for line in range(len(UNITS))
    ]
    # how an amount is spread over several lines is no matter for the total if it comes last
    whole = [drawn(draw, shop, f"S{number}", amounts=False) for number in range(2)]
    whole.append(drawn(draw, shop, "S-last", amounts=True))
    made = shop.subscribe(
        items=[
            {
                "price": shop.new_price(unit),
                "quantity": quantity,
                "discounts": [{"coupon": one.coupon_id} for one in coupons],
            }
            for unit, quantity, coupons in zip(UNITS, quantities, own, strict=True)
        ],
        discounts=[{"coupon": one.coupon_id} for one in whole],
    )

    shop.advance(days=365)

    invoices = shop.v1.invoices.list({"subscription": made.id, "limit": 100}).data[::-1]
    every = range(len(UNITS))
    expected = []
    for month in range(len(invoices)):
        left = [unit * quantity for unit, quantity in zip(UNITS, quantities, strict=True)]
        steps = [(one, [line]) for line in every for one in own[line]]
        steps += [(one, list(every)) for one in whole]
        for one, lines in steps:
            if one.counts(month):
                one.take(left, lines)
                one.spent = True
        expected.append(sum(left))
    assert len(invoices) == 13
    assert [invoice.total for invoice in invoices] == expected
    assert all(
        invoice.subtotal - invoice.total
        == sum(one.amount for one in invoice.total_discount_amounts)
        for invoice in invoices
    )
