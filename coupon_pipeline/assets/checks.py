"""What must be true of the tables. A check that blocks stands before a write that costs money.

Bad data of one order is no reason for a check to fail: it blocks its own record. A check fails
where the pipeline contradicts itself, or where somebody has to act.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from random import Random

import dagster as dg

from coupon_pipeline.assets.agreement import compare_with_systems
from coupon_pipeline.assets.connection import Connection
from coupon_pipeline.assets.overwritten_changes import find_overwritten
from coupon_pipeline.assets.run import now
from coupon_pipeline.assets.stage_check import CheckedRun, stage_check
from coupon_pipeline.domain.audit_targets import still_undone
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.proof import Proof
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.targets import ScheduleState, TargetGone, TargetState
from coupon_pipeline.ledger import Transaction, inspection, source
from coupon_pipeline.ledger.inspection import CurrenciesOfTerms, Finding, GrantedOn
from coupon_pipeline.ledger.problems import read_open_problems
from coupon_pipeline.settings import FIRST_POSSIBLE_DAY
from coupon_pipeline.stripe_api import Job, StripeEdgeError
from coupon_pipeline.stripe_api.targets import read_target

_SHOWN = 20
_TARGETS_READ = 50
_SAMPLE = 10
_ANSWER_IS_LOST_AFTER = timedelta(hours=1)
_EVENTS_LOOKED_BACK = timedelta(days=7)


@stage_check(
    asset="activated_orders",
    speaks_of="everything",
    remedy="Give the Salesforce user what docs/permissions.md lists; `coupon-pipeline "
    "doctor` tells what is missing.",
)
def salesforce_permissions_are_in_place(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """The user may read what is needed and write what the settings allow."""
    del about
    missing = at.salesforce.missing_access(at.settings.coupon_pipeline_write_back)
    return dg.AssetCheckResult(
        passed=not missing,
        description=" ".join(line.message for line in missing) or "All are there.",
        metadata={"missing": len(missing)},
    )


@stage_check(
    asset="coupon_snapshots",
    speaks_of="days",
    remedy="Run these days again; if it stays, `coupon-pipeline verify` tells what was "
    "changed in the ledger by hand.",
    blocking=True,
)
def every_snapshot_has_terms_or_a_reason(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """Each snapshot of these days means a coupon, or its code says why it cannot.

    Stops the load: a snapshot of which nothing is known would be passed over in silence.
    """
    with at.ledger.reading() as tx:
        _select(tx, about)
        return _result(inspection.read_snapshots_without_terms(tx))


@stage_check(
    asset="coupon_snapshots",
    speaks_of="days",
    remedy="Run these days again with all tables; if it stays, compare the association with "
    "its order in Salesforce.",
)
def every_association_is_accounted_for(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """Each association of these days' orders became a snapshot, or a problem tells why not."""
    with at.ledger.reading() as tx:
        _select(tx, about)
        return _result(
            inspection.read_associations_without_snapshot(tx), dg.AssetCheckSeverity.WARN
        )


@stage_check(
    asset="coupon_snapshots",
    speaks_of="days",
    remedy="Compare the currencies of the order, its quote and the coupon in Salesforce, "
    "correct the wrong one, and run these days again.",
    blocking=True,
)
def amounts_are_in_the_currency_of_their_order(
    about: CheckedRun, at: Connection
) -> dg.AssetCheckResult:
    """No amount that is about to be granted is in another currency than the records around it.

    Stops the load: 50 yen off instead of 50 euro is a wrong invoice that nobody notices.
    """
    with at.ledger.reading() as tx:
        _select(tx, about)
        currencies = inspection.read_currencies(tx)
    return _result(
        [
            Finding(
                each.order_id,
                f"{each.count} snapshots",
                f"are in {each.terms.currency}, their records in {', '.join(sorted(others))}",
            )
            for each in currencies
            if each.terms.amount_off is not None and (others := _uncovered(each))
        ]
    )


@stage_check(
    asset="stripe_coupons",
    speaks_of="days",
    remedy="`coupon-pipeline verify --systems` tells what differs; a ledger that was changed"
    " by hand is made again with `coupon-pipeline rebuild-ledger`.",
    blocking=True,
)
def every_coupon_is_the_one_that_was_signed(
    about: CheckedRun, at: Connection
) -> dg.AssetCheckResult:
    """One Stripe coupon for each quote coupon and terms, with exactly these terms.

    Stops the attachments: a coupon with other terms would be granted to every order at hand.
    """
    with at.ledger.reading() as tx:
        _select(tx, about)
        return _result(inspection.read_coupons_at_odds(tx))


@stage_check(
    asset="coupon_attachments",
    speaks_of="run",
    remedy="Look at the events of the target in Stripe for who changed its metadata. The ledger "
    "still knows the grant, so it is not repeated. Run this check by itself afterwards.",
)
def every_attachment_has_its_proof(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """Stripe holds the proof of what this run granted; run by itself, of the latest grants.

    Reads at most 50 targets, and none when the run granted nothing.
    """
    days = about.days
    with at.ledger.reading() as tx:
        granted = inspection.read_granted(tx, [] if days is None else [about.run_id])
    by_target = _by_target(granted)
    return _look_at_proofs(at, by_target, list(by_target)[:_TARGETS_READ])


def _by_target(granted: Sequence[GrantedOn]) -> dict[str, list[GrantedOn]]:
    by_target: dict[str, list[GrantedOn]] = {}
    for each in granted:
        by_target.setdefault(each.target_id, []).append(each)
    return by_target


def _look_at_proofs(
    at: Connection, by_target: Mapping[str, Sequence[GrantedOn]], targets: Sequence[str]
) -> dg.AssetCheckResult:
    """Whether Stripe has the proof of each grant on these targets."""
    findings: list[Finding] = []
    unread = 0
    jobs = [Job(target_id, partial(read_target, at.stripe, target_id)) for target_id in targets]
    for outcomes in at.stripe.run_all(jobs):
        for outcome in outcomes:
            if outcome.result is None:
                unread += 1
                continue
            proofs = _proofs(outcome.result)
            findings += [
                Finding(each.order_id, each.target_id, f"has no proof of {each.snapshot_id}")
                for each in by_target[outcome.job.name]
                if not any(proof.has(each.snapshot_id) for proof in proofs)
                and not isinstance(outcome.result, TargetGone)
            ]
    return _result(findings, counts={"targets_read": len(targets), "targets_unreadable": unread})


@stage_check(
    asset="coupon_attachments",
    speaks_of="everything",
    remedy="Run the days of these orders again; if it stays, `coupon-pipeline "
    "rebuild-ledger` makes the ledger again from both systems.",
)
def the_ledger_agrees_with_itself(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """Every grant has its coupon and its target, and every write of before an hour its answer."""
    del about
    with at.ledger.reading() as tx:
        return _result(inspection.read_ledger_at_odds(tx, now() - _ANSWER_IS_LOST_AFTER))


@stage_check(
    asset="coupon_attachments",
    speaks_of="everything",
    remedy="`coupon-pipeline audit` tells every difference, and who mends it; "
    "`coupon-pipeline repair --plan` shows the writes.",
)
def the_ledger_agrees_with_both_systems(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """What the ledger says is what Salesforce and Stripe say; the job `agreement` asks each night.

    Run by itself it reads everything, in pages; in a run over some days it reads a sample, the
    proofs on at most 10 targets. The job `sync` leaves it out.
    """
    if about.days is None:
        found = compare_with_systems(at.settings, at.ledger)
        return _result(
            [
                Finding(each.order_id or "", each.record_id, each.what(found.names), each.kind)
                for each in found.differences
                if each.contradicts_ledger
            ],
            counts={
                "coupons_compared": found.coupons,
                "discounts_compared": found.attachments,
                "targets_unreadable": len(found.unread),
            },
        )
    with at.ledger.reading() as tx:
        by_target = _by_target(inspection.read_granted(tx, []))
    drawn = Random(about.run_id)  # noqa: S311 - a sample, not a secret
    targets = sorted(by_target)
    return _look_at_proofs(at, by_target, drawn.sample(targets, min(_SAMPLE, len(targets))))


@stage_check(
    asset="coupon_attachments",
    speaks_of="run",
    remedy="If the change was meant, somebody has to make it in Stripe again: the pipeline cannot "
    "know that it was. `coupon-pipeline audit` tells of 30 days.",
)
def no_change_of_others_was_undone(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """No write of the last 7 days undid what somebody changed between its read and the write.

    Stripe's events tell it, which the job `agreement` looks through each night; a run over some
    days looks through those of its own writes. What was made again since is not told. Warns only.
    """
    run_id = None if about.days is None else about.run_id
    try:
        found = find_overwritten(at.ledger, at.stripe, run_id=run_id, back=_EVENTS_LOOKED_BACK)
    except StripeEdgeError as error:
        unread = Problem("stripe.events_unread", {"message": error.message})
        return dg.AssetCheckResult(passed=True, description=f"{unread.message} {unread.fix}")
    names = sorted({each.target_id for each in found})[:_TARGETS_READ]
    jobs = [Job(name, partial(read_target, at.stripe, name)) for name in names]
    targets = [o.result for outcomes in at.stripe.run_all(jobs) for o in outcomes if o.result]
    return _result(
        [
            Finding("", each.target_id, f"was edited before run {each.run_id} wrote: {each.words}")
            for each in still_undone(found, targets)
        ],
        dg.AssetCheckSeverity.WARN,
        counts={"targets_read": len(names)},
    )


@stage_check(
    asset="coupon_attachments",
    speaks_of="everything",
    remedy="`coupon-pipeline problems` lists each record with what to mend.",
)
def no_record_stays_blocked(about: CheckedRun, at: Connection) -> dg.AssetCheckResult:
    """No record is blocked for longer than `COUPON_PIPELINE_BLOCKED_DAYS`: a customer waits."""
    del about
    patience = timedelta(days=at.settings.coupon_pipeline_blocked_days)
    with at.ledger.reading() as tx:
        blocked = [p for p in read_open_problems(tx) if p.effect == "blocked"]
    old = [problem for problem in blocked if problem.first_seen_at < now() - patience]
    return _result(
        [
            Finding(
                problem.order_id or "",
                problem.quote_coupon_id or "",
                f"{problem.code} since {problem.first_seen_at.date()}: {problem.fix}",
                problem.code,
            )
            for problem in old
        ],
        dg.AssetCheckSeverity.WARN,
        counts={"blocked": len(blocked)},
    )


CHECKS = (
    salesforce_permissions_are_in_place,
    every_snapshot_has_terms_or_a_reason,
    every_association_is_accounted_for,
    amounts_are_in_the_currency_of_their_order,
    every_coupon_is_the_one_that_was_signed,
    every_attachment_has_its_proof,
    the_ledger_agrees_with_itself,
    the_ledger_agrees_with_both_systems,
    no_change_of_others_was_undone,
    no_record_stays_blocked,
)
"""In the order of the way of the data."""
AT_NIGHT = (the_ledger_agrees_with_both_systems, no_change_of_others_was_undone)
"""Those that read too much for each run of the job `sync`, or that need one more permission."""


def _select(tx: Transaction, about: CheckedRun) -> None:
    """The orders of the run's days; all of them where the check is run by itself."""
    first, last = about.days or (FIRST_POSSIBLE_DAY, now().date())
    source.select_orders(tx, Selection(first, last))


def _uncovered(each: CurrenciesOfTerms) -> frozenset[str]:
    options = (code for code, _ in each.terms.currency_options)
    return each.currencies - {each.terms.currency, *options}


def _proofs(state: TargetState) -> list[Proof]:
    """Every readable proof on a target; an ended schedule's counts for its subscription."""
    if isinstance(state, TargetGone):
        return []
    held = [state.metadata]
    if isinstance(state, ScheduleState):
        held += [each.metadata for each in state.former]
        held += [state.subscription.metadata] if state.subscription is not None else []
    parsed = [Proof.read(metadata) for metadata in held]
    return [proof for proof in parsed if isinstance(proof, Proof)]


def _result(
    findings: Sequence[Finding],
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    counts: Mapping[str, int] | None = None,
) -> dg.AssetCheckResult:
    """Passed without findings; else the first of them, told one by one."""
    metadata: dict[str, dg.MetadataValue] = {
        "found": dg.MetadataValue.int(len(findings)),
        **{name: dg.MetadataValue.int(number) for name, number in (counts or {}).items()},
    }
    if findings:
        metadata["findings"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {"order": f.order_id, "record": f.record_id, "code": f.code, "what": f.what}
                )
                for f in findings[:_SHOWN]
            ]
        )
    return dg.AssetCheckResult(
        passed=not findings,
        severity=severity,
        metadata=metadata,
        description=f"{len(findings)} found: {_told(findings[0])}." if findings else None,
    )


def _told(found: Finding) -> str:
    order = f"order {found.order_id}, " if found.order_id else ""
    return f"{order}{found.record_id} {found.what}"
