"""What discounts take off the lines of an invoice, and in which order.

Discounts of the item come first, then those of the subscription, each in the order of its
list; a percentage takes its share of what the earlier ones have left.
https://docs.stripe.com/billing/subscriptions/coupons
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.discounts import amount_in, terms_of
from coupon_pipeline.sandbox.stripe.store import StripeObject

ROUNDING = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}


@dataclass(slots=True)
class Discountable:
    """One line: its amount in minor units, and what came off so far by discount id."""

    product: str
    amount: int
    off: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """What is left to pay."""
        return self.amount - sum(self.off.values())

    def take(self, discount_id: str, amount: int) -> None:
        """Let a discount take off so much, at most what is left."""
        self.off[discount_id] = self.off.get(discount_id, 0) + min(amount, self.left)


def apply(
    account: Account, discount_ids: Sequence[str], lines: Sequence[Discountable], currency: str
) -> None:
    """Let the discounts, in this order, take their part off these lines."""
    for discount_id in discount_ids:
        found = terms_of(account, discount_id)
        if found is None:
            continue
        _, coupon = found
        eligible = [line for line in lines if _applies(coupon, line)]
        if coupon["percent_off"] is not None:
            for line in eligible:
                line.take(discount_id, _share(account, line.left, coupon["percent_off"]))
        else:
            _spread(discount_id, amount_in(coupon, currency) or 0, eligible)


def _applies(coupon: StripeObject, line: Discountable) -> bool:
    applies_to = coupon["applies_to"]
    return applies_to is None or line.product in applies_to["products"]


def _share(account: Account, amount: int, percent: float) -> int:
    exact = Decimal(amount) * Decimal(str(percent)) / 100
    rounding = ROUNDING[account.switches.stripe_percent_rounding]
    return int(exact.quantize(Decimal(1), rounding=rounding))


def _spread(discount_id: str, amount: int, lines: Sequence[Discountable]) -> None:
    """Divide an amount over lines in proportion to what is left of each, to the last unit."""
    total = sum(line.left for line in lines)
    amount = min(amount, total)
    given = 0
    before = 0
    for line in lines:
        before += line.left
        upto = 0 if total == 0 else amount * before // total
        part, given = upto - given, upto
        line.take(discount_id, part)
