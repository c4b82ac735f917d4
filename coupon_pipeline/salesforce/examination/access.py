"""Objects and fields: present, readable, and writable where something is written back.

Describe shows a user only what that user may read, so that a field that is hidden and one that
does not exist look the same: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_sobject_describe.htm
"""

from collections.abc import Callable, Iterable, Sequence

from coupon_pipeline.domain.diagnosis import Diagnosis, Status, Subject
from coupon_pipeline.salesforce.describing import Org, OrgField, OrgObject, Survey
from coupon_pipeline.salesforce.errors import COUPON_PERMISSION_SET
from coupon_pipeline.salesforce.examination.connection import AREA
from coupon_pipeline.salesforce.names import ORDER_COUPON, QUOTE_COUPON, TERM_FIELDS, Names
from coupon_pipeline.salesforce.needs import CURRENCY, NEEDS, QUOTE, ObjectNeed, WriteKind

_DEPLOY = (
    "Give the user access, for example by deploying and assigning what `coupon-pipeline doctor "
    "--permission-set FILE` writes."
)
_NOT_IN_THE_SET = (
    f'The permission set "{COUPON_PERMISSION_SET}" alone does not allow it. ' + _DEPLOY
)
_CHECK_NAMESPACE = " Check that SALESFORCE_NAMESPACE is the package's."


def access_lines(found: Survey, names: Names, write_back: Sequence[WriteKind]) -> list[Diagnosis]:
    """A line for reading each object, and one for each way of writing to it."""
    lines: list[Diagnosis] = []
    for need in NEEDS:
        described = found.objects.get(need.name)
        if described is None:
            lines += _without(need, names, write_back, found)
            continue
        lines.append(_reading(need, described, names, found))
        lines += _writing(need, described, names, write_back, found)
    return lines


def faults_of(lines: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """The lines that failed."""
    return tuple(line for line in lines if line.status is Status.FAILED)


def missing_access(
    found: Survey, names: Names, write_back: Sequence[WriteKind]
) -> tuple[Diagnosis, ...]:
    """What may not be read or written though it is needed; empty where all is in place."""
    return faults_of(access_lines(found, names, write_back))


def _without(
    need: ObjectNeed, names: Names, write_back: Sequence[WriteKind], found: Survey
) -> list[Diagnosis]:
    """An object that the user cannot see at all."""
    api_name = names.qualify(need.name)
    subject = Subject(f"salesforce.read.{need.name}", AREA, f"read {api_name}")
    said = f"{api_name} does not exist or is hidden from the user: it tells {need.why}."
    if not need.optional:
        return [subject.failed(said, _DEPLOY + _CHECK_NAMESPACE)]
    kinds = [kind for kind in need.create or {} if kind in write_back]
    if kinds:
        return [
            subject.failed(
                said,
                f"{_DEPLOY} Or take {', '.join(kinds)} out of COUPON_PIPELINE_WRITE_BACK.",
            )
        ]
    is_needed = need.name != QUOTE or _has_currencies(found)
    if need.create is None and is_needed:
        return [subject.unknown(f"{said} Runs do without it.", _DEPLOY)]
    return []


def _reading(need: ObjectNeed, described: OrgObject, names: Names, found: Survey) -> Diagnosis:
    subject = Subject(
        f"salesforce.read.{need.name}", AREA, f"read {described.label or described.api_name}"
    )
    wanted = [*need.required, *(field for field in need.read if field not in TERM_FIELDS)]
    if need.name == ORDER_COUPON:
        # a copy that hides a term that the quote coupon shows would read as not set
        shown = found.objects.get(QUOTE_COUPON)
        wanted += [field for field in TERM_FIELDS if shown is None or shown.has(field)]
    elif need.name == QUOTE_COUPON:
        wanted += [field for field in TERM_FIELDS if described.has(field)]
    if need.name == QUOTE and _has_currencies(found):
        wanted.append(CURRENCY)
    missing = [names.qualify(field) for field in wanted if not described.has(field)]
    if missing:
        return subject.failed(
            f"{described.api_name}: {', '.join(missing)} cannot be read; hidden from the user, or "
            f"not there. It tells {need.why}.",
            _DEPLOY + _CHECK_NAMESPACE,
        )
    return subject.passed(f"{described.api_name}: {_labels(described, wanted)}.")


def _writing(
    need: ObjectNeed,
    described: OrgObject,
    names: Names,
    write_back: Sequence[WriteKind],
    found: Survey,
) -> list[Diagnosis]:
    lines = []
    if created := _that_exist(need.creates(write_back), found):
        lines.append(
            _write_line(
                need,
                described,
                names,
                "create",
                created,
                is_open=described.is_createable,
                allows=lambda field: field.is_createable,
            )
        )
    if edited := _that_exist(need.edits(write_back), found):
        lines.append(
            _write_line(
                need,
                described,
                names,
                "edit",
                edited,
                is_open=described.is_updateable,
                allows=lambda field: field.is_updateable,
            )
        )
    return lines


def _write_line(
    need: ObjectNeed,
    described: OrgObject,
    names: Names,
    verb: str,
    fields: Sequence[str],
    *,
    is_open: bool,
    allows: Callable[[OrgField], bool],
) -> Diagnosis:
    subject = Subject(
        f"salesforce.{verb}.{need.name}", AREA, f"{verb} {described.label or described.api_name}"
    )
    closed = [
        _shown(described.fields[field]) if described.has(field) else names.qualify(field)
        for field in fields
        if not (described.has(field) and allows(described.fields[field]))
    ]
    kinds = ", ".join((need.create or {}) if verb == "create" else (need.edit or {}))
    otherwise = f" Or take {kinds} out of COUPON_PIPELINE_WRITE_BACK."
    if not is_open:
        return subject.failed(
            f"The user may not {verb} records of {described.api_name}, for the write-back of "
            f"{kinds}.",
            _NOT_IN_THE_SET + otherwise,
        )
    if closed:
        return subject.failed(
            f"{described.api_name}: the user may not {verb} {', '.join(closed)}, for the "
            f"write-back of {kinds}.",
            _NOT_IN_THE_SET + otherwise,
        )
    return subject.passed(f"{described.api_name}: {_labels(described, fields)}.")


def _that_exist(fields: Sequence[str], found: Survey) -> list[str]:
    """The fields, without the currency where the org has only one."""
    kept = dict.fromkeys(fields)
    if not _has_currencies(found):
        kept.pop(CURRENCY, None)
    return list(kept)


def _has_currencies(found: Survey) -> bool:
    return isinstance(found.organization, Org) and found.organization.is_multi_currency


def _labels(described: OrgObject, fields: Sequence[str]) -> str:
    """The fields as people see them in the org."""
    found = [described.fields[field] for field in fields]
    return ", ".join(field.label or field.api_name for field in found) or "open"


def _shown(field: OrgField) -> str:
    return f"{field.label} ({field.api_name})" if field.label else field.api_name
