"""Laws of discounts on a schedule that others rewrite: released, made anew, taken over, moved."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from coupon_pipeline.domain.attachments import ScheduleUpdate, TargetPlan, made_discounts
from coupon_pipeline.domain.drafts import from_unix, months_after, unix
from coupon_pipeline.domain.records import Order
from coupon_pipeline.domain.schedules import (
    awaits_its_phase,
    never_began,
    not_taken_away,
    plan_target,
)
from coupon_pipeline.domain.targets import (
    Duration,
    GrantedAttachment,
    LiveDiscount,
    PhaseItemState,
    PhaseState,
    ScheduleState,
    WantedAttachment,
)
from tests.domain.stripe_model import SUBSCRIPTION, StripeModel
from tests.domain.target_builders import POLICY, a_phase, an_order, outcome_of, wants

START = datetime(2026, 1, 1, tzinfo=UTC)
DURATIONS = st.sampled_from(["once", "repeating", "forever"])
INITIAL = "order-0"
DAYS = st.sampled_from([-20, -3, 3, 20])


class RewrittenMachine(RuleBasedStateMachine):
    """One subscription whose schedule the order sync and people rewrite between two runs."""

    @initialize(
        months=st.integers(1, 4),
        day=st.sampled_from([1, 15]),
        phases=st.integers(1, 3),
        named=st.booleans(),
        marked=st.booleans(),
    )
    def begin(self, months: int, day: int, phases: int, named: object, marked: object) -> None:
        self.stripe = StripeModel(START, next_invoice=months_after(START, 1).replace(day=day))
        self.stripe.lists["si_1"] = []
        self.orders: dict[str, Order] = {INITIAL: an_order(INITIAL)}
        self.wanted: dict[str, WantedAttachment] = {}
        self.granted: dict[str, GrantedAttachment] = {}
        self.planned: set[str] = set()
        self.former_are_named = named
        self.out: set[str] = set()
        """Coupons that a person took out somewhere."""
        self.told: dict[str, str] = {}
        """What is told now, and what was told as taken away."""
        self._phases(months, [INITIAL if marked else None] * phases)

    def _phases(self, months: int, orders: Sequence[str | None]) -> None:
        start = self.stripe.now
        for order in orders:
            end = months_after(start, months)
            self._append(start, end, order)
            start = end

    def _append(self, start: datetime, end: datetime, order: str | None) -> None:
        phase = a_phase("2026-01-01", "2026-01-02", order=order, items=[PhaseItemState("price_1")])
        self.stripe.phases.append(_at(phase, unix(start), unix(end)))

    # What others do

    @rule(duration=DURATIONS, months=st.integers(1, 5), data=st.data())
    def sign(self, duration: Duration, months: int, data: st.DataObject) -> None:
        """A coupon of its own belongs to one of the orders that no run has planned so far."""
        fresh = sorted(self.orders.keys() - self.planned)
        if fresh and len(self.wanted) < 8:
            self._sign(data.draw(st.sampled_from(fresh)), duration, months)

    def _sign(self, order: str, duration: Duration, months: int) -> None:
        snapshot = f"snapshot-{len(self.wanted)}"
        self.stripe.coupons[snapshot] = (duration, months)
        self.wanted[snapshot] = wants(
            snapshot,
            coupon=snapshot,
            order=order,
            duration=duration,
            months=months if duration == "repeating" else None,
        )

    def _amendment(self, start: datetime) -> str:
        order = f"order-{len(self.orders)}"
        day = start.date().isoformat()
        self.orders[order] = an_order(order, kind="Amendment", effective=day)
        return order

    @precondition(lambda self: self.stripe.phases and len(self.stripe.phases) < 6)
    @rule(
        months=st.integers(1, 4),
        marked=st.booleans(),
        ahead=st.booleans(),
        duration=st.one_of(st.none(), DURATIONS),
    )
    def an_amendment_adds_a_phase(
        self, months: int, marked: object, ahead: object, duration: Duration | None
    ) -> None:
        """After a run that has seen the order already, or before."""
        start = from_unix(self.stripe.phases[-1].end_date)
        order = self._amendment(start)
        if duration:
            self._sign(order, duration, 3)
        if ahead:
            self._run()
        self._append(start, months_after(start, months), order if marked else None)
        self._run()

    @precondition(lambda self: self._to_come())
    @rule(
        which=st.integers(0, 5),
        marked=st.booleans(),
        ahead=st.booleans(),
        duration=st.one_of(st.none(), DURATIONS),
    )
    def an_amendment_takes_a_phase_over(
        self, which: int, marked: object, ahead: object, duration: Duration | None
    ) -> None:
        """The order sync writes the phase anew, without any discounts."""
        at = self._to_come()[which % len(self._to_come())]
        phase = self.stripe.phases[at]
        order = self._amendment(from_unix(phase.start_date))
        if duration:
            self._sign(order, duration, 3)
        if ahead and POLICY.order_key in phase.metadata:
            self._run()
        metadata = {POLICY.order_key: order} if marked else {}
        self.stripe.phases[at] = replace(phase, metadata=metadata, discounts=())
        self._run()

    @precondition(lambda self: self._to_come())
    @rule(which=st.integers(0, 5))
    def a_phase_loses_its_mark(self, which: int) -> None:
        """Somebody clears the metadata of a phase to come."""
        at = self._to_come()[which % len(self._to_come())]
        self.stripe.phases[at] = replace(self.stripe.phases[at], metadata={})

    @precondition(lambda self: self._to_come())
    @rule(which=st.integers(0, 5), days=DAYS)
    def a_phase_is_moved(self, which: int, days: int) -> None:
        """Its start, with the end of the one before; its discounts stay."""
        at = self._to_come()[which % len(self._to_come())]
        before, phase = self.stripe.phases[at - 1], self.stripe.phases[at]
        start = unix(from_unix(phase.start_date) + timedelta(days=days))
        if max(before.start_date, self.stripe.seconds) < start < phase.end_date:
            self.stripe.phases[at - 1] = _at(before, before.start_date, start)
            self.stripe.phases[at] = _at(phase, start, phase.end_date)

    @rule(data=st.data())
    def somebody_takes_a_coupon_out(self, data: st.DataObject) -> None:
        """Off the subscription and out of all phases to come."""
        there = {e.coupon_id for e in self.stripe.lists[SUBSCRIPTION]}
        there |= {coupon for p in self._phases_shown() for coupon in _coupons(p)}
        if not there - {None}:
            return
        gone = data.draw(st.sampled_from(sorted(filter(None, there))))
        self.out.add(gone)
        self.stripe.phases = [
            replace(p, discounts=tuple(e for e in p.discounts if e.coupon_id != gone))
            for p in self._phases_shown()
        ]
        live = self.stripe.lists[SUBSCRIPTION]
        self.stripe.lists[SUBSCRIPTION] = [e for e in live if e.coupon_id != gone]

    @precondition(lambda self: self.stripe.phases)
    @rule()
    def the_schedule_is_released(self) -> None:
        """The subscription goes on without one."""
        self.stripe.release()

    @precondition(lambda self: self.stripe.phases)
    @rule(ahead=st.booleans(), keep=st.booleans(), data=st.data(), unmarked=st.booleans())
    def the_schedule_is_made_anew(
        self, ahead: object, keep: object, data: st.DataObject, unmarked: object
    ) -> None:
        """With the phases that are left or with others, and nothing of ours in them."""
        opened = [p for p in self.stripe.phases if p.end_date > self.stripe.seconds]
        self.stripe.release()
        if ahead:
            self._run()
        if keep:
            self.stripe.phases = [
                replace(p, discounts=(), metadata={} if unmarked else _mark_of(p)) for p in opened
            ]
        else:
            self._phases(data.draw(st.integers(1, 4)), self._marks(data))
        self._run()

    @precondition(lambda self: not self.stripe.phases)
    @rule(months=st.integers(1, 4), data=st.data())
    def a_schedule_is_made_later(self, months: int, data: st.DataObject) -> None:
        """Of the subscription that went on without one."""
        self._phases(months, self._marks(data))
        self._run()

    @rule()
    def time_passes(self) -> None:
        """The pipeline runs every day, so it has run before whatever happens next."""
        self._run()
        if self.stripe.phases:
            upcoming = [self.stripe.phases[at].start_date for at in self._to_come()]
            assert self.stripe.next_invoice is not None
            moment = min([unix(self.stripe.next_invoice), *upcoming])
            if moment >= self.stripe.phases[-1].end_date:
                self.stripe.release()
        self.stripe.advance()
        self._run()

    @rule()
    def the_pipeline_runs(self) -> None:
        """To its rest."""
        self._run()

    def _marks(self, data: st.DataObject) -> list[str | None]:
        mark = st.sampled_from([None, *self.orders])
        return data.draw(st.lists(mark, min_size=1, max_size=3))

    def _to_come(self) -> list[int]:
        return [at for at, p in enumerate(self.stripe.phases) if p.start_date > self.stripe.seconds]

    # The pipeline

    def _state(self) -> ScheduleState:
        """As it is read: with former schedules that an order names or that were to begin more."""
        former = tuple(
            f
            for f in self.stripe.former
            if self.former_are_named
            or any(
                g.schedule_id == f.schedule_id and g.discount_id is None
                for g in self.granted.values()
            )
        )
        if self.stripe.phases:
            return replace(self.stripe.schedule(), former=former)
        last = self.stripe.former[-1]
        return ScheduleState(
            last.schedule_id,
            "released",
            "cus_1",
            self.stripe.subscription(),
            metadata=last.metadata,
            former=tuple(f for f in former if f != last),
            ended_at=last.ended_at,
        )

    def _run(self) -> None:
        """Until there is nothing more to do."""
        for _ in range(5):
            state = self._state()
            plan, never = self._plan(state)
            if isinstance(plan.request, ScheduleUpdate):
                self.stripe.update_schedule(plan.request)
            elif plan.request is not None:
                self.stripe.update_subscription(plan.request)
            self._record(plan, never)
            for order_id, order in self.orders.items():
                is_granted = any(g.scope.order_id == order_id for g in self.granted.values())
                if (is_granted and not order.is_amendment) or not awaits_its_phase(
                    self._state(), order, POLICY, self.stripe.now
                ):
                    self.planned.add(order_id)
            told = {o.snapshot_id: o.code for o in plan.outcomes if o.code}
            self.told = told | {
                key: code for key, code in self.told.items() if code == "attachment.removed_by_hand"
            }
            if plan.request is None:
                break
        else:
            raise AssertionError("the pipeline does not come to rest")
        self._check()

    def _plan(self, state: ScheduleState) -> tuple[TargetPlan, frozenset[str]]:
        come = frozenset(self.orders.keys() - self.planned)
        never = never_began([state], self.granted)
        granted = {key: g for key, g in self.granted.items() if key not in never}
        plan = plan_target(
            state,
            list(self.wanted.values()),
            granted=not_taken_away(
                state,
                granted,
                come,
                [self.orders[o] for o in sorted(come) if self.orders[o].is_amendment],
                POLICY,
                self.stripe.now,
            ),
            items={},
            orders=self.orders,
            policy=POLICY,
            now=self.stripe.now,
            not_made=never,
        )
        for each in plan.outcomes:
            outcome_of(plan, each.snapshot_id)
        return plan, never

    def _record(self, plan: TargetPlan, never: frozenset[str]) -> None:
        """Outcomes as the load stage keeps them."""
        after = self._state()
        made = made_discounts(plan, after)
        for o in plan.outcomes:
            if o.outcome not in {"attached", "adopted", "unchanged"}:
                continue
            discount = made.get(o.snapshot_id) or o.discount_id
            old = self.granted.get(o.snapshot_id)
            anew = o.snapshot_id in never and o.outcome != "unchanged"
            if old and not anew:
                old = replace(old, discount_id=discount or old.discount_id)
            else:
                w = self.wanted[o.snapshot_id]
                old = GrantedAttachment(
                    w.snapshot_id,
                    plan.target_id,
                    w.scope,
                    w.coupon_id,
                    w.duration,
                    w.months,
                    discount,
                    self.stripe.now,
                    frozenset(o.phases),
                    schedule_id=plan.target_id if o.phases else None,
                    place=o.place,
                )
            self.granted[o.snapshot_id] = old
        for c in plan.carried:
            old = self.granted[c.snapshot_id]
            kept = old.carried_to if old.schedule_id in {None, plan.target_id} else frozenset()
            self.granted[c.snapshot_id] = replace(
                old,
                discount_id=c.discount_id or old.discount_id,
                carried_to=kept | set(c.phases),
                schedule_id=plan.target_id,
            )

    def _check(self) -> None:
        """What was signed is there as long as it lasts, once, unless a person took it out."""
        live = {e.coupon_id: e for e in self.stripe.lists[SUBSCRIPTION]}
        to_come = [p for p in self._phases_shown() if p.start_date > self.stripe.seconds]
        for coupon, w in self.wanted.items():
            there = [p.start_date for p in to_come if coupon in _coupons(p)]
            if w.duration != "forever":
                assert self.stripe.made[coupon] + (len(there) if coupon not in live else 0) <= 1, (
                    "granted a second time, now or by a phase to come"
                )
            if coupon in self.out:
                continue
            if coupon in live:
                reached = [p.start_date for p in to_come if self._reaches(live[coupon], p)]
                assert set(reached) <= set(there), "a discount ends with a phase"
            elif w.duration == "forever" or not self.stripe.made[coupon]:
                assert there or coupon in self.told, "it is nowhere, and nobody is told"

    def _reaches(self, live: LiveDiscount, phase: PhaseState) -> bool:
        duration, _ = self.stripe.coupons[live.coupon_id or ""]
        if duration == "once":
            assert self.stripe.next_invoice is not None
            return phase.start_date <= unix(self.stripe.next_invoice)
        return live.end is None or phase.start_date < live.end

    def _phases_shown(self) -> tuple[PhaseState, ...]:
        return self.stripe.schedule().phases if self.stripe.phases else ()


def _mark_of(phase: PhaseState) -> dict[str, str]:
    return {k: v for k, v in phase.metadata.items() if k == POLICY.order_key}


def _coupons(phase: PhaseState) -> set[str | None]:
    return {e.coupon_id for e in phase.discounts}


def _at(phase: PhaseState, start: int, end: int) -> PhaseState:
    body = {**phase.body, "start_date": start, "end_date": end}
    return replace(phase, start_date=start, end_date=end, body=body)


TestRewrittenSchedules = RewrittenMachine.TestCase
TestRewrittenSchedules.settings = settings(max_examples=150, stateful_step_count=15, deadline=None)
