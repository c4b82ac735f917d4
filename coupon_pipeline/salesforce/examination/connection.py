"""Login, API version and quota."""

from decimal import Decimal

from coupon_pipeline.domain.diagnosis import Diagnosis, Subject
from coupon_pipeline.domain.ids import is_id, normalise_id
from coupon_pipeline.salesforce.errors import SalesforceError, SalesforceRefused
from coupon_pipeline.salesforce.json_values import as_object
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.transport import Quota

AREA = "Salesforce"
_LOGIN = Subject("salesforce.login", AREA, "login")
_VERSION = Subject("salesforce.api_version", AREA, "API version")
_QUOTA = Subject("salesforce.quota", AREA, "requests left")


def login_line(session: SalesforceSession) -> tuple[Diagnosis, str | None, bool]:
    """The line, the user's id where it is told, and whether anything else can be asked.

    A session whose scopes do not let it ask who it belongs to is a session all the same.
    """
    where = session.instance.url
    try:
        told = as_object(session.who())
    except SalesforceRefused:
        return _LOGIN.passed(f"Logged in at {where}, which does not tell as whom."), None, True
    except SalesforceError as error:
        return _LOGIN.failed(error.message, error.fix), None, False
    user_id = str(told.get("user_id"))
    name = told.get("preferred_username") or told.get("name") or user_id
    line = _LOGIN.passed(f"Logged in at {where} as {name}.")
    return line, normalise_id(user_id) if is_id(user_id) else None, True


def version_line(session: SalesforceSession) -> Diagnosis:
    """Whether the org speaks the version of the settings."""
    wanted = session.api_version
    try:
        spoken = session.versions()
    except SalesforceError as error:
        return _VERSION.unknown(error.message, error.fix)
    if wanted in spoken:
        return _VERSION.passed(f"The org speaks {wanted}; its newest is {spoken[-1]}.")
    return _VERSION.failed(
        f"The org does not speak version {wanted}.",
        "Set SALESFORCE_API_VERSION to one that it speaks: "
        f"{f'{spoken[0]} to {spoken[-1]}' if spoken else 'it lists none'}.",
    )


def quota_line(quota: Quota | None, share: Decimal) -> Diagnosis:
    """How much of the org's daily requests is left, by the header of the last answer."""
    if quota is None:
        return _QUOTA.unknown(
            "The org's answers do not tell how many requests are left.",
            "Look at Setup, Company Information, API Requests.",
        )
    told = f"{quota.used} of {quota.allowed} requests of the last 24 hours are used"
    if quota.share < share:
        return _QUOTA.passed(f"{told}.")
    return _QUOTA.failed(
        f"{told}; runs stop at a share of {share}.",
        "Wait, ask Salesforce for a higher limit, or raise COUPON_PIPELINE_SALESFORCE_QUOTA_SHARE.",
    )
