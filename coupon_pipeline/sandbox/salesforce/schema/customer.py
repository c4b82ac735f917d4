"""Fields that a customer added: they carry no namespace, and mappings may use them."""

from collections.abc import Mapping

from coupon_pipeline.sandbox.salesforce.schema.spec import (
    FieldSpec,
    choice,
    day,
    flag,
    link,
    long_text,
    moment,
    money,
    number,
    percent,
    text,
)

CUSTOMER_FIELDS: Mapping[str, tuple[FieldSpec, ...]] = {
    "Quote_Stripe_Coupon__c": (
        link("Campaign__c", "Campaign", children="Quote_Stripe_Coupons__r"),
        link("Approved_By__c", "User"),
        link("Partner__c", "Account"),
        day("Redeem_By__c"),
        moment("Valid_Until__c"),
        text("Stripe_Products__c", 255),
        text("Region__c", 80),
        text("Promo_Code__c", 40),
        text("External_Reference__c", 255),
        choice("Channel__c", ("Direct", "Partner", "Marketplace")),
        flag("Is_Partner_Deal__c"),
        money("Budget__c", 18, 2),
        percent("Uplift__c", 5, 2),
        number("Priority__c", 4, 0),
        long_text("Internal_Notes__c"),
    ),
    "Campaign": (text("Promotion_Code__c", 40), number("Cost_Center__c", 6, 0)),
    "Account": (text("Region__c", 80), text("External_Key__c", 40, external_id=True, unique=True)),
}
