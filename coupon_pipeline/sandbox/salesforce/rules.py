"""What the platform and CPQ work out when a record is saved: defaults, formulas, roll-ups."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.store import Row, Store

Calculation: TypeAlias = Callable[[Store, Row], None]

CENTS = Decimal("0.01")


def calculate(store: Store, key: str, row: Row) -> None:
    """Fill in what follows from the record's other fields and its parents."""
    calculation = _CALCULATIONS.get(key)
    if calculation is not None:
        calculation(store, row)


def order_status_code(store: Store, label: Scalar) -> str:
    """The code behind an order's status label, which every org names as it likes."""
    for status in store["OrderStatus"].rows.values():
        if status["MasterLabel"] == label or status["ApiName"] == label:
            return str(status["StatusCode"])
    raise SalesforceError(
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        f"Status: bad value for restricted picklist field: {label}",
        ["Status"],
    )


def _order(store: Store, row: Row) -> None:
    row["StatusCode"] = order_status_code(store, row.get("Status"))
    row.setdefault("TotalAmount", Decimal(0))


def _order_item(store: Store, row: Row) -> None:
    entry = store["PricebookEntry"].rows.get(str(row.get("PricebookEntryId")))
    if entry is not None:
        row["Product2Id"] = row.get("Product2Id") or entry.get("Product2Id")
        row["ListPrice"] = row.get("ListPrice") or entry.get("UnitPrice")
        if row.get("UnitPrice") is None:
            row["UnitPrice"] = entry.get("UnitPrice")
    row["TotalPrice"] = _product(row.get("UnitPrice"), row.get("Quantity"))
    row["AvailableQuantity"] = row.get("Quantity")


def _quote_line(_store: Store, row: Row) -> None:
    price = row.get("SBQQ__NetPrice__c")
    if price is None:
        price = row.get("SBQQ__ListPrice__c")
    row["SBQQ__NetTotal__c"] = _product(price, row.get("SBQQ__Quantity__c"))


def _product(price: Scalar, quantity: Scalar) -> Decimal:
    return (Decimal(price or 0) * Decimal(quantity or 0)).quantize(CENTS)


def _pricebook_entry(store: Store, row: Row) -> None:
    product = store["Product2"].rows.get(str(row.get("Product2Id")), {})
    row["Name"] = product.get("Name")
    row["ProductCode"] = product.get("ProductCode")


def _contact(_store: Store, row: Row) -> None:
    names = (row.get("FirstName"), row.get("LastName"))
    row["Name"] = " ".join(str(name) for name in names if name)


def _contract(_store: Store, row: Row) -> None:
    codes = {"Draft": "Draft", "In Approval Process": "InApproval", "Activated": "Activated"}
    row["StatusCode"] = codes.get(str(row.get("Status")), "Draft")


def _coupon(store: Store, row: Row) -> None:
    stripe_id = row.get("Stripe_ID__c")
    organization = next(iter(store["Organization"].rows.values()), {})
    mode = "test/" if organization.get("IsSandbox") else ""
    row["Stripe_Dashboard_Link__c"] = (
        f"https://dashboard.stripe.com/{mode}coupons/{stripe_id}" if stripe_id else None
    )


_CALCULATIONS: Mapping[str, Calculation] = {
    "Order": _order,
    "OrderItem": _order_item,
    "SBQQ__QuoteLine__c": _quote_line,
    "PricebookEntry": _pricebook_entry,
    "Contact": _contact,
    "Contract": _contract,
    "Quote_Stripe_Coupon__c": _coupon,
    "Order_Stripe_Coupon__c": _coupon,
}


def roll_up(store: Store, key: str, row: Row) -> None:
    """Carry a saved or deleted record's numbers into the totals of its parent."""
    if key == "OrderItem":
        order = store["Order"].live(str(row.get("OrderId")))
        if order is not None:
            items = store["OrderItem"].where("OrderId", order["Id"])
            totals: Row = {"TotalAmount": _sum(items, "TotalPrice")}
            store.put(store["Order"], order | totals | _moved(row))
    if key == "SBQQ__QuoteLine__c":
        quote = store["SBQQ__Quote__c"].live(str(row.get("SBQQ__Quote__c")))
        if quote is not None:
            lines = list(store["SBQQ__QuoteLine__c"].where("SBQQ__Quote__c", quote["Id"]))
            totals = {
                "SBQQ__NetAmount__c": _sum(lines, "SBQQ__NetTotal__c"),
                "SBQQ__LineItemCount__c": Decimal(len(lines)),
            }
            store.put(store["SBQQ__Quote__c"], quote | totals | _moved(row))


def _moved(row: Row) -> Row:
    """A roll-up moves its record's SystemModstamp, not its LastModifiedDate."""
    return {"SystemModstamp": row["SystemModstamp"]}


def _sum(rows: Iterable[Row], key: str) -> Decimal:
    return sum((Decimal(row.get(key) or 0) for row in rows), Decimal(0))
