"""A machine that lets companies live: orders, edits, people, time, lost ledgers, and the pipeline.

After every run each customer has been granted exactly what was signed, once: a coupon has been
redeemed as often as it was signed, and what is not used up is on the subscription.
"""

import tempfile
from calendar import monthrange
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from coupon_pipeline.domain.records import Selection
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.world import MadeOrder, World

FIRST_DAY = date(2025, 9, 1)
EVER = Selection(FIRST_DAY, date(2026, 11, 20))

durations = st.sampled_from(["once", "repeating", "forever"])
percents = st.integers(min_value=1, max_value=40)


@dataclass
class Signed:
    """A coupon on an order, and what became of it."""

    order: MadeOrder
    percent: int
    duration: str
    granted_at: datetime | None = None
    removed: bool = False


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
        self.coupon = self.world.quote_coupon(Percent_Off__c=10, Duration__c="forever")
        self.percent = 10
        self.signed: list[Signed] = []
        self.foreign: Counter[str] = Counter()

    def teardown(self) -> None:
        self._open.close()

    @rule(percent=percents, duration=durations)
    def sign_an_order_with_its_own_coupon(self, percent: int, duration: str) -> None:
        coupon = self.world.quote_coupon(
            Percent_Off__c=percent,
            Duration__c=duration,
            Duration_In_Months__c=3 if duration == "repeating" else None,
        )
        order = self.world.order(coupons=[coupon])
        self.signed.append(Signed(order, percent, duration))

    @rule()
    def sign_an_order_with_the_shared_coupon(self) -> None:
        order = self.world.order(coupons=[self.coupon])
        self.signed.append(Signed(order, self.percent, "forever"))

    @rule(percent=percents)
    def edit_the_shared_coupon(self, percent: int) -> None:
        self.world.update("Quote_Stripe_Coupon__c", self.coupon, Percent_Off__c=percent)
        self.percent = percent
        self.world.let_time_pass(seconds=90)

    @precondition(lambda self: self.signed)
    @rule(which=st.integers(min_value=0))
    def somebody_adds_a_discount_by_hand(self, which: int) -> None:
        signed = self.signed[which % len(self.signed)]
        target = signed.order.subscription_id or ""
        if self.foreign[target]:
            return
        coupon = self.world.stripe_create("coupon", percent_off=50, duration="forever")
        kept = [{"discount": each} for each in self.world.discount_ids(target)]
        self.world.discounts_by_hand(target, [*kept, {"coupon": str(coupon["id"])}])
        self.foreign[target] += 1

    @precondition(lambda self: any(s.granted_at and not s.removed for s in self.signed))
    @rule(which=st.integers(min_value=0))
    def somebody_removes_ours_by_hand(self, which: int) -> None:
        there = [s for s in self.signed if s.granted_at and not s.removed]
        signed = there[which % len(there)]
        target = signed.order.subscription_id or ""
        worth = self.world.discounted(target)
        kept = [
            {"discount": each}
            for each, (percent, _) in zip(self.world.discount_ids(target), worth, strict=True)
            if percent == 50
        ]
        self.world.discounts_by_hand(target, kept)
        signed.removed = True

    @rule(days=st.sampled_from([1, 20, 45]))
    def time_passes(self, days: int) -> None:
        if self.world.sandbox.clock.now() < datetime(2026, 9, 1, tzinfo=UTC):
            self.world.let_time_pass(days=days)

    @rule()
    def the_ledger_is_lost(self) -> None:
        if self.world.db.exists():
            self.world.forget_ledger()

    @rule()
    def the_pipeline_runs(self) -> None:
        hypothesis.event(f"a run over {min(len(self.signed), 3)} orders or more")
        report = self.world.sync_without_dagster(EVER)
        assert not report.has_blocked
        now = self.world.sandbox.clock.now()
        for signed in self.signed:
            signed.granted_at = signed.granted_at or now
        self._check()

    def _check(self) -> None:
        redeemed = sum(
            int(str(coupon["times_redeemed"]))
            for coupon in self.world.coupons()
            if str(coupon["id"]).startswith("sf-")
        )
        assert redeemed == len(self.signed)
        for signed in self.signed:
            target = signed.order.subscription_id
            expected = [50] * self.foreign[target or ""] + [signed.percent] * self._is_live(signed)
            found = [percent for percent, _ in self.world.discounted(target)]
            assert Counter(found) == Counter(expected), signed

    def _is_live(self, signed: Signed) -> bool:
        """Whether the discount is still to be seen: neither removed, nor spent, nor over."""
        assert signed.granted_at is not None
        now = self.world.sandbox.clock.now()
        if signed.removed:
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


def _three_months_after(moment: datetime) -> datetime:
    year, month = moment.year + (moment.month + 2) // 12, (moment.month + 2) % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


Lives.TestCase.settings = hypothesis.settings(
    max_examples=6,
    stateful_step_count=14,
    deadline=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


TestLives = pytest.mark.slow(Lives.TestCase)
