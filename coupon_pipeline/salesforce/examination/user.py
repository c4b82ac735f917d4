"""The user's permission set and CPQ licence.

Who has which permission set can be read by users with View Setup only, so a refusal is no failure:
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_permissionsetassignment.htm
"""

from collections.abc import Iterator, Sequence

from coupon_pipeline.domain.diagnosis import Diagnosis, Subject
from coupon_pipeline.salesforce.errors import COUPON_PERMISSION_SET, SalesforceError
from coupon_pipeline.salesforce.examination.connection import AREA
from coupon_pipeline.salesforce.json_values import Json, as_object
from coupon_pipeline.salesforce.querying import get_of, read_together, records_of
from coupon_pipeline.salesforce.session import SalesforceSession
from coupon_pipeline.salesforce.statements import Statement, select, text

_SET = Subject("salesforce.permission_set", AREA, "permission set")
_LICENCE = Subject("salesforce.cpq_licence", AREA, "CPQ licence")
_CPQ_NAMESPACE = "SBQQ"
_SITE_LICENCE = -1
"""What Salesforce writes where everybody may use the package, see
https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_packagelicense.htm
"""
_MANAGE_LICENCES = "in Setup, Installed Packages, Salesforce CPQ, Manage Licenses."


def user_lines(
    session: SalesforceSession, user_id: str | None, faults: Sequence[Diagnosis]
) -> Iterator[Diagnosis]:
    """What the user has; `faults` are the lines about access that failed."""
    if user_id is None:
        fix = "Log in with a connected app whose scopes include openid or id."
        yield _SET.unknown("It is not known who is logged in.", fix)
        yield _LICENCE.unknown("It is not known who is logged in.", fix)
        return
    gets = [get_of(statement) for statement in _statements(user_id)]
    answers = read_together(session, gets, "Reading the user")
    yield _permission_set(answers["sets"], faults)
    yield _licence(answers["licences"], answers["packages"])


def _statements(user_id: str) -> tuple[Statement, ...]:
    me = text(user_id)
    return (
        Statement(
            "sets",
            select(
                ["PermissionSet.Label", "IsActive"],
                "PermissionSetAssignment",
                f"AssigneeId = {me} AND PermissionSet.IsOwnedByProfile = false",
            ),
        ),
        Statement(
            "licences",
            select(
                ["PackageLicense.NamespacePrefix", "PackageLicense.Status"],
                "UserPackageLicense",
                f"UserId = {me}",
            ),
        ),
        Statement(
            "packages",
            select(
                ["Status", "AllowedLicenses"],
                "PackageLicense",
                f"NamespacePrefix = {text(_CPQ_NAMESPACE)}",
            ),
        ),
    )


def _permission_set(answer: Json | SalesforceError, faults: Sequence[Diagnosis]) -> Diagnosis:
    if isinstance(answer, SalesforceError):
        return _SET.unknown(
            f"The user may not read who has which permission set. {answer.message}",
            "The lines about objects and fields say what is open. To see assignments, give the "
            "user View Setup and Configuration.",
        )
    held = [
        str(as_object(each.get("PermissionSet")).get("Label"))
        for each in records_of(answer)
        if each.get("IsActive") is not False
    ]
    lacking = ", ".join(fault.subject for fault in faults)
    if any(_plain(label) == _plain(COUPON_PERMISSION_SET) for label in held):
        more = f" It still lacks: {lacking}." if faults else ""
        return _SET.passed(f'The user has "{COUPON_PERMISSION_SET}".{more}')
    others = ", ".join(sorted(held)) or "none"
    without = f'The user does not have "{COUPON_PERMISSION_SET}" (but: {others})'
    if not faults:
        return _SET.passed(f"{without} and needs it for nothing: all that is needed is open.")
    return _SET.failed(
        f"{without} and lacks: {lacking}.",
        "Assign it, or deploy and assign what `coupon-pipeline doctor --permission-set FILE` "
        "writes.",
    )


def _licence(mine: Json | SalesforceError, packages: Json | SalesforceError) -> Diagnosis:
    """The user needs one, unless the whole org has one."""
    if isinstance(mine, SalesforceError):
        return _LICENCE.unknown(
            f"The user may not read package licences. {mine.message}", f"Look {_MANAGE_LICENCES}"
        )
    owned = [as_object(each.get("PackageLicense")) for each in records_of(mine)]
    mine_of_cpq = [each for each in owned if each.get("NamespacePrefix") == _CPQ_NAMESPACE]
    of_org = [] if isinstance(packages, SalesforceError) else records_of(packages)
    statuses = {str(each.get("Status")) for each in (mine_of_cpq or of_org)}
    if "Expired" in statuses or "Suspended" in statuses:
        return _LICENCE.failed(
            f"The org's licence of Salesforce CPQ is {', '.join(sorted(statuses))}.",
            "Renew it with Salesforce.",
        )
    if any(each.get("AllowedLicenses") == _SITE_LICENCE for each in of_org):
        return _LICENCE.passed("Everybody in the org may use Salesforce CPQ.")
    if mine_of_cpq:
        return _LICENCE.passed("The user has a licence of Salesforce CPQ.")
    return _LICENCE.failed(
        "The user has no licence of Salesforce CPQ, without which its objects and the permission "
        f'set "{COUPON_PERMISSION_SET}" stay closed.',
        f"Assign one {_MANAGE_LICENCES}",
    )


def _plain(label: str) -> str:
    return label.replace("_", " ").strip().lower()
