"""A Stripe account on this machine, seen from the dashboard's side."""

from collections.abc import Mapping
from dataclasses import dataclass

from coupon_pipeline.sandbox.faults import FaultRule
from coupon_pipeline.sandbox.serving import Sandbox


@dataclass
class StripeAccount:
    """The account as a person with the dashboard sees it: no request of ours is needed."""

    sandbox: Sandbox

    def make(self, kind: str, params: Mapping[str, object]) -> str:
        """Create an object by the service's own rules and give its id."""
        made = self.sandbox.run_on_loop(lambda: self.sandbox.stripe.create(kind, dict(params)))
        return str(made["id"])

    def get(self, kind: str, object_id: str) -> dict[str, object]:
        """The object as the account holds it."""
        found = self.sandbox.run_on_loop(lambda: self.sandbox.stripe.get(kind, object_id))
        assert found is not None
        return dict(found)

    def subscription(self) -> str:
        """A running monthly subscription in US dollars with one item."""
        customer = self.make("customer", {"name": "Acme"})
        return self.make(
            "subscription",
            {"customer": customer, "currency": "usd", "items": [{"price": self.price()}]},
        )

    def price(self) -> str:
        """100 dollars a month."""
        product = self.make("product", {"name": "Seat"})
        return self.make(
            "price",
            {
                "product": product,
                "currency": "usd",
                "unit_amount": 10_000,
                "recurring": {"interval": "month"},
            },
        )

    def disturb(self, kind: str, *, times: int | None = 1, path: str | None = None) -> None:
        """Let the next requests go wrong."""
        self.sandbox.run_on_loop(
            lambda: self.sandbox.faults.arm(
                FaultRule(service="stripe", kind=kind, times=times, path=path)
            )
        )
