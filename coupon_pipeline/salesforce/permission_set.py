"""A permission set with exactly what the pipeline needs, as a file that Salesforce deploys.

The form is that of the Metadata API:
https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_permissionset.htm
Fields that everybody with access to the object can read (required ones, those that tie a detail to
its master, and those of the system) may not be named in it.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from coupon_pipeline.salesforce.describing import OrgObject
from coupon_pipeline.salesforce.names import (
    QUOTE_ASSOCIATION,
    QUOTE_COUPON,
    QUOTE_COUPON_ID,
    QUOTE_LINE_ASSOCIATION,
    Names,
)
from coupon_pipeline.salesforce.needs import (
    CURRENCY,
    NEEDS,
    PRICE,
    QUOTE_LINE,
    ObjectNeed,
    WriteKind,
)

NAME = "Coupon_Pipeline"
_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_FOLLOWED = {"OrderItem": ("Order",), PRICE: ("Pricebook2", "Product2")}
"""Objects without permissions of their own, and those whose permissions they follow."""
_ALWAYS_OPEN = frozenset(
    {
        (QUOTE_ASSOCIATION, "Quote__c"),
        (QUOTE_ASSOCIATION, QUOTE_COUPON),
        (QUOTE_LINE_ASSOCIATION, "Quote_Line__c"),
        (QUOTE_LINE_ASSOCIATION, QUOTE_COUPON),
    }
)
_ALWAYS_OPEN_FIELDS = frozenset({"Duration__c", QUOTE_COUPON_ID, CURRENCY})


@dataclass(frozen=True, slots=True)
class ObjectGrant:
    """What the set opens on one object, under the API's names; fields with whether to edit them."""

    api_name: str
    is_own: bool
    """Whether the object has permissions of its own."""
    all_records: bool
    """Whether records that are not shared with the user are read, too."""
    create: bool
    edit: bool
    fields: Mapping[str, bool]


def grants(  # read access to orders needs that to accounts, to a detail that to its master
    names: Names,
    write_back: Collection[WriteKind],
    mapped: Mapping[str, Collection[str]],
    described: Mapping[str, OrgObject],
) -> tuple[ObjectGrant, ...]:
    """What has to be opened.

    Args:
        names: the namespace of the package.
        write_back: what is written to Salesforce.
        mapped: fields that the mapping names, by object; names without namespace.
        described: objects as the org describes them; those that it does not are taken for what
            the package is known to have.
    """
    found: dict[str, ObjectGrant] = {}
    for need in NEEDS:
        found[need.name] = _grant(need, names, write_back, mapped, described)
    found[QUOTE_LINE] = _reading(QUOTE_LINE, {}, all_records=True)
    for name in ("Account", *(each for follows in _FOLLOWED.values() for each in follows)):
        found.setdefault(name, _reading(name, {}, all_records=False))
    for name, fields in mapped.items():
        if name not in found:
            api_name = described[name].api_name if name in described else names.qualify(name)
            opened = _open_fields(name, fields, (), names, described)
            found[name] = _reading(api_name, opened, all_records=True)
    return tuple(sorted(found.values(), key=lambda grant: grant.api_name))


def _grant(
    need: ObjectNeed,
    names: Names,
    write_back: Collection[WriteKind],
    mapped: Mapping[str, Collection[str]],
    described: Mapping[str, OrgObject],
) -> ObjectGrant:
    created, edited = need.creates(write_back), need.edits(write_back)
    read = (*need.required, *need.read, *mapped.get(need.name, ()))
    return ObjectGrant(
        api_name=names.qualify(need.name),
        is_own=need.name not in _FOLLOWED,
        all_records=True,
        create=bool(created),
        edit=bool(edited),
        fields=_open_fields(need.name, read, (*created, *edited), names, described),
    )


def _reading(api_name: str, fields: Mapping[str, bool], *, all_records: bool) -> ObjectGrant:
    return ObjectGrant(
        api_name, is_own=True, all_records=all_records, create=False, edit=False, fields=fields
    )


def _open_fields(
    name: str,
    read: Iterable[str],
    written: Collection[str],
    names: Names,
    described: Mapping[str, OrgObject],
) -> dict[str, bool]:
    """Fields to open, under the API's names, and whether they are written."""
    return {
        names.qualify(field): field in written
        for field in sorted({*read, *written})
        if _can_be_opened(name, field, described.get(name))
    }


def _can_be_opened(name: str, field: str, described: OrgObject | None) -> bool:
    """By the org's own word where it is visible; a field that is hidden can be opened."""
    if described is not None and described.has(field):
        return described.fields[field].is_permissionable
    if (name, field) in _ALWAYS_OPEN or field in _ALWAYS_OPEN_FIELDS:
        return False
    return described is not None or field.endswith("__c")


def permission_set_xml(opened: Iterable[ObjectGrant]) -> str:
    """The file `Coupon_Pipeline.permissionset-meta.xml`."""
    ET.register_namespace("", _NAMESPACE)
    root = ET.Element(f"{{{_NAMESPACE}}}PermissionSet")
    granted = tuple(opened)
    _put(
        root,
        {
            "description": "What coupon_pipeline reads and writes, and nothing else. Written by "
            "coupon-pipeline doctor --permission-set."
        },
    )
    for grant in granted:
        for field, editable in sorted(grant.fields.items()):
            _put(
                ET.SubElement(root, f"{{{_NAMESPACE}}}fieldPermissions"),
                {
                    "editable": _flag(on=editable),
                    "field": f"{grant.api_name}.{field}",
                    "readable": "true",
                },
            )
    _put(root, {"hasActivationRequired": "false", "label": "Coupon Pipeline"})
    for grant in granted:
        if grant.is_own:
            _put(ET.SubElement(root, f"{{{_NAMESPACE}}}objectPermissions"), dict(_rights(grant)))
    _put(
        ET.SubElement(root, f"{{{_NAMESPACE}}}userPermissions"),
        {"enabled": "true", "name": "ApiEnabled"},
    )
    ET.indent(root, space="    ")
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _rights(grant: ObjectGrant) -> Iterator[tuple[str, str]]:
    yield "allowCreate", _flag(on=grant.create)
    yield "allowDelete", "false"
    yield "allowEdit", _flag(on=grant.edit)
    yield "allowRead", "true"
    yield "modifyAllRecords", "false"
    yield "object", grant.api_name
    yield "viewAllRecords", _flag(on=grant.all_records)


def _flag(*, on: bool) -> str:
    return "true" if on else "false"


def _put(parent: ET.Element, texts: Mapping[str, str]) -> None:
    for name, value in texts.items():
        ET.SubElement(parent, f"{{{_NAMESPACE}}}{name}").text = value
