"""The questions in their order; one that cannot be answered hides no other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from coupon_pipeline.domain.diagnosis import Diagnosis, Subject, of_clock
from coupon_pipeline.domain.mapping import CouponMapping
from coupon_pipeline.domain.mapping_check import check_against
from coupon_pipeline.salesforce.describing import Description, Org, Survey, survey
from coupon_pipeline.salesforce.errors import SalesforceError
from coupon_pipeline.salesforce.examination.access import access_lines, faults_of
from coupon_pipeline.salesforce.examination.connection import (
    AREA,
    login_line,
    quota_line,
    version_line,
)
from coupon_pipeline.salesforce.examination.currencies import currency_lines
from coupon_pipeline.salesforce.examination.trigger import trigger_line
from coupon_pipeline.salesforce.examination.user import user_lines
from coupon_pipeline.salesforce.mapped_objects import describe_for_mapping
from coupon_pipeline.salesforce.names import QUOTE_COUPON, Names
from coupon_pipeline.salesforce.needs import WriteKind
from coupon_pipeline.salesforce.session import SalesforceSession

_ACCESS = Subject("salesforce.access", AREA, "objects and fields")
_USER = Subject("salesforce.permission_set", AREA, "permission set and licence")
_CURRENCIES = Subject("salesforce.currencies", AREA, "currencies")
_TRIGGER = Subject("salesforce.trigger", AREA, "activation trigger")
_MAPPING = Subject("mapping.fields", AREA, "mapping against the org")
_CLOCK = Subject("salesforce.clock", AREA, "clock")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings ask of the org."""

    write_back: tuple[WriteKind, ...]
    mapping: CouponMapping | None
    """None if the mapping file cannot be used."""
    quota_share: Decimal
    default_currency: str | None
    extra_currencies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Examination:
    """The lines about the org, and what it holds."""

    lines: tuple[Diagnosis, ...]
    survey: Survey | None = None
    """None if the org could not be asked."""

    @property
    def org(self) -> Org | None:
        """The org, where it told of itself."""
        found = self.survey.organization if self.survey else None
        return found if isinstance(found, Org) else None


def examine(session: SalesforceSession, names: Names, wanted: Wanted) -> Examination:
    """All lines about one org. What cannot be asked is a line too, so nothing is raised."""
    login, user_id, is_open = login_line(session)
    lines = [login, version_line(session)]
    found: Survey | None = None
    if is_open:
        try:
            found = survey(session, names)
        except SalesforceError as error:
            lines.append(_ACCESS.unknown(error.message, error.fix))
        lines.append(quota_line(session.quota, wanted.quota_share))
    if found is not None:
        lines += _about_the_org(session, names, wanted, found, user_id)
    lines.append(of_clock(_CLOCK, session.clock_skew))
    return Examination(tuple(lines), found)


def _about_the_org(
    session: SalesforceSession, names: Names, wanted: Wanted, found: Survey, user_id: str | None
) -> list[Diagnosis]:
    access = access_lines(found, names, wanted.write_back)
    lines = [
        *access,
        *_asked(_USER, lambda: user_lines(session, user_id, faults_of(access))),
        *_asked(
            _CURRENCIES,
            lambda: currency_lines(
                session, found, wanted.default_currency, wanted.extra_currencies
            ),
        ),
    ]
    if wanted.mapping is None:
        lines.append(
            _MAPPING.unknown("The mapping file cannot be used.", "Correct the mapping file first.")
        )
    else:
        mapping = wanted.mapping
        lines += _asked(_MAPPING, lambda: _mapping_lines(session, names, found, mapping))
    lines += _asked(_TRIGGER, lambda: [trigger_line(session, found)])
    return lines


def _asked(subject: Subject, ask: Callable[[], Iterable[Diagnosis]]) -> list[Diagnosis]:
    try:
        return list(ask())
    except SalesforceError as error:
        return [subject.unknown(error.message, error.fix)]


def _mapping_lines(
    session: SalesforceSession, names: Names, found: Survey, mapping: CouponMapping
) -> list[Diagnosis]:
    if QUOTE_COUPON not in found.objects or not isinstance(found.organization, Org):
        return [
            _MAPPING.unknown(
                "The quote coupon cannot be read, so its fields are not known.",
                "Give the user access to it first.",
            )
        ]
    described = Description(found.organization, found.objects)
    faults = check_against(mapping, describe_for_mapping(session, names, described, mapping))
    count = len(mapping.fields) + len(mapping.metadata)
    if not faults:
        return [_MAPPING.passed(f"All {count} fields of the mapping are there and readable.")]
    return [
        Subject(f"mapping.fields.{fault.target}", AREA, f"mapping of {fault.target}").failed(
            fault.message, fault.fix
        )
        for fault in faults
    ]
