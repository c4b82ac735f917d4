"""What is there in both services after a scenario, in the words of the scenario table."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

from tests.world import JsonObject, World

Words = list[str]
_COUPON = "discounts.source.coupon"


def decimals_of(currency: str) -> int:
    """Decimals of an amount as Stripe's API takes it, for the currencies of the table."""
    return {"JPY": 0, "KWD": 3}.get(currency.upper(), 2)


def discounts_on(world: World, place: str | None) -> Words:
    """Discounts of a subscription or a subscription item, in their order."""
    if place is None:
        return []
    answer = (
        world.stripe.v1.subscriptions.retrieve(place, {"expand": [_COUPON]})
        if place.startswith("sub_")
        else world.stripe.v1.subscription_items.retrieve(place, {"expand": [_COUPON]})
    )
    discounts = cast("list[JsonObject]", answer.to_dict()["discounts"])
    return [
        worth(cast("JsonObject", cast("JsonObject", discount["source"])["coupon"]))
        for discount in discounts
    ]


def worth(coupon: Mapping[str, object]) -> str:
    """`10% once`: what a Stripe coupon takes off, and for how long."""
    months = coupon["duration_in_months"]
    length = f"for {months} months" if months else str(coupon["duration"])
    if coupon["percent_off"] is not None:
        return f"{_plain(coupon['percent_off'])}% {length}"
    return f"{_amount(coupon['amount_off'], str(coupon['currency']))} {length}"


def in_full(coupon: Mapping[str, object]) -> str:
    """The same with its limits: `10% once, called Spring, at most 2 times`."""
    said = [worth(coupon)]
    if coupon["name"]:
        said.append(f"called {coupon['name']}")
    if coupon["max_redemptions"]:
        said.append(f"at most {coupon['max_redemptions']} times")
    if coupon["redeem_by"]:
        until = datetime.fromtimestamp(int(str(coupon["redeem_by"])), UTC)
        said.append(f"until {until:%Y-%m-%d %H:%M:%S}")
    if coupon["applies_to"]:
        products = cast("JsonObject", coupon["applies_to"])["products"]
        said.append("on " + " and ".join(sorted(cast("list[str]", products))))
    return ", ".join(said)


def options_of(coupon: Mapping[str, object]) -> list[str]:
    """The amounts of a Stripe coupon in further currencies."""
    options = cast("dict[str, JsonObject]", coupon["currency_options"] or {})
    return [_amount(option["amount_off"], code) for code, option in options.items()]


def copied(record: Mapping[str, object]) -> str:
    """What an order coupon in Salesforce says that the customer gets."""
    months = record.get("Duration_In_Months__c")
    length = f"for {_plain(months)} months" if months else str(record.get("Duration__c"))
    percent = record.get("Percent_Off__c")
    value = f"{_plain(percent)}%" if percent is not None else _plain(record.get("Amount_Off__c"))
    return f"{value} {length}"


def _amount(minor: object, currency: str) -> str:
    decimals = decimals_of(currency)
    return f"{Decimal(str(minor)).scaleb(-decimals):.{decimals}f} {currency.upper()}"


def _plain(number: object) -> str:
    return f"{Decimal(str(number)).normalize():f}"
