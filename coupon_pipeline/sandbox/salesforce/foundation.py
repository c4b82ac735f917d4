"""What every org has from its first day: itself, its users, statuses, currencies, permissions."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from coupon_pipeline.sandbox.salesforce.ids import IdMinter
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.store import Store
from coupon_pipeline.sandbox.salesforce.values import stamp

INTEGRATION_USERNAME = "integration@acme.example"
COUPON_USERNAME = "coupons@acme.example"
CORPORATE_CURRENCY = "USD"

CURRENCIES: Mapping[str, tuple[str, int]] = {
    "USD": ("1", 2),
    "EUR": ("0.92", 2),
    "GBP": ("0.78", 2),
    "JPY": ("156.5", 0),
    "CHF": ("0.89", 2),
    "CAD": ("1.37", 2),
    "AUD": ("1.51", 2),
    "SEK": ("10.6", 2),
    "ISK": ("138.2", 0),
    "UGX": ("3700", 0),
    "KWD": ("0.307", 3),
    "XDR": ("0.75", 2),
}
"""Corporate rate and decimal places. XDR is a code that Stripe does not take."""

_COUPON_SET = "Stripe_Connector_Coupon_User"
_INTEGRATION_SET = "Stripe_Connector_Integration_User"


class Foundation:
    """Lays the first records of an org and keeps their ids."""

    def __init__(
        self, store: Store, minter: IdMinter, at: datetime, namespace: str, *, multi_currency: bool
    ) -> None:
        self._store = store
        self._minter = minter
        self._at = stamp(at)
        self._author = ""
        self._multi_currency = multi_currency
        self.org_id = self._put("Organization", self._organization())
        self.integration_user = self._user(INTEGRATION_USERNAME, "Integration", "Pipeline")
        self.coupon_user = self._user(COUPON_USERNAME, "Casey", "Coupon")
        for order, (label, code) in enumerate((("Draft", "Draft"), ("Activated", "Activated"))):
            self._put(
                "OrderStatus",
                {
                    "MasterLabel": label,
                    "ApiName": label,
                    "StatusCode": code,
                    "IsDefault": code == "Draft",
                    "SortOrder": order + 1,
                },
            )
        self._put(
            "Pricebook2",
            {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True},
        )
        if multi_currency:
            self._currencies()
        self._permissions(namespace)

    def _put(self, key: str, values: Mapping[str, Scalar]) -> str:
        record_id = self._minter.mint(self._store.schema[key].spec.prefix)
        author = self._author or record_id
        if self._store.schema[key].has_bin:
            values = {"IsDeleted": False, **values}
        row = {
            "Id": record_id,
            "CreatedDate": self._at,
            "CreatedById": author,
            "LastModifiedDate": self._at,
            "LastModifiedById": author,
            "SystemModstamp": self._at,
            **values,
        }
        self._store.put(self._store[key], row)
        return record_id

    def _organization(self) -> Mapping[str, Scalar]:
        return {
            "Name": "Acme",
            "IsSandbox": False,
            "InstanceName": "CS42",
            "OrganizationType": "Enterprise Edition",
            "DefaultLocaleSidKey": "en_US",
            "LanguageLocaleKey": "en_US",
            "TimeZoneSidKey": "GMT",
            "FiscalYearStartMonth": 1,
        }

    def _user(self, username: str, first: str, last: str) -> str:
        currency = {"DefaultCurrencyIsoCode": CORPORATE_CURRENCY} if self._multi_currency else {}
        if self._multi_currency:
            currency["CurrencyIsoCode"] = CORPORATE_CURRENCY
        user_id = self._put(
            "User",
            {
                "Username": username,
                "Name": f"{first} {last}",
                "FirstName": first,
                "LastName": last,
                "Alias": first[:8].lower(),
                "Email": username,
                "IsActive": True,
                "UserType": "Standard",
                "TimeZoneSidKey": "GMT",
                "LocaleSidKey": "en_US",
                "LanguageLocaleKey": "en_US",
                **currency,
            },
        )
        self._author = self._author or user_id
        return user_id

    def _currencies(self) -> None:
        for code, (rate, places) in CURRENCIES.items():
            self._put(
                "CurrencyType",
                {
                    "IsoCode": code,
                    "ConversionRate": Decimal(rate),
                    "DecimalPlaces": places,
                    "IsActive": True,
                    "IsCorporate": code == CORPORATE_CURRENCY,
                },
            )
            self._put(
                "DatedConversionRate",
                {
                    "IsoCode": code,
                    "ConversionRate": Decimal(rate),
                    "StartDate": "2020-01-01",
                    "NextStartDate": "9999-12-31",
                },
            )

    def _permissions(self, namespace: str) -> None:
        package = self._put(
            "PackageLicense",
            {
                "NamespacePrefix": "SBQQ",
                "Status": "Active",
                "AllowedLicenses": 50,
                "UsedLicenses": 2,
            },
        )
        sets = {
            name: self._put(
                "PermissionSet",
                {
                    "Name": name,
                    "Label": name.replace("_", " "),
                    "NamespacePrefix": namespace or None,
                    "IsCustom": True,
                    "IsOwnedByProfile": False,
                    "Type": "Regular",
                },
            )
            for name in (_COUPON_SET, _INTEGRATION_SET)
        }
        holders = {
            self.integration_user: (_COUPON_SET, _INTEGRATION_SET),
            self.coupon_user: (_COUPON_SET,),
        }
        for user_id, names in holders.items():
            self._put("UserPackageLicense", {"PackageLicenseId": package, "UserId": user_id})
            for name in names:
                self._put(
                    "PermissionSetAssignment",
                    {"PermissionSetId": sets[name], "AssigneeId": user_id, "IsActive": True},
                )
