"""What earlier orders were granted, on its way through the later phases of a schedule.

The list of a phase takes the place of what the subscription has when the phase begins
(https://docs.stripe.com/billing/subscriptions/subscription-schedules), so a discount that is to go
on is named in it by its own id. Where it does not exist yet, it is remembered: the target is
planned again once it does.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from coupon_pipeline.domain.attachments import Carried, CarryLater, Lacking
from coupon_pipeline.domain.drafts import Known, ListDraft, from_unix, months_after, seen, unix
from coupon_pipeline.domain.phase_runs import Key, PhaseRuns, Run
from coupon_pipeline.domain.targets import (
    MAX_DISCOUNTS,
    DiscountEntry,
    GrantedAttachment,
    LiveDiscount,
    ScheduleState,
    WantedAttachment,
    period_of,
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A grant that is in the open phases: as a discount, or as a coupon of a later phase."""

    granted: GrantedAttachment
    run: Run
    live: LiveDiscount | None
    first: int | None
    """Of the run, the place that names the coupon which has made no discount yet."""


class CarryOver:
    """Sends on what was granted, in the lists of all open phases."""

    def __init__(
        self,
        state: ScheduleState,
        known: Known,
        runs: PhaseRuns,
        lists: Mapping[Key, ListDraft],
    ) -> None:
        self._state = state
        self._known = known
        self._runs = runs
        self._phases = runs.phases
        self._lists = lists
        self._begins: defaultdict[Key, set[str | None]] = defaultdict(set)
        self.owners: dict[tuple[Key, str], str] = {}
        """By place and coupon, the snapshot that has the coupon there."""
        self.promised: set[tuple[Key, str]] = set()
        """Places, with the coupon, that a discount is to be sent on to which does not exist yet."""
        self.carried: list[Carried] = []
        self.later: list[CarryLater] = []
        self.crowded: set[str] = set()
        """Snapshots for which a later phase has no room."""
        self.taken_away: set[str] = set()
        """Snapshots that somebody took out of a later phase."""

    def send_on(self, records: Sequence[GrantedAttachment]) -> None:
        """Everything that was granted earlier, in the order in which it stands now.

        It comes before what begins in the later phase itself, whichever was written first.
        """
        self._drop_gone(records)
        claims = [claim for g in records if (claim := self._claim(g))]
        for claim in sorted(claims, key=self._standing):
            if claim.live:
                self.carry_live(claim.granted, claim.live, claim.run)
            elif self._begins_again(claim):
                self.spread(claim.granted, claim.run)
            elif claim.first is not None:
                self.spread(claim.granted, claim.run[claim.first :])

    def lacking(self, records: Sequence[GrantedAttachment]) -> list[Lacking]:
        """What the later phases lack as they are, before anything is sent on.

        Whoever took it out: here it does not matter that a phase was once sent with it.
        """
        found = []
        for g in records:
            claim = self._claim(g)
            if claim is None:
                continue
            for live, keys in self._has_to_be_in(claim):
                starts = tuple(
                    self._phases[key[0]].start_date
                    for key in keys
                    if not self._is_named(g, live, key)
                )
                if starts:
                    discount_id = live.discount_id if live else None
                    found.append(Lacking(g.snapshot_id, g.coupon_id, discount_id, starts))
        return found

    def _has_to_be_in(self, claim: _Claim) -> list[tuple[LiveDiscount | None, Run]]:
        """The places to come where a grant needs its discount, and those that need its coupon."""
        g, run = claim.granted, claim.run
        throughout = is_named_throughout(g)
        if claim.live:
            own = self._runs.unbroken(run)
            again = run[len(own) :] if throughout else ()
            return [(claim.live, self._reached(g, claim.live, own)), (None, again)]
        if claim.first is not None:
            return [(None, run[claim.first + 1 :] if throughout else ())]
        begun = self._runs.is_current(run[0]) or not g.carried_to
        if begun or min(g.carried_to) <= unix(self._known.now):
            return []
        if throughout:
            return [(None, run)]
        return [] if any(self._is_named(g, None, key) for key in run) else [(None, run[:1])]

    def _is_named(self, g: GrantedAttachment, live: LiveDiscount | None, key: Key) -> bool:
        own = self._lists[key]
        if own.find(g.coupon_id):
            return True
        return live is not None and (
            own.holds(live.discount_id) or own.names_code(live.promotion_code)
        )

    def _drop_gone(self, records: Sequence[GrantedAttachment]) -> None:
        """A future phase must not name a discount that is used up, ended or taken away.

        One of ours is a reason to write, lest the phase grants it again; others are left out when
        there is another reason.
        """
        subscription = self._state.subscription
        if subscription is None:
            return
        there = {each.discount_id for each in subscription.live_discounts()}
        gone = {g.discount_id for g in records if g.discount_id} - there
        if self._state.customer_discount:
            there.add(self._state.customer_discount.discount_id)
        for own in self._lists.values():
            for discount_id in gone:
                own.drop(discount_id)
            own.keep_existing(there)

    def _claim(self, g: GrantedAttachment) -> _Claim | None:
        run = self._runs.of_granted(g)
        if isinstance(run, str):
            return None
        live = self.live_of(g, run)
        for key in run:
            if self.awaits(g, key, run) or (live and self._runs.is_current(key)):
                self.owners[key, g.coupon_id] = g.snapshot_id
        first = next((at for at, key in enumerate(run) if self.awaits(g, key, run)), None)
        if live is None and first is not None:
            self._begins[run[first]].add(g.coupon_id)
        return _Claim(g, run, live, first)

    def _standing(self, claim: _Claim) -> tuple[Key, int, str]:
        """Where a grant stands now; the ledger's rows come in no order of their own."""
        key = claim.run[claim.first or 0] if claim.live is None else claim.run[0]
        g = claim.granted
        return key, self._lists[key].place_of(g.coupon_id), g.snapshot_id

    def awaits(self, g: GrantedAttachment, key: Key, run: Run) -> bool:
        """Whether a future phase names the coupon for this attachment, not for another order.

        The ledger knows where it was put. When the ledger was lost, or somebody has given all of
        these phases other dates, it is the order's own phase.
        """
        if self._runs.is_current(key) or not self._lists[key].find(g.coupon_id):
            return False
        starts = {self._phases[at].start_date for at, _ in run}
        known = starts & self._carried_to(g)
        own = self._phases[key[0]].start_date in known if known else key == run[0]
        return own or is_named_throughout(g)

    def _carried_to(self, g: GrantedAttachment) -> frozenset[int]:
        return g.carried_in(self._state.schedule_id)

    def live_of(self, g: GrantedAttachment, run: Run) -> LiveDiscount | None:
        """The discount of a grant, if it is in effect."""
        return seen(g, self._runs.live(run[0])) if self._runs.is_current(run[0]) else None

    def carry_live(self, g: GrantedAttachment, live: LiveDiscount, run: Run) -> None:
        """Send the same discount on to the later phases that it reaches into.

        It ends with the first phase that does not have it, so it is named in none after that. A
        line that is back then has its discount for good from the coupon.
        """
        sent = []
        for key in self._reached(g, live, self._runs.unbroken(run)):
            own, start = self._lists[key], self._phases[key[0]].start_date
            there = own.find(g.coupon_id)
            if there:
                if g.duration == "forever" and there.kind == "coupon":
                    own.replace(there, DiscountEntry.kept(live))
                    sent.append(start)
            elif own.holds(live.discount_id):
                continue
            elif start in self._carried_to(g) - g.taken_over:
                self.taken_away.add(g.snapshot_id)
                break
            elif self._put(g, DiscountEntry.kept(live), key, self._after(g, run[0])):
                sent.append(start)
            else:
                break
        if sent:
            self.carried.append(Carried(g.snapshot_id, live.discount_id, tuple(sent)))
        self._name(g, run[len(self._runs.unbroken(run)) :])

    def _begins_again(self, claim: _Claim) -> bool:
        """Name the coupon again in the phase that it begins with, if another order has that now.

        Only where no phase after it would grant it a second time.
        """
        g, run = claim.granted, claim.run
        start = self._phases[run[0][0]].start_date
        if start not in g.taken_over & self._carried_to(g) or self._runs.awaited_in(g) is None:
            return False
        named = run[:1] if is_named_throughout(g) else run
        if any(self._lists[key].find(g.coupon_id) for key in named):
            return False
        if not self._put(g, DiscountEntry.granted(g.coupon_id), run[0]):
            return False
        self.carried.append(Carried(g.snapshot_id, None, (start,)))
        return True

    def _after(self, g: GrantedAttachment, first: Key) -> frozenset[str | None]:
        """Coupons that come after this one where it is now.

        Stripe takes them off one after the other, so the order must not change with the phase.
        """
        return self._lists[first].coupons_after(g.coupon_id)

    def _put(
        self,
        g: GrantedAttachment,
        entry: DiscountEntry,
        key: Key,
        after: frozenset[str | None] = frozenset(),
    ) -> bool:
        own = self._lists[key]
        if own.size_after_one_more > MAX_DISCOUNTS:
            self.crowded.add(g.snapshot_id)
            return False
        own.add(entry, before=self._begins[key] | after)
        self.owners[key, g.coupon_id] = g.snapshot_id
        return True

    def spread(self, g: GrantedAttachment, run: Run) -> None:
        """A coupon that a future phase names reaches as far as one of a phase that is on.

        One for good is named in the later phases at once; of every one the discount is awaited.
        """
        self._name(g, run[1:])
        self.remember(g, run)

    def _name(self, g: GrantedAttachment, keys: Run) -> None:
        """Name the coupon of one for good in phases where somebody has not taken it out."""
        if not is_named_throughout(g):
            return
        sent = []
        for key in keys:
            start = self._phases[key[0]].start_date
            out = start in self._carried_to(g) - g.taken_over
            free = not out and not self._lists[key].find(g.coupon_id)
            if free and self._put(g, DiscountEntry.granted(g.coupon_id), key):
                sent.append(start)
        if sent:
            self.carried.append(Carried(g.snapshot_id, None, tuple(sent)))

    def _reached(self, g: GrantedAttachment, live: LiveDiscount, run: Run) -> Run:
        if g.duration == "once":
            return self._runs.before_next_invoice(run)
        if g.duration == "repeating" and live.end is not None:
            return self._runs.beginning_before(live.end, run[1:])
        return run[1:]

    def remember(self, g: GrantedAttachment | WantedAttachment, run: Run) -> None:
        """What later phases need of a discount that begins with the first phase of the run.

        Those that name its coupon until then need it as well: somebody may delete the coupon
        before they begin, which its discounts outlive
        (https://docs.stripe.com/billing/subscriptions/coupons).
        """
        first, begins = self._phases[run[0][0]], self._known.now
        if not self._runs.is_current(run[0]):
            begins = from_unix(first.start_date)
        later = tuple(key for key in self._will_reach(g, run) if self._needs_discount(g, key))
        self.promised |= {(key, g.coupon_id) for key in later}
        starts = tuple(self._phases[key[0]].start_date for key in later)
        if starts:
            self.later.append(
                CarryLater(g.snapshot_id, g.coupon_id, unix(begins), first.end_date, starts)
            )

    def is_cut_short(self, w: WantedAttachment, run: Run) -> bool:
        """Whether a later phase names the coupon for another order before this one has run out."""
        return w.duration != "forever" and any(
            (key, w.coupon_id) in self.owners for key in self._will_reach(w, run)
        )

    def _will_reach(self, g: GrantedAttachment | WantedAttachment, run: Run) -> Run:
        """The later places that a discount reaches which begins with the first one."""
        first, latest = self._phases[run[0][0]], self._latest()
        if not self._runs.is_current(run[0]):
            latest = from_unix(first.start_date)
        run = self._runs.unbroken(run)
        if g.duration == "repeating" and g.months is not None:
            return self._runs.beginning_before(unix(months_after(latest, g.months)), run[1:])
        if g.duration == "once" and self._runs.is_current(run[0]):
            return self._runs.before_next_invoice(run)
        if g.duration == "once":
            return run[1:2] if first.is_trial else ()
        return run[1:]

    def _latest(self) -> datetime:
        """The latest that it can be, where only the period tells the time of a test clock."""
        now, period = self._known.now, period_of(self._state.subscription)
        return now if period is None or now > from_unix(period[0]) else from_unix(period[1])

    def _needs_discount(self, g: GrantedAttachment | WantedAttachment, key: Key) -> bool:
        there = self._lists[key].find(g.coupon_id)
        if is_named_throughout(g):
            return there is not None and there.kind == "coupon"
        return there is None


def is_named_throughout(each: GrantedAttachment | WantedAttachment) -> bool:
    """Whether a coupon is named in every phase from its first one on.

    One for good has no window that a phase could begin anew, and a later run that never comes
    cannot lose it. Naming a coupon with `max_redemptions` again could be refused at the phase's
    start, with nobody there to be told, so its discount is sent on like any other.
    """
    return each.duration == "forever" and not each.limited
