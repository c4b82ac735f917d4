"""What most tests of the Stripe side begin with."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest
import stripe

from coupon_pipeline.sandbox.serving import Sandbox

Duration = Literal["once", "repeating", "forever"]
EXPANDED = ["discounts", "items.data.discounts"]


class Shop:
    """A small account: `customer`, `product`, `price` (10.00 USD a month)."""

    def __init__(self, sandbox: Sandbox, client: stripe.StripeClient) -> None:
        self.sandbox = sandbox
        self.stripe = client
        self.v1: Any = client.v1  # tests send what its types forbid
        self.customer = self.v1.customers.create({"name": "Ada", "email": "ada@example.com"}).id
        self.product = self.v1.products.create({"name": "Desk"}).id
        self.price = self.new_price(1000)

    def now(self) -> int:
        """Unix seconds of the sandbox."""
        return int(self.sandbox.clock.now().timestamp())

    def advance(self, **by: float) -> None:
        """Move the clock: `days=31`."""
        self.sandbox.run_on_loop(lambda: self.sandbox.clock.advance(timedelta(**by)))

    def switch(self, **choices: str) -> None:
        """Turn switches, named without their prefix."""
        for name, choice in choices.items():
            assert hasattr(self.sandbox.switches, f"stripe_{name}")
            setattr(self.sandbox.switches, f"stripe_{name}", choice)

    def new_price(self, amount: int, currency: str = "usd", product: str | None = None) -> str:
        """A monthly price."""
        made = self.v1.prices.create(
            {
                "product": product or self.product,
                "currency": currency,
                "unit_amount": amount,
                "recurring": {"interval": "month"},
            }
        )
        return str(made.id)

    def tax_rate(self) -> str:
        """A tax rate."""
        made = self.v1.tax_rates.create(
            {"display_name": "VAT", "percentage": 19, "inclusive": False}
        )
        return str(made.id)

    def percent(self, coupon_id: str, percent: float, duration: Duration = "forever") -> str:
        """A coupon with a percentage; a repeating one lasts three months."""
        months: Any = {"duration_in_months": 3} if duration == "repeating" else {}
        params: Any = {"id": coupon_id, "percent_off": percent, "duration": duration, **months}
        return str(self.v1.coupons.create(params).id)

    def amount(self, coupon_id: str, amount: int, duration: Duration = "forever") -> str:
        """A coupon with an amount in USD."""
        made = self.v1.coupons.create(
            {"id": coupon_id, "amount_off": amount, "currency": "usd", "duration": duration}
        )
        return str(made.id)

    def subscribe(self, **params: Any) -> Any:
        """A subscription of one item, expanded."""
        whole: Any = {
            "customer": self.customer,
            "items": [{"price": self.price}],
            "expand": EXPANDED,
        }
        return self.v1.subscriptions.create(whole | params)

    def update(self, subscription_id: str, **params: Any) -> Any:
        """A changed subscription, expanded."""
        whole: Any = {"expand": EXPANDED} | params
        return self.v1.subscriptions.update(subscription_id, whole)

    def get(self, subscription_id: str) -> Any:
        """A subscription, expanded."""
        return self.v1.subscriptions.retrieve(subscription_id, {"expand": EXPANDED})


def coupons_on(holder: Any) -> list[str]:
    """The coupons of the discounts of a subscription or item, in order."""
    return [discount.source.coupon for discount in holder.discounts]


def discount_ids(holder: Any) -> list[str]:
    """The ids of the discounts of a subscription or item, in order."""
    return [discount.id for discount in holder.discounts]


def refused(work: Callable[[], object]) -> stripe.ErrorObject:
    """The error with which Stripe refuses."""
    with pytest.raises(stripe.StripeError) as caught:
        work()
    error = caught.value.error
    assert error is not None
    return error
