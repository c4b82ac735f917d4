"""A machine that lets companies live: orders, edits, people, time, lost ledgers, and the pipeline.

After every run each customer has been granted exactly what was signed, once: a coupon has been
redeemed as often as it was signed, and what is not used up is on the subscription, or in the phase
of the amendment that it was signed for. Every invoice takes off what was signed, and nothing else.
`LIVES=500` tries that many lives instead of a few.
"""

import os
import tempfile
from calendar import monthrange
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from coupon_pipeline.assets.agreement import compare_with_systems
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from coupon_pipeline.settings import load_settings
from tests.world import MadeOrder, World

FIRST_DAY = date(2025, 9, 1)
EVER = Selection(FIRST_DAY, date(2026, 11, 20))

SECOND = timedelta(seconds=1)

durations = st.sampled_from(["once", "repeating", "forever"])
percents = st.integers(min_value=1, max_value=40)


@dataclass
class Signed:
    """A coupon on an order, and what became of it."""

    order: MadeOrder
    percent: int
    duration: str
    coupon: str
    schedule_id: str | None = None
    amends: "Signed | None" = None
    granted_at: datetime | None = None
    removed_at: datetime | None = None
    second_phase: datetime | None = None
    """When it begins, of the initial order of a schedule."""

    @property
    def is_plain(self) -> bool:
        """Neither under a schedule nor in one."""
        return self.schedule_id is None


class Lives(RuleBasedStateMachine):
    """Everything that may happen, in any order."""

    @initialize()
    def begin(self) -> None:
        self._open = ExitStack()
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        clock = Clock(datetime(2025, 9, 1, 9, tzinfo=UTC), frozen=True)
        sandbox = self._open.enter_context(Sandbox(company=False, clock=clock))
        instance = self._open.enter_context(dg.DagsterInstance.ephemeral())
        env = self._open.enter_context(pytest.MonkeyPatch.context())
        self.world = World(sandbox, folder, instance, env)
        self.world.setting("COUPON_PIPELINE_SYNC_START_DATE", FIRST_DAY.isoformat())
        self.coupon = self.world.quote_coupon(Percent_Off__c=10, Duration__c="forever")
        self.percent = 10
        self.signed: list[Signed] = []
        self.foreign: dict[str, datetime] = {}
        """By subscription, from when on it has a discount of somebody's, 50 % for good."""
        self.extended: set[str] = set()
        """Initial orders whose schedule has a phase of an amendment."""

    def teardown(self) -> None:
        """Every life ends with two runs and what is invoiced after each of them."""
        with self._open:
            for last in (False, True):
                self.the_pipeline_runs()
                if last:
                    self._agree()
                self.time_passes(days=45)
                self._check()

    def _agree(self) -> None:
        """An audit finds what people did, and nothing that the pipeline did or left undone."""
        agreement = compare_with_systems(load_settings(), self.world.ledger)
        told = [each.what(agreement.names) for each in agreement.differences]
        kinds = {each.kind for each in agreement.differences}
        assert kinds <= {"foreign", "deleted"}, told

    @rule(percent=percents, duration=durations)
    def sign_an_order_with_its_own_coupon(self, percent: int, duration: str) -> None:
        coupon = self._a_coupon(percent, duration)
        self.signed.append(Signed(self.world.order(coupons=[coupon]), percent, duration, coupon))

    def _a_coupon(self, percent: int, duration: str) -> str:
        return self.world.quote_coupon(
            Percent_Off__c=percent,
            Duration__c=duration,
            Duration_In_Months__c=3 if duration == "repeating" else None,
        )

    @rule(percent=percents, duration=durations)
    def sign_an_order_on_a_schedule(self, percent: int, duration: str) -> None:
        coupon = self._a_coupon(percent, duration)
        order = self.world.order(coupons=[coupon])
        schedule_id = self.world.manage(order)
        phases = self.world.stripe.v1.subscription_schedules.retrieve(schedule_id).phases
        begins = datetime.fromtimestamp(phases[-1].start_date, UTC)
        self.signed.append(
            Signed(order, percent, duration, coupon, schedule_id, second_phase=begins)
        )

    @precondition(lambda self: self._amendable())
    @rule(which=st.integers(min_value=0), percent=percents, duration=durations)
    def sign_an_amendment(self, which: int, percent: int, duration: str) -> None:
        """An order of its own with a phase of its own; only its contract says where."""
        initial = self._amendable()[which % len(self._amendable())]
        coupon = self._a_coupon(percent, duration)
        contract = self.world.contract_of(initial.order)
        order = self.world.order(coupons=[coupon], synced=False, amends=contract)
        self.world.extend(initial.schedule_id or "", order)
        self._is_amended_by(initial, order, percent, duration, coupon)

    @precondition(lambda self: self._amendable())
    @rule(which=st.integers(min_value=0), percent=percents, duration=durations)
    def sign_an_amendment_that_a_run_sees_before_its_phase(
        self, which: int, percent: int, duration: str
    ) -> None:
        initial = self._amendable()[which % len(self._amendable())]
        coupon = self._a_coupon(percent, duration)
        contract = self.world.contract_of(initial.order)
        order = self.world.order(coupons=[coupon], synced=False, amends=contract)
        self.the_pipeline_runs()
        self.world.extend(initial.schedule_id or "", order)
        self._is_amended_by(initial, order, percent, duration, coupon)

    def _is_amended_by(
        self, initial: Signed, order: MadeOrder, percent: int, duration: str, coupon: str
    ) -> None:
        self.extended.add(initial.order.order_id)
        self.signed.append(
            Signed(order, percent, duration, coupon, initial.schedule_id, amends=initial)
        )

    @precondition(lambda self: self._amendable())
    @rule(which=st.integers(min_value=0), is_seen_before=st.booleans())
    def sign_an_amendment_without_coupons(self, which: int, *, is_seen_before: bool) -> None:
        """What was signed for the initial order goes on in its phase."""
        initial = self._amendable()[which % len(self._amendable())]
        contract = self.world.contract_of(initial.order)
        order = self.world.order(synced=False, amends=contract)
        if is_seen_before:
            self.the_pipeline_runs()
        self.world.extend(initial.schedule_id or "", order)
        self.extended.add(initial.order.order_id)
        self.the_pipeline_runs()
        self._check_last_phase(initial)

    def _check_last_phase(self, initial: Signed) -> None:
        schedule = self.world.stripe.v1.subscription_schedules.retrieve(initial.schedule_id or "")
        assert len(schedule.phases[-1].discounts) == (initial.duration == "forever")

    @precondition(lambda self: self._never_scheduled())
    @rule(which=st.integers(min_value=0))
    def an_amendment_without_coupons_makes_a_schedule(self, which: int) -> None:
        """After a run has seen it; only the order sync's Stripe id tells of the schedule."""
        initial = self._never_scheduled()[which % len(self._never_scheduled())]
        contract = self.world.contract_of(initial.order)
        order = self.world.order(synced=False, amends=contract)
        self.the_pipeline_runs()
        initial.schedule_id = self.world.manage(initial.order)
        self.world.extend(initial.schedule_id, order)
        self.world.let_time_pass(seconds=1)
        self.world.update("Order", order.order_id, Stripe_ID__c=initial.order.subscription_id)
        self.extended.add(initial.order.order_id)
        self.the_pipeline_runs()
        self._check_last_phase(initial)

    def _never_scheduled(self) -> list[Signed]:
        return [
            s
            for s in self._removable()
            if s.coupon != self.coupon and s.order.subscription_id not in self.foreign
        ]

    @precondition(lambda self: self._to_come())
    @rule(which=st.integers(min_value=0))
    def the_order_sync_makes_a_schedule_again(self, which: int) -> None:
        """It has phases of its own, which name nothing of ours."""
        signed = self._to_come()[which % len(self._to_come())]
        self.world.stripe.v1.subscription_schedules.release(signed.schedule_id or "")
        signed.schedule_id = self.world.manage(signed.order)
        phases = self.world.stripe.v1.subscription_schedules.retrieve(signed.schedule_id).phases
        signed.second_phase = datetime.fromtimestamp(phases[-1].start_date, UTC)
        self.world.let_time_pass(seconds=1)
        self.world.update("Order", signed.order.order_id, Stripe_ID__c=signed.order.subscription_id)
        self.the_pipeline_runs()

    def _amendable(self) -> list[Signed]:
        return [
            s
            for s in self.signed
            if s.schedule_id
            and s.amends is None
            and s.granted_at
            and s.order.order_id not in self.extended
        ]

    @precondition(lambda self: self.signed)
    @rule(which=st.integers(min_value=0), percent=percents)
    def somebody_edits_a_coupon_that_was_signed(self, which: int, percent: int) -> None:
        """What was signed does not change with it."""
        signed = self.signed[which % len(self.signed)]
        if signed.coupon != self.coupon:
            self.world.update("Quote_Stripe_Coupon__c", signed.coupon, Percent_Off__c=percent)
            self.world.let_time_pass(seconds=90)

    @precondition(lambda self: self.signed)
    @rule(which=st.integers(min_value=0), percent=percents)
    def somebody_adds_a_coupon_after_activation(self, which: int, percent: int) -> None:
        """It was not signed."""
        quote_id = self.signed[which % len(self.signed)].order.quote_id
        self.world.associate(quote_id, self._a_coupon(percent, "forever"))

    @precondition(lambda self: self.signed)
    @rule(which=st.integers(min_value=0))
    def somebody_takes_a_coupon_off_its_quote(self, which: int) -> None:
        """It was signed all the same."""
        quote_id = self.signed[which % len(self.signed)].order.quote_id
        for row in self.world.records("Quote_Stripe_Coupon_Association__c"):
            if row["Quote__c"] == quote_id:
                self.world.delete("Quote_Stripe_Coupon_Association__c", str(row["Id"]))

    @rule()
    def sign_an_order_with_the_shared_coupon(self) -> None:
        order = self.world.order(coupons=[self.coupon])
        self.signed.append(Signed(order, self.percent, "forever", self.coupon))

    @rule(percent=percents)
    def edit_the_shared_coupon(self, percent: int) -> None:
        self.world.update("Quote_Stripe_Coupon__c", self.coupon, Percent_Off__c=percent)
        self.percent = percent
        self.world.let_time_pass(seconds=90)

    @precondition(lambda self: any(s.is_plain for s in self.signed))
    @rule(which=st.integers(min_value=0))
    def somebody_adds_a_discount_by_hand(self, which: int) -> None:
        plain = [s for s in self.signed if s.is_plain]
        signed = plain[which % len(plain)]
        target = signed.order.subscription_id or ""
        if target in self.foreign:
            return
        coupon = self.world.stripe_create("coupon", percent_off=50, duration="forever")
        kept = [{"discount": each} for each in self.world.discount_ids(target)]
        self.world.discounts_by_hand(target, [*kept, {"coupon": str(coupon["id"])}])
        self.foreign[target] = self.world.sandbox.clock.now() + SECOND  # after an invoice of now

    @precondition(lambda self: self._to_come())
    @rule(which=st.integers(min_value=0))
    def somebody_adds_a_discount_to_a_phase_to_come(self, which: int) -> None:
        """The whole schedule is sent again, as the dashboard does."""
        signed = self._to_come()[which % len(self._to_come())]
        coupon = self.world.stripe_create("coupon", percent_off=50, duration="forever")
        begins = self.world.put_on_last_phase_by_hand(signed.schedule_id or "", str(coupon["id"]))
        self.foreign[signed.order.subscription_id or ""] = datetime.fromtimestamp(begins, UTC)

    def _to_come(self) -> list[Signed]:
        """Orders whose schedule still has its first phase on, and one phase more."""
        now = self.world.sandbox.clock.now()
        return [
            s
            for s in self.signed
            if s.second_phase is not None
            and now < s.second_phase
            and s.order.order_id not in self.extended
            and s.order.subscription_id not in self.foreign
        ]

    @precondition(lambda self: self._removable())
    @rule(which=st.integers(min_value=0))
    def somebody_removes_ours_by_hand(self, which: int) -> None:
        there = self._removable()
        signed = there[which % len(there)]
        target = signed.order.subscription_id or ""
        worth = self.world.discounted(target)
        kept = [
            {"discount": each}
            for each, (percent, _) in zip(self.world.discount_ids(target), worth, strict=True)
            if percent == 50
        ]
        self.world.discounts_by_hand(target, kept)
        signed.removed_at = self.world.sandbox.clock.now()

    def _removable(self) -> list[Signed]:
        return [s for s in self.signed if s.granted_at and not s.removed_at and s.is_plain]

    @rule(days=st.sampled_from([1, 20, 45]))
    def time_passes(self, days: int) -> None:
        if self.world.sandbox.clock.now() < datetime(2026, 8, 1, tzinfo=UTC):
            self.world.let_time_pass(days=days)

    @rule()
    def the_ledger_is_lost(self) -> None:
        if self.world.db.exists():
            self.world.forget_ledger()

    @rule()
    def the_pipeline_runs(self) -> None:
        hypothesis.event(f"a run over {min(len(self.signed), 3)} orders or more")
        for _ in range(2 if any(not s.is_plain for s in self.signed) else 1):
            report = self.world.sync_without_dagster(EVER)  # the next run sends on
            assert not report.has_blocked
        now = self.world.sandbox.clock.now()
        for signed in self.signed:
            signed.granted_at = signed.granted_at or now
        self._check()

    def _check(self) -> None:
        scheduled = {s.coupon for s in self.signed if not s.is_plain}
        redeemed = sum(
            int(str(coupon["times_redeemed"]))
            for coupon in self.world.coupons()
            if (of := _quote_coupon_of(coupon)) is not None and of not in scheduled
        )
        assert redeemed == sum(s.is_plain for s in self.signed)
        for signed in self.signed:
            if signed.amends is not None:
                self._check_amendment(signed)
                continue
            target = signed.order.subscription_id
            begins = self.foreign.get(target or "")
            theirs = begins is not None and begins <= self.world.sandbox.clock.now() + SECOND
            expected = [50] * theirs + [signed.percent] * self._is_live(signed)
            found = [percent for percent, _ in self.world.discounted(target)]
            assert Counter(found) == Counter(expected), signed
            self._check_invoices(signed)

    def _check_invoices(self, signed: Signed) -> None:
        """One price of 100.00 a month: less what was signed, and less what somebody added."""
        assert signed.granted_at is not None
        invoices = [
            (datetime.fromtimestamp(created, UTC), total)
            for created, total in self.world.invoiced(signed.order.subscription_id)
        ]
        first = min((at for at, _ in invoices if at > signed.granted_at), default=None)
        for at, total in invoices:
            ours = at > signed.granted_at and (not signed.removed_at or at <= signed.removed_at)
            if signed.duration == "once":
                ours = ours and at == first
            elif signed.duration == "repeating":
                ours = ours and at < _three_months_after(signed.granted_at)
            begins = self.foreign.get(signed.order.subscription_id or "")
            expected = 100 * (100 - signed.percent * ours)
            assert total == (expected // 2 if begins and begins <= at else expected), (signed, at)

    def _check_amendment(self, signed: Signed) -> None:
        """Its phase is a year away: its coupon is named there once, after what goes on for good."""
        assert signed.amends is not None
        schedule = self.world.stripe.v1.subscription_schedules.retrieve(signed.schedule_id or "")
        phases = [phase for phase in schedule.phases if phase.discounts]
        of = {str(each["id"]): _quote_coupon_of(each) for each in self.world.coupons()}
        named = [[of.get(str(each.coupon)) for each in phase.discounts] for phase in phases]
        assert [signed.coupon in phase for phase in named].count(True) == 1
        assert named[-1][-1] == signed.coupon
        assert len(named[-1]) == 1 + (signed.amends.duration == "forever")

    def _is_live(self, signed: Signed) -> bool:
        """Whether the discount is still to be seen: neither removed, nor spent, nor over."""
        assert signed.granted_at is not None
        now = self.world.sandbox.clock.now()
        if signed.removed_at:
            return False
        if signed.duration == "forever":
            return True
        subscription = self.world.stripe.v1.subscriptions.retrieve(
            signed.order.subscription_id or ""
        )
        begun = datetime.fromtimestamp(
            subscription["items"]["data"][0]["current_period_start"], UTC
        )
        if signed.duration == "once":
            return begun <= signed.granted_at
        return now < _three_months_after(signed.granted_at)


def _quote_coupon_of(coupon: dict[str, object]) -> str | None:
    metadata = coupon["metadata"]
    assert isinstance(metadata, dict)
    return metadata.get("salesforce_quote_stripe_coupon_id")


def _three_months_after(moment: datetime) -> datetime:
    year, month = moment.year + (moment.month + 2) // 12, (moment.month + 2) % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


Lives.TestCase.settings = hypothesis.settings(
    max_examples=int(os.environ.get("LIVES", "4")),
    stateful_step_count=14,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


TestLives = pytest.mark.slow(Lives.TestCase)
