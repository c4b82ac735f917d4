"""The mapping against what the org's describe says: unknown, unreadable and unfit fields.

Describe lists only fields that the user may read, so a field that is hidden looks like one that is
not there. Where it is known to exist all the same (`DescribedObject.hidden`, and the package's own
fields) the fault says that a permission is missing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from coupon_pipeline.domain.mapping import CouponMapping, MappingError
from coupon_pipeline.domain.problems import render

QUOTE_COUPON = "Quote_Stripe_Coupon__c"

_NUMBERS = frozenset({"double", "int", "long", "currency", "percent", "string"})
_WORDS = frozenset({"string", "picklist", "combobox"})
_TEXTS = _WORDS | {"textarea", "email", "phone", "url", "id", "reference", "encryptedstring"}
_NOT_FOR_METADATA = frozenset({"address", "location", "base64", "anyType", "complexvalue", "json"})
_FITTING: Mapping[str, frozenset[str]] = {
    "name": _TEXTS,
    "percent_off": _NUMBERS,
    "amount_off": _NUMBERS,
    "currency": _WORDS,
    "duration": _WORDS,
    "duration_in_months": _NUMBERS,
    "max_redemptions": _NUMBERS,
    "redeem_by": frozenset({"date", "datetime", "string"}),
    "applies_to.products": _WORDS | {"textarea", "multipicklist"},
}
"""Types of Salesforce fields that can feed each Stripe field."""

_PACKAGE_FIELDS = frozenset(
    {
        "Name__c",
        "Percent_Off__c",
        "Amount_Off__c",
        "Duration__c",
        "Duration_In_Months__c",
        "Max_Redemptions__c",
    }
)
_CURRENCY_CODE = "CurrencyIsoCode"
"""On every object of an org with several currencies, and on none where there is only one."""


@dataclass(frozen=True, slots=True)
class DescribedField:
    """One field as describe gives it, its name without the package's namespace."""

    name: str
    type: str
    relationship_name: str | None = None
    reference_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DescribedObject:
    """One object as describe gives it to the integration user."""

    name: str
    fields: Mapping[str, DescribedField]
    hidden: frozenset[str] = frozenset()
    """Fields known to exist that the user may not read."""

    def relationship(self, name: str) -> DescribedField | None:
        """The lookup that a path follows by this name."""
        for each in self.fields.values():
            if each.relationship_name == name:
                return each
        return None


@dataclass(frozen=True, slots=True)
class MappingFault:
    """One line of the mapping that cannot work in this org."""

    code: str
    target: str
    path: str
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """What is wrong, in a sentence."""
        return render(self.code, self._all_details())[0]

    @property
    def fix(self) -> str:
        """What a person can do about it."""
        return render(self.code, self._all_details())[1]

    def _all_details(self) -> dict[str, str]:
        return {"target": self.target, "path": self.path, **self.details}


class UnfitMappingError(MappingError):
    """The mapping is well formed, but this org does not have what it names."""

    def __init__(self, faults: Sequence[MappingFault]) -> None:
        Exception.__init__(self, " ".join(f"{fault.message} {fault.fix}" for fault in faults))
        self.code = faults[0].code
        self.message = " ".join(fault.message for fault in faults)
        self.fix = " ".join(dict.fromkeys(fault.fix for fault in faults))


def check_against(
    mapping: CouponMapping, objects: Mapping[str, DescribedObject]
) -> tuple[MappingFault, ...]:
    """Every line that cannot work, with the nearest real name.

    `objects` holds the quote coupon and whatever `objects_to_describe` asked for, by name.
    """
    faults = (_check(target, path, objects) for target, path in _targets(mapping))
    return tuple(fault for fault in faults if fault is not None)


def objects_to_describe(
    mapping: CouponMapping, objects: Mapping[str, DescribedObject]
) -> frozenset[str]:
    """The objects that the paths lead to and that are not described yet.

    Ask again with their descriptions until nothing is asked for: each round goes one relationship
    further, so there are at most six.
    """
    wanted: set[str] = set()
    for _, path in _targets(mapping):
        places: tuple[str, ...] = (QUOTE_COUPON,)
        for segment in path.split(".")[:-1]:
            places = _follow(segment, places, objects)
            wanted.update(places)
    return frozenset({QUOTE_COUPON, *wanted} - objects.keys())


def fields_read(
    mapping: CouponMapping, objects: Mapping[str, DescribedObject]
) -> dict[str, frozenset[str]]:
    """The fields that the mapping's paths go through, by object; names without namespace.

    A lookup that no description knows is taken to be named like its relationship, and what lies
    behind it is left out.
    """
    found: dict[str, set[str]] = {}
    for _, path in _targets(mapping):
        *relationships, name = path.split(".")
        places: tuple[str, ...] = (QUOTE_COUPON,)
        for segment in relationships:
            for place in places:
                described = objects.get(place)
                lookup = described.relationship(segment) if described else None
                field_name = lookup.name if lookup else _lookup_of(segment)
                found.setdefault(place, set()).add(field_name)
            places = _follow(segment, places, objects)
        for place in places:
            found.setdefault(place, set()).add(name)
    return {place: frozenset(names) for place, names in found.items()}


def _lookup_of(relationship: str) -> str:
    """The field behind a relationship's name, as Salesforce forms one from the other."""
    if relationship.endswith("__r"):
        return relationship.removesuffix("r") + "c"
    return f"{relationship}Id"


def _targets(mapping: CouponMapping) -> tuple[tuple[str, str], ...]:
    return (
        *mapping.fields.items(),
        *((f"metadata.{key}", path) for key, path in mapping.metadata.items()),
    )


def _follow(
    segment: str, places: Iterable[str], objects: Mapping[str, DescribedObject]
) -> tuple[str, ...]:
    """Where a relationship leads: several objects if the lookup may hold several kinds."""
    found: dict[str, None] = {}
    for place in places:
        described = objects.get(place)
        lookup = described.relationship(segment) if described else None
        found.update(dict.fromkeys(lookup.reference_to if lookup else ()))
    return tuple(found)


def _check(target: str, path: str, objects: Mapping[str, DescribedObject]) -> MappingFault | None:
    *relationships, name = path.split(".")
    places: tuple[str, ...] = (QUOTE_COUPON,)
    for segment in relationships:
        onward = _follow(segment, places, objects)
        if not onward:
            return _unknown_relationship(target, path, segment, _described(places, objects))
        places = onward
    described = _described(places, objects)
    for each in described:
        found = each.fields.get(name)
        if found is not None:
            return _type_fault(target, path, found)
    if name == _CURRENCY_CODE and not relationships:
        return None
    return _unknown_field(target, path, name, described)


def _described(
    places: Iterable[str], objects: Mapping[str, DescribedObject]
) -> list[DescribedObject]:
    return [objects.get(place) or DescribedObject(place, {}) for place in places]


def _type_fault(target: str, path: str, found: DescribedField) -> MappingFault | None:
    if target.startswith("metadata."):
        fits, expected = found.type not in _NOT_FOR_METADATA, "a field that holds one value"
    else:
        fits = found.type in _FITTING[target]
        expected = " or ".join(sorted(_FITTING[target]))
    if fits:
        return None
    return MappingFault(
        "mapping.field_wrong_type", target, path, {"type": found.type, "expected": expected}
    )


def _unknown_relationship(
    target: str, path: str, segment: str, described: list[DescribedObject]
) -> MappingFault:
    names = [
        each.relationship_name
        for place in described
        for each in place.fields.values()
        if each.relationship_name
    ]
    return MappingFault(
        "mapping.relationship_unknown", target, path, _naming(segment, names, described)
    )


def _unknown_field(
    target: str, path: str, name: str, described: list[DescribedObject]
) -> MappingFault:
    is_package_field = name in _PACKAGE_FIELDS and path == name
    if is_package_field or any(name in place.hidden for place in described):
        return MappingFault(
            "mapping.field_not_readable",
            target,
            path,
            {"object": described[0].name, "field": name},
        )
    names = [known for place in described for known in place.fields]
    return MappingFault("mapping.field_unknown", target, path, _naming(name, names, described))


def _naming(name: str, names: list[str], described: list[DescribedObject]) -> dict[str, str]:
    by_lower = {each.lower(): each for each in names}
    close = get_close_matches(name.lower(), sorted(by_lower), n=1, cutoff=0.5)
    return {
        "object": " or ".join(place.name for place in described),
        "field": name,
        "nearest": by_lower[close[0]] if close else "(none is near)",
    }
