"""What every record of the company has: its time, its currency, and the way into the org."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol, TypeAlias

from coupon_pipeline.sandbox.company.tables import CompanyTables, CouponRow

Record: TypeAlias = dict[str, object]

COUPON: Final = "Quote_Stripe_Coupon__c"
ORDER_COUPON: Final = "Order_Stripe_Coupon__c"
QUOTE_ASSOCIATION: Final = "Quote_Stripe_Coupon_Association__c"
LINE_ASSOCIATION: Final = "Quote_Line_Stripe_Coupon_Association__c"


class Records(Protocol):
    """What this module needs of the Salesforce service."""

    def insert(self, object_name: str, records: Iterable[Mapping[str, object]]) -> list[str]:
        """Trusted and without triggers; returns the ids."""

    def all(self, object_name: str) -> Sequence[Mapping[str, object]]:
        """All records of an object."""


@dataclass
class Desk:
    """Writes records in bulk, with the time when each is supposed to have been made."""

    salesforce: Records
    tables: CompanyTables
    multi_currency: bool

    def currency(self, code: str) -> Record:
        """The currency field, which an org with a single currency does not have."""
        return {"CurrencyIsoCode": code} if self.multi_currency else {}

    def insert(self, object_name: str, records: Iterable[tuple[datetime, Record]]) -> list[str]:
        """Put records with the time of their making; returns the ids."""
        return self.salesforce.insert(
            object_name, (_stamps(moment) | record for moment, record in records)
        )


def terms(coupon: CouponRow, *, edited: bool) -> Record:
    """What the trigger copies of a coupon, before or after its edit."""
    changes = (coupon.edited_to or {}) if edited else {}
    return {
        "Name__c": changes.get("name", coupon.name),
        "Percent_Off__c": decimal(changes.get("percent_off", coupon.percent_off)),
        "Amount_Off__c": decimal(coupon.amount_off),
        "Duration__c": coupon.duration,
        "Duration_In_Months__c": decimal(coupon.months),
        "Max_Redemptions__c": decimal(coupon.max_redemptions),
    }


def stamp(moment: datetime) -> str:
    """A time as Salesforce writes it."""
    return f"{moment.isoformat(timespec='seconds')[:-6]}.000+0000"


def _stamps(moment: datetime) -> Record:
    text = stamp(moment)
    return {"CreatedDate": text, "LastModifiedDate": text, "SystemModstamp": text}


def decimal(value: str | int | None) -> Decimal | None:
    """An exact number, or none."""
    return None if value is None else Decimal(value)
