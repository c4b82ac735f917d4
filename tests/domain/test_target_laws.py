"""Laws of discount lists over time: nothing lost, nothing doubled, nothing moved.

Two machines drive the plans against a miniature of Stripe through signatures, runs, lost ledgers,
human edits, invoices, amendments and phases.
"""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from coupon_pipeline.domain.attachments import (
    ScheduleUpdate,
    SubscriptionUpdate,
    TargetPlan,
    made_discounts,
)
from coupon_pipeline.domain.discounts import plan_subscription
from coupon_pipeline.domain.records import OrderItem
from coupon_pipeline.domain.schedules import plan_schedule
from coupon_pipeline.domain.targets import (
    Duration,
    GrantedAttachment,
    PhaseItemState,
    TargetPolicy,
    WantedAttachment,
)
from tests.domain.stripe_model import SUBSCRIPTION, StripeModel, later_by_months
from tests.domain.target_builders import POLICY, a_phase, an_order_item, outcome_of, wants

START = datetime(2026, 1, 1, tzinfo=UTC)
DURATIONS = st.sampled_from(["once", "repeating", "forever"])
ITEMS = ["si_1", "si_2"]
ORDER_ITEMS = {"oi_1": "price_1", "oi_2": "price_2"}


class Ledger:
    """What the pipeline remembers; it may be lost."""

    def __init__(self) -> None:
        self.granted: dict[str, GrantedAttachment] = {}

    def record(
        self,
        plan: TargetPlan,
        made: dict[str, str],
        wanted: dict[str, WantedAttachment],
        now: datetime,
    ) -> None:
        """Outcomes as the load stage keeps them."""
        for outcome in plan.outcomes:
            if outcome.outcome not in {"attached", "adopted", "unchanged"}:
                continue
            w = wanted[outcome.snapshot_id]
            before = self.granted.get(outcome.snapshot_id)
            self.granted[outcome.snapshot_id] = before or GrantedAttachment(
                w.snapshot_id,
                plan.target_id,
                w.scope,
                w.coupon_id,
                w.duration,
                w.months,
                made.get(w.snapshot_id) or outcome.discount_id,
                now,
                frozenset(outcome.phases),
            )
        for carried in plan.carried:
            old = self.granted.get(carried.snapshot_id)
            if old:
                self.granted[carried.snapshot_id] = GrantedAttachment(
                    old.snapshot_id,
                    old.target_id,
                    old.scope,
                    old.coupon_id,
                    old.duration,
                    old.months,
                    carried.discount_id,
                    old.granted_at,
                    old.carried_to | set(carried.phases),
                )


class SubscriptionMachine(RuleBasedStateMachine):
    """A subscription with two items; coupons are shared between orders."""

    @initialize(
        customer=st.booleans(),
        stacking=st.sampled_from(["association", "percent_first", "amount_first"]),
        keep=st.sampled_from(["keep", "replace"]),
    )
    def begin(self, customer: object, stacking: str, keep: str) -> None:
        self.stripe = StripeModel(START, next_invoice=later_by_months(START, 1))
        self.stripe.lists |= {item: [] for item in ITEMS}
        self.stripe.coupons["vip"] = ("forever", 0)
        if customer:
            self.stripe.customer = self.stripe.make("vip")
        self.policy = TargetPolicy(stacking=stacking, customer_discount=keep)  # type: ignore[arg-type]  # drawn from the literals
        self.ledger = Ledger()
        self.wanted: dict[str, WantedAttachment] = {}
        self.items: dict[str, OrderItem] = {}
        for order_item, price in ORDER_ITEMS.items():
            self.items |= an_order_item(order_item, price=price)
        self.given: set[str] = set()
        self.given_out: set[str] = set()

    @rule(
        item=st.sampled_from([None, None, *ORDER_ITEMS]),
        duration=DURATIONS,
        shared=st.integers(0, 1),
        amount=st.booleans(),
    )
    def sign(self, item: str | None, duration: Duration, shared: int, amount: object) -> None:
        """An order activates with a coupon that other orders may use too."""
        coupon = f"{duration}-{shared}"
        self.stripe.coupons[coupon] = (duration, 3)
        snapshot = f"snapshot-{len(self.wanted)}"
        self.wanted[snapshot] = wants(
            snapshot,
            coupon=coupon,
            item=item,
            duration=duration,
            currencies=["usd"] if amount else [],
            made=f"{len(self.wanted):03}",
        )

    @rule(place=st.sampled_from([SUBSCRIPTION, *ITEMS]), theirs=st.booleans(), data=st.data())
    def somebody_adds(self, place: str, theirs: object, data: st.DataObject) -> None:
        """A person puts on a coupon, ours or another, that is not there yet."""
        own = sorted(c for c in self.stripe.coupons if c != "vip")
        coupon = f"theirs-{len(self.stripe.coupons)}" if theirs or not own else None
        coupon = coupon or data.draw(st.sampled_from(own))
        self.stripe.coupons.setdefault(coupon, ("forever", 0))
        live = self.stripe.lists[place]
        if len(live) < 20 and coupon not in [each.coupon_id for each in live]:
            live.append(self.stripe.make(coupon))

    @rule(place=st.sampled_from([SUBSCRIPTION, *ITEMS]), at=st.integers(0, 19))
    def somebody_removes(self, place: str, at: int) -> None:
        """A person takes a discount away."""
        live = self.stripe.lists[place]
        if at < len(live):
            del live[at]

    @rule()
    def a_month_passes(self) -> None:
        """An invoice uses up what is granted once; windows end."""
        self.stripe.advance()

    @rule()
    def the_ledger_is_lost(self) -> None:
        """Somebody removes the DuckDB file."""
        self.ledger = Ledger()

    @rule()
    def the_pipeline_runs(self) -> None:
        """Plan, write, read back, remember; and again, to no effect."""
        before = {place: list(live) for place, live in self.stripe.lists.items()}
        plan = self._plan()
        if isinstance(plan.request, SubscriptionUpdate):
            self.stripe.update_subscription(plan.request)
        made = made_discounts(plan, self.stripe.subscription())
        self._count(plan, made)
        self.ledger.record(plan, made, self.wanted, self.stripe.now)

        for place, live in before.items():
            after = self.stripe.lists[place]
            assert after[: len(live)] == live, "what was there comes first, in its order"
        assert self._plan().request is None, "a second run finds nothing to do"

    def _plan(self) -> TargetPlan:
        plan = plan_subscription(
            self.stripe.subscription(),
            list(self.wanted.values()),
            granted=self.ledger.granted,
            items=self.items,
            policy=self.policy,
            now=self.stripe.now,
        )
        for each in plan.outcomes:
            outcome_of(plan, each.snapshot_id)
        return plan

    def _count(self, plan: TargetPlan, made: dict[str, str]) -> None:
        for outcome in plan.outcomes:
            if outcome.outcome not in {"attached", "adopted"}:
                continue
            snapshot = outcome.snapshot_id
            assert snapshot not in self.given, "granted once, whatever was lost or removed since"
            self.given.add(snapshot)
            if self.wanted[snapshot].duration != "forever":
                assert made[snapshot] not in self.given_out, "one discount for two orders"
                self.given_out.add(made[snapshot])

    @invariant()
    def lists_are_as_stripe_takes_them(self) -> None:
        """At most 20, and each coupon once."""
        for live in getattr(self, "stripe", StripeModel(START)).lists.values():
            coupons = [each.coupon_id for each in live]
            assert len(coupons) == len(set(coupons)) <= 20


class ScheduleMachine(RuleBasedStateMachine):
    """A schedule that amendments make longer; each snapshot has a coupon of its own."""

    @initialize(months=st.integers(1, 6), day=st.sampled_from([1, 15]))
    def begin(self, months: int, day: int) -> None:
        self.stripe = StripeModel(START, next_invoice=later_by_months(START, 1).replace(day=day))
        self.stripe.lists["si_1"] = []
        self.ledger = Ledger()
        self.wanted: dict[str, WantedAttachment] = {}
        self.removed: set[str] = set()
        self.live_since: dict[str, datetime] = {}
        self.orders = ["order-0"]
        self._append(START, later_by_months(START, months))

    def _append(self, start: datetime, end: datetime, *, bills: bool = False) -> None:
        anchor = {"billing_cycle_anchor": "phase_start"} if bills else {}
        phase = a_phase(
            start.date().isoformat(),
            end.date().isoformat(),
            order=self.orders[-1],
            items=[PhaseItemState("price_1")],
            **anchor,  # type: ignore[arg-type]  # further keys of the body
        )
        self.stripe.phases.append(phase)

    @precondition(lambda self: len(self.stripe.phases) < 6)
    @rule(months=st.integers(1, 4), day=st.sampled_from([1, 15]), bills=st.booleans())
    def an_amendment_is_activated(self, months: int, day: int, bills: object) -> None:
        """The order sync ends the last phase on some day and adds another without discounts."""
        last = self.stripe.phases[-1]
        start = datetime.fromtimestamp(last.end_date, UTC)
        end = later_by_months(start, months).replace(day=day)
        self.orders.append(f"order-{len(self.orders)}")
        if end > start:
            self._append(start, end, bills=bool(bills))

    @rule(duration=DURATIONS, months=st.integers(1, 5), data=st.data())
    def sign(self, duration: Duration, months: int, data: st.DataObject) -> None:
        """A coupon belongs to one of the orders."""
        if len(self.wanted) >= 12:
            return
        snapshot = f"snapshot-{len(self.wanted)}"
        self.stripe.coupons[snapshot] = (duration, months)
        self.wanted[snapshot] = wants(
            snapshot,
            coupon=snapshot,
            order=data.draw(st.sampled_from(self.orders)),
            duration=duration,
            months=months if duration == "repeating" else None,
        )

    @rule(data=st.data())
    def somebody_removes(self, data: st.DataObject) -> None:
        """A person takes a discount off the subscription, and out of the phases to come."""
        live = self.stripe.lists[SUBSCRIPTION]
        if not live:
            return
        gone = data.draw(st.sampled_from(live))
        live.remove(gone)
        self.removed.add(gone.coupon_id or "")
        for at, phase in enumerate(self.stripe.phases):
            kept = tuple(e for e in phase.discounts if e.coupon_id != gone.coupon_id)
            if phase.start_date > self.stripe.seconds:
                self.stripe.phases[at] = replace(phase, discounts=kept)

    @rule()
    def the_ledger_is_lost(self) -> None:
        """Somebody removes the DuckDB file."""
        self.ledger = Ledger()

    @rule()
    def time_passes(self) -> None:
        """The pipeline runs every day, so it has run before whatever happens next."""
        self._run()
        last = self.stripe.phases[-1]
        upcoming = [p.start_date for p in self.stripe.phases if p.start_date > self.stripe.seconds]
        assert self.stripe.next_invoice is not None
        moment = min([int(self.stripe.next_invoice.timestamp()), *upcoming])
        if moment >= last.end_date:
            return
        self.stripe.advance()
        self._run()

    def _run(self) -> None:
        """Until there is nothing more to do: what is granted, then what can be sent on."""
        for _ in range(4):
            plan = self._plan()
            if isinstance(plan.request, ScheduleUpdate):
                self.stripe.update_schedule(plan.request)
            elif plan.request is not None:
                self.stripe.update_subscription(plan.request)
            made = made_discounts(plan, self.stripe.schedule())
            self.ledger.record(plan, made, self.wanted, self.stripe.now)
            if plan.request is None:
                break
        else:
            raise AssertionError("the pipeline does not come to rest")
        for each in self.stripe.lists[SUBSCRIPTION]:
            self.live_since.setdefault(each.coupon_id or "", self.stripe.now)
        self._check()

    def _plan(self) -> TargetPlan:
        plan = plan_schedule(
            self.stripe.schedule(),
            list(self.wanted.values()),
            granted=self.ledger.granted,
            items={},
            orders={},
            policy=POLICY,
            now=self.stripe.now,
        )
        for each in plan.outcomes:
            outcome_of(plan, each.snapshot_id)
        return plan

    def _check(self) -> None:
        """What each order was granted is what was signed, once."""
        live = {each.coupon_id for each in self.stripe.lists[SUBSCRIPTION]}
        for coupon, since in self.live_since.items():
            duration, months = self.stripe.coupons[coupon]
            if duration != "forever":
                assert self.stripe.made[coupon] == 1, "granted again by a phase or a run"
            if coupon in self.removed:
                assert coupon not in live, "a discount removed by hand came back"
            elif duration == "forever":
                assert coupon in live, "a discount for good was lost at a phase"
            elif duration == "repeating":
                runs = self.stripe.now < later_by_months(since, months)
                assert (coupon in live) == runs, "a window was cut short or restarted"
            else:
                assert (coupon in live) != (self.stripe.billed[coupon] == 1)
                assert self.stripe.billed[coupon] <= 1, "a discount granted once was billed twice"


TestSubscriptions = SubscriptionMachine.TestCase
TestSubscriptions.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestSchedules = ScheduleMachine.TestCase
TestSchedules.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
