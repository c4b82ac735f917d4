"""Standard sales objects: accounts, products, price books, contracts, orders."""

from dataclasses import replace

from coupon_pipeline.sandbox.salesforce.schema.spec import (
    FieldSpec,
    ObjectSpec,
    autonumber,
    calculated,
    choice,
    contact_point,
    day,
    flag,
    integer,
    link,
    long_text,
    moment,
    money,
    number,
    percent,
    read_only,
    set_once,
    text,
)


def _address(prefix: str) -> tuple[FieldSpec, ...]:
    return (
        text(f"{prefix}Street"),
        text(f"{prefix}City", 40),
        text(f"{prefix}State", 80),
        text(f"{prefix}PostalCode", 20),
        text(f"{prefix}Country", 80),
    )


def _required(spec: FieldSpec) -> FieldSpec:
    return replace(spec, required=True)


ACCOUNT = ObjectSpec(
    "Account",
    "001",
    "Account",
    (
        text("Name", 255, required=True, name_field=True, label="Account Name"),
        choice("Type", ("Customer - Direct", "Customer - Channel", "Prospect", "Other")),
        link("ParentId", "Account", children="ChildAccounts"),
        choice("Industry", ("Technology", "Manufacturing", "Retail", "Education", "Other")),
        money("AnnualRevenue", 18, 0),
        integer("NumberOfEmployees"),
        contact_point("Phone", "phone", 40),
        contact_point("Website", "url", 255),
        text("AccountNumber", 40),
        long_text("Description"),
        *_address("Billing"),
        *_address("Shipping"),
    ),
)

CONTACT = ObjectSpec(
    "Contact",
    "003",
    "Contact",
    (
        calculated(text("Name", 121, name_field=True)),
        text("FirstName", 40),
        text("LastName", 80, required=True),
        link("AccountId", "Account", children="Contacts"),
        contact_point("Email", "email", 80),
        contact_point("Phone", "phone", 40),
    ),
)

CAMPAIGN = ObjectSpec(
    "Campaign",
    "701",
    "Campaign",
    (
        text("Name", 80, required=True, name_field=True, label="Campaign Name"),
        choice("Type", ("Conference", "Webinar", "Email", "Partners", "Other")),
        choice("Status", ("Planned", "In Progress", "Completed", "Aborted"), default="Planned"),
        flag("IsActive"),
        day("StartDate"),
        day("EndDate"),
        link("ParentId", "Campaign", children="ChildCampaigns"),
        long_text("Description"),
    ),
)

PRODUCT = ObjectSpec(
    "Product2",
    "01t",
    "Product",
    (
        text("Name", 255, required=True, name_field=True, label="Product Name"),
        text("ProductCode", 255),
        long_text("Description", 4_000),
        flag("IsActive"),
        choice("Family", ("None", "Software", "Services", "Hardware")),
        text("StockKeepingUnit", 180),
        number("SBQQ__SubscriptionTerm__c"),
        choice("SBQQ__SubscriptionPricing__c", ("Fixed Price", "Percent Of Total")),
        choice("SBQQ__SubscriptionType__c", ("Renewable", "Evergreen", "Renewable/Evergreen")),
        choice("SBQQ__BillingFrequency__c", ("Monthly", "Quarterly", "Semiannual", "Annual")),
        choice("SBQQ__ChargeType__c", ("One-Time", "Recurring", "Usage")),
    ),
    owned=False,
)

PRICEBOOK = ObjectSpec(
    "Pricebook2",
    "01s",
    "Price Book",
    (
        text("Name", 255, required=True, name_field=True, label="Price Book Name"),
        flag("IsActive"),
        read_only(flag("IsStandard")),
        text("Description", 255),
    ),
    owned=False,
    currency=False,
)

PRICEBOOK_ENTRY = ObjectSpec(
    "PricebookEntry",
    "01u",
    "Price Book Entry",
    (
        calculated(text("Name", 255, name_field=True)),
        set_once(link("Pricebook2Id", "Pricebook2", required=True, children="PricebookEntries")),
        set_once(link("Product2Id", "Product2", required=True, children="PricebookEntries")),
        _required(money("UnitPrice")),
        flag("IsActive"),
        flag("UseStandardPrice"),
        calculated(text("ProductCode", 255)),
    ),
    owned=False,
)

OPPORTUNITY = ObjectSpec(
    "Opportunity",
    "006",
    "Opportunity",
    (
        text("Name", 120, required=True, name_field=True, label="Opportunity Name"),
        link("AccountId", "Account", children="Opportunities"),
        choice(
            "StageName",
            ("Prospecting", "Qualification", "Proposal/Price Quote", "Closed Won", "Closed Lost"),
            required=True,
            label="Stage",
        ),
        day("CloseDate", required=True),
        money("Amount"),
        choice("Type", ("New Business", "Existing Business")),
        link("Pricebook2Id", "Pricebook2"),
        link("CampaignId", "Campaign", children="Opportunities"),
        text("NextStep", 255),
        link("SBQQ__PrimaryQuote__c", "SBQQ__Quote__c"),
        flag("SBQQ__Ordered__c"),
    ),
)

CONTRACT = ObjectSpec(
    "Contract",
    "800",
    "Contract",
    (
        autonumber("ContractNumber", "{:08d}", name_field=True),
        text("Name", 80),
        link("AccountId", "Account", required=True, children="Contracts"),
        choice(
            "Status",
            ("Draft", "In Approval Process", "Activated"),
            default="Draft",
        ),
        calculated(choice("StatusCode", ("Draft", "InApproval", "Activated"))),
        day("StartDate"),
        read_only(day("EndDate")),
        integer("ContractTerm"),
        link("Pricebook2Id", "Pricebook2"),
        link("SBQQ__Quote__c", "SBQQ__Quote__c"),
        link("SBQQ__Opportunity__c", "Opportunity"),
        link("SBQQ__Order__c", "Order", children="SBQQ__Contracts__r"),
        day("SBQQ__AmendmentStartDate__c"),
        flag("SBQQ__Evergreen__c"),
    ),
)

ORDER = ObjectSpec(
    "Order",
    "801",
    "Order",
    (
        autonumber("OrderNumber", "{:08d}", label="Order Number", name_field=True),
        text("Name", 80, label="Order Name"),
        link("AccountId", "Account", required=True, children="Orders"),
        link("ContractId", "Contract", children="Orders"),
        link("OpportunityId", "Opportunity", children="Orders"),
        link("Pricebook2Id", "Pricebook2"),
        link("OriginalOrderId", "Order", relationship="OriginalOrder", children="Orders"),
        day("EffectiveDate", required=True),
        day("EndDate"),
        choice("Status", ("Draft", "Activated"), required=True),
        calculated(
            choice("StatusCode", ("Draft", "Activated", "Canceled", "Expired", "Superseded"))
        ),
        flag("IsReductionOrder"),
        choice("Type", ("New", "Amendment", "Renewal"), label="Order Type"),
        read_only(moment("ActivatedDate")),
        read_only(link("ActivatedById", "User", relationship="ActivatedBy")),
        calculated(money("TotalAmount")),
        long_text("Description"),
        text("PoNumber", 80),
        text("OrderReferenceNumber", 80),
        link("BillToContactId", "Contact", relationship="BillToContact"),
        link("ShipToContactId", "Contact", relationship="ShipToContact"),
        *_address("Billing"),
        *_address("Shipping"),
        link("SBQQ__Quote__c", "SBQQ__Quote__c", children="SBQQ__Orders__r"),
        flag("SBQQ__Contracted__c"),
        choice("SBQQ__ContractingMethod__c", ("By Subscription End Date", "Single Contract")),
        choice("SBQQ__PaymentTerm__c", ("Net 30", "Net 60")),
        choice("SBQQ__PriceCalcStatus__c", ("Not Needed", "Queued", "Completed", "Failed")),
        number("SBQQ__RenewalTerm__c", 5, 0),
        percent("SBQQ__RenewalUpliftRate__c", 5, 2),
        money("SBQQ__TaxAmount__c"),
    ),
)

ORDER_ITEM = ObjectSpec(
    "OrderItem",
    "802",
    "Order Product",
    (
        autonumber("OrderItemNumber", "{:010d}", label="Order Product Number", name_field=True),
        set_once(link("OrderId", "Order", required=True, children="OrderItems")),
        set_once(link("PricebookEntryId", "PricebookEntry", required=True)),
        set_once(link("Product2Id", "Product2")),
        link("OriginalOrderItemId", "OrderItem", relationship="OriginalOrderItem"),
        _required(number("Quantity", 18, 2)),
        calculated(number("AvailableQuantity", 18, 2)),
        money("UnitPrice"),
        money("ListPrice"),
        calculated(money("TotalPrice")),
        day("ServiceDate"),
        day("EndDate"),
        text("Description", 255, label="Line Description"),
        link("SBQQ__QuoteLine__c", "SBQQ__QuoteLine__c", children="SBQQ__Order_Products__r"),
        link("SBQQ__Contract__c", "Contract"),
        link("SBQQ__RevisedOrderProduct__c", "OrderItem"),
        flag("SBQQ__Contracted__c"),
        choice("SBQQ__Status__c", ("Draft", "Activated")),
        flag("SBQQ__Activated__c"),
        choice("SBQQ__BillingFrequency__c", ("Monthly", "Quarterly", "Semiannual", "Annual")),
        choice("SBQQ__BillingType__c", ("Advance", "Arrears")),
        choice("SBQQ__ChargeType__c", ("One-Time", "Recurring", "Usage")),
        choice("SBQQ__ContractAction__c", ("New", "Amend", "Renew", "Cancel")),
        choice("SBQQ__SubscriptionType__c", ("Renewable", "Evergreen", "Renewable/Evergreen")),
        choice("SBQQ__SubscriptionPricing__c", ("Fixed Price", "Percent Of Total")),
        number("SBQQ__SubscriptionTerm__c", 5, 0),
        number("SBQQ__DefaultSubscriptionTerm__c", 5, 0),
        number("SBQQ__ProrateMultiplier__c", 18, 4),
        number("SBQQ__QuotedQuantity__c", 12, 2),
        number("SBQQ__OrderedQuantity__c", 12, 2),
        money("SBQQ__QuotedListPrice__c"),
        number("SBQQ__SegmentIndex__c", 5, 0),
        text("SBQQ__SegmentKey__c", 30),
        text("SBQQ__DimensionType__c", 40),
    ),
    owned=False,
)

SALES = (
    ACCOUNT,
    CONTACT,
    CAMPAIGN,
    PRODUCT,
    PRICEBOOK,
    PRICEBOOK_ENTRY,
    OPPORTUNITY,
    CONTRACT,
    ORDER,
    ORDER_ITEM,
)
