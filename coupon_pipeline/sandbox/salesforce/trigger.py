"""The package's trigger: an order's activation writes its coupons down as order coupons.

"When a Salesforce order activates, the connector serializes the Quote Stripe Coupon onto the
corresponding order or order line": https://docs.stripe.com/connectors/salesforce-cpq/coupons.
How it fails is not documented; every way is a switch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.salesforce.store import Row, Store
from coupon_pipeline.sandbox.salesforce.users import User
from coupon_pipeline.sandbox.salesforce.writing import Writer
from coupon_pipeline.sandbox.switches import Switches

Mode: TypeAlias = Literal["works", "fails_silently", "partial", "absent", "late"]

_COPIED = (
    "Name__c",
    "Amount_Off__c",
    "Percent_Off__c",
    "Duration__c",
    "Duration_In_Months__c",
    "Max_Redemptions__c",
)


@dataclass(frozen=True, slots=True)
class _Late:
    due: datetime
    order_id: str
    user: User


class ActivationTrigger:
    """Runs after orders were updated. Its failures are never seen by the one who updated."""

    def __init__(self, store: Store, writer: Writer, clock: Clock, switches: Switches) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._switches = switches
        self._late: list[_Late] = []
        self.modes: dict[str, Mode] = {}
        """How it behaves for one order, whatever the switch says."""
        self.delay = timedelta(minutes=1)
        self.failures: list[str] = []
        """Orders for which it ran and wrote nothing, as only the package's log would tell."""

    def __call__(self, user: User, orders: Sequence[tuple[Row, Row]]) -> None:
        """Orders that went from the label Draft to the label Activated and have a quote."""
        activated = [
            after
            for before, after in orders
            if before.get("Status") == "Draft"
            and after.get("Status") == "Activated"
            and after.get("SBQQ__Quote__c")
        ]
        if self._switches.salesforce_orders_activated_together == "last_only":
            activated = list({row["SBQQ__Quote__c"]: row for row in activated}.values())
        for order in activated:
            order_id = str(order["Id"])
            mode = self.modes.get(order_id, self._switches.salesforce_activation_trigger)
            if mode == "late":
                self._late.append(_Late(self._clock.now() + self.delay, order_id, user))
            elif mode == "fails_silently":
                self.failures.append(order_id)
            elif mode != "absent":
                self._serialise(order, user, self._clock.now(), half=mode == "partial")

    def settle(self, now: datetime) -> None:
        """Write what was late and is due."""
        if not self._late:
            return
        due = [late for late in self._late if late.due <= now]
        self._late = [late for late in self._late if late.due > now]
        for late in due:
            order = self._store["Order"].live(late.order_id)
            # the update may have been taken back meanwhile, or the order be a draft again
            if order is not None and order.get("StatusCode") == "Activated":
                self._serialise(order, late.user, late.due, half=False)

    def _serialise(self, order: Row, user: User, at: datetime, *, half: bool) -> None:
        present = set(self._present(order))
        if present and self._switches.salesforce_order_coupons_present == "skip_order":
            return
        copies = list(self._copies(order))
        if half:
            copies = copies[: len(copies) // 2]
        for coupon, place in copies:
            if (place.get("Order__c"), place.get("Order_Item__c"), coupon["Id"]) in present:
                continue
            values: Row = {key: coupon.get(key) for key in _COPIED}
            values |= place
            values["Quote_Stripe_Coupon_Id__c"] = coupon["Id"]
            copies_currency = self._switches.salesforce_copied_currency == "coupons"
            if copies_currency and "CurrencyIsoCode" in coupon:
                values["CurrencyIsoCode"] = coupon["CurrencyIsoCode"]
            self._writer.insert_as_package("Order_Stripe_Coupon__c", values, user, at)

    def _present(self, order: Row) -> Iterator[tuple[object, object, object]]:
        coupons = self._store["Order_Stripe_Coupon__c"]
        rows = list(coupons.where("Order__c", order["Id"]))
        for item in self._store["OrderItem"].where("OrderId", order["Id"]):
            rows.extend(coupons.where("Order_Item__c", item["Id"]))
        for row in rows:
            yield row.get("Order__c"), row.get("Order_Item__c"), row["Quote_Stripe_Coupon_Id__c"]

    def _copies(self, order: Row) -> Iterator[tuple[Row, Row]]:
        """Each coupon of the order's quote and quote lines, with where its copy goes."""
        quote_id = order["SBQQ__Quote__c"]
        for association in self._store["Quote_Stripe_Coupon_Association__c"].where(
            "Quote__c", quote_id
        ):
            coupon = self._coupon(association)
            if coupon is not None:
                yield coupon, {"Order__c": order["Id"]}
        for line in self._store["SBQQ__QuoteLine__c"].where("SBQQ__Quote__c", quote_id):
            item = self._item(line, order)
            if item is None:
                continue
            for association in self._store["Quote_Line_Stripe_Coupon_Association__c"].where(
                "Quote_Line__c", line["Id"]
            ):
                coupon = self._coupon(association)
                if coupon is not None:
                    yield coupon, {"Order_Item__c": item["Id"]}

    def _coupon(self, association: Row) -> Row | None:
        return self._store["Quote_Stripe_Coupon__c"].live(
            str(association.get("Quote_Stripe_Coupon__c"))
        )

    def _item(self, line: Row, order: Row) -> Row | None:
        items = list(self._store["OrderItem"].where("SBQQ__QuoteLine__c", line["Id"]))
        if self._switches.salesforce_line_coupons_go_to == "item_of_order":
            items = [item for item in items if item["OrderId"] == order["Id"]]
        return items[-1] if items else None
