"""A permission set's file as the sandbox's access rights, as if it was all that a user has.

Written from the public form of the file, with nothing of the code that writes it.
"""

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from coupon_pipeline.sandbox.salesforce.access import Access
from coupon_pipeline.sandbox.salesforce.describe import is_permissionable
from coupon_pipeline.sandbox.salesforce.schema import ObjectType, Schema

_SPACE = {"m": "http://soap.sforce.com/2006/04/metadata"}
_FOLLOWS = {"OrderItem": "Order", "PricebookEntry": "Pricebook2"}


def access_of(xml: str, schema: Schema) -> Access:
    """What the set opens, and nothing else. Refuses what Salesforce does not deploy."""
    root = ET.fromstring(xml)
    fields = {
        _text(each, "field"): _text(each, "editable") == "true"
        for each in root.findall("m:fieldPermissions", _SPACE)
    }
    objects = {_text(each, "object"): each for each in root.findall("m:objectPermissions", _SPACE)}
    access = Access()
    for object_type in schema.objects.values():
        if object_type.spec.setup:
            continue
        rights = objects.get(_FOLLOWS.get(object_type.name, object_type.name))
        if rights is None:
            access.hide_object(object_type.key)
            continue
        if _text(rights, "allowCreate") != "true":
            access.no_create.add(object_type.key)
        if _text(rights, "allowEdit") != "true":
            access.no_update.add(object_type.key)
        _open_fields(access, object_type, fields)
    known = {
        f"{object_type.name}.{field.name}"
        for object_type in schema.objects.values()
        for field in object_type.fields
    }
    assert set(fields) <= known, "only fields that exist can be deployed"
    for name in _FOLLOWS:
        assert name not in objects, f"{name} has no permissions of its own"
    return access


def _open_fields(access: Access, object_type: ObjectType, fields: Mapping[str, bool]) -> None:
    for field in object_type.fields:
        named = f"{object_type.name}.{field.name}"
        if not is_permissionable(field):
            assert named not in fields, f"{named} is required and cannot be deployed"
        elif named not in fields:
            access.hide_field(object_type.key, field.key)
        elif not fields[named]:
            access.fixed_fields.add((object_type.key, field.key))


def without_field(xml: str, field: str) -> str:
    """The same set without one field's permission."""
    ET.register_namespace("", _SPACE["m"])
    root = ET.fromstring(xml)
    for each in root.findall("m:fieldPermissions", _SPACE):
        if _text(each, "field") == field:
            root.remove(each)
    return ET.tostring(root, encoding="unicode")


def fields_of(xml: str) -> list[tuple[str, bool]]:
    """Each field that the set opens, and whether it may be edited."""
    return [
        (_text(each, "field"), _text(each, "editable") == "true")
        for each in ET.fromstring(xml).findall("m:fieldPermissions", _SPACE)
    ]


def _text(element: ET.Element, name: str) -> str:
    found = element.find(f"m:{name}", _SPACE)
    assert found is not None, f"{element.tag} has no {name}"
    return found.text or ""
