"""Objects and fields as the API names them in one org, with lookups by name in any case."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from coupon_pipeline.sandbox.salesforce.schema.spec import FieldSpec, ObjectSpec

REFERENCE_KINDS = frozenset({"id", "reference"})
NUMBER_KINDS = frozenset({"double", "currency", "percent", "int"})
TEXT_KINDS = frozenset({"string", "textarea", "picklist", "email", "phone", "url"})


@dataclass(frozen=True, slots=True)
class Field:
    """A field under its API name; records hold its value under `key`."""

    name: str
    key: str
    relationship: str | None
    spec: FieldSpec

    @property
    def is_custom(self) -> bool:
        """Whether the name ends as those of custom fields do."""
        return self.key.endswith("__c")


@dataclass(frozen=True, slots=True)
class ChildLink:
    """Records of `child` that point here through `field`."""

    name: str
    child: str
    field: Field


@dataclass(slots=True)
class ObjectType:
    """An object under its API name. `key` is its name without the namespace."""

    name: str
    key: str
    spec: ObjectSpec
    fields: tuple[Field, ...]
    by_name: Mapping[str, Field]
    by_key: Mapping[str, Field]
    by_relationship: Mapping[str, Field]
    autonumbered: tuple[Field, ...]
    children: dict[str, ChildLink] = field(default_factory=dict)

    def field_named(self, name: str) -> Field | None:
        """The field with that API name, in any case."""
        return self.by_name.get(name.lower())

    def parent_named(self, name: str) -> Field | None:
        """The reference field whose parent path has that name, in any case."""
        return self.by_relationship.get(name.lower())

    def child_named(self, name: str) -> ChildLink | None:
        """The child relationship with that name, in any case."""
        return self.children.get(name.lower())

    @property
    def has_bin(self) -> bool:
        """Whether deleted records stay and can be read with queryAll."""
        return "IsDeleted" in self.by_key

    @property
    def master_key(self) -> str | None:
        """The key of the field that names a detail's master; an order's items are details too."""
        if self.key == "OrderItem":
            return "OrderId"
        return next((f.key for f in self.fields if f.spec.master), None)

    @property
    def name_field(self) -> Field | None:
        """The field that names a record."""
        return next((f for f in self.fields if f.spec.name_field), None)


class Schema:
    """All objects of one org."""

    def __init__(self, objects: Iterable[ObjectType], namespace: str) -> None:
        self.namespace = namespace
        self.objects: dict[str, ObjectType] = {o.key: o for o in objects}
        self._by_name = {o.name.lower(): o for o in self.objects.values()}
        self.by_prefix = {o.spec.prefix: o for o in self.objects.values()}

    def object_named(self, name: str) -> ObjectType | None:
        """The object with that API name, in any case."""
        return self._by_name.get(name.lower())

    def __getitem__(self, key: str) -> ObjectType:
        return self.objects[key]

    def __contains__(self, key: str) -> bool:
        return key in self.objects
