"""What hangs together: parents named by an external id, and what a deletion takes along."""

from collections.abc import Mapping

from coupon_pipeline.sandbox.salesforce.errors import SalesforceError
from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType
from coupon_pipeline.sandbox.salesforce.schema.spec import Scalar
from coupon_pipeline.sandbox.salesforce.store import Row, Store, any_case

_OWNED = {("OrderItem", "OrderId"), ("PricebookEntry", "Product2Id"), ("Order", "AccountId")}
"""Standard references that delete as a master-detail field does."""


def by_external_id(store: Store, parent: Field, value: Mapping[str, object]) -> Scalar:
    """The id of the parent that `{"Campaign__r": {"External_Key__c": "x"}}` names."""
    target = store.schema[parent.spec.targets[0]]
    named = {name: held for name, held in value.items() if name != "attributes"}
    if len(named) != 1:
        raise SalesforceError(
            "INVALID_FIELD", f"{parent.relationship} must name one external id", [parent.name]
        )
    name, held = next(iter(named.items()))
    key = target.field_named(name)
    if key is None or not (key.spec.external_id or key.key == "Id"):
        raise SalesforceError(
            "INVALID_FIELD",
            f"{name} is not an External ID or indexed field for {target.name}",
            [parent.name],
        )
    found = matching(store, target, key, str(held))
    if len(found) != 1:
        raise SalesforceError(
            "INVALID_FIELD",
            f"Foreign key external ID: {str(held).lower()} "
            f"{'not found' if not found else 'matches more than one record'} for field {key.name} "
            f"in entity {target.name}",
            [parent.name],
        )
    return str(found[0]["Id"])


def matching(store: Store, object_type: ObjectType, field: Field, value: str) -> list[Row]:
    """Undeleted records whose external id is `value`; upper and lower case are the same."""
    table = store[object_type.key]
    if field.key == "Id":
        return list(table.where("Id", value))
    return list(table.where(any_case(field.key), value.lower()))


def delete(store: Store, row: Row, moved: Row, *, coupons: str) -> None:
    """Move a record to the recycle bin with its details; lookups to it are cleared."""
    table = store.table_of(str(row["Id"]))
    if table is None or row["Id"] in table.deleted:
        return
    store.put(table, row | moved)
    for child_type, field in _pointing_at(store, table.object):
        child_table = store[child_type.key]
        for child in list(child_table.where(field.key, row["Id"])):
            if _goes_along(child_type, field, coupons):
                delete(store, child, moved, coupons=coupons)
            elif not _keeps_id(child_type, field, coupons):
                store.put(child_table, child | {field.key: None})


def _goes_along(child: ObjectType, field: Field, coupons: str) -> bool:
    if field.key == "Quote_Stripe_Coupon__c" and coupons == "nothing":
        return True
    return field.spec.master or (child.key, field.key) in _OWNED


def _keeps_id(child: ObjectType, field: Field, coupons: str) -> bool:
    if field.key == "Quote_Stripe_Coupon__c" and child.key.endswith("Association__c"):
        return coupons == "association_with_its_id"
    return field.spec.required


def _pointing_at(store: Store, target: ObjectType) -> list[tuple[ObjectType, Field]]:
    return [
        (child, field)
        for child in store.schema.objects.values()
        if child.has_bin
        for field in child.fields
        if target.key in field.spec.targets and field.spec.create
    ]
