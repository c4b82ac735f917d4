"""What is refused when a record is saved: the platform's rules, then the package's own.

The package's rules hold for quote coupons and associations; order coupons have none.
"""

from collections.abc import Mapping
from decimal import Decimal

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType
from coupon_pipeline.sandbox.salesforce.store import Row, Store, any_case
from coupon_pipeline.sandbox.salesforce.values import malformed_id
from coupon_pipeline.sandbox.switches import Switches

_MOST_PERCENT = 100
_LOCKED_TERMS = ("Amount_Off__c", "Percent_Off__c", "Duration__c")
_FIXED_ON_ACTIVATED_ORDERS = (
    "AccountId",
    "ContractId",
    "Pricebook2Id",
    "CurrencyIsoCode",
    "EffectiveDate",
)


def check_required(object_type: ObjectType, row: Row) -> None:
    """No required field is empty."""
    missing = [f.name for f in object_type.fields if f.spec.required and row.get(f.key) is None]
    if missing:
        raise SalesforceError(
            "REQUIRED_FIELD_MISSING",
            f"Required fields are missing: [{', '.join(missing)}]",
            missing,
        )


def check_picklist(store: Store, field: Field, value: object) -> None:
    """A restricted picklist takes a value of its list only."""
    if value is None or not field.spec.restricted:
        return
    values: tuple[str, ...] = field.spec.values
    if field.key == "CurrencyIsoCode":
        rows = store["CurrencyType"].rows.values()
        values = tuple(str(row["IsoCode"]) for row in rows if row.get("IsActive"))
    if value not in values:
        raise SalesforceError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.spec.label}: bad value for restricted picklist field: {value}",
            [field.name],
        )


def check_reference(store: Store, field: Field, value: str) -> None:
    """A reference names an undeleted record of the right object."""
    target = store.schema.by_prefix.get(value[:3])
    if target is None or target.key not in field.spec.targets:
        raise malformed_id(field, value)
    table = store[target.key]
    if value in table.deleted:
        raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", [field.name])
    if value not in table.rows:
        raise SalesforceError(
            "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [field.name]
        )


def check_unique(store: Store, object_type: ObjectType, row: Row) -> None:
    """A unique field's value is held by no other undeleted record, in any case."""
    table = store[object_type.key]
    for field in object_type.fields:
        value = row.get(field.key)
        if not field.spec.unique or value is None:
            continue
        held = value.lower() if isinstance(value, str) else value
        for other in table.where(any_case(field.key), held):
            if other["Id"] != row["Id"]:
                raise SalesforceError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {field.name} duplicates value on record with id: "
                    f"{str(other['Id'])[:15]}",
                    [field.name],
                )


def check_rules(
    store: Store, switches: Switches, object_type: ObjectType, row: Row, before: Row | None
) -> None:
    """The rules of the object: those of the package, and of activated orders."""
    if object_type.key == "Quote_Stripe_Coupon__c":
        if switches.salesforce_coupon_rules == "on":
            _check_quote_coupon(object_type, row)
        if before is not None and switches.salesforce_coupon_terms_lock == "on":
            _check_lock(object_type, row, before)
    elif object_type.key == "Quote_Stripe_Coupon_Association__c":
        if switches.salesforce_association_currency_check == "on":
            _check_currencies(store, row)
    elif object_type.key == "OrderItem" and before is None:
        _check_item_of_order(store, switches, row)
    elif object_type.key == "Order" and before is not None:
        _check_activated_order(switches, object_type, row, before)


def check_deletable(store: Store, switches: Switches, object_type: ObjectType, row: Row) -> None:
    """The items of an activated order stay."""
    if object_type.key != "OrderItem" or switches.salesforce_activated_order_fields == "open":
        return
    if store["Order"].rows.get(str(row.get("OrderId")), {}).get("StatusCode") == "Activated":
        raise SalesforceError("DELETE_FAILED", "products cannot be removed from an activated order")


def _broken_rule(message: str, *fields: str) -> SalesforceError:
    return SalesforceError("FIELD_CUSTOM_VALIDATION_EXCEPTION", message, fields)


def _check_quote_coupon(object_type: ObjectType, row: Row) -> None:
    amount, percent = row.get("Amount_Off__c"), row.get("Percent_Off__c")
    names = _api_names(object_type)
    if amount is None and percent is None:
        raise _broken_rule(
            "Enter an amount off or a percent off.", names["Amount_Off__c"], names["Percent_Off__c"]
        )
    if amount is not None and percent is not None:
        raise _broken_rule(
            "Enter either an amount off or a percent off, not both.",
            names["Amount_Off__c"],
            names["Percent_Off__c"],
        )
    if isinstance(percent, Decimal) and percent > _MOST_PERCENT:
        raise _broken_rule("Percent off cannot be more than 100.", names["Percent_Off__c"])
    if row.get("Duration__c") == "repeating" and row.get("Duration_In_Months__c") is None:
        raise _broken_rule(
            "A repeating coupon needs a duration in months.", names["Duration_In_Months__c"]
        )


def _check_lock(object_type: ObjectType, row: Row, before: Row) -> None:
    if before.get("Stripe_ID__c") is None:
        return
    changed = [key for key in _LOCKED_TERMS if row.get(key) != before.get(key)]
    if changed:
        names = _api_names(object_type)
        raise _broken_rule(
            "Amount, percent and duration cannot change once the coupon is in Stripe.",
            *(names[key] for key in changed),
        )


def _check_currencies(store: Store, row: Row) -> None:
    coupon = store["Quote_Stripe_Coupon__c"].rows.get(str(row.get("Quote_Stripe_Coupon__c")), {})
    quote = store["SBQQ__Quote__c"].rows.get(str(row.get("Quote__c")), {})
    amount = coupon.get("Amount_Off__c")
    if "CurrencyIsoCode" not in row or not isinstance(amount, Decimal) or amount <= 0:
        return
    codes: Mapping[str, object] = {
        "Quote Stripe Coupon": coupon.get("CurrencyIsoCode"),
        "Quote": quote.get("CurrencyIsoCode"),
        "Quote Stripe Coupon Association": row.get("CurrencyIsoCode"),
    }
    if len(set(codes.values())) > 1:
        shown = ", ".join(f"{label} {code}" for label, code in codes.items())
        raise _broken_rule(f"The currencies must be the same: {shown}.")


def _check_activated_order(
    switches: Switches, object_type: ObjectType, row: Row, before: Row
) -> None:
    if switches.salesforce_activated_order_fields == "open":
        return
    if before.get("StatusCode") != "Activated" or row.get("StatusCode") != "Activated":
        return
    changed = [key for key in _FIXED_ON_ACTIVATED_ORDERS if row.get(key) != before.get(key)]
    if changed:
        names = _api_names(object_type)
        raise SalesforceError(
            "FIELD_INTEGRITY_EXCEPTION",
            "field integrity exception: an activated order's "
            f"{', '.join(names[key] for key in changed)} cannot be changed",
            [names[key] for key in changed],
        )


def _check_item_of_order(store: Store, switches: Switches, row: Row) -> None:
    order = store["Order"].rows.get(str(row.get("OrderId")), {})
    if order.get("CurrencyIsoCode") != row.get("CurrencyIsoCode"):
        raise SalesforceError(
            "FIELD_INTEGRITY_EXCEPTION",
            "field integrity exception: an order product has the currency of its order",
            ["CurrencyIsoCode"],
        )
    locked = switches.salesforce_activated_order_fields == "locked"
    if locked and order.get("StatusCode") == "Activated":
        raise SalesforceError(
            "FIELD_INTEGRITY_EXCEPTION",
            "field integrity exception: products cannot be added to an activated order",
            ["OrderId"],
        )


def _api_names(object_type: ObjectType) -> dict[str, str]:
    return {field.key: field.name for field in object_type.fields}
