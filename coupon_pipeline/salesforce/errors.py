# ruff: noqa: N818 - these name what Salesforce did, and callers read them so
"""What can go wrong with Salesforce, and what to do about it.

    SalesforceError
     ├── SalesforceUnavailable      no usable answer; run again later
     ├── SalesforceLoginFailed      the credentials do not open a session
     ├── SalesforceQuotaExhausted   the org's daily requests are used up, or the share given to us
     └── SalesforceRefused          answered, and the answer is no
          └── WriteNotAllowed       our own refusal: the record is none that we may write

Each carries a stable `code`, a message and a fix. None carries a header, a body that we sent, or
anything else that could hold a secret.
"""

from dataclasses import dataclass

from coupon_pipeline.domain.text_as_data import printable
from coupon_pipeline.salesforce.json_values import Json

COUPON_PERMISSION_SET = "Stripe Connector Coupon User"
"""The managed package's permission set for coupons
(https://docs.stripe.com/connectors/salesforce-cpq/coupons)."""

_SHOWN = 300
_FORBIDDEN = 403
_TOO_MANY_REQUESTS = 429
_LOCKED = "UNABLE_TO_LOCK_ROW"
_PERMISSION_CODES = frozenset(
    {
        "API_DISABLED_FOR_ORG",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "INVALID_FIELD",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "INVALID_TYPE",
    }
)
_QUOTA_CODES = frozenset({"REQUEST_LIMIT_EXCEEDED"})
_TRANSIENT_STATUSES = frozenset({408, 425, _TOO_MANY_REQUESTS, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset({_LOCKED, "QUERY_TIMEOUT", "SERVER_UNAVAILABLE"})


class SalesforceError(Exception):
    """Anything that Salesforce, or the way to it, did not do."""

    code = "salesforce.error"

    def __init__(self, message: str, fix: str, *, code: str | None = None) -> None:
        self.message = printable(message)
        self.fix = fix
        super().__init__(f"{self.message} {fix}")
        if code is not None:
            self.code = code


class SalesforceUnavailable(SalesforceError):
    """No usable answer, after all the attempts that were allowed.

    `not_done` is true when Salesforce certainly did nothing, so that even a create may be sent
    again.
    """

    code = "salesforce.unavailable"

    def __init__(
        self, message: str, fix: str, *, code: str | None = None, not_done: bool = False
    ) -> None:
        super().__init__(message, fix, code=code)
        self.not_done = not_done


class SalesforceLoginFailed(SalesforceError):
    """The credentials do not open a session, or the session ended and cannot be renewed."""

    code = "salesforce.login_failed"


class SalesforceQuotaExhausted(SalesforceError):
    """No more requests today: the org's own limit, or the share of it that we may use."""

    code = "salesforce.quota_exhausted"


class SalesforceRefused(SalesforceError):
    """Salesforce answered, and the answer is no.

    `salesforce.permission` when an object, a field or an operation is not open to the user.
    Salesforce answers the same for a field that does not exist, so the fix names both.
    """

    code = "salesforce.refused"

    def __init__(  # noqa: D417 - the rest is the base class's
        self,
        message: str,
        fix: str,
        *,
        code: str | None = None,
        permission: str | None = None,
        object_name: str | None = None,
        field_name: str | None = None,
        error_code: str | None = None,
    ) -> None:
        """Keep what was refused.

        Args:
            permission: the permission set that usually opens it.
            object_name: the Salesforce object, as the API names it.
            field_name: the field, as the API names it.
            error_code: Salesforce's own `errorCode`.
        """
        super().__init__(message, fix, code=code)
        self.permission = permission
        self.object_name = object_name
        self.field_name = field_name
        self.error_code = error_code


class WriteNotAllowed(SalesforceRefused):
    """A write that this pipeline never makes; it stops before it leaves."""

    code = "salesforce.write_not_allowed"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first error of an answer: Salesforce sends a list of them."""

    error_code: str
    message: str
    fields: tuple[str, ...] = ()

    @property
    def is_permission(self) -> bool:
        """Whether a permission, or the lack of a field, is the reason."""
        return self.error_code in _PERMISSION_CODES

    @property
    def is_locked(self) -> bool:
        """Whether somebody else holds the row just now."""
        return self.error_code == _LOCKED


def refusal_of(body: Json) -> Refusal:
    """The first error of an answer's body, whatever shape the body has."""
    first = body[0] if isinstance(body, list) and body else body
    if isinstance(first, dict):
        code = first.get("errorCode") or first.get("statusCode") or first.get("error") or ""
        text = first.get("message") or first.get("error_description") or ""
        fields = first.get("fields")
        names = tuple(str(name) for name in fields) if isinstance(fields, list) else ()
        return Refusal(str(code), str(text)[:_SHOWN], names)
    return Refusal("", "" if first is None else " ".join(str(first).split())[:_SHOWN])


def error_of(status: int, body: Json, what: str) -> SalesforceError:
    """The exception for an answer that is not a success. `what` says what was asked.

    Permanent or transient is decided here and nowhere else.
    """
    refusal = refusal_of(body)
    said = f"{what}: Salesforce answered {status} {refusal.error_code}".rstrip()
    said = f"{said}: {refusal.message}" if refusal.message else f"{said}."
    if refusal.error_code in _QUOTA_CODES:
        return SalesforceQuotaExhausted(
            said, "Run again when the org's request limit allows it, or ask for a higher limit."
        )
    if refusal.is_locked:
        return SalesforceUnavailable(
            said, "Run again when the record is free.", code="salesforce.row_locked", not_done=True
        )
    if status in _TRANSIENT_STATUSES or refusal.error_code in _TRANSIENT_CODES:
        return SalesforceUnavailable(
            said,
            "Nothing is lost: run again when Salesforce answers.",
            not_done=status == _TOO_MANY_REQUESTS,
        )
    if refusal.is_permission or status == _FORBIDDEN:
        return permission_error(said, error_code=refusal.error_code)
    return SalesforceRefused(
        said,
        "Check the instance URL, the API version and the mapping against the org.",
        error_code=refusal.error_code,
    )


def permission_error(
    message: str,
    *,
    object_name: str | None = None,
    field_name: str | None = None,
    error_code: str | None = None,
) -> SalesforceRefused:
    """`salesforce.permission`, naming the object, the field and the permission set."""
    what = ".".join(name for name in (object_name, field_name) if name) or "what was asked"
    return SalesforceRefused(
        message,
        f'Give the user access to {what}, for example with the permission set "'
        f"{COUPON_PERMISSION_SET}\", and check that SALESFORCE_NAMESPACE is the package's.",
        code="salesforce.permission",
        permission=COUPON_PERMISSION_SET,
        object_name=object_name,
        field_name=field_name,
        error_code=error_code,
    )
