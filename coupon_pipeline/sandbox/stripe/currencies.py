"""The currencies of the stand-in account, from a table of its own."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from coupon_pipeline.sandbox.stripe.errors import StripeError, invalid
from coupon_pipeline.sandbox.switches import Switches


@dataclass(frozen=True, slots=True)
class Currency:
    """`decimals` from the major unit to the API's unit; amounts are multiples of `multiple_of`.

    `standing` is listed, doubtful (on the list of 2023, gone from ISO 4217 or from use) or
    three_decimal (documented until 2024). https://docs.stripe.com/currencies
    """

    code: str
    decimals: int
    multiple_of: int
    standing: str


@cache
def table() -> dict[str, Currency]:
    """All known currencies by lower-case code."""
    text = files("coupon_pipeline.sandbox.stripe").joinpath("currencies.csv").read_text("utf-8")
    return {
        row["code"]: Currency(
            row["code"], int(row["decimals"]), int(row["multiple_of"]), row["standing"]
        )
        for row in csv.DictReader(text.splitlines())
    }


def currency(code: str, param: str, switches: Switches) -> Currency:
    """The currency of a code in any case, or Stripe's refusal of an unknown one."""
    found = table().get(code.lower())
    refused = found is not None and (
        (found.standing == "doubtful" and switches.stripe_doubtful_currencies == "refused")
        or (found.standing == "three_decimal" and switches.stripe_three_decimals == "refused")
    )
    if found is None or refused:
        raise _unknown(code, param)
    return found


def check_multiple(amount: int, money: Currency, param: str) -> None:
    """Refuse an amount that the currency cannot express."""
    if amount % money.multiple_of:
        raise invalid(
            f"Invalid amount: amounts in {money.code} must be divisible by {money.multiple_of}.",
            param,
            "parameter_invalid_integer",
        )


def _unknown(code: str, param: str) -> StripeError:
    return invalid(
        f"Invalid currency: {code.lower()}. Stripe currently supports these currencies: "
        + ", ".join(one.code for one in table().values() if one.standing == "listed"),
        param,
    )
