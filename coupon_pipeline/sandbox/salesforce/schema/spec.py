"""How an object and its fields are written down, and short words to write them with.

Names in a specification are without the managed package's namespace; `packaged` says that the
name carries it in an org where the package has one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, TypeAlias

Scalar: TypeAlias = str | int | Decimal | bool | None
"""What a record holds: dates and datetimes as Salesforce writes them, numbers as `Decimal`."""

FieldKind: TypeAlias = Literal[
    "id",
    "reference",
    "string",
    "textarea",
    "picklist",
    "boolean",
    "double",
    "currency",
    "percent",
    "int",
    "date",
    "datetime",
    "email",
    "phone",
    "url",
]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: its type and limits, and what may be done with it."""

    name: str
    kind: FieldKind
    label: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    create: bool = True
    update: bool = True
    default: Scalar = None
    targets: tuple[str, ...] = ()
    relationship: str | None = None
    children: str | None = None
    master: bool = False
    values: tuple[str, ...] = ()
    restricted: bool = False
    external_id: bool = False
    unique: bool = False
    filterable: bool = True
    autonumber: str | None = None
    calculated: bool = False
    name_field: bool = False
    packaged: bool = False
    multi_currency: bool = False
    no_field_permission: bool = False


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """One object: its key prefix and its fields beside the system fields that most have."""

    name: str
    prefix: str
    label: str
    fields: tuple[FieldSpec, ...]
    plural: str = ""
    packaged: bool = False
    owned: bool = True
    currency: bool = True
    setup: bool = False
    """Setup objects have no recycle bin, no owner and are not written over REST."""


def _label(name: str) -> str:
    plain = name.removesuffix("__c").split("__")[-1]
    if "_" in plain:
        return plain.replace("_", " ")
    words = "".join(f" {c}" if c.isupper() and i else c for i, c in enumerate(plain))
    return words.removesuffix(" Id") if words.endswith(" Id") else words


def text(
    name: str,
    length: int = 255,
    *,
    required: bool = False,
    external_id: bool = False,
    unique: bool = False,
    name_field: bool = False,
    label: str = "",
) -> FieldSpec:
    """A line of text of at most `length` characters."""
    return FieldSpec(
        name,
        "string",
        label or _label(name),
        length=length,
        required=required,
        external_id=external_id,
        unique=unique,
        name_field=name_field,
    )


def long_text(name: str, length: int = 32_000) -> FieldSpec:
    """A text area. Salesforce neither filters nor sorts by long ones."""
    return FieldSpec(name, "textarea", _label(name), length=length, filterable=length <= 255)  # noqa: PLR2004 - the longest text area that can be filtered


def number(
    name: str, precision: int = 18, scale: int = 0, *, label: str = "", default: Scalar = None
) -> FieldSpec:
    """A Number field with `precision` digits in all and `scale` of them after the point."""
    return FieldSpec(
        name, "double", label or _label(name), precision=precision, scale=scale, default=default
    )


def money(name: str, precision: int = 18, scale: int = 2) -> FieldSpec:
    """A Currency field."""
    return FieldSpec(name, "currency", _label(name), precision=precision, scale=scale)


def percent(name: str, precision: int = 5, scale: int = 2) -> FieldSpec:
    """A Percent field: 12.5 means 12.5 %."""
    return FieldSpec(name, "percent", _label(name), precision=precision, scale=scale)


def integer(name: str) -> FieldSpec:
    """A whole number that arrives without a decimal point."""
    return FieldSpec(name, "int", _label(name), precision=8)


def flag(name: str, *, default: bool = False) -> FieldSpec:
    """A checkbox; never null."""
    return FieldSpec(name, "boolean", _label(name), default=default)


def day(name: str, *, required: bool = False) -> FieldSpec:
    """A date without a time."""
    return FieldSpec(name, "date", _label(name), required=required)


def moment(name: str) -> FieldSpec:
    """A point in time."""
    return FieldSpec(name, "datetime", _label(name))


def choice(
    name: str,
    values: Sequence[str],
    *,
    restricted: bool = False,
    required: bool = False,
    default: str | None = None,
    label: str = "",
) -> FieldSpec:
    """A picklist. Only a restricted one refuses a value that is not on its list."""
    return FieldSpec(
        name,
        "picklist",
        label or _label(name),
        length=255,
        values=tuple(values),
        restricted=restricted,
        required=required,
        default=default,
    )


def link(
    name: str,
    *targets: str,
    required: bool = False,
    children: str | None = None,
    master: bool = False,
    relationship: str | None = None,
) -> FieldSpec:
    """A lookup, or with `master` a master-detail field.

    The parent path is the field's name with `__r` (custom) or without `Id` (standard).
    `children` is what a child subquery on the parent calls these records.
    """
    if relationship is None:
        relationship = name[:-1] + "r" if name.endswith("__c") else name.removesuffix("Id")
    return FieldSpec(
        name,
        "reference",
        _label(name),
        length=18,
        targets=targets,
        relationship=relationship,
        children=children,
        required=required or master,
        master=master,
        update=not master,
    )


def contact_point(name: str, kind: Literal["email", "phone", "url"], length: int) -> FieldSpec:
    """An e-mail address, a telephone number or a web address."""
    return FieldSpec(name, kind, _label(name), length=length)


def autonumber(name: str, form: str, *, label: str = "", name_field: bool = False) -> FieldSpec:
    """A number that Salesforce gives, such as `Q-{:05d}`."""
    return FieldSpec(
        name,
        "string",
        label or _label(name),
        length=80,
        create=False,
        update=False,
        autonumber=form,
        name_field=name_field,
    )


def read_only(spec: FieldSpec) -> FieldSpec:
    """A field that only the system writes."""
    return replace(spec, create=False, update=False)


def set_once(spec: FieldSpec) -> FieldSpec:
    """A field that can be given on creation and not changed afterwards."""
    return replace(spec, update=False)


def calculated(spec: FieldSpec) -> FieldSpec:
    """A formula or roll-up; see `calculations`."""
    return replace(spec, create=False, update=False, calculated=True)


def packaged(*specs: FieldSpec) -> tuple[FieldSpec, ...]:
    """Fields of the managed package, which carry its namespace."""
    return tuple(replace(spec, packaged=True) for spec in specs)
