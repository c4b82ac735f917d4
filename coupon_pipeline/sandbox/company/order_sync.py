"""What the connector's order sync does: a Stripe subscription for each activated order.

https://docs.stripe.com/connectors/salesforce-cpq/subscriptions
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from coupon_pipeline.sandbox.company.tables import CompanyTables, Target
from coupon_pipeline.sandbox.journal import JsonValue
from coupon_pipeline.sandbox.salesforce.store import Row

if TYPE_CHECKING:  # the sandbox fills itself with this module
    from coupon_pipeline.sandbox.serving import Sandbox

Parameters: TypeAlias = dict[str, JsonValue]

ZERO_DECIMAL: Final = frozenset({"JPY"})
NOT_ON_STRIPE: Final = frozenset({"GHS"})
ORDER_ID_KEY: Final = "salesforce_order_id"
ITEM_ID_KEY: Final = "salesforce_order_item_id"
TERM_MONTHS: Final = 12
DAYS_UNTIL_DUE: Final = 30
INVOICED: Final[Parameters] = {
    "collection_method": "send_invoice",
    "days_until_due": DAYS_UNTIL_DUE,
}
FUTURE_START: Final = timedelta(days=60)
ONE_TIME_INVOICE: Final = "invoice"
ELSEWHERE: Final = "elsewhere"


def link_metadata(instance_url: str, name: str, record_id: str) -> dict[str, str]:
    """The metadata by which objects of the two services name each other."""
    return {
        f"salesforce_{name}_id": record_id,
        f"salesforce_{name}_link": f"{instance_url}/{record_id}",
    }


def create_prices(sandbox: "Sandbox", tables: CompanyTables) -> dict[tuple[str, str], str]:
    """Stripe's products and prices; returns the price ids by product key and currency."""
    ids: dict[tuple[str, str], str] = {}
    for product in tables.products:
        made = sandbox.stripe.create("product", {"id": f"prod_{product.key}", "name": product.name})
        for currency, price in product.prices.items():
            if currency in NOT_ON_STRIPE:
                continue
            parameters: Parameters = {
                "product": made["id"],
                "currency": currency.lower(),
                "unit_amount": price * (1 if currency in ZERO_DECIMAL else 100),
            }
            if not product.one_time:
                parameters["recurring"] = {"interval": "month"}
            ids[product.key, currency] = str(sandbox.stripe.create("price", parameters)["id"])
    return ids


class OrderSync:
    """Gives orders what they should have in Stripe, through the services' own code."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._stripe = sandbox.stripe
        self._salesforce = sandbox.salesforce
        self._link = sandbox.addresses.salesforce_url
        self._made: dict[Target, Callable[[Row], None]] = {
            "subscription": self._subscription,
            "none": self._nothing_yet,
            "schedule": self._schedule,
            "scheduled_subscription": self._scheduled_subscription,
            "future_schedule": self._future_schedule,
            "foreign_discount": self._with_foreign_discount,
            "customer_discount": self._with_customer_discount,
            "item_missing": self._without_last_item,
            "canceled": self._canceled,
            "invoice": self._invoice,
            "unknown": self._of_another_account,
        }

    def sync(self, order_id: str, target: Target = "subscription") -> None:
        """Make what `target` says for an order and write the Stripe ids back."""
        order = self._salesforce.get("Order", order_id)
        if order is None:
            raise LookupError(order_id)
        self._made[target](order)

    def can_sync(self, order_id: str) -> bool:
        """Whether all prices of the order exist in Stripe."""
        return all(self._price(item) for item in self._items(order_id))

    def _items(self, order_id: str) -> list[Row]:
        return self._salesforce.where("OrderItem", "OrderId", order_id)

    def _price(self, item: Row) -> str | None:
        entry = self._salesforce.get("PricebookEntry", str(item["PricebookEntryId"]))
        price = None if entry is None else entry.get("Stripe_ID__c")
        return None if price is None else str(price)

    def _customer(self, order: Row) -> str:
        account_id = str(order["AccountId"])
        account = self._salesforce.get("Account", account_id)
        if account is None:
            raise LookupError(account_id)
        if account.get("Stripe_ID__c"):
            return str(account["Stripe_ID__c"])
        made = self._stripe.create(
            "customer",
            {"name": str(account["Name"]), "metadata": self._metadata("account", account_id)},
        )
        self._salesforce.update("Account", account_id, {"Stripe_ID__c": str(made["id"])})
        return str(made["id"])

    def _metadata(self, name: str, record_id: str) -> Parameters:
        return {**link_metadata(self._link, name, record_id)}

    def _lines(self, items: Iterable[Row]) -> list[JsonValue]:
        return [
            {
                "price": self._price(item),
                "quantity": int(Decimal(str(item["Quantity"]))),
                "metadata": self._metadata("order_item", str(item["Id"])),
            }
            for item in items
        ]

    def _nothing_yet(self, order: Row) -> None:
        """Its turn has not come."""

    def _subscription(self, order: Row) -> None:
        self._subscribe(order, self._items(str(order["Id"])))

    def _subscribe(self, order: Row, items: Sequence[Row], **more: JsonValue) -> str:
        order_id = str(order["Id"])
        made = self._stripe.create(
            "subscription",
            {
                "customer": self._customer(order),
                "items": self._lines(items),
                "metadata": self._metadata("order", order_id),
                **INVOICED,
                **more,
            },
        )
        self._write_back(order_id, str(made["id"]), str(made["id"]))
        return str(made["id"])

    def _schedule(self, order: Row) -> None:
        schedule, _ = self._scheduled(order, self._now())
        self._salesforce.update("Order", str(order["Id"]), {"Stripe_ID__c": schedule})

    def _scheduled_subscription(self, order: Row) -> None:
        self._scheduled(order, self._now())

    def _future_schedule(self, order: Row) -> None:
        self._scheduled(order, self._now() + FUTURE_START)

    def _now(self) -> datetime:
        return self._sandbox.clock.now()

    def _scheduled(self, order: Row, start: datetime) -> tuple[str, str | None]:
        order_id = str(order["Id"])
        made = self._stripe.create(
            "subscription_schedule",
            {
                "customer": self._customer(order),
                "start_date": int(start.timestamp()),
                "end_behavior": "release",
                "metadata": self._metadata("order", order_id),
                "phases": [
                    {
                        "items": self._lines(self._items(order_id)),
                        "duration": {"interval": "month", "interval_count": TERM_MONTHS},
                        "metadata": self._metadata("order", order_id),
                        "collection_method": "send_invoice",
                        "invoice_settings": {"days_until_due": DAYS_UNTIL_DUE},
                    }
                ],
            },
        )
        subscription = made["subscription"]
        if subscription is None:
            self._write_back(order_id, str(made["id"]), None)
            return str(made["id"]), None
        self._write_back(order_id, str(subscription), str(subscription))
        return str(made["id"]), str(subscription)

    def _with_foreign_discount(self, order: Row) -> None:
        coupon = self._coupon_by_hand("HANDSHAKE-5", "Handshake 5 %", "5")
        items = self._items(str(order["Id"]))
        self._subscribe(order, items, discounts=[{"coupon": coupon}])

    def _with_customer_discount(self, order: Row) -> None:
        coupon = self._coupon_by_hand("FOUNDERS-3", "Founders 3 %", "3")
        self._stripe.set_customer_discount(self._customer(order), coupon)
        self._subscription(order)

    def _coupon_by_hand(self, coupon_id: str, name: str, percent: str) -> str:
        if self._stripe.get("coupon", coupon_id) is None:
            self._stripe.create(
                "coupon",
                {"id": coupon_id, "name": name, "percent_off": percent, "duration": "forever"},
            )
        return coupon_id

    def _without_last_item(self, order: Row) -> None:
        self._subscribe(order, self._items(str(order["Id"]))[:-1])

    def _canceled(self, order: Row) -> None:
        subscription = self._subscribe(order, self._items(str(order["Id"])))
        self._stripe.cancel(subscription)

    def _invoice(self, order: Row) -> None:
        self._customer(order)
        self._name(order, "in_1", ONE_TIME_INVOICE)

    def _of_another_account(self, order: Row) -> None:
        self._name(order, "sub_1", ELSEWHERE)

    def _name(self, order: Row, prefix: str, salt: str) -> None:
        """Write an id that this account has no object for."""
        digest = hashlib.sha256(f"{salt}/{order['Id']}".encode()).hexdigest()[:22]
        self._salesforce.update("Order", str(order["Id"]), {"Stripe_ID__c": prefix + digest})

    def _write_back(self, order_id: str, stripe_id: str, subscription: str | None) -> None:
        """Put the Stripe ids on the order and, recognised by their metadata, on its items."""
        self._salesforce.update("Order", order_id, {"Stripe_ID__c": stripe_id})
        if subscription is None:
            return
        for item in self._stripe.items_of(subscription):
            item_id = str(item["metadata"][ITEM_ID_KEY])
            self._salesforce.update("OrderItem", item_id, {"Stripe_ID__c": str(item["id"])})


def sync_orders(sandbox: "Sandbox") -> int:
    """Give every activated order without a Stripe id its subscription; returns how many got one.

    An order with a price that Stripe cannot have stays as it is.
    """
    order_sync = OrderSync(sandbox)
    waiting = [
        str(order["Id"])
        for order in sandbox.salesforce.where("Order", "StatusCode", "Activated")
        if not order.get("Stripe_ID__c") and order_sync.can_sync(str(order["Id"]))
    ]
    for order_id in waiting:
        order_sync.sync(order_id)
    return len(waiting)
