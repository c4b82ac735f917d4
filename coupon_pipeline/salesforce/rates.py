"""The org's own conversion rates, read only when the mapping asks for converted amounts."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.salesforce.errors import SalesforceError, SalesforceRefused
from coupon_pipeline.salesforce.json_values import Json
from coupon_pipeline.salesforce.querying import get_of, pages_of, read_together
from coupon_pipeline.salesforce.rows import Row
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import Statement, select

_WHAT = "Reading conversion rates"
_Rates: TypeAlias = dict[str, Decimal]


def read_rates(
    session: SalesforceSession, days: Iterable[date], today: date
) -> dict[date, ConversionRates]:
    """The rates of each day, active currencies only; empty in an org with a single currency.

    `CurrencyType` exists in multi-currency orgs only, and holds the rates of `today` for whichever
    day is asked; `DatedConversionRate` exists with advanced currency management and is preferred
    (https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_currencytype.htm).
    """
    static_statement = Statement(
        "static",
        select(["IsoCode", "ConversionRate", "IsCorporate"], "CurrencyType", "IsActive = true"),
    )
    dated_statement = Statement(
        "dated",
        select(
            ["IsoCode", "ConversionRate", "StartDate"],
            "DatedConversionRate",
            tail="ORDER BY StartDate",
        ),
    )
    answers = read_together(session, [get_of(static_statement), get_of(dated_statement)], _WHAT)
    types = _rows(session, "static", answers["static"])
    static = {row.known_text("IsoCode"): row.known_decimal("ConversionRate") for row in types}
    corporate = {
        row.known_text("IsoCode"): row.known_decimal("ConversionRate")
        for row in types
        if row.flag("IsCorporate")
    }
    dated = _rows(session, "dated", answers["dated"])
    if not static:
        return {}
    return {day: _on(day, today, static, corporate, dated) for day in days}


def _on(
    day: date,
    today: date,
    static: Mapping[str, Decimal],
    corporate: Mapping[str, Decimal],
    dated: list[Row],
) -> ConversionRates:
    """Of the dated rates, sorted by their first day, the last one that has begun by then.

    The corporate currency, which all rates are against, needs no dated rate.
    """
    rates: _Rates = {
        row.known_text("IsoCode"): row.known_decimal("ConversionRate")
        for row in dated
        if row.known_text("IsoCode") in static and _has_begun(row, day)
    }
    if rates:
        return ConversionRates(day, "DatedConversionRate", {**corporate, **rates})
    return ConversionRates(today, "CurrencyType", static)


def _has_begun(row: Row, day: date) -> bool:
    first = row.day("StartDate")
    return first is not None and first <= day


def _rows(session: SalesforceSession, name: str, answer: Json | SalesforceError) -> list[Row]:
    if isinstance(answer, SalesforceRefused) and answer.error_code == "INVALID_TYPE":
        return []
    if isinstance(answer, SalesforceError):
        raise answer
    return [row for page in pages_of(session, name, answer, _WHAT) for row in page.rows]
