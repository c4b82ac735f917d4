"""The whole org: every area's objects, their system fields, and the namespace."""

from collections.abc import Iterator
from dataclasses import replace

from coupon_pipeline.sandbox.salesforce.schema.connector import (
    CONNECTOR,
    FIELDS_ON_STANDARD_OBJECTS,
)
from coupon_pipeline.sandbox.salesforce.schema.cpq import CPQ
from coupon_pipeline.sandbox.salesforce.schema.customer import CUSTOMER_FIELDS
from coupon_pipeline.sandbox.salesforce.schema.model import ChildLink, Field, ObjectType, Schema
from coupon_pipeline.sandbox.salesforce.schema.platform import (
    CURRENCY_TYPE,
    DATED_CONVERSION_RATE,
    PLATFORM,
)
from coupon_pipeline.sandbox.salesforce.schema.sales import SALES
from coupon_pipeline.sandbox.salesforce.schema.spec import (
    FieldSpec,
    ObjectSpec,
    choice,
    flag,
    link,
    moment,
    read_only,
)

_ONLY_WITH_CURRENCIES = {CURRENCY_TYPE.name, DATED_CONVERSION_RATE.name}


def build_schema(namespace: str, *, multi_currency: bool) -> Schema:
    """The org's objects under `namespace` (empty for none).

    An org with one currency has neither `CurrencyType` nor any `CurrencyIsoCode`:
    https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_currencytype.htm
    """
    specs = [
        spec
        for spec in (*PLATFORM, *SALES, *CPQ, *CONNECTOR)
        if multi_currency or spec.name not in _ONLY_WITH_CURRENCIES
    ]
    objects = [
        _object(spec, tuple(_fields(spec, multi_currency=multi_currency)), namespace)
        for spec in specs
    ]
    schema = Schema(objects, namespace)
    for child in objects:
        for field in child.fields:
            if field.spec.children is None:
                continue
            name = field.spec.children
            if field.spec.packaged:
                name = _prefixed(name, namespace)
            for target in field.spec.targets:
                if target in schema:
                    schema[target].children[name.lower()] = ChildLink(name, child.key, field)
    return schema


def _fields(spec: ObjectSpec, *, multi_currency: bool) -> Iterator[FieldSpec]:
    yield FieldSpec("Id", "id", f"{spec.label} ID", length=18, create=False, update=False)
    if not spec.setup:
        yield read_only(flag("IsDeleted"))
    if spec.owned and not spec.setup:
        yield link("OwnerId", "User")
    own = (
        *spec.fields,
        *FIELDS_ON_STANDARD_OBJECTS.get(spec.name, ()),
        *CUSTOMER_FIELDS.get(spec.name, ()),
    )
    for field in own:
        if field.multi_currency and not multi_currency:
            continue
        kept = tuple(t for t in field.targets if multi_currency or t not in _ONLY_WITH_CURRENCIES)
        shown = replace(field, targets=kept)
        yield read_only(shown) if spec.setup else shown
    if multi_currency and spec.currency:
        code = choice("CurrencyIsoCode", (), restricted=True, label="Currency ISO Code")
        changes = not spec.setup and spec.name != "OrderItem"
        yield replace(code, length=3, create=not spec.setup, update=changes)
    yield read_only(moment("CreatedDate"))
    yield read_only(link("CreatedById", "User"))
    yield read_only(moment("LastModifiedDate"))
    yield read_only(link("LastModifiedById", "User"))
    yield read_only(moment("SystemModstamp"))


def _prefixed(name: str, namespace: str) -> str:
    return f"{namespace}__{name}" if namespace else name


def _object(spec: ObjectSpec, specs: tuple[FieldSpec, ...], namespace: str) -> ObjectType:
    fields = tuple(_field(field, namespace) for field in specs)
    return ObjectType(
        name=_prefixed(spec.name, namespace) if spec.packaged else spec.name,
        key=spec.name,
        spec=spec,
        fields=fields,
        by_name={f.name.lower(): f for f in fields},
        by_key={f.key: f for f in fields},
        autonumbered=tuple(f for f in fields if f.spec.autonumber),
        by_relationship={f.relationship.lower(): f for f in fields if f.relationship},
    )


def _field(spec: FieldSpec, namespace: str) -> Field:
    relationship = spec.relationship
    name = spec.name
    if spec.packaged:
        name = _prefixed(name, namespace)
        relationship = _prefixed(relationship, namespace) if relationship else None
    return Field(name, spec.name, relationship, spec)
