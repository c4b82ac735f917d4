"""What the company sells, who sells it, and the coupons that they give."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from coupon_pipeline.sandbox.company.deals import HOME_CURRENCY
from coupon_pipeline.sandbox.company.desk import COUPON, Desk, Record, terms
from coupon_pipeline.sandbox.company.tables import CouponRow


@dataclass
class Catalogue:
    """Writes users, products, prices and coupons; remembers their ids by key."""

    desk: Desk
    since: datetime
    users: list[str] = field(default_factory=list)
    products: dict[str, str] = field(default_factory=dict)
    entries: dict[tuple[str, str], str] = field(default_factory=dict)
    coupons: dict[str, str] = field(default_factory=dict)
    pricebook: str = ""
    prices: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Stripe's prices by product key and currency."""

    def write(self, price_ids: Mapping[tuple[str, str], str]) -> None:
        """Users, products, prices (with the Stripe ids of theirs) and coupons."""
        self.prices = price_ids
        if self.desk.multi_currency:
            self._add_currencies()
        self.users = self._insert(
            "User",
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
                for first, last in self.desk.tables.sales_people
            ),
        )
        [self.pricebook] = self._insert(
            "Pricebook2",
            [{"Name": "Price list", "IsActive": True}],
        )
        self._write_products()
        self._write_coupons()

    def _add_currencies(self) -> None:
        known = {row["IsoCode"] for row in self.desk.salesforce.all("CurrencyType")}
        used = {currency for product in self.desk.tables.products for currency in product.prices}
        self._insert(
            "CurrencyType",
            (
                {
                    "IsoCode": currency,
                    "ConversionRate": Decimal(15),
                    "DecimalPlaces": 2,
                    "IsActive": True,
                    "IsCorporate": False,
                }
                for currency in sorted(used - known)
            ),
        )

    def _write_products(self) -> None:
        sold = self.desk.tables.products
        ids = self._insert(
            "Product2",
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
            if self.desk.multi_currency or currency == HOME_CURRENCY
        ]
        prices = {product.key: product.prices for product in sold}
        entries = self._insert(
            "PricebookEntry",
            (
                {
                    "Pricebook2Id": self.pricebook,
                    "Product2Id": self.products[product],
                    "UnitPrice": Decimal(prices[product][currency]),
                    "IsActive": True,
                    "Stripe_ID__c": self.prices.get((product, currency)),
                    **self.desk.currency(currency),
                }
                for product, currency in keys
            ),
        )
        self.entries = dict(zip(keys, entries, strict=True))

    def _write_coupons(self) -> None:
        campaigns = self._insert(
            "Campaign",
            (
                {"Name": name, "Status": "In Progress", "IsActive": True}
                for name in self.desk.tables.campaigns.values()
            ),
        )
        ids = dict(zip(self.desk.tables.campaigns, campaigns, strict=True))
        wanted = [
            coupon
            for coupon in self.desk.tables.coupons
            if self.desk.multi_currency or coupon.currency == HOME_CURRENCY
        ]
        records = (self._coupon(coupon, ids) for coupon in wanted)
        written = self._insert(COUPON, records)
        self.coupons = {coupon.key: one for coupon, one in zip(wanted, written, strict=True)}

    def _coupon(self, coupon: CouponRow, campaigns: Mapping[str, str]) -> Record:
        return {
            **terms(coupon, edited=False),
            "Campaign__c": campaigns[coupon.campaign] if coupon.campaign else None,
            **self.desk.currency(coupon.currency),
        }

    def _insert(self, object_name: str, records: Iterable[Record]) -> list[str]:
        return self.desk.insert(object_name, ((self.since, record) for record in records))
