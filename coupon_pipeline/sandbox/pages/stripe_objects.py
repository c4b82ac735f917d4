"""What is shown of one object of each kind, with its links to others."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coupon_pipeline.sandbox.pages.stripe_cells import (
    Cells,
    duration_of,
    moment_cell,
    money,
    name_of,
    terms_of,
)
from coupon_pipeline.sandbox.pages.view import NOTHING, Cell, Facts, Section, Table
from coupon_pipeline.sandbox.stripe.rendering import coupon_of
from coupon_pipeline.sandbox.stripe.store import StripeObject

MOST_SHOWN: Final = 100


@dataclass(frozen=True)
class Descriptions:
    """Sections of a page; one method a kind."""

    cells: Cells
    preview: Callable[[str], StripeObject | None]

    def coupon(self, coupon: StripeObject) -> Iterable[Section]:
        """Terms, and where it was applied."""
        options = coupon.get("currency_options") or {}
        products = (coupon.get("applies_to") or {}).get("products") or ()
        limit = coupon["max_redemptions"]
        yield Facts(
            "Terms",
            [
                ("Discount", Cell(terms_of(coupon))),
                ("Duration", Cell(duration_of(coupon))),
                ("Redeemed", Cell(f"{coupon['times_redeemed']:,}")),
                ("Redemptions at most", NOTHING if limit is None else Cell(f"{limit:,}")),
                ("Redeem by", moment_cell(coupon["redeem_by"])),
                *(
                    (f"In {code}", Cell(money(options[code]["amount_off"], code)))
                    for code in options
                ),
                *(("Applies to", self.cells.link("product", product)) for product in products),
                ("Created", moment_cell(coupon["created"])),
                ("ID", Cell(coupon["id"], code=True)),
            ],
        )
        made = [
            discount
            for discount in self.cells.account.store.older("discount")
            if discount["source"]["coupon"] == coupon["id"]
        ]
        yield Table(
            "Discounts",
            "Where the coupon has been applied, the newest first",
            ("Discount", "Subscription", "Customer", "Since", "Until"),
            [
                (
                    Cell(discount["id"], code=True),
                    self.cells.link("subscription", discount["subscription"]),
                    self.cells.link("customer", discount["customer"]),
                    moment_cell(discount["start"]),
                    moment_cell(discount["end"]),
                )
                for discount in made[:MOST_SHOWN]
            ],
            empty="It has not been applied.",
        )

    def subscription(self, subscription: StripeObject) -> Iterable[Section]:
        """Discounts, items, the next invoice, those so far."""
        items = self.cells.items(subscription)
        start = min((item["current_period_start"] for item in items), default=None)
        end = min((item["current_period_end"] for item in items), default=None)
        yield Facts(
            "Details",
            [
                ("Customer", self.cells.link("customer", subscription["customer"])),
                ("Currency", Cell(subscription["currency"].upper())),
                ("Current period", Cell(_between(start, end))),
                ("Schedule", self.cells.link("subscription_schedule", subscription["schedule"])),
                ("Created", moment_cell(subscription["created"])),
                ("Canceled", moment_cell(subscription["canceled_at"])),
                ("ID", Cell(subscription["id"], code=True)),
            ],
        )
        yield self._discounts(subscription, items)
        yield Table(
            "Items",
            "What is subscribed to",
            ("Product", "Price", "Quantity", "Discounts", "Salesforce order product", "Item"),
            [self._item_row(item) for item in items],
        )
        preview = self.preview(subscription["id"])
        if preview is not None:
            yield from self._lines("Next invoice", preview)
        invoices = self.cells.account.store.having("invoice", "_subscription", subscription["id"])
        yield self.cells.table("invoice", invoices[::-1], "Invoices so far")

    def _item_row(self, item: StripeObject) -> Sequence[Cell]:
        order_item = item["metadata"].get("salesforce_order_item_id")
        return (
            self.cells.product_of(item["price"]),
            Cell(self.cells.price(item["price"]), number=True),
            Cell(str(item.get("quantity", "")), number=True),
            Cell(str(len(item["discounts"])), number=True),
            self.cells.salesforce_link(order_item),
            Cell(item["id"], code=True),
        )

    def _discounts(self, subscription: StripeObject, items: Sequence[StripeObject]) -> Table:
        """Item by item, then the subscription's own, as they are reckoned; then the customer's."""
        rows = []
        for item in items:
            where = self.cells.product_of(item["price"])
            rows += [self._discount_row(where, one) for one in item["discounts"]]
        whole = Cell("Whole subscription")
        rows += [self._discount_row(whole, one) for one in subscription["discounts"]]
        customer = self.cells.account.store.get("customer", subscription["customer"])
        if customer is not None and customer["_discount"]:
            hidden = bool(subscription["discounts"])
            where = Cell("Customer, hidden by the above" if hidden else "Customer, inherited")
            rows.append(self._discount_row(where, customer["_discount"]))
        return Table(
            "Discounts",
            "In the order in which they are reckoned",
            ("Applies to", "Coupon", "Terms", "Since", "Until", "Discount"),
            rows,
            empty="No discount.",
        )

    def _discount_row(self, where: Cell, discount_id: str) -> Sequence[Cell]:
        discount = self.cells.account.store.get("discount", discount_id)
        coupon = None if discount is None else coupon_of(self.cells.account, discount)
        if discount is None or coupon is None:
            return (where, NOTHING, NOTHING, NOTHING, NOTHING, Cell(discount_id, code=True))
        return (
            where,
            Cell(name_of(coupon), f"/test/coupons/{coupon['id']}"),
            Cell(f"{terms_of(coupon)}, {duration_of(coupon)}"),
            moment_cell(discount["start"]),
            moment_cell(discount["end"]),
            Cell(discount_id, code=True),
        )

    def schedule(self, schedule: StripeObject) -> Iterable[Section]:
        """Phases with their items and discounts."""
        yield Facts(
            "Details",
            [
                ("Customer", self.cells.link("customer", schedule["customer"])),
                ("Subscription", self.cells.link("subscription", schedule["subscription"])),
                (
                    "Released subscription",
                    self.cells.link("subscription", schedule["released_subscription"]),
                ),
                ("When it ends", Cell(schedule["end_behavior"])),
                ("Created", moment_cell(schedule["created"])),
                ("ID", Cell(schedule["id"], code=True)),
            ],
        )
        current = (schedule["current_phase"] or {}).get("start_date")
        for number, phase in enumerate(schedule["phases"], 1):
            now = ", now" if phase["start_date"] == current else ""
            yield Table(
                f"Phase {number}{now}",
                _between(phase["start_date"], phase["end_date"]),
                ("Applies to", "Price", "Quantity", "Discounts"),
                [
                    *(
                        (
                            self.cells.product_of(item["price"]),
                            Cell(self.cells.price(item["price"]), number=True),
                            Cell(str(item.get("quantity", "")), number=True),
                            self._phase_discounts(item["discounts"]),
                        )
                        for item in phase["items"]
                    ),
                    (
                        Cell("Whole phase"),
                        NOTHING,
                        NOTHING,
                        self._phase_discounts(phase["discounts"]),
                    ),
                ],
            )

    def _phase_discounts(self, entries: Sequence[StripeObject] | None) -> Cell:
        words = []
        for entry in entries or ():
            discount = self.cells.account.store.get("discount", entry["discount"] or "")
            coupon = self.cells.account.store.get("coupon", entry["coupon"] or "")
            if discount is not None:
                coupon = coupon_of(self.cells.account, discount)
            words.append(
                str(entry) if coupon is None else f"{name_of(coupon)} ({terms_of(coupon)})"
            )
        return Cell("; ".join(words)) if words else NOTHING

    def customer(self, customer: StripeObject) -> Iterable[Section]:
        """The customer's discount and subscriptions."""
        discounts = [customer["_discount"]] if customer["_discount"] else []
        yield Facts(
            "Details",
            [
                ("Name", Cell(customer["name"] or "")),
                ("Created", moment_cell(customer["created"])),
                ("ID", Cell(customer["id"], code=True)),
            ],
        )
        yield Table(
            "Discount of the customer",
            "Counts for subscriptions that have none of their own",
            ("Applies to", "Coupon", "Terms", "Since", "Until", "Discount"),
            [self._discount_row(Cell("Customer"), one) for one in discounts],
            empty="No discount.",
        )
        store = self.cells.account.store
        for kind in ("subscription", "subscription_schedule", "invoice"):
            things = store.having(kind, "customer", customer["id"])[::-1][:MOST_SHOWN]
            yield self.cells.table(kind, things, f"{kind.replace('_', ' ').capitalize()}s")

    def invoice(self, invoice: StripeObject) -> Iterable[Section]:
        """Lines with their discounts."""
        yield Facts(
            "Details",
            [
                ("Customer", self.cells.link("customer", invoice["customer"])),
                ("Subscription", self.cells.link("subscription", invoice.get("_subscription"))),
                ("Created", moment_cell(invoice["created"])),
                ("ID", Cell(invoice["id"], code=True)),
            ],
        )
        yield from self._lines("Lines", invoice)

    def _lines(self, heading: str, invoice: Mapping[str, Any]) -> Iterable[Section]:
        code = invoice["currency"]
        rows = []
        for line in invoice["lines"]["data"]:
            off = sum(one["amount"] for one in line["discount_amounts"] or ())
            rows.append(
                (
                    Cell(line["description"] or line["id"]),
                    Cell(money(line["amount"], code), number=True),
                    Cell(money(-off, code), number=True) if off else NOTHING,
                    Cell(money(line["amount"] - off, code), number=True),
                )
            )
        off = sum(one["amount"] for one in invoice["total_discount_amounts"] or ())
        rows.append(
            (
                Cell("Total"),
                Cell(money(invoice["subtotal"], code), number=True),
                Cell(money(-off, code), number=True) if off else NOTHING,
                Cell(money(invoice["total"], code), number=True),
            )
        )
        yield Table(
            heading,
            _between(invoice["period_start"], invoice["period_end"]),
            ("Line", "Amount", "Discounts", "To pay"),
            rows,
        )

    def product(self, product: StripeObject) -> Iterable[Section]:
        """Its prices."""
        prices = self.cells.account.store.having("price", "product", product["id"])
        yield Table(
            "Prices",
            "What it costs",
            ("Price", "Amount"),
            [(Cell(one["id"], code=True), Cell(self.cells.price(one["id"]))) for one in prices],
            empty="No price.",
        )


def _between(start: int | None, end: int | None) -> str:
    return f"From {moment_cell(start).text} to {moment_cell(end).text}"
