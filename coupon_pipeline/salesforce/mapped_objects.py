"""The objects that a mapping's paths lead through, described for the check of the mapping."""

from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.mapping_check import (
    DescribedField,
    DescribedObject,
    objects_to_describe,
)
from coupon_pipeline.salesforce.describing import Description, OrgObject, object_of
from coupon_pipeline.salesforce.errors import SalesforceError, SalesforceRefused
from coupon_pipeline.salesforce.names import QUOTE_COUPON, Names
from coupon_pipeline.salesforce.querying import REQUESTS_A_COMPOSITE, Get, read_together
from coupon_pipeline.salesforce.session import SalesforceSession


def describe_for_mapping(
    session: SalesforceSession, names: Names, description: Description, mapping: CouponMapping
) -> dict[str, DescribedObject]:
    """The quote coupon and every object that a path follows, by name without namespace.

    An object that the user cannot see is described as one without fields.
    """
    quote_coupon = description.object(QUOTE_COUPON)
    objects = {QUOTE_COUPON: _for_check(QUOTE_COUPON, quote_coupon, names)}
    api_names = _referenced(quote_coupon, names)
    while wanted := sorted(objects_to_describe(mapping, objects))[:REQUESTS_A_COMPOSITE]:
        gets = [Get(name, f"sobjects/{api_names.get(name, name)}/describe") for name in wanted]
        answers = read_together(session, gets, "Reading the objects that the mapping names")
        for name in wanted:
            answer = answers[name]
            if isinstance(answer, SalesforceRefused):
                objects[name] = DescribedObject(name, {})
            elif isinstance(answer, SalesforceError):
                raise answer
            else:
                found = object_of(name, answer, names)
                objects[name] = _for_check(name, found, names)
                api_names |= _referenced(found, names)
    return objects


def _referenced(described: OrgObject, names: Names) -> dict[str, str]:
    return {
        names.strip(api_name): api_name
        for field in described.fields.values()
        for api_name in field.refers_to
    }


def _for_check(name: str, described: OrgObject, names: Names) -> DescribedObject:
    return DescribedObject(
        name,
        {
            field.name: DescribedField(
                field.name,
                field.kind,
                None if field.relationship is None else names.strip(field.relationship),
                tuple(names.strip(api_name) for api_name in field.refers_to),
            )
            for field in described.fields.values()
        },
    )
