"""The managed package's names with and without its namespace.

Everything beyond this package speaks of `Quote_Stripe_Coupon__c`; only what is sent to
Salesforce is called `stripeConnector__Quote_Stripe_Coupon__c`. A customer's own fields have no
namespace and keep their names.
"""

from dataclasses import dataclass

QUOTE_COUPON = "Quote_Stripe_Coupon__c"
ORDER_COUPON = "Order_Stripe_Coupon__c"
QUOTE_ASSOCIATION = "Quote_Stripe_Coupon_Association__c"
QUOTE_LINE_ASSOCIATION = "Quote_Line_Stripe_Coupon_Association__c"
SYNC_RECORD = "Sync_Record__c"

STRIPE_ID = "Stripe_ID__c"
QUOTE_COUPON_ID = "Quote_Stripe_Coupon_Id__c"
ORDER_OF_COUPON = "Order__c"
ORDER_ITEM_OF_COUPON = "Order_Item__c"
COMPOUND_ID = "Compound_ID__c"

TERM_FIELDS = (
    "Name__c",
    "Amount_Off__c",
    "Percent_Off__c",
    "Duration__c",
    "Duration_In_Months__c",
    "Max_Redemptions__c",
)
"""What a coupon grants, on the quote coupon and on its copy, the order coupon."""

SYNC_RECORD_FIELDS = (
    COMPOUND_ID,
    "Primary_Record_ID__c",
    "Primary_Object_Type__c",
    "Secondary_Record_ID__c",
    "Secondary_Object_Type__c",
    "Resolution_Message__c",
    "Resolution_Status__c",
    "Resolution_Documentation_Link__c",
    "Stripe_Request_Dashboard_Link__c",
)

PACKAGE_NAMES = frozenset(
    {
        QUOTE_COUPON,
        ORDER_COUPON,
        QUOTE_ASSOCIATION,
        QUOTE_LINE_ASSOCIATION,
        SYNC_RECORD,
        STRIPE_ID,
        "Stripe_Dashboard_Link__c",
        QUOTE_COUPON_ID,
        ORDER_OF_COUPON,
        ORDER_ITEM_OF_COUPON,
        "Quote__c",
        "Quote_Line__c",
        *TERM_FIELDS,
        *SYNC_RECORD_FIELDS,
    }
)
"""Every object and field of the managed package that this pipeline names."""

_RELATIONSHIPS = frozenset(
    f"{name.removesuffix('__c')}__r" for name in PACKAGE_NAMES if name.endswith("__c")
)


@dataclass(frozen=True, slots=True)
class Names:
    """Turns a name of the managed package into the org's name and back.

    An empty namespace is an org in which the package's code is not packaged: names are as they are.
    """

    namespace: str

    def qualify(self, name: str) -> str:
        """`Stripe_ID__c` as the org names it; a name that is not the package's stays."""
        if self.namespace and (name in PACKAGE_NAMES or name in _RELATIONSHIPS):
            return f"{self.namespace}__{name}"
        return name

    def qualify_path(self, path: str) -> str:
        """The same for each step of a relationship path."""
        return ".".join(self.qualify(step) for step in path.split("."))

    def strip(self, api_name: str) -> str:
        """The name without the package's namespace. Salesforce ignores case in names."""
        prefix = f"{self.namespace}__"
        if self.namespace and api_name.lower().startswith(prefix.lower()):
            return api_name[len(prefix) :]
        return api_name

    def strip_path(self, api_path: str) -> str:
        """The same for each step of a relationship path."""
        return ".".join(self.strip(step) for step in api_path.split("."))
