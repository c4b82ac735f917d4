"""The company's records in Salesforce, up to the draft order, written in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from coupon_pipeline.sandbox.company.catalogue import Catalogue
from coupon_pipeline.sandbox.company.deals import Customer, Deal
from coupon_pipeline.sandbox.company.desk import (
    LINE_ASSOCIATION,
    ORDER_COUPON,
    QUOTE_ASSOCIATION,
    Desk,
    Record,
    stamp,
    terms,
)
from coupon_pipeline.sandbox.company.tables import CouponRow

TERM_MONTHS: Final = 12
SYNC_DELAY: Final = timedelta(minutes=3)
"""How long after activation the connector's next poll has done its work."""


@dataclass
class WrittenDeal:
    """A deal and the ids of its records. Associations are keyed by the coupon's key."""

    deal: Deal
    account_id: str
    quote_id: str
    line_ids: list[str]
    order_id: str
    item_ids: list[str]
    association_ids: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Coupon key to object name and id of the association."""


@dataclass(frozen=True)
class StripeIds:
    """What an order that was synced long ago has in Stripe."""

    customer: str
    subscription: str
    items: tuple[str, ...]


@dataclass
class Org:
    """Writes one object after the other and remembers the ids."""

    desk: Desk
    catalogue: Catalogue
    settled: Mapping[int, StripeIds] = field(default_factory=dict)
    """By deal: orders that are written as activated and synced, not as drafts."""
    accounts: dict[int, str] = field(default_factory=dict)

    def write_deals(self, deals: Sequence[Deal]) -> list[WrittenDeal]:
        """Accounts, opportunities, quotes with lines and associations, and draft orders."""
        self._write_accounts(deals)
        quotes = self._write_quotes(deals)
        line_deals = [(deal, index) for deal in deals for index in range(len(deal.lines))]
        places = {deal.number: place for place, deal in enumerate(deals)}
        lines = self.desk.insert(
            "SBQQ__QuoteLine__c",
            (
                (deal.quoted_at, self._quote_line(deal, index, quotes[places[deal.number]]))
                for deal, index in line_deals
            ),
        )
        orders = self.desk.insert(
            "Order",
            (
                (deal.ordered_at, self._order(deal, quote))
                for deal, quote in zip(deals, quotes, strict=True)
            ),
        )
        items = self.desk.insert(
            "OrderItem",
            (
                (deal.ordered_at, self._item(deal, index, orders[places[deal.number]], line))
                for (deal, index), line in zip(line_deals, lines, strict=True)
            ),
        )
        written = []
        start = 0
        for deal, quote, order in zip(deals, quotes, orders, strict=True):
            end = start + len(deal.lines)
            account = self.accounts[deal.customer.number]
            written.append(
                WrittenDeal(deal, account, quote, lines[start:end], order, items[start:end])
            )
            start = end
        self._associate(written)
        return written

    def _write_accounts(self, deals: Sequence[Deal]) -> None:
        first: dict[int, Deal] = {}
        for deal in deals:
            if deal.customer.number not in self.accounts:
                first.setdefault(deal.customer.number, deal)
        ids = self.desk.insert(
            "Account",
            (
                (deal.quoted_at - timedelta(days=7), self._account(deal.customer, deal.number))
                for deal in first.values()
            ),
        )
        self.accounts.update(zip(first, ids, strict=True))

    def _account(self, customer: Customer, number: int) -> Record:
        domain = customer.name.lower().replace(" ", "-").replace(".", "")
        return {
            "Name": customer.name,
            "Type": "Customer - Direct",
            "BillingCity": customer.city,
            "BillingCountry": customer.market.country,
            "Website": f"https://{domain}.example",
            "Stripe_ID__c": self.settled[number].customer if number in self.settled else None,
            **self.desk.currency(customer.market.currency),
        }

    def _write_quotes(self, deals: Sequence[Deal]) -> list[str]:
        opportunities = self.desk.insert(
            "Opportunity",
            (
                (
                    deal.quoted_at - timedelta(days=3),
                    {
                        "Name": f"{deal.customer.name}: Insight",
                        "AccountId": self.accounts[deal.customer.number],
                        "StageName": "Closed Won",
                        "CloseDate": f"{deal.ordered_at:%Y-%m-%d}",
                        "Pricebook2Id": self.catalogue.pricebook,
                        "OwnerId": self.catalogue.users[deal.sales_person],
                        **self.desk.currency(deal.currency),
                    },
                )
                for deal in deals
            ),
        )
        return self.desk.insert(
            "SBQQ__Quote__c",
            (
                (
                    deal.quoted_at,
                    {
                        "SBQQ__Account__c": self.accounts[deal.customer.number],
                        "SBQQ__Opportunity2__c": opportunity,
                        "SBQQ__PricebookId__c": self.catalogue.pricebook,
                        "SBQQ__SalesRep__c": self.catalogue.users[deal.sales_person],
                        "SBQQ__Status__c": "Accepted",
                        "SBQQ__Type__c": "Quote",
                        "SBQQ__Primary__c": True,
                        "SBQQ__Ordered__c": True,
                        "SBQQ__StartDate__c": f"{deal.activated_at:%Y-%m-%d}",
                        "SBQQ__SubscriptionTerm__c": Decimal(TERM_MONTHS),
                        "OwnerId": self.catalogue.users[deal.sales_person],
                        **self.desk.currency(deal.currency),
                    },
                )
                for deal, opportunity in zip(deals, opportunities, strict=True)
            ),
        )

    def _price(self, deal: Deal, index: int) -> Decimal:
        product = deal.lines[index].product
        prices = next(one.prices for one in self.desk.tables.products if one.key == product)
        return Decimal(prices[deal.currency])

    def _quote_line(self, deal: Deal, index: int, quote: str) -> Record:
        line = deal.lines[index]
        price = self._price(deal, index)
        return {
            "SBQQ__Quote__c": quote,
            "SBQQ__Product__c": self.catalogue.products[line.product],
            "SBQQ__PricebookEntryId__c": self.catalogue.entries[line.product, deal.currency],
            "SBQQ__Number__c": Decimal(index + 1),
            "SBQQ__Quantity__c": Decimal(line.quantity),
            "SBQQ__ListPrice__c": price,
            "SBQQ__NetPrice__c": price,
            **self.desk.currency(deal.currency),
        }

    def _order(self, deal: Deal, quote: str) -> Record:
        return {
            "AccountId": self.accounts[deal.customer.number],
            "Name": f"{deal.customer.name} {deal.ordered_at:%b %Y}",
            "Pricebook2Id": self.catalogue.pricebook,
            "EffectiveDate": f"{deal.activated_at:%Y-%m-%d}",
            **self._state(deal),
            "Type": "New",
            "TotalAmount": sum(
                self._price(deal, index) * line.quantity for index, line in enumerate(deal.lines)
            ),
            "SBQQ__Quote__c": quote,
            "OwnerId": self.catalogue.users[deal.sales_person],
            **self.desk.currency(deal.currency),
        }

    def _state(self, deal: Deal) -> Record:
        if deal.number not in self.settled:
            return {"Status": "Draft", "StatusCode": "Draft"}
        synced = stamp(deal.activated_at + SYNC_DELAY)
        return {
            "LastModifiedDate": synced,
            "SystemModstamp": synced,
            "Status": "Activated",
            "StatusCode": "Activated",
            "ActivatedDate": stamp(deal.activated_at),
            "ActivatedById": self.catalogue.users[deal.sales_person],
            "Stripe_ID__c": self.settled[deal.number].subscription,
        }

    def _item(self, deal: Deal, index: int, order: str, quote_line: str) -> Record:
        line = deal.lines[index]
        price = self._price(deal, index)
        settled = self.settled.get(deal.number)
        return {
            "OrderId": order,
            "PricebookEntryId": self.catalogue.entries[line.product, deal.currency],
            "Product2Id": self.catalogue.products[line.product],
            "Quantity": Decimal(line.quantity),
            "UnitPrice": price,
            "ListPrice": price,
            "ServiceDate": f"{deal.activated_at:%Y-%m-%d}",
            "SBQQ__QuoteLine__c": quote_line,
            "SBQQ__ChargeType__c": "One-Time" if line.product == "onboarding" else "Recurring",
            "Stripe_ID__c": settled.items[index] if settled else None,
            **self.desk.currency(deal.currency),
        }

    def _associate(self, written: Sequence[WrittenDeal]) -> None:
        for object_name, parent_field, wanted in (
            (QUOTE_ASSOCIATION, "Quote__c", _of_quotes(written)),
            (LINE_ASSOCIATION, "Quote_Line__c", _of_lines(written)),
        ):
            rows = list(wanted)
            ids = self.desk.insert(
                object_name,
                (
                    (
                        # a minute apart: the order of stacking is the order of association
                        one.deal.quoted_at + timedelta(hours=1, minutes=place),
                        {
                            parent_field: parent,
                            "Quote_Stripe_Coupon__c": self.catalogue.coupons[coupon.key],
                            **self.desk.currency(one.deal.currency),
                        },
                    )
                    for one, place, parent, coupon in rows
                ),
            )
            for (one, _, _, coupon), association in zip(rows, ids, strict=True):
                one.association_ids[coupon.key] = (object_name, association)

    def serialise_coupons(self, written: Sequence[WrittenDeal], edited_at: datetime) -> None:
        """Order coupons of settled orders, as the trigger wrote them at activation."""
        places = [
            *((one, {"Order__c": one.order_id}, row) for one, _, _, row in _of_quotes(written)),
            *(
                (one, {"Order_Item__c": item}, coupon)
                for one in written
                for line, item in zip(one.deal.lines, one.item_ids, strict=True)
                for coupon in line.coupons
            ),
        ]
        self.desk.insert(
            ORDER_COUPON,
            (
                (
                    one.deal.activated_at,
                    {
                        **terms(coupon, edited=one.deal.activated_at >= edited_at),
                        **place,
                        "Quote_Stripe_Coupon_Id__c": self.catalogue.coupons[coupon.key],
                    },
                )
                for one, place, coupon in places
            ),
        )


def _of_quotes(written: Sequence[WrittenDeal]) -> Iterable[tuple[WrittenDeal, int, str, CouponRow]]:
    for one in written:
        for place, coupon in enumerate(one.deal.order_coupons):
            yield one, place, one.quote_id, coupon


def _of_lines(written: Sequence[WrittenDeal]) -> Iterable[tuple[WrittenDeal, int, str, CouponRow]]:
    for one in written:
        for line, line_id in zip(one.deal.lines, one.line_ids, strict=True):
            for place, coupon in enumerate(line.coupons):
                yield one, place, line_id, coupon
