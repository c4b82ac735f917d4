"""Objects of the platform itself: organization, users, currencies, permissions."""

from dataclasses import replace

from coupon_pipeline.sandbox.salesforce.schema.spec import (
    ObjectSpec,
    choice,
    contact_point,
    day,
    flag,
    integer,
    link,
    moment,
    number,
    read_only,
    text,
)

ORGANIZATION = ObjectSpec(
    "Organization",
    "00D",
    "Organization",
    (
        text("Name", 80, name_field=True),
        flag("IsSandbox"),
        text("InstanceName", 5),
        text("OrganizationType", 40),
        text("DefaultLocaleSidKey", 40),
        text("LanguageLocaleKey", 40),
        text("TimeZoneSidKey", 40),
        text("NamespacePrefix", 15),
        moment("TrialExpirationDate"),
        integer("FiscalYearStartMonth"),
    ),
    setup=True,
    currency=False,
)

USER = ObjectSpec(
    "User",
    "005",
    "User",
    (
        text("Username", 80),
        text("Name", 121, name_field=True),
        text("FirstName", 40),
        text("LastName", 80),
        text("Alias", 8),
        contact_point("Email", "email", 128),
        flag("IsActive", default=True),
        text("UserType", 40),
        text("TimeZoneSidKey", 40),
        text("LocaleSidKey", 40),
        text("LanguageLocaleKey", 40),
        replace(text("DefaultCurrencyIsoCode", 3), multi_currency=True),
    ),
    setup=True,
)

CURRENCY_TYPE = ObjectSpec(
    "CurrencyType",
    "01L",
    "Currency Type",
    (
        text("IsoCode", 3, label="Currency ISO Code"),
        number("ConversionRate", 18, 6),
        integer("DecimalPlaces"),
        flag("IsActive", default=True),
        flag("IsCorporate"),
    ),
    setup=True,
    currency=False,
)

DATED_CONVERSION_RATE = ObjectSpec(
    "DatedConversionRate",
    "04w",
    "Dated Conversion Rate",
    (
        text("IsoCode", 3, label="Currency ISO Code"),
        number("ConversionRate", 18, 6),
        day("StartDate"),
        day("NextStartDate"),
    ),
    setup=True,
    currency=False,
)

PERMISSION_SET = ObjectSpec(
    "PermissionSet",
    "0PS",
    "Permission Set",
    (
        text("Name", 80, name_field=True),
        text("Label", 80),
        text("NamespacePrefix", 15),
        text("Description", 255),
        flag("IsOwnedByProfile"),
        flag("IsCustom", default=True),
        text("Type", 40),
    ),
    setup=True,
    currency=False,
)

PERMISSION_SET_ASSIGNMENT = ObjectSpec(
    "PermissionSetAssignment",
    "0Pa",
    "Permission Set Assignment",
    (
        link("PermissionSetId", "PermissionSet", children="Assignments"),
        link("AssigneeId", "User", children="PermissionSetAssignments"),
        flag("IsActive", default=True),
        moment("ExpirationDate"),
    ),
    setup=True,
    currency=False,
)

PACKAGE_LICENSE = ObjectSpec(
    "PackageLicense",
    "050",
    "Package License",
    (
        text("NamespacePrefix", 15),
        text("Status", 40),
        integer("AllowedLicenses"),
        integer("UsedLicenses"),
        moment("ExpirationDate"),
    ),
    setup=True,
    currency=False,
)

USER_PACKAGE_LICENSE = ObjectSpec(
    "UserPackageLicense",
    "051",
    "User Package License",
    (
        link("PackageLicenseId", "PackageLicense"),
        link("UserId", "User"),
    ),
    setup=True,
    currency=False,
)

ORDER_STATUS = ObjectSpec(
    "OrderStatus",
    "0Bs",
    "Order Status Value",
    (
        text("MasterLabel", 255),
        text("ApiName", 255),
        choice("StatusCode", ("Draft", "Activated", "Canceled", "Expired", "Superseded")),
        read_only(flag("IsDefault")),
        integer("SortOrder"),
    ),
    setup=True,
    currency=False,
)

PLATFORM = (
    ORGANIZATION,
    USER,
    CURRENCY_TYPE,
    DATED_CONVERSION_RATE,
    PERMISSION_SET,
    PERMISSION_SET_ASSIGNMENT,
    PACKAGE_LICENSE,
    USER_PACKAGE_LICENSE,
    ORDER_STATUS,
)
