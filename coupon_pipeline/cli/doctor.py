"""`coupon-pipeline doctor`: is everything in place? Asks both systems and writes nothing.

Exit status: 0 nothing failed, 2 a setting is wrong, 3 something else failed. What could not be
found out does not count as failed.
"""

from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from coupon_pipeline.assets.resources import (
    open_ledger,
    open_salesforce,
    open_stripe,
    read_mapping,
)
from coupon_pipeline.cli.main import DONE, SOME_BLOCKED, WRONG_USAGE
from coupon_pipeline.cli.sandbox import local_sandbox
from coupon_pipeline.cli.terminal import Terminal, say, say_document
from coupon_pipeline.domain.diagnosis import Diagnosis, Status, Subject
from coupon_pipeline.domain.mapping import CouponMapping, MappingError
from coupon_pipeline.ledger import Identity, examination
from coupon_pipeline.salesforce import Pacing, SalesforceError
from coupon_pipeline.salesforce.examination import Examination as SalesforceExamination
from coupon_pipeline.salesforce.examination import Wanted
from coupon_pipeline.salesforce.examination.trigger import LOOKED_BACK
from coupon_pipeline.settings import Settings, SettingsError, load_settings, unknown_variables
from coupon_pipeline.stripe_api import Retries
from coupon_pipeline.stripe_api.examination import Examination as StripeExamination

_AREA = "Settings"
_SETTINGS = Subject("settings", _AREA, "environment")
_UNKNOWN = Subject("settings.unknown", _AREA, "unknown variables")
_SALESFORCE = Subject("settings.salesforce", _AREA, "Salesforce")
_STRIPE = Subject("settings.stripe", _AREA, "Stripe")
_MAPPING = Subject("settings.mapping", _AREA, "mapping file")
_LEDGER = Subject("settings.ledger", _AREA, "ledger")
_MODES = Subject("accounts.modes", "Accounts", "real and play money")
_FEW_ATTEMPTS = Pacing(attempts=2, total_seconds=10.0)
_FEW_RETRIES = Retries(attempts=2, total_seconds=10.0)
"""A person waits for the answer, and that a service is down is one."""
_STYLES = {Status.PASSED: "green", Status.FAILED: "bold red", Status.UNKNOWN: "yellow"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--permission-set",
    "permission_set",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the Salesforce permission set that the pipeline needs into FILE, and only that.",
)
def doctor(*, as_json: bool, permission_set: Path | None) -> int:
    """Check credentials, permissions, objects, fields, currencies, mapping and ledger."""
    if permission_set is not None:
        return _write_permission_set(load_settings(), permission_set, as_json=as_json)
    lines = _diagnose()
    if as_json:
        say_document(_document(lines))
    else:
        _show(lines)
    failed = [line for line in lines if line.status is Status.FAILED]
    if any(line.check.startswith("settings") for line in failed):
        return WRONG_USAGE
    return SOME_BLOCKED if failed else DONE


def _diagnose() -> list[Diagnosis]:
    try:
        settings = load_settings()
    except SettingsError as error:
        return [_SETTINGS.failed(error.message, error.fix)]
    with local_sandbox(settings):
        return _diagnose_with(settings)


def _diagnose_with(settings: Settings) -> list[Diagnosis]:
    now = datetime.now(UTC)
    lines = [
        _SETTINGS.passed("Every variable that is set has a value that can be used."),
        *_unknown_variables(),
    ]
    mapping = _read_mapping(settings, lines)
    in_salesforce = _examine_salesforce(settings, mapping, lines)
    in_stripe = _examine_stripe(settings, lines)
    org = in_salesforce.org if in_salesforce else None
    account = in_stripe.account if in_stripe else None
    live: bool | None = None
    if in_stripe is not None:
        live = settings.stripe().live
    about_ledger: Sequence[Diagnosis] = ()
    written: int | None = None
    try:
        ledger = open_ledger(settings)
    except SettingsError as error:
        about_ledger = [_LEDGER.failed(error.message, error.fix)]
    else:
        identity = Identity(
            org.org_id if org else None, account.account_id if account else None, live
        )
        found = examination.examine(ledger, identity, now, now - LOOKED_BACK)
        about_ledger, written = found.lines, found.order_coupons_written
    if in_salesforce is not None:
        lines += [_with_written(line, written) for line in in_salesforce.lines]
    if in_stripe is not None:
        lines += in_stripe.lines
    if org is not None and live is not None:
        lines.append(_modes(is_sandbox=org.is_sandbox, live=live))
    return [*lines, *about_ledger]


def _unknown_variables() -> list[Diagnosis]:
    """One line for all of them; none where there are none."""
    unknown = unknown_variables()
    if not unknown:
        return []
    near = [f"{name}: did you mean {setting}?" for name, setting in unknown.items() if setting]
    return [
        _UNKNOWN.failed(
            f"No setting has the name {', '.join(unknown)}, so nobody heeds it.",
            " ".join([*near, "README.md lists the settings. Correct the name or unset it."]),
        )
    ]


def _read_mapping(settings: Settings, lines: list[Diagnosis]) -> CouponMapping | None:
    path = settings.coupon_pipeline_mapping
    try:
        mapping = read_mapping(settings)
    except (SettingsError, MappingError) as error:
        lines.append(_MAPPING.failed(error.message, error.fix))
        return None
    lines.append(
        _MAPPING.passed(f"{path} can be used." if path else "One-to-one, because no file is set.")
    )
    return mapping


def wanted_of(settings: Settings, mapping: CouponMapping | None) -> Wanted:
    """What the settings ask of the org."""
    return Wanted(
        write_back=settings.coupon_pipeline_write_back,
        mapping=mapping,
        quota_share=settings.coupon_pipeline_salesforce_quota_share,
        default_currency=settings.coupon_pipeline_default_currency,
        extra_currencies=frozenset(settings.coupon_pipeline_extra_currencies),
    )


def _examine_salesforce(
    settings: Settings, mapping: CouponMapping | None, lines: list[Diagnosis]
) -> SalesforceExamination | None:
    try:
        edge = open_salesforce(settings, pacing=_FEW_ATTEMPTS)
    except (SettingsError, SalesforceError) as error:
        lines.append(_SALESFORCE.failed(error.message, error.fix))
        return None
    with closing(edge):
        lines.append(_SALESFORCE.passed(f"{settings.salesforce().instance_url}."))
        return edge.examine(wanted_of(settings, mapping))


def _examine_stripe(settings: Settings, lines: list[Diagnosis]) -> StripeExamination | None:
    try:
        edge = open_stripe(settings, retries=_FEW_RETRIES)
    except SettingsError as error:
        lines.append(_STRIPE.failed(error.message, error.fix))
        return None
    with closing(edge):
        lines.append(_STRIPE.passed(f"{settings.stripe().api_base}."))
        return edge.examine()


def _modes(*, is_sandbox: bool, live: bool) -> Diagnosis:
    """Play data must never become real invoices."""
    kind, mode = "a sandbox" if is_sandbox else "production", "live" if live else "test"
    if is_sandbox and live:
        return _MODES.failed(
            "The org is a sandbox and the Stripe key is live: test data would become real "
            "discounts.",
            "Use a test key with a sandbox org.",
        )
    return _MODES.passed(f"The org is {kind}, the Stripe key is of {mode} mode.")


def _with_written(line: Diagnosis, written: int | None) -> Diagnosis:
    """The trigger's line, with what the pipeline made good, which no longer shows in the org."""
    if line.check != "salesforce.trigger" or not written:
        return line
    made_good = f"The pipeline itself wrote {written} order coupons that the trigger had left out."
    if line.status is Status.FAILED:
        return _with(line, f"{line.message} {made_good}")
    return Diagnosis(
        line.check,
        line.area,
        line.subject,
        Status.FAILED,
        f"{line.message} {made_good}",
        "Look for the cause in Setup, Apex Jobs and Debug Logs of the user that activates orders.",
    )


def _with(line: Diagnosis, message: str) -> Diagnosis:
    return Diagnosis(line.check, line.area, line.subject, line.status, message, line.fix)


def _document(lines: Sequence[Diagnosis]) -> dict[str, object]:
    counts = {status.value: sum(line.status is status for line in lines) for status in Status}
    return {**counts, "checks": [line.as_json() for line in lines]}


def _show(lines: Sequence[Diagnosis]) -> None:
    console = Terminal()
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    for heading in ("", "area", "what", "found"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        found = Text(line.message)
        if line.fix:
            found.append(f"\n{line.fix}", style="dim")
        table.add_row(
            Text(line.status.value, style=_STYLES[line.status]),
            Text(line.area, style="dim"),
            Text(line.subject),
            found,
        )
    console.print(table)
    console.print(Text(_summary(lines), style="bold"))
    for line in lines:
        if line.status is not Status.PASSED:
            told = f"  {line.status.value}: {line.area}, {line.subject}"
            console.print(Text(told, style=_STYLES[line.status]))


def _summary(lines: Iterable[Diagnosis]) -> str:
    statuses = [line.status for line in lines]
    return ", ".join(
        f"{statuses.count(status)} {status.value}" for status in Status if status in statuses
    )


def _write_permission_set(settings: Settings, path: Path, *, as_json: bool) -> int:
    """The file, with what the org says of its fields where it can be asked."""
    with local_sandbox(settings), closing(open_salesforce(settings, pacing=_FEW_ATTEMPTS)) as edge:
        xml, fault = edge.permission_set(
            settings.coupon_pipeline_write_back, read_mapping(settings)
        )
    path.write_text(xml, encoding="utf-8")
    told = f"{path} is a permission set with what the pipeline needs, and nothing else."
    partly = (
        "The org could not be asked, so it holds what the package is known to have: "
        f"{fault.message}"
        if fault
        else ""
    )
    if as_json:
        say_document({"file": str(path), "org_was_asked": fault is None})
    else:
        say(told)
        say(
            "Put it into a Salesforce project under permissionsets/, deploy it and assign it; "
            "docs/permissions.md has the commands."
        )
    if partly:
        say(partly, err=True)
    return DONE
