"""What the org is and which objects and fields this user can read: one request, asked once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from coupon_pipeline.domain.ids import normalise_id
from coupon_pipeline.salesforce.errors import (
    SalesforceError,
    SalesforceRefused,
    permission_error,
)
from coupon_pipeline.salesforce.json_values import Json, as_list, as_object
from coupon_pipeline.salesforce.names import ORDER_COUPON, QUOTE_COUPON, TERM_FIELDS, Names
from coupon_pipeline.salesforce.needs import CURRENCY, OPTIONAL, REQUIRED
from coupon_pipeline.salesforce.querying import Get, get_of, read_together
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import Statement

_COMPOUND_TYPES = frozenset({"address", "location", "base64", "complexvalue", "anyType"})


@dataclass(frozen=True, slots=True)
class Org:
    """The Salesforce org, as it tells of itself."""

    org_id: str
    name: str
    is_sandbox: bool
    is_multi_currency: bool
    default_currency: str | None
    """The one currency of a single-currency org; `None` where the org does not tell."""
    instance_url: str


@dataclass(frozen=True, slots=True)
class OrgField:
    """A field that this user can read. `name` is without the package's namespace."""

    name: str
    api_name: str
    kind: str
    """Salesforce's type: `string`, `double`, `picklist`, `reference`, ..."""
    scale: int
    relationship: str | None
    """What a path through the field starts with, as the API names it."""
    refers_to: tuple[str, ...]
    is_createable: bool
    is_updateable: bool
    label: str = ""
    """What people see above the field."""
    is_permissionable: bool = True
    """Whether a permission set can open or close it; required fields are always open."""

    @property
    def is_scalar(self) -> bool:
        """Whether its value is one text, number or truth value."""
        return self.kind not in _COMPOUND_TYPES


@dataclass(frozen=True, slots=True)
class OrgObject:
    """An object and its readable fields, keyed by their names without namespace."""

    name: str
    api_name: str
    is_createable: bool
    is_updateable: bool
    fields: Mapping[str, OrgField]
    label: str = ""

    @property
    def kinds(self) -> dict[str, str]:
        """Salesforce's types by the names of the API."""
        return {field.api_name: field.kind for field in self.fields.values()}

    def has(self, field: str) -> bool:
        """Whether the field exists and is open to the user."""
        return field in self.fields

    def api(self, field: str) -> str:
        """The field as the API names it; `salesforce.permission` when it cannot be read."""
        found = self.fields.get(field)
        if found is None:
            raise permission_error(
                f"The field {field} of {self.api_name} does not exist or is hidden from the user.",
                object_name=self.api_name,
                field_name=field,
            )
        return found.api_name


@dataclass(frozen=True, slots=True)
class Description:
    """The org and the objects that the pipeline reads and writes."""

    org: Org
    objects: Mapping[str, OrgObject]
    """By name without namespace; optional objects are absent where the org has none."""

    def object(self, name: str) -> OrgObject:
        """An object that must be there."""
        found = self.objects.get(name)
        if found is None:
            raise permission_error(
                f"The object {name} does not exist or is hidden from the user.", object_name=name
            )
        return found


@dataclass(frozen=True, slots=True)
class Survey:
    """What the org answered, whether it is enough or not."""

    organization: Org | SalesforceError
    objects: Mapping[str, OrgObject]
    refusals: Mapping[str, SalesforceRefused]
    """Objects that do not exist or are hidden from the user."""


def describe(session: SalesforceSession, names: Names) -> Description:
    """Organization and all describes in one request; refuses when something needed is missing."""
    found = survey(session, names)
    for name in REQUIRED:
        if name in found.refusals:
            api_name = names.qualify(name)
            raise permission_error(
                f"The object {api_name} does not exist or is hidden from the user.",
                object_name=api_name,
                error_code=found.refusals[name].error_code,
            )
    if isinstance(found.organization, SalesforceError):
        raise found.organization
    description = Description(found.organization, found.objects)
    for name, fields in REQUIRED.items():
        for field in fields:
            description.object(name).api(field)
    _check_copy(description)
    return description


def survey(session: SalesforceSession, names: Names) -> Survey:
    """Organization and all describes in one request, with what is missing of them.

    Raises:
        SalesforceError: the org could not be asked.
    """
    wanted = (*REQUIRED, *OPTIONAL)
    gets = [Get(f"describe_{name}", f"sobjects/{names.qualify(name)}/describe") for name in wanted]
    gets.append(
        get_of(Statement("organization", "SELECT Id, Name, IsSandbox FROM Organization LIMIT 1"))
    )
    # asked on its own: this field is in no public field list, so it must be free to be missing
    gets.append(
        get_of(Statement("currency", "SELECT DefaultCurrencyIsoCode FROM Organization LIMIT 1"))
    )
    answers = read_together(session, gets, "Reading what the org holds")
    objects: dict[str, OrgObject] = {}
    refusals: dict[str, SalesforceRefused] = {}
    for name in wanted:
        answer = answers[f"describe_{name}"]
        if isinstance(answer, SalesforceRefused):
            refusals[name] = answer
        elif isinstance(answer, SalesforceError):
            raise answer
        else:
            objects[name] = object_of(name, answer, names)
    try:
        organization: Org | SalesforceError = _org_of(answers, objects, session.instance.url)
    except SalesforceError as error:
        organization = error
    return Survey(organization, objects, refusals)


def _check_copy(description: Description) -> None:
    """A term that the quote coupon shows must be readable on its copy too.

    The copy is the evidence of what was signed; a hidden field on it would read as not set.
    """
    copy = description.object(ORDER_COUPON)
    for field in TERM_FIELDS:
        if description.object(QUOTE_COUPON).has(field):
            copy.api(field)


def object_of(name: str, answer: Json, names: Names) -> OrgObject:
    """An object from the answer to its describe."""
    body = as_object(answer)
    fields: dict[str, OrgField] = {}
    for field in map(_field_of, map(as_object, as_list(body.get("fields")))):
        key = names.strip(field.api_name)
        # where a customer's own field has the same name, the mapping's name means the package's
        if key not in fields or key != field.api_name:
            fields[key] = replace(field, name=key)
    return OrgObject(
        name,
        str(body.get("name") or names.qualify(name)),
        body.get("createable") is True,
        body.get("updateable") is True,
        fields,
        str(body.get("label") or ""),
    )


def _field_of(body: dict[str, Json]) -> OrgField:
    scale, relationship = body.get("scale"), body.get("relationshipName")
    return OrgField(
        name=str(body.get("name")),
        api_name=str(body.get("name")),
        kind=str(body.get("type")),
        scale=scale if isinstance(scale, int) else 0,
        relationship=relationship if isinstance(relationship, str) else None,
        refers_to=tuple(str(name) for name in as_list(body.get("referenceTo"))),
        is_createable=body.get("createable") is True,
        is_updateable=body.get("updateable") is True,
        label=str(body.get("label") or ""),
        is_permissionable=body.get("permissionable") is not False,
    )


def _org_of(
    answers: Mapping[str, Json | SalesforceError],
    objects: Mapping[str, OrgObject],
    instance_url: str,
) -> Org:
    organization = answers["organization"]
    if isinstance(organization, SalesforceError):
        raise organization
    row = _first_record(organization)
    currency = answers["currency"]
    default = None if isinstance(currency, SalesforceError) else _first_record(currency)
    code = default.get("DefaultCurrencyIsoCode") if default else None
    org_id = row.get("Id")
    if not isinstance(org_id, str):
        raise permission_error("Organization cannot be read.", object_name="Organization")
    return Org(
        org_id=normalise_id(org_id),
        name=str(row.get("Name") or ""),
        is_sandbox=row.get("IsSandbox") is True,
        is_multi_currency=all(
            objects[name].has(CURRENCY) for name in ("Order", QUOTE_COUPON) if name in objects
        ),
        default_currency=code if isinstance(code, str) else None,
        instance_url=instance_url,
    )


def _first_record(answer: Json) -> dict[str, Json]:
    records = as_list(as_object(answer).get("records"))
    return as_object(records[0]) if records else {}
