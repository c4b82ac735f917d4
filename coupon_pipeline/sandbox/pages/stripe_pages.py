"""Stripe's side for people, at the addresses of its dashboard with or without `/test`.

Addresses: `/coupons/{id}`, `/subscriptions/{id}`, `/subscription_schedules/{id}`,
`/customers/{id}`, `/invoices/{id}`; lists without the id. A leading `/acct_...` is accepted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from coupon_pipeline.sandbox.pages.controls import CONTROL_MENU, control_routes
from coupon_pipeline.sandbox.pages.view import (
    NOTHING,
    Cell,
    Facts,
    Frame,
    Page,
    Paging,
    Section,
    Table,
    Tone,
    render,
)
from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.currencies import table as currencies
from coupon_pipeline.sandbox.stripe.rendering import coupon_of, shown
from coupon_pipeline.sandbox.stripe.store import StripeObject

if TYPE_CHECKING:  # the sandbox serves this module
    from coupon_pipeline.sandbox.serving import Sandbox

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
LATEST: Final = 10
MOST_SHOWN: Final = 100
GOOD: Final = frozenset({"active", "paid", "valid", "open"})
BAD: Final = frozenset({"canceled", "unpaid", "past_due", "not valid"})


def dashboard_section(object_id: str) -> str | None:
    """The dashboard's word for what an id is of, if its form tells."""
    for prefix, section in PREFIXES.items():
        if object_id.startswith(prefix):
            return section
    return None


def stripe_pages(sandbox: "Sandbox") -> ASGIApp:
    """All pages of the account."""
    site = _Site(sandbox)
    return Starlette(
        routes=[
            Route("/", site.home),
            *control_routes(sandbox, "stripe", site.frame),
            Route("/{path:path}", site.resource),
        ],
        exception_handlers={404: site.not_found},
    )


@dataclass(frozen=True)
class _Site:
    sandbox: "Sandbox"

    @property
    def _account(self) -> Account:
        return self.sandbox.stripe.account

    def frame(self, request: Request) -> Frame:
        """Header and footer."""
        menu = [Cell(_title(section), f"/test/{section}") for section in SECTIONS]
        return Frame(
            "stripe",
            "Stripe",
            [Cell("Home", "/"), *menu, *CONTROL_MENU],
            f"{self.sandbox.clock.now():%Y-%m-%d %H:%M:%S} UTC",
            request.url.path,
        )

    async def not_found(self, request: Request, _error: Exception) -> Response:
        """A page that says so."""
        page = Page("No such page", lead="There is nothing at this address.", status=404)
        return render(page, self.frame(request))

    async def home(self, request: Request) -> Response:
        """How many objects there are, and the latest subscriptions and coupons."""
        store = self._account.store
        counts = [
            (Cell(_title(section), f"/test/{section}"), Cell(f"{store.count(kind):,}", number=True))
            for section, kind in SECTIONS.items()
        ]
        page = Page(
            "The company's account",
            kicker=f"Account {self._account.account_id}, test mode",
            sections=(
                self._table("coupon", self._newest("coupon", LATEST), "Latest coupons"),
                self._table("subscription", self._newest("subscription", LATEST),
                            "Latest subscriptions"),
                Table("Objects", "Kinds of objects and how many there are of each",
                      ("Kind", "Objects"), counts),
            ),
        )
        return render(page, self.frame(request))

    async def resource(self, request: Request) -> Response:
        """A list, or one object with what belongs to it."""
        match [part for part in request.url.path.split("/") if part]:
            case [account, *rest] if account.startswith("acct_"):
                parts = rest
            case parts:
                pass
        if parts[:1] == ["test"]:
            parts = parts[1:]
        page = None
        if len(parts) == 1 and parts[0] in SECTIONS:
            page = self._list(parts[0], request.query_params.get("page"))
        elif len(parts) == 2 and parts[0] in SECTIONS:  # noqa: PLR2004 - section and id
            page = self._object(SECTIONS[parts[0]], parts[1])
        if page is None:
            return await self.not_found(request, LookupError())
        return render(page, self.frame(request))

    def _list(self, section: str, wanted: str | None) -> Page:
        kind = SECTIONS[section]
        paging = Paging.of(self._account.store.count(kind), wanted, f"/test/{section}")
        rows = self._newest(kind, paging.rows.stop)[paging.rows]
        table = self._table(kind, rows, _title(section), paging)
        return Page(_title(section), sections=(table,))

    def _newest(self, kind: str, most: int) -> list[StripeObject]:
        return list(islice(self._account.store.older(kind), most))

    def _object(self, kind: str, object_id: str) -> Page | None:
        thing = self._account.store.get(kind, object_id)
        if thing is None:
            return None
        section = next(word for word, one in SECTIONS.items() if one == kind)
        return Page(
            _name(thing),
            kicker=kind.replace("_", " ").capitalize(),
            badge=self._badge(kind, thing),
            trail=(
                Cell("Home", "/"),
                Cell(_title(section), f"/test/{section}"),
                Cell(object_id, code=True),
            ),
            sections=list(self._sections(kind, thing)),
        )

    def _sections(self, kind: str, thing: StripeObject) -> Iterable[Section]:
        describe = {
            "coupon": self._coupon,
            "subscription": self._subscription,
            "subscription_schedule": self._schedule,
            "customer": self._customer,
            "invoice": self._invoice,
            "product": self._product,
        }
        yield from describe[kind](thing)
        metadata = thing.get("metadata") or {}
        if metadata:
            yield Facts("Metadata", [(key, _metadata(metadata[key])) for key in metadata])

    def _badge(self, kind: str, thing: StripeObject) -> Cell | None:
        if thing.get("deleted"):
            return Cell("deleted", tone="warn")
        if kind == "coupon":
            valid = shown(self._account, kind, thing)["valid"]
            return _status("valid" if valid else "not valid")
        return _status(thing["status"]) if "status" in thing else None

    # one kind after the other

    def _coupon(self, coupon: StripeObject) -> Iterable[Section]:
        options = coupon.get("currency_options") or {}
        products = (coupon.get("applies_to") or {}).get("products") or ()
        limit = coupon["max_redemptions"]
        yield Facts(
            "Terms",
            [
                ("Discount", Cell(_terms(coupon))),
                ("Duration", Cell(_duration(coupon))),
                ("Redeemed", Cell(f"{coupon['times_redeemed']:,}")),
                ("Redemptions at most", NOTHING if limit is None else Cell(f"{limit:,}")),
                ("Redeem by", _moment(coupon["redeem_by"])),
                *(
                    (f"In {code}", Cell(money(options[code]["amount_off"], code)))
                    for code in options
                ),
                *(("Applies to", self._link("product", product)) for product in products),
                ("Created", _moment(coupon["created"])),
                ("ID", Cell(coupon["id"], code=True)),
            ],
        )
        made = [
            discount
            for discount in self._account.store.older("discount")
            if discount["source"]["coupon"] == coupon["id"]
        ]
        yield Table(
            "Discounts",
            "Where the coupon has been applied, the newest first",
            ("Discount", "Subscription", "Customer", "Since", "Until"),
            [
                (
                    Cell(discount["id"], code=True),
                    self._link("subscription", discount["subscription"]),
                    self._link("customer", discount["customer"]),
                    _moment(discount["start"]),
                    _moment(discount["end"]),
                )
                for discount in made[:MOST_SHOWN]
            ],
            empty="It has not been applied.",
        )

    def _subscription(self, subscription: StripeObject) -> Iterable[Section]:
        items = self._items(subscription)
        start = min((item["current_period_start"] for item in items), default=None)
        end = min((item["current_period_end"] for item in items), default=None)
        yield Facts(
            "Details",
            [
                ("Customer", self._link("customer", subscription["customer"])),
                ("Currency", Cell(subscription["currency"].upper())),
                ("Current period from", _moment(start)),
                ("to", _moment(end)),
                ("Schedule", self._link("subscription_schedule", subscription["schedule"])),
                ("Created", _moment(subscription["created"])),
                ("Canceled", _moment(subscription["canceled_at"])),
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
        if subscription["status"] != "canceled":
            preview = self.sandbox.stripe.preview_invoice(subscription["id"])
            yield from self._lines("Next invoice", preview)
        invoices = self._account.store.having("invoice", "_subscription", subscription["id"])
        yield self._table("invoice", invoices[::-1], "Invoices so far")

    def _items(self, subscription: StripeObject) -> list[StripeObject]:
        found = (self._account.store.get("subscription_item", one) for one in subscription["_items"])
        return [item for item in found if item is not None]

    def _item_row(self, item: StripeObject) -> Sequence[Cell]:
        order_item = item["metadata"].get("salesforce_order_item_id")
        return (
            self._product_of(item["price"]),
            Cell(self._price(item["price"]), number=True),
            Cell(str(item.get("quantity", "")), number=True),
            Cell(str(len(item["discounts"])), number=True),
            self._salesforce_link(order_item),
            Cell(item["id"], code=True),
        )

    def _discounts(self, subscription: StripeObject, items: Sequence[StripeObject]) -> Table:
        """Item by item, then the subscription's own, as they are reckoned; then the customer's."""
        rows = []
        for item in items:
            where = self._product_of(item["price"])
            rows += [self._discount_row(where, one) for one in item["discounts"]]
        whole = Cell("Whole subscription")
        rows += [self._discount_row(whole, one) for one in subscription["discounts"]]
        customer = self._account.store.get("customer", subscription["customer"])
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
        discount = self._account.store.get("discount", discount_id)
        coupon = None if discount is None else coupon_of(self._account, discount)
        if discount is None or coupon is None:
            return (where, NOTHING, NOTHING, NOTHING, NOTHING, Cell(discount_id, code=True))
        return (
            where,
            Cell(_name(coupon), f"/test/coupons/{coupon['id']}"),
            Cell(f"{_terms(coupon)}, {_duration(coupon)}"),
            _moment(discount["start"]),
            _moment(discount["end"]),
            Cell(discount_id, code=True),
        )

    def _schedule(self, schedule: StripeObject) -> Iterable[Section]:
        yield Facts(
            "Details",
            [
                ("Customer", self._link("customer", schedule["customer"])),
                ("Subscription", self._link("subscription", schedule["subscription"])),
                ("Released subscription",
                 self._link("subscription", schedule["released_subscription"])),
                ("When it ends", Cell(schedule["end_behavior"])),
                ("Created", _moment(schedule["created"])),
                ("ID", Cell(schedule["id"], code=True)),
            ],
        )
        current = (schedule["current_phase"] or {}).get("start_date")
        for number, phase in enumerate(schedule["phases"], 1):
            now = ", now" if phase["start_date"] == current else ""
            yield Table(
                f"Phase {number}{now}",
                f"From {_moment(phase['start_date']).text} to {_moment(phase['end_date']).text}",
                ("Applies to", "Price", "Quantity", "Discounts"),
                [
                    *(
                        (
                            self._product_of(item["price"]),
                            Cell(self._price(item["price"]), number=True),
                            Cell(str(item.get("quantity", "")), number=True),
                            self._phase_discounts(item["discounts"]),
                        )
                        for item in phase["items"]
                    ),
                    (Cell("Whole phase"), NOTHING, NOTHING,
                     self._phase_discounts(phase["discounts"])),
                ],
            )

    def _phase_discounts(self, entries: Sequence[StripeObject] | None) -> Cell:
        words = []
        for entry in entries or ():
            discount = self._account.store.get("discount", entry["discount"] or "")
            coupon = self._account.store.get("coupon", entry["coupon"] or "")
            if discount is not None:
                coupon = coupon_of(self._account, discount)
            words.append(str(entry) if coupon is None else f"{_name(coupon)} ({_terms(coupon)})")
        return Cell("; ".join(words)) if words else NOTHING

    def _customer(self, customer: StripeObject) -> Iterable[Section]:
        discounts = [customer["_discount"]] if customer["_discount"] else []
        yield Facts(
            "Details",
            [
                ("Name", Cell(customer["name"] or "")),
                ("Created", _moment(customer["created"])),
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
        store = self._account.store
        for kind in ("subscription", "subscription_schedule", "invoice"):
            things = store.having(kind, "customer", customer["id"])[::-1][:MOST_SHOWN]
            yield self._table(kind, things, f"{kind.replace('_', ' ').capitalize()}s")

    def _invoice(self, invoice: StripeObject) -> Iterable[Section]:
        yield Facts(
            "Details",
            [
                ("Customer", self._link("customer", invoice["customer"])),
                ("Subscription", self._link("subscription", invoice.get("_subscription"))),
                ("Created", _moment(invoice["created"])),
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
            f"From {_moment(invoice['period_start']).text} to {_moment(invoice['period_end']).text}",
            ("Line", "Amount", "Discounts", "To pay"),
            rows,
        )

    def _product(self, product: StripeObject) -> Iterable[Section]:
        prices = self._account.store.having("price", "product", product["id"])
        yield Table(
            "Prices",
            "What it costs",
            ("Price", "Amount"),
            [(Cell(one["id"], code=True), Cell(self._price(one["id"]))) for one in prices],
            empty="No price.",
        )

    # lists and links

    def _table(
        self, kind: str, things: Sequence[StripeObject], heading: str, paging: Paging | None = None
    ) -> Table:
        columns: dict[str, Callable[[StripeObject], Cell]] = {
            "Created": lambda thing: _moment(thing["created"]),
        }
        if "customer" in (things[0] if things else ()):
            columns["Customer"] = lambda thing: self._link("customer", thing["customer"])
        if kind == "coupon":
            columns["Terms"] = lambda coupon: Cell(f"{_terms(coupon)}, {_duration(coupon)}")
            columns["Redeemed"] = lambda coupon: Cell(f"{coupon['times_redeemed']:,}", number=True)
        if kind == "subscription":
            columns["Discounts"] = lambda thing: Cell(self._discount_count(thing), number=True)
        if kind == "invoice":
            columns["Total"] = lambda thing: Cell(money(thing["total"], thing["currency"]))
        if "status" in (things[0] if things else ()):
            columns["Status"] = lambda thing: _status(thing["status"])
        if kind != "customer":
            columns["Order"] = lambda thing: self._salesforce_link(
                (thing.get("metadata") or {}).get("salesforce_order_id")
            )
        shown_columns = {
            name: make
            for name, make in columns.items()
            if name != "Order" or kind in ("subscription", "subscription_schedule")
        }
        return Table(
            heading,
            "The newest first",
            (kind.replace("_", " ").capitalize(), *shown_columns),
            [
                (self._link(kind, thing["id"]), *(make(thing) for make in shown_columns.values()))
                for thing in things
            ],
            empty="None so far.",
            paging=paging,
        )

    def _discount_count(self, subscription: StripeObject) -> str:
        items = sum(len(item["discounts"]) for item in self._items(subscription))
        return str(len(subscription["discounts"]) + items)

    def _link(self, kind: str, object_id: str | None) -> Cell:
        if object_id is None:
            return NOTHING
        thing = self._account.store.get(kind, object_id)
        section = next(word for word, one in SECTIONS.items() if one == kind)
        if thing is None:
            return Cell(object_id, code=True, tone="warn")
        return Cell(_name(thing), f"/test/{section}/{object_id}", code=_name(thing) == object_id)

    def _salesforce_link(self, record_id: str | None) -> Cell:
        if record_id is None:
            return NOTHING
        return Cell(record_id, f"{self.sandbox.addresses.salesforce_url}/{record_id}", code=True)

    def _product_of(self, price_id: str) -> Cell:
        price = self._account.store.get("price", price_id)
        return NOTHING if price is None else self._link("product", price["product"])

    def _price(self, price_id: str) -> str:
        price = self._account.store.get("price", price_id)
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


def _name(thing: StripeObject) -> str:
    return str(thing.get("name") or thing["id"])


def _title(section: str) -> str:
    return section.replace("_", " ").capitalize()


def _terms(coupon: StripeObject) -> str:
    if coupon["percent_off"] is not None:
        return f"{Decimal(str(coupon['percent_off'])):f} % off"
    return f"{money(coupon['amount_off'], coupon['currency'])} off"


def _duration(coupon: StripeObject) -> str:
    if coupon["duration"] == "repeating":
        return f"for {coupon['duration_in_months']} months"
    return str(coupon["duration"])


def _moment(stamp: int | None) -> Cell:
    if stamp is None:
        return NOTHING
    return Cell(f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d %H:%M}")


def _status(status: str) -> Cell:
    tone: Tone = "good" if status in GOOD else "warn" if status in BAD else "plain"
    return Cell(status.replace("_", " "), tone=tone)


def _metadata(value: str) -> Cell:
    local = value.startswith("http://127.0.0.1:")
    return Cell(value, value if local else None, code=True)
