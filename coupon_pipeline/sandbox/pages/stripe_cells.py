"""How Stripe's objects are named, put in words and linked on the pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from coupon_pipeline.sandbox.pages.view import NOTHING, Cell, Paging, Table, Tone
from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.currencies import table as currencies
from coupon_pipeline.sandbox.stripe.store import StripeObject

SECTIONS: Final = {
    "subscriptions": "subscription",
    "subscription_schedules": "subscription_schedule",
    "coupons": "coupon",
    "customers": "customer",
    "invoices": "invoice",
    "products": "product",
}
"""The dashboard's word in an address, and the kind of object."""

PREFIXES: Final = {
    "sub_sched_": "subscription_schedules",
    "sub_": "subscriptions",
    "cus_": "customers",
    "in_": "invoices",
    "prod_": "products",
}
GOOD: Final = frozenset({"active", "paid", "valid", "open"})
BAD: Final = frozenset({"canceled", "unpaid", "past_due", "not valid"})


def dashboard_section(object_id: str) -> str | None:
    """The dashboard's word for what an id is of, if its form tells."""
    for prefix, section in PREFIXES.items():
        if object_id.startswith(prefix):
            return section
    return None


@dataclass(frozen=True)
class Cells:
    """Cells that need to look things up."""

    account: Account
    salesforce_url: str

    def table(
        self, kind: str, things: Sequence[StripeObject], heading: str, paging: Paging | None = None
    ) -> Table:
        """A list of objects of one kind."""
        columns = self._columns(kind)
        return Table(
            heading,
            "The newest first",
            (kind.replace("_", " ").capitalize(), *columns),
            [
                (self.link(kind, thing["id"]), *(make(thing) for make in columns.values()))
                for thing in things
            ],
            empty="None so far.",
            paging=paging,
        )

    def _columns(self, kind: str) -> dict[str, Callable[[StripeObject], Cell]]:
        created = {"Created": lambda thing: moment_cell(thing["created"])}
        customer = {"Customer": lambda thing: self.link("customer", thing["customer"])}
        status = {"Status": lambda thing: status_cell(thing["status"])}
        order = {
            "Order": lambda thing: self.salesforce_link(
                (thing["metadata"] or {}).get("salesforce_order_id")
            )
        }
        more: dict[str, dict[str, Callable[[StripeObject], Cell]]] = {
            "coupon": {
                "Terms": lambda coupon: Cell(f"{terms_of(coupon)}, {duration_of(coupon)}"),
                "Redeemed": lambda coupon: Cell(f"{coupon['times_redeemed']:,}", number=True),
            },
            "subscription": {
                **customer,
                "Discounts": lambda thing: Cell(self._discount_count(thing), number=True),
                **status,
                **order,
            },
            "subscription_schedule": {**customer, **status, **order},
            "invoice": {
                **customer,
                "Total": lambda thing: Cell(money(thing["total"], thing["currency"])),
                **status,
            },
        }
        return created | more.get(kind, {})

    def items(self, subscription: StripeObject) -> list[StripeObject]:
        """The items of a subscription, in their order."""
        found = (self.account.store.get("subscription_item", one) for one in subscription["_items"])
        return [item for item in found if item is not None]

    def _discount_count(self, subscription: StripeObject) -> str:
        items = sum(len(item["discounts"]) for item in self.items(subscription))
        return str(len(subscription["discounts"]) + items)

    def link(self, kind: str, object_id: str | None) -> Cell:
        """To the page of an object; just the id where it is unknown."""
        if object_id is None:
            return NOTHING
        thing = self.account.store.get(kind, object_id)
        section = next(word for word, one in SECTIONS.items() if one == kind)
        if thing is None:
            return Cell(object_id, code=True, tone="warn")
        return Cell(
            name_of(thing), f"/test/{section}/{object_id}", code=name_of(thing) == object_id
        )

    def salesforce_link(self, record_id: str | None) -> Cell:
        """To the page of a record on the other server."""
        if record_id is None:
            return NOTHING
        return Cell(record_id, f"{self.salesforce_url}/{record_id}", code=True)

    def product_of(self, price_id: str) -> Cell:
        """The product that a price is of."""
        price = self.account.store.get("price", price_id)
        return NOTHING if price is None else self.link("product", price["product"])

    def price(self, price_id: str) -> str:
        """A price in words."""
        price = self.account.store.get("price", price_id)
        if price is None or price["unit_amount"] is None:
            return price_id
        amount = money(price["unit_amount"], price["currency"])
        recurring = price["recurring"]
        return f"{amount} a {recurring['interval']}" if recurring else amount


def money(amount: int, code: str) -> str:
    """An amount in minor units, as people write it."""
    known = currencies().get(code)
    decimals = 2 if known is None else known.decimals
    return f"{Decimal(amount).scaleb(-decimals):,.{decimals}f} {code.upper()}"


def name_of(thing: StripeObject) -> str:
    """The object's name, or its id."""
    return str(thing.get("name") or thing["id"])


def title_of(section: str) -> str:
    """A section of the dashboard in words."""
    return section.replace("_", " ").capitalize()


def terms_of(coupon: StripeObject) -> str:
    """How much a coupon takes off."""
    if coupon["percent_off"] is not None:
        return f"{Decimal(str(coupon['percent_off'])):f} % off"
    return f"{money(coupon['amount_off'], coupon['currency'])} off"


def duration_of(coupon: StripeObject) -> str:
    """For how long it does."""
    if coupon["duration"] == "repeating":
        return f"for {coupon['duration_in_months']} months"
    return str(coupon["duration"])


def moment_cell(stamp: int | None) -> Cell:
    """Unix seconds as a date and time, UTC."""
    if stamp is None:
        return NOTHING
    return Cell(f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d %H:%M}")


def status_cell(status: str) -> Cell:
    """A status, coloured by whether it is good news."""
    tone: Tone = "good" if status in GOOD else "warn" if status in BAD else "plain"
    return Cell(status.replace("_", " "), tone=tone)


def metadata_cell(value: str) -> Cell:
    """A value of metadata; a link if it leads to this sandbox."""
    local = value.startswith("http://127.0.0.1:")
    return Cell(value, value if local else None, code=True)
