"""Objects and fields of the managed package that carries Stripe coupons in the org.

Behaviour: https://docs.stripe.com/connectors/salesforce-cpq/coupons. Object and field names are
configuration of an org, to be checked against its describe.
"""

from collections.abc import Mapping
from dataclasses import replace

from coupon_pipeline.sandbox.salesforce.schema.spec import (
    FieldSpec,
    ObjectSpec,
    autonumber,
    calculated,
    choice,
    contact_point,
    flag,
    link,
    long_text,
    number,
    packaged,
    text,
)

DURATIONS = ("once", "repeating", "forever")

STRIPE_ID = text("Stripe_ID__c", 255, external_id=True, label="Stripe ID")
"""An external id that is not unique: an upsert by it can find several records."""


def _coupon_fields() -> tuple[FieldSpec, ...]:
    return (
        text("Name__c", 40, label="Coupon Name"),
        number("Amount_Off__c", 18, 0),
        number("Percent_Off__c", 18, 2),
        replace(
            choice("Duration__c", DURATIONS, restricted=True, required=True, default="once"),
            no_field_permission=True,
        ),
        number("Duration_In_Months__c", 18, 0),
        number("Max_Redemptions__c", 18, 0),
        STRIPE_ID,
        calculated(text("Stripe_Dashboard_Link__c", 1_300)),
    )


QUOTE_COUPON = ObjectSpec(
    "Quote_Stripe_Coupon__c",
    "a1C",
    "Quote Stripe Coupon",
    (
        autonumber("Name", "{:04d}", label="Coupon Number", name_field=True),
        *packaged(*_coupon_fields()),
    ),
    packaged=True,
)

ORDER_COUPON = ObjectSpec(
    "Order_Stripe_Coupon__c",
    "a1D",
    "Order Stripe Coupon",
    (
        autonumber("Name", "{:04d}", label="Coupon Number", name_field=True),
        *packaged(
            *_coupon_fields(),
            link("Order__c", "Order", children="Order_Lookup__r"),
            link("Order_Item__c", "OrderItem", children="Order_Item_Lookup__r"),
            replace(
                text("Quote_Stripe_Coupon_Id__c", 255, required=True), no_field_permission=True
            ),
        ),
    ),
    packaged=True,
)

QUOTE_ASSOCIATION = ObjectSpec(
    "Quote_Stripe_Coupon_Association__c",
    "a1E",
    "Quote Stripe Coupon Association",
    (
        autonumber("Name", "{:04d}", label="Association Number", name_field=True),
        *packaged(
            link("Quote__c", "SBQQ__Quote__c", master=True, children="Quote_In_Association__r"),
            link(
                "Quote_Stripe_Coupon__c",
                "Quote_Stripe_Coupon__c",
                required=True,
                children="Quote_Coupon_In_Association__r",
            ),
        ),
    ),
    packaged=True,
    owned=False,
)

QUOTE_LINE_ASSOCIATION = ObjectSpec(
    "Quote_Line_Stripe_Coupon_Association__c",
    "a1F",
    "Quote Line Stripe Coupon Association",
    (
        autonumber("Name", "{:04d}", label="Association Number", name_field=True),
        *packaged(
            link(
                "Quote_Line__c",
                "SBQQ__QuoteLine__c",
                master=True,
                children="Quote_Line_In_Association__r",
            ),
            link(
                "Quote_Stripe_Coupon__c",
                "Quote_Stripe_Coupon__c",
                required=True,
                children="Quote_Line_Coupon_In_Association__r",
            ),
        ),
    ),
    packaged=True,
    owned=False,
)

SYNC_RECORD = ObjectSpec(
    "Sync_Record__c",
    "a1G",
    "Sync Record",
    (
        autonumber("Name", "SR-{:06d}", label="Sync Record Number", name_field=True),
        *packaged(
            text("Compound_ID__c", 255, external_id=True, unique=True),
            text("Primary_Record_ID__c", 255),
            text("Primary_Object_Type__c", 255),
            text("Secondary_Record_ID__c", 255),
            text("Secondary_Object_Type__c", 255),
            long_text("Resolution_Message__c"),
            choice("Resolution_Status__c", ("Success", "Error", "Resolved"), restricted=True),
            contact_point("Resolution_Documentation_Link__c", "url", 255),
            contact_point("Stripe_Request_Dashboard_Link__c", "url", 255),
        ),
    ),
    packaged=True,
)

CONNECTOR = (QUOTE_COUPON, ORDER_COUPON, QUOTE_ASSOCIATION, QUOTE_LINE_ASSOCIATION, SYNC_RECORD)

FIELDS_ON_STANDARD_OBJECTS: Mapping[str, tuple[FieldSpec, ...]] = {
    "Account": packaged(STRIPE_ID),
    "Opportunity": packaged(STRIPE_ID),
    "Product2": packaged(STRIPE_ID),
    "PricebookEntry": packaged(STRIPE_ID),
    "Order": packaged(
        STRIPE_ID,
        flag("Skip_Past_Initial_Invoices__c"),
        contact_point("Stripe_Invoice_Payment_Link__c", "url", 255),
        contact_point("Stripe_Subscription_Payment_Link__c", "url", 255),
    ),
    "OrderItem": packaged(STRIPE_ID, flag("Skip_Line_Item__c")),
}
