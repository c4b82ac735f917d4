"""One currency or several, and whether Stripe takes them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from coupon_pipeline.domain.currency import find_currency
from coupon_pipeline.domain.diagnosis import Diagnosis, Subject
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.salesforce.describing import Org, OrgObject, Survey
from coupon_pipeline.salesforce.errors import SalesforceError
from coupon_pipeline.salesforce.examination.connection import AREA
from coupon_pipeline.salesforce.names import QUOTE_COUPON
from coupon_pipeline.salesforce.needs import CURRENCY
from coupon_pipeline.salesforce.querying import get_of, read_together, records_of
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import Statement, count_by, path, select, text

_KIND = Subject("salesforce.currencies", AREA, "single or multiple currencies")
_LISTED = Subject("salesforce.active_currencies", AREA, "currencies that Stripe takes")
_AMOUNT = "Amount_Off__c"
_SETTING = "COUPON_PIPELINE_DEFAULT_CURRENCY"


def currency_lines(
    session: SalesforceSession,
    found: Survey,
    default_currency: str | None,
    extra_currencies: frozenset[str],
) -> Iterator[Diagnosis]:
    """Whether the org has several currencies, and those that Stripe does not take."""
    org = found.organization
    if not isinstance(org, Org):
        yield _KIND.unknown(org.message, org.fix)
        return
    if org.is_multi_currency:
        yield _KIND.passed("The org has multiple currencies: each coupon names its own.")
        coupons = found.objects.get(QUOTE_COUPON)
        yield _active(session, coupons, extra_currencies)
        return
    code = default_currency or org.default_currency
    if code is None:
        yield _KIND.failed(
            "The org has a single currency and does not tell which.",
            f"Set {_SETTING} to its code, such as usd.",
        )
        return
    source = f"by {_SETTING}" if default_currency else "as the org tells"
    yield _KIND.passed(f"The org has a single currency: {code.upper()}, {source}.")
    currency = find_currency(code, extra_currencies=extra_currencies)
    if isinstance(currency, Blocked):
        yield _LISTED.failed(*_said(currency))
    else:
        yield _LISTED.passed(f"Stripe takes {code.upper()}.")


def _active(
    session: SalesforceSession, coupons: OrgObject | None, extra: frozenset[str]
) -> Diagnosis:
    statement = Statement("currencies", select(["IsoCode"], "CurrencyType", "IsActive = true"))
    answers = read_together(session, [get_of(statement)], "Reading the currencies")
    answer = answers["currencies"]
    if isinstance(answer, SalesforceError):
        return _LISTED.unknown(
            answer.message, "Look at Setup, Manage Currencies, and compare with Stripe's list."
        )
    codes = sorted(str(row.get("IsoCode")) for row in records_of(answer))
    refused = {
        code: blocked
        for code in codes
        if isinstance(blocked := find_currency(code, extra_currencies=extra), Blocked)
    }
    if not refused:
        return _LISTED.passed(f"Stripe takes all {len(codes)}: {', '.join(codes)}.")
    used = _amounts(session, coupons, refused)
    told = f"Of {len(codes)} active currencies Stripe does not take {', '.join(refused)}"
    if used is None:
        return _LISTED.unknown(
            f"{told}; whether coupons have amounts in them could not be read.",
            "Look for coupons with an amount in these currencies: they are blocked.",
        )
    if not used:
        return _LISTED.passed(f"{told}, and no coupon has an amount in them.")
    shown = ", ".join(f"{count} in {code}" for code, count in sorted(used.items()))
    fixes = dict.fromkeys(_said(refused[code])[1] for code in sorted(used))
    return _LISTED.failed(
        f"{told}, and quote coupons have amounts in them: {shown}. Such coupons are blocked.",
        " ".join(fixes),
    )


def _amounts(
    session: SalesforceSession, coupons: OrgObject | None, codes: Mapping[str, Blocked]
) -> dict[str, int] | None:
    """How many quote coupons have an amount in each currency; None if that cannot be read."""
    if coupons is None or not coupons.has(_AMOUNT):
        return None
    listed = ", ".join(text(code) for code in codes)
    where = f"{path(coupons.api(_AMOUNT))} > 0 AND {CURRENCY} IN ({listed})"
    statement = Statement("amounts", count_by(CURRENCY, "amounts", coupons.api_name, where))
    answers = read_together(session, [get_of(statement)], "Reading coupons by currency")
    answer = answers["amounts"]
    if isinstance(answer, SalesforceError):
        return None
    counts: dict[str, int] = {}
    for row in records_of(answer):
        count = row.get("amounts")
        if isinstance(count, int | Decimal):
            counts[str(row.get(CURRENCY))] = int(count)
    return counts


def _said(blocked: Blocked) -> tuple[str, str]:
    problem = blocked.problem()
    return problem.message, problem.fix
