"""The company's records in Salesforce, up to the draft order, written in bulk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from coupon_pipeline.sandbox.company.deals import HOME_CURRENCY, Customer, Deal
from coupon_pipeline.sandbox.company.tables import CompanyTables, CouponRow

FieldValue: TypeAlias = str | int | Decimal | bool | None
Record: TypeAlias = dict[str, FieldValue]

COUPON: Final = "Quote_Stripe_Coupon__c"
ORDER_COUPON: Final = "Order_Stripe_Coupon__c"
QUOTE_ASSOCIATION: Final = "Quote_Stripe_Coupon_Association__c"
LINE_ASSOCIATION: Final = "Quote_Line_Stripe_Coupon_Association__c"
TERM_MONTHS: Final = 12


class BulkInsert(Protocol):
    """What this module needs of the Salesforce service."""

    def insert(self, object_name: str, records: Iterable[Record]) -> list[str]:
        """Trusted and without triggers; returns the ids."""


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


@dataclass
class Org:
    """Writes one object after the other and remembers the ids."""

    salesforce: BulkInsert
    tables: CompanyTables
    multi_currency: bool
    since: datetime
    users: list[str] = field(default_factory=list)
    products: dict[str, str] = field(default_factory=dict)
    entries: dict[tuple[str, str], str] = field(default_factory=dict)
    coupons: dict[str, str] = field(default_factory=dict)
    accounts: dict[int, str] = field(default_factory=dict)
    pricebook: str = ""

    def write_catalogue(self, price_ids: Mapping[tuple[str, str], str]) -> None:
        """Users, products, prices (with the Stripe ids of theirs) and coupons."""
        self.users = self._insert(
            "User",
            self.since,
            (
                {
                    "FirstName": first,
                    "LastName": last,
                    "Name": f"{first} {last}",
                    "Username": f"{first}.{last}@insight.example".lower(),
                    "Email": f"{first}.{last}@insight.example".lower(),
                    "Alias": last[:8].lower(),
                    "UserType": "Standard",
                }
                for first, last in self.tables.sales_people
            ),
        )
        [self.pricebook] = self._insert(
            "Pricebook2",
            self.since,
            [{"Name": "Price list", "IsActive": True}],
        )
        self._write_products(price_ids)
        self._write_coupons()

    def _write_products(self, price_ids: Mapping[tuple[str, str], str]) -> None:
        sold = self.tables.products
        ids = self._insert(
            "Product2",
            self.since,
            (
                {
                    "Name": product.name,
                    "ProductCode": product.code,
                    "IsActive": True,
                    "Family": "Services" if product.one_time else "Software",
                    "SBQQ__ChargeType__c": "One-Time" if product.one_time else "Recurring",
                    "SBQQ__BillingFrequency__c": None if product.one_time else "Monthly",
                    "Stripe_ID__c": f"prod_{product.key}",
                }
                for product in sold
            ),
        )
        self.products = {product.key: one for product, one in zip(sold, ids, strict=True)}
        keys = [
            (product.key, currency)
            for product in sold
            for currency in product.prices
            if self.multi_currency or currency == HOME_CURRENCY
        ]
        prices = {product.key: product.prices for product in sold}
        entries = self._insert(
            "PricebookEntry",
            self.since,
            (
                {
                    "Pricebook2Id": self.pricebook,
                    "Product2Id": self.products[product],
                    "UnitPrice": Decimal(prices[product][currency]),
                    "IsActive": True,
                    "Stripe_ID__c": price_ids.get((product, currency)),
                }
                | self._in(currency)
                for product, currency in keys
            ),
        )
        self.entries = dict(zip(keys, entries, strict=True))

    def _write_coupons(self) -> None:
        campaigns = self._insert(
            "Campaign",
            self.since,
            (
                {"Name": name, "Status": "In Progress", "IsActive": True}
                for name in self.tables.campaigns.values()
            ),
        )
        ids = dict(zip(self.tables.campaigns, campaigns, strict=True))
        wanted = [
            coupon
            for coupon in self.tables.coupons
            if self.multi_currency or coupon.currency == HOME_CURRENCY
        ]
        records = (self._coupon(coupon, ids) for coupon in wanted)
        written = self._insert(COUPON, self.since, records)
        self.coupons = {coupon.key: one for coupon, one in zip(wanted, written, strict=True)}

    def _coupon(self, coupon: CouponRow, campaigns: Mapping[str, str]) -> Record:
        return {
            "Name__c": coupon.name,
            "Percent_Off__c": _decimal(coupon.percent_off),
            "Amount_Off__c": _decimal(coupon.amount_off),
            "Duration__c": coupon.duration,
            "Duration_In_Months__c": _decimal(coupon.months),
            "Max_Redemptions__c": _decimal(coupon.max_redemptions),
            "Campaign__c": campaigns[coupon.campaign] if coupon.campaign else None,
        } | self._in(coupon.currency)

    def write_deals(self, deals: Sequence[Deal]) -> list[WrittenDeal]:
        """Accounts, opportunities, quotes with lines and associations, and draft orders."""
        self._write_accounts(deals)
        quotes = self._write_quotes(deals)
        line_deals = [(deal, index) for deal in deals for index in range(len(deal.lines))]
        places = {deal.number: place for place, deal in enumerate(deals)}
        lines = self._insert_each(
            "SBQQ__QuoteLine__c",
            (
                (deal.quoted_at, self._quote_line(deal, index, quotes[places[deal.number]]))
                for deal, index in line_deals
            ),
        )
        orders = self._insert_each(
            "Order",
            (
                (deal.ordered_at, self._order(deal, quote))
                for deal, quote in zip(deals, quotes, strict=True)
            ),
        )
        items = self._insert_each(
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
        customers: dict[int, tuple[Customer, Deal]] = {}
        for deal in deals:
            customers.setdefault(deal.customer.number, (deal.customer, deal))
        ids = self._insert_each(
            "Account",
            (
                (deal.quoted_at - timedelta(days=7), self._account(customer))
                for customer, deal in customers.values()
            ),
        )
        self.accounts = dict(zip(customers, ids, strict=True))

    def _account(self, customer: Customer) -> Record:
        domain = customer.name.lower().replace(" ", "-").replace(".", "")
        return {
            "Name": customer.name,
            "Type": "Customer - Direct",
            "BillingCity": customer.city,
            "BillingCountry": customer.market.country,
            "Website": f"https://{domain}.example",
        } | self._in(customer.market.currency)

    def _write_quotes(self, deals: Sequence[Deal]) -> list[str]:
        opportunities = self._insert_each(
            "Opportunity",
            (
                (
                    deal.quoted_at - timedelta(days=3),
                    {
                        "Name": f"{deal.customer.name}: Insight",
                        "AccountId": self.accounts[deal.customer.number],
                        "StageName": "Closed Won",
                        "CloseDate": f"{deal.ordered_at:%Y-%m-%d}",
                        "Pricebook2Id": self.pricebook,
                        "OwnerId": self.users[deal.sales_person],
                    }
                    | self._in(deal.currency),
                )
                for deal in deals
            ),
        )
        return self._insert_each(
            "SBQQ__Quote__c",
            (
                (
                    deal.quoted_at,
                    {
                        "SBQQ__Account__c": self.accounts[deal.customer.number],
                        "SBQQ__Opportunity2__c": opportunity,
                        "SBQQ__PricebookId__c": self.pricebook,
                        "SBQQ__SalesRep__c": self.users[deal.sales_person],
                        "SBQQ__Status__c": "Accepted",
                        "SBQQ__Type__c": "Quote",
                        "SBQQ__Primary__c": True,
                        "SBQQ__Ordered__c": True,
                        "SBQQ__StartDate__c": f"{deal.activated_at:%Y-%m-%d}",
                        "SBQQ__SubscriptionTerm__c": Decimal(TERM_MONTHS),
                        "OwnerId": self.users[deal.sales_person],
                    }
                    | self._in(deal.currency),
                )
                for deal, opportunity in zip(deals, opportunities, strict=True)
            ),
        )

    def _price(self, deal: Deal, index: int) -> Decimal:
        product = deal.lines[index].product
        prices = next(one.prices for one in self.tables.products if one.key == product)
        return Decimal(prices[deal.currency])

    def _quote_line(self, deal: Deal, index: int, quote: str) -> Record:
        line = deal.lines[index]
        price = self._price(deal, index)
        return {
            "SBQQ__Quote__c": quote,
            "SBQQ__Product__c": self.products[line.product],
            "SBQQ__PricebookEntryId__c": self.entries[line.product, deal.currency],
            "SBQQ__Number__c": Decimal(index + 1),
            "SBQQ__Quantity__c": Decimal(line.quantity),
            "SBQQ__ListPrice__c": price,
            "SBQQ__NetPrice__c": price,
        } | self._in(deal.currency)

    def _order(self, deal: Deal, quote: str) -> Record:
        return {
            "AccountId": self.accounts[deal.customer.number],
            "Name": f"{deal.customer.name} {deal.ordered_at:%b %Y}",
            "Pricebook2Id": self.pricebook,
            "EffectiveDate": f"{deal.activated_at:%Y-%m-%d}",
            "Status": "Draft",
            "StatusCode": "Draft",
            "Type": "New",
            "SBQQ__Quote__c": quote,
            "OwnerId": self.users[deal.sales_person],
        } | self._in(deal.currency)

    def _item(self, deal: Deal, index: int, order: str, quote_line: str) -> Record:
        line = deal.lines[index]
        price = self._price(deal, index)
        return {
            "OrderId": order,
            "PricebookEntryId": self.entries[line.product, deal.currency],
            "Product2Id": self.products[line.product],
            "Quantity": Decimal(line.quantity),
            "UnitPrice": price,
            "ListPrice": price,
            "ServiceDate": f"{deal.activated_at:%Y-%m-%d}",
            "SBQQ__QuoteLine__c": quote_line,
            "SBQQ__ChargeType__c": "One-Time" if line.product == "onboarding" else "Recurring",
        } | self._in(deal.currency)

    def _associate(self, written: Sequence[WrittenDeal]) -> None:
        for object_name, parent_field, wanted in (
            (QUOTE_ASSOCIATION, "Quote__c", _of_quotes(written)),
            (LINE_ASSOCIATION, "Quote_Line__c", _of_lines(written)),
        ):
            rows = list(wanted)
            ids = self._insert_each(
                object_name,
                (
                    (
                        # a minute apart: the order of stacking is the order of association
                        one.deal.quoted_at + timedelta(hours=1, minutes=place),
                        {
                            parent_field: parent,
                            "Quote_Stripe_Coupon__c": self.coupons[coupon.key],
                        }
                        | self._in(one.deal.currency),
                    )
                    for one, place, parent, coupon in rows
                ),
            )
            for (one, _, _, coupon), association in zip(rows, ids, strict=True):
                one.association_ids[coupon.key] = (object_name, association)

    def _in(self, currency: str) -> Record:
        return {"CurrencyIsoCode": currency} if self.multi_currency else {}

    def _insert(self, object_name: str, at: datetime, records: Iterable[Record]) -> list[str]:
        return self._insert_each(object_name, ((at, record) for record in records))

    def _insert_each(
        self, object_name: str, records: Iterable[tuple[datetime, Record]]
    ) -> list[str]:
        return self.salesforce.insert(
            object_name, (record | _stamps(moment) for moment, record in records)
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


def _stamps(moment: datetime) -> Record:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.000+0000"
    return {"CreatedDate": text, "LastModifiedDate": text, "SystemModstamp": text}


def _decimal(value: str | int | None) -> Decimal | None:
    return None if value is None else Decimal(value)
