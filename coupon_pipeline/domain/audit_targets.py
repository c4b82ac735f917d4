"""What differs on the targets: discounts that no grant accounts for, ours and those of others."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from coupon_pipeline.domain.difference import Difference, Held, LackingOn, Mender, Seen
from coupon_pipeline.domain.overwritten import Overwritten
from coupon_pipeline.domain.phase_edits import PhaseEdit
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    LiveDiscount,
    ScheduleState,
    SubscriptionState,
    TargetGone,
    TargetState,
)

_TOLD = frozenset({"attachment.removed_by_hand", "target.too_many_discounts"})
"""Why a later phase does not have a discount, where either account says it."""


@dataclass(slots=True)
class _Grant:
    """A discount that somebody is owed, by every name that its target and its coupon may have."""

    targets: frozenset[str]
    coupons: frozenset[str]
    family: frozenset[str]
    """All of the same quote coupons: what replaced one may stand in phases in its place."""
    is_found: bool = False


def _grants(ours: Held, theirs: Held) -> list[_Grant]:
    """Those of either account; one that both know is one."""
    families: dict[str, set[str]] = {}
    known = {**theirs.coupons, **ours.coupons}
    for coupon in known.values():
        families.setdefault(coupon.quote_coupon_id, set()).add(coupon.coupon_id)
    found = []
    for snapshot_id, snapshot in {**ours.snapshots, **theirs.snapshots}.items():
        held = [
            each
            for account in (ours, theirs)
            if (each := account.discounts.get(snapshot_id)) is not None and each.granted
        ]
        if held:
            order_id = snapshot.scope.order_id
            orders = (ours.targets.get(order_id), theirs.targets.get(order_id))
            targets = frozenset(filter(None, (*orders, *(each.target_id for each in held))))
            coupons = frozenset(filter(None, (each.coupon_id for each in held)))
            family = families.get(snapshot.quote_coupon_id, set())
            found.append(_Grant(targets, coupons, coupons | family))
    return found


def differing_targets(ours: Held, theirs: Held, seen: Seen, now: int) -> Iterator[Difference]:
    """Discounts that no grant accounts for: a second one of ours, or one of others."""
    coupons = ours.coupons.keys() | theirs.coupons.keys() | seen.edited
    grants = _grants(ours, theirs)
    on: dict[str, list[_Grant]] = {}
    for grant in grants:
        for name in grant.targets:
            on.setdefault(name, []).append(grant)
    named = frozenset(filter(None, (*ours.targets.values(), *theirs.targets.values())))
    for state in sorted(seen.targets, key=lambda each: each.target_id):
        if isinstance(state, TargetGone):
            continue
        names = _names_of(state)
        there = list(
            {id(grant): grant for name in sorted(names) for grant in on.get(name, ())}.values()
        )
        wanted = not names.isdisjoint(named)
        subscription = state.subscription if isinstance(state, ScheduleState) else state
        for live in subscription.live_discounts() if subscription is not None else ():
            yield from _live(live, state.target_id, coupons, there, wanted=wanted)
        if isinstance(state, ScheduleState):
            owed = {coupon_id for grant in there for coupon_id in grant.family}
            yield from _coming(state, coupons, owed, now, wanted=wanted)


def lacking_in_later_phases(ours: Held, theirs: Held, seen: Seen) -> Iterator[Difference]:
    """Discounts that end with a phase to come, because somebody wrote it without them."""
    for each in sorted(seen.lacking, key=lambda e: (e.target_id, e.lacking.snapshot_id)):
        snapshot_id = each.lacking.snapshot_id
        held = (account.discounts.get(snapshot_id) for account in (ours, theirs))
        snapshot = theirs.snapshots.get(snapshot_id)
        if snapshot is not None and _TOLD.isdisjoint(h.code for h in held if h is not None):
            yield _lacking(each, snapshot)


def _lacking(each: LackingOn, snapshot: Snapshot) -> Difference:
    lacking = each.lacking
    days = [f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d}" for start in lacking.phases]
    about = {
        "target": each.target_id,
        "named": lacking.discount_id or lacking.coupon_id,
        "what": f"coupon {lacking.coupon_id}"
        if lacking.discount_id is None
        else f"discount {lacking.discount_id} from coupon {lacking.coupon_id}",
        "days": ", ".join(days),
        "sync": each.synced_with or "",
    }
    by_sync = each.synced_with is not None
    return Difference(
        "missing",
        snapshot.scope.order_id,
        "{what}, which {order} was granted, is not in the phases of {target} that begin on {days}, "
        "though it should go on there.",
        "Run coupon-pipeline sync --order {sync}, which sends it on."
        if by_sync
        else "No sync sends it on. If it is still owed, somebody has to name {named} in these "
        "phases in Stripe before they begin, beside what they have. If somebody left it out on "
        "purpose, nothing has to be done.",
        Mender.SYNC if by_sync else Mender.PERSON,
        about,
        order_id=snapshot.scope.order_id,
        quote_coupon_id=snapshot.quote_coupon_id,
        contradicts_ledger=not by_sync,
        synced_with=each.synced_with,
    )


def named_and_gone(ours: Held, seen: Seen, now: int) -> Iterator[Difference]:
    """Coupons of ours that phases to come name and that Stripe does not have any more.

    What is live from one goes on without it; what has made no discount so far makes none.
    """
    gone = ours.coupons.keys() - seen.coupons.keys()
    for state in sorted(seen.targets, key=lambda each: each.target_id):
        if not gone or not isinstance(state, ScheduleState) or not state.is_open:
            continue
        subscription = state.subscription
        live = subscription.live_discounts() if subscription is not None else ()
        awaited = gone - {each.coupon_id for each in live}
        days: dict[str, list[str]] = {}
        for phase in state.open_phases(now):
            entries = [*phase.discounts, *(e for item in phase.items for e in item.discounts)]
            begins = f"{datetime.fromtimestamp(phase.start_date, UTC):%Y-%m-%d}"
            for coupon_id in sorted({e.reference for e in entries if e.kind == "coupon"} & awaited):
                days.setdefault(coupon_id, []).append(begins)
        for coupon_id, begins_on in days.items():
            yield Difference(
                "missing",
                state.target_id,
                "Phases of {target} that begin on {days} name coupon {coupon}, which Stripe does "
                "not have any more: they begin without its discount.",
                "If it is owed, somebody has to put another coupon of the same terms in its place "
                "in these phases in Stripe before they begin.",
                Mender.PERSON,
                {
                    "target": state.target_id,
                    "coupon": coupon_id,
                    "days": ", ".join(dict.fromkeys(begins_on)),
                },
                quote_coupon_id=ours.coupons[coupon_id].quote_coupon_id,
            )


def overwritten_by_us(seen: Seen) -> Iterator[Difference]:
    """Changes that came between a read and a write of ours, unless somebody made them again."""
    for each in still_undone(seen.overwritten, seen.targets):
        at = f"{each.at:%Y-%m-%d %H:%M:%S} UTC"
        is_edit = isinstance(each.undone, PhaseEdit)
        yield Difference(
            "overwritten",
            each.record_id,
            "Somebody edited {target} in the seconds before run {run} wrote it, and the write "
            "undid that, at {at}: {what}."
            if is_edit
            else "Somebody added {what} to {target} in the seconds before run {run} wrote it, and "
            "the write took that away, at {at}.",
            "If the change was meant, make it in Stripe again. Stripe keeps what tells of it for "
            "30 days."
            if is_edit
            else "If the customer is owed it, add the coupon to {target} in Stripe by hand; it "
            "begins anew then. Stripe keeps what tells of it for 30 days.",
            Mender.PERSON,
            {"target": each.target_id, "what": each.words, "run": each.run_id, "at": at},
            contradicts_ledger=False,
        )


def still_undone(
    found: Iterable[Overwritten], targets: Iterable[TargetState]
) -> Iterator[Overwritten]:
    """What the targets, as they are now, still lack; of a target that is not given, all."""
    coupons: set[tuple[str, str | None]] = set()
    schedules: dict[str, ScheduleState] = {}
    for state in targets:
        if isinstance(state, TargetGone):
            continue
        if isinstance(state, ScheduleState):
            schedules[state.schedule_id] = state
        subscription = state.subscription if isinstance(state, ScheduleState) else state
        live = subscription.live_discounts() if subscription is not None else ()
        coupons |= {(name, each.coupon_id) for name in _names_of(state) for each in live}
    for each in found:
        undone = each.undone
        if isinstance(undone, PhaseEdit):
            schedule = schedules.get(undone.schedule_id)
            if schedule is None or undone.is_undone(schedule):
                yield each
        elif (each.target_id, undone.coupon_id) not in coupons:
            yield each


def _names_of(state: SubscriptionState | ScheduleState) -> set[str]:
    """Every id by which an order or an account may call a target, also from before."""
    names = {state.target_id}
    if isinstance(state, ScheduleState):
        names |= {state.schedule_id, *(each.schedule_id for each in state.former)}
        if state.subscription is not None:
            names.add(state.subscription.subscription_id)
    return names


def _live(
    live: LiveDiscount, target_id: str, coupons: set[str], grants: list[_Grant], *, wanted: bool
) -> Iterator[Difference]:
    about = {"discount": live.discount_id, "coupon": live.coupon_id or "", "target": target_id}
    for grant in grants:
        if not grant.is_found and live.coupon_id in grant.coupons:
            grant.is_found = True
            return
    if live.coupon_id in coupons:
        yield _unowed(about, live.discount_id, wanted=wanted)
    else:
        yield _foreign(about, live.discount_id)


def _coming(
    state: ScheduleState, coupons: set[str], owed: set[str], now: int, *, wanted: bool
) -> Iterator[Difference]:
    """Coupons that phases name and nobody is owed; one for each, however many phases do."""
    entries: dict[str, DiscountEntry] = {}
    for phase in state.open_phases(now):
        listed = [*phase.discounts, *(e for item in phase.items for e in item.discounts)]
        for each in listed:
            if each.kind != "discount" and each.coupon_id not in owed:
                entries.setdefault(each.reference, each)
    for reference, entry in sorted(entries.items()):
        about = {"discount": reference, "target": state.target_id, "coupon": entry.coupon_id or ""}
        if entry.coupon_id in coupons:
            yield _unowed(about, reference, wanted=wanted)
        else:
            yield _foreign(about, reference)


def _unowed(about: Mapping[str, str], record_id: str, *, wanted: bool) -> Difference:
    return Difference(
        "extra" if wanted else "orphaned",
        record_id,
        "Discount {discount} from our coupon {coupon} is on {target}, and nothing was granted that "
        "it could be."
        if wanted
        else "Discount {discount} from our coupon {coupon} is on {target}, which no activated "
        "order names.",
        "The pipeline takes no discount away. If nobody owes it, somebody has to remove {discount} "
        "in Stripe.",
        Mender.PERSON,
        about,
        contradicts_ledger=False,
    )


def _foreign(about: Mapping[str, str], record_id: str) -> Difference:
    return Difference(
        "foreign",
        record_id,
        "There is {discount} on {target}, which no grant of ours made.",
        "It stays, and every write of ours sends it back.",
        Mender.NOBODY,
        about,
        contradicts_ledger=False,
    )
