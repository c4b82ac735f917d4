"""Describe: what the schema says of itself to one user.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_sobject_describe.htm
"""

from coupon_pipeline.sandbox.salesforce.access import Access
from coupon_pipeline.sandbox.salesforce.schema import Field, ObjectType, Schema
from coupon_pipeline.sandbox.salesforce.schema.model import NUMBER_KINDS, TEXT_KINDS
from coupon_pipeline.sandbox.salesforce.store import Store

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
}


def global_describe(schema: Schema, access: Access, version: str) -> dict[str, object]:
    """The objects that the user sees."""
    objects = [summary(o, access, version) for o in schema.objects.values() if access.sees(o)]
    return {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects}


def summary(object_type: ObjectType, access: Access, version: str) -> dict[str, object]:
    """What the list of objects says of one."""
    spec = object_type.spec
    base = f"/services/data/v{version}/sobjects/{object_type.name}"
    plain = not spec.setup
    return {
        "name": object_type.name,
        "label": spec.label,
        "labelPlural": spec.plural or f"{spec.label}s",
        "keyPrefix": spec.prefix,
        "custom": object_type.key.endswith("__c"),
        "customSetting": False,
        "activateable": False,
        "createable": access.can_create(object_type),
        "updateable": access.can_update(object_type),
        "deletable": access.can_delete(object_type),
        "undeletable": plain,
        "queryable": True,
        "retrieveable": True,
        "replicateable": plain,
        "searchable": plain,
        "layoutable": plain,
        "mergeable": object_type.key in {"Account", "Contact"},
        "triggerable": plain,
        "feedEnabled": False,
        "deprecatedAndHidden": False,
        "hasSubtypes": False,
        "isSubtype": False,
        "isInterface": False,
        "mruEnabled": plain,
        "urls": {
            "sobject": base,
            "describe": f"{base}/describe",
            "rowTemplate": f"{base}/{{ID}}",
        },
    }


def describe(
    store: Store, object_type: ObjectType, access: Access, version: str
) -> dict[str, object]:
    """One object with the fields and child relationships that the user sees."""
    schema = store.schema
    children = [
        {
            "childSObject": schema[link.child].name,
            "field": link.field.name,
            "relationshipName": link.name,
            "cascadeDelete": link.field.spec.master,
            "deprecatedAndHidden": False,
            "restrictedDelete": False,
        }
        for link in object_type.children.values()
        if access.sees(schema[link.child]) and access.sees_field(schema[link.child], link.field)
    ]
    fields = [
        _field(store, object_type, a_field, access)
        for a_field in access.visible_fields(object_type)
    ]
    return summary(object_type, access, version) | {
        "childRelationships": children,
        "fields": fields,
        "recordTypeInfos": [],
        "supportedScopes": [{"label": f"All {object_type.spec.label}s", "name": "everything"}],
    }


def _field(
    store: Store, object_type: ObjectType, a_field: Field, access: Access
) -> dict[str, object]:
    spec = a_field.spec
    in_text = spec.kind in TEXT_KINDS or spec.kind in {"id", "reference"}
    defaulted = (
        spec.default is not None
        or spec.kind == "boolean"
        or a_field.key in {"OwnerId", "CurrencyIsoCode"}
    )
    always = spec.kind in {"id", "boolean"} or a_field.key in _NEVER_NULL
    return {
        "name": a_field.name,
        "label": spec.label,
        "type": spec.kind,
        "soapType": _SOAP_TYPES.get(spec.kind, "xsd:string"),
        "length": spec.length if in_text else 0,
        "byteLength": spec.length * 3 if in_text else 0,
        "precision": spec.precision if spec.kind in NUMBER_KINDS - {"int"} else 0,
        "digits": spec.precision if spec.kind == "int" else 0,
        "scale": spec.scale,
        "nillable": not (spec.required or always or spec.autonumber),
        "defaultedOnCreate": defaulted or not spec.create,
        "defaultValue": False if spec.kind == "boolean" else spec.default,
        "createable": access.can_create(object_type)
        and access.can_set(object_type, a_field, creating=True),
        "updateable": access.can_update(object_type)
        and access.can_set(object_type, a_field, creating=False),
        "filterable": spec.filterable,
        "sortable": spec.filterable,
        "groupable": spec.filterable and spec.kind not in NUMBER_KINDS - {"int"},
        "aggregatable": spec.filterable,
        "custom": a_field.is_custom,
        "calculated": spec.calculated and a_field.is_custom,
        "autoNumber": spec.autonumber is not None,
        "nameField": spec.name_field,
        "namePointing": False,
        "externalId": spec.external_id,
        "idLookup": spec.external_id or spec.kind == "id",
        "unique": spec.unique,
        "caseSensitive": False,
        "compoundFieldName": None,
        "controllerName": None,
        "dependentPicklist": False,
        "restrictedPicklist": spec.restricted,
        "picklistValues": _picklist(store, a_field),
        "referenceTo": [store.schema[target].name for target in spec.targets],
        "relationshipName": a_field.relationship,
        "relationshipOrder": 0 if spec.master else None,
        "cascadeDelete": spec.master,
        "restrictedDelete": False,
        "writeRequiresMasterRead": False,
        "permissionable": is_permissionable(a_field),
        "deprecatedAndHidden": False,
        "encrypted": False,
        "htmlFormatted": False,
        "inlineHelpText": None,
        "extraTypeInfo": "plaintextarea" if spec.kind == "textarea" else None,
        "mask": None,
        "polymorphicForeignKey": False,
        "queryByDistance": False,
    }


def is_permissionable(a_field: Field) -> bool:
    """Whether field-level security can open and close it: required fields are always open."""
    spec = a_field.spec
    if spec.required or spec.no_field_permission or a_field.key in {"OwnerId", "CurrencyIsoCode"}:
        return False
    return spec.create or spec.calculated


_NEVER_NULL = frozenset(
    {
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
        "OwnerId",
        "StatusCode",
    }
)


def _picklist(store: Store, a_field: Field) -> list[dict[str, object]]:
    if a_field.spec.kind != "picklist":
        return []
    values = list(a_field.spec.values)
    if a_field.key == "CurrencyIsoCode":
        values = [str(row["IsoCode"]) for row in store["CurrencyType"].rows.values()]
    if a_field.key == "Status" and a_field.spec.values == ("Draft", "Activated"):
        values = [str(row["MasterLabel"]) for row in store["OrderStatus"].rows.values()]
    return [
        {
            "active": True,
            "defaultValue": value == a_field.spec.default,
            "label": value,
            "validFor": None,
            "value": value,
        }
        for value in values
    ]
