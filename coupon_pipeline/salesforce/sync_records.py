"""Reading sync records: what Salesforce was told about coupons, and stands there now."""

from dataclasses import dataclass

from coupon_pipeline.salesforce.describing import Description
from coupon_pipeline.salesforce.names import COMPOUND_ID, QUOTE_COUPON, SYNC_RECORD
from coupon_pipeline.salesforce.querying import read_pages
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import Statement, select, text

_PRIMARY, _SECONDARY_TYPE = "Primary_Record_ID__c", "Secondary_Object_Type__c"
_STATUS, _MESSAGE = "Resolution_Status__c", "Resolution_Message__c"


@dataclass(frozen=True, slots=True)
class ToldRecord:
    """A sync record about a coupon."""

    compound_id: str
    primary_record_id: str
    """The order or order item."""
    status: str
    message: str


def read_sync_records(session: SalesforceSession, description: Description) -> list[ToldRecord]:
    """Every sync record about a quote coupon; none where the org has no such object.

    The connector writes about other kinds of records under ids of its own.
    """
    described = description.objects.get(SYNC_RECORD)
    if described is None:
        return []
    wanted = (COMPOUND_ID, _PRIMARY, _STATUS, _MESSAGE)
    about_coupons = f"{described.api(_SECONDARY_TYPE)} = {text(QUOTE_COUPON)}"
    statement = Statement(
        "sync_records",
        select(["Id", *map(described.api, wanted)], described.api_name, about_coupons),
    )
    pages = read_pages(session, [statement], "Reading sync records")
    rows = [
        [row.text(described.api(name)) or "" for name in wanted] for p in pages for row in p.rows
    ]
    return [ToldRecord(*row) for row in rows]
