"""The Salesforce edge: session, statements, reading by set, write-back."""

from coupon_pipeline.salesforce.changes import (
    ChangeCursor,
    ChangedCoupon,
    ChangedOrder,
    ChangesRead,
)
from coupon_pipeline.salesforce.describing import Description, Org, OrgField, OrgObject
from coupon_pipeline.salesforce.edge import SalesforceEdge
from coupon_pipeline.salesforce.errors import (
    SalesforceError,
    SalesforceLoginFailed,
    SalesforceQuotaExhausted,
    SalesforceRefused,
    SalesforceUnavailable,
    WriteNotAllowed,
)
from coupon_pipeline.salesforce.logins import (
    AccessToken,
    ClientCredentials,
    InstanceUrlError,
    JwtLogin,
    Login,
    PasswordLogin,
)
from coupon_pipeline.salesforce.names import (
    ORDER_COUPON,
    QUOTE_COUPON,
    STRIPE_ID,
    SYNC_RECORD,
)
from coupon_pipeline.salesforce.reading import JunctionsRead, OrdersRead
from coupon_pipeline.salesforce.session import Pacing
from coupon_pipeline.salesforce.transport import Quota, Timeouts
from coupon_pipeline.salesforce.write_back import RowOutcome, RowResult

__all__ = [
    "ORDER_COUPON",
    "QUOTE_COUPON",
    "STRIPE_ID",
    "SYNC_RECORD",
    "AccessToken",
    "ChangeCursor",
    "ChangedCoupon",
    "ChangedOrder",
    "ChangesRead",
    "ClientCredentials",
    "Description",
    "InstanceUrlError",
    "JunctionsRead",
    "JwtLogin",
    "Login",
    "OrdersRead",
    "Org",
    "OrgField",
    "OrgObject",
    "Pacing",
    "PasswordLogin",
    "Quota",
    "RowOutcome",
    "RowResult",
    "SalesforceEdge",
    "SalesforceError",
    "SalesforceLoginFailed",
    "SalesforceQuotaExhausted",
    "SalesforceRefused",
    "SalesforceUnavailable",
    "Timeouts",
    "WriteNotAllowed",
]
