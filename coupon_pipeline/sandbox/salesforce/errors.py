"""Errors as Salesforce answers them: a JSON list of message, errorCode and fields.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from coupon_pipeline.sandbox.switches import Switches


@dataclass
class SalesforceError(Exception):
    """A request, or one record of it, that is refused."""

    code: str
    message: str
    fields: Sequence[str] = field(default_factory=tuple)
    status: int = 400

    def as_body(self) -> dict[str, object]:
        """One entry of the error list of a reply."""
        body: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            body["fields"] = list(self.fields)
        return body

    def as_result(self) -> dict[str, object]:
        """One entry of the `errors` of a record in a collection."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    """No such endpoint, object or record."""
    return SalesforceError("NOT_FOUND", message, status=404)


def deleted() -> SalesforceError:
    """The record is in the recycle bin."""
    return SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404)


def row_locked(switches: Switches) -> SalesforceError:
    """Another transaction holds the record; trying again is right."""
    return SalesforceError(
        "UNABLE_TO_LOCK_ROW",
        "unable to obtain exclusive access to this record or 1 records",
        status=int(switches.salesforce_locked_row_status),
    )


def insufficient_access(switches: Switches) -> SalesforceError:
    """The user may see the record and not change it."""
    return SalesforceError(
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "insufficient access rights on object id",
        status=int(switches.salesforce_refused_access_status),
    )


def expired_session() -> SalesforceError:
    """Unknown, expired and revoked tokens all look alike."""
    return SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
