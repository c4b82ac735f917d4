"""Plans carried out over HTTP, invoice by invoice and phase by phase, against the local Stripe."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from coupon_pipeline.domain.attachments import ScheduleUpdate, TargetPlan, made_discounts
from coupon_pipeline.domain.schedules import plan_target
from coupon_pipeline.domain.targets import (
    GrantedAttachment,
    ScheduleState,
    SubscriptionState,
    TargetPolicy,
    WantedAttachment,
)
from coupon_pipeline.domain.verification import verify_schedule, verify_subscription
from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from coupon_pipeline.sandbox.switches import Switches
from coupon_pipeline.stripe_api import StripeEdge
from coupon_pipeline.stripe_api.targets import parse_schedule, parse_subscription, read_target
from tests.domain.target_builders import at, outcome_of, wants
from tests.stripe_api.accounts import StripeAccount

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Pipeline:
    """Read, plan, write and remember, as the load stage does it."""

    account: StripeAccount
    edge: StripeEdge
    clock: Clock
    target_id: str = ""
    wanted: list[WantedAttachment] = field(default_factory=list)
    granted: dict[str, GrantedAttachment] = field(default_factory=dict)

    def run(self) -> TargetPlan:
        """One run; what was sent is found again in Stripe."""
        state = read_target(self.edge, self.target_id)
        plan = plan_target(
            state,
            self.wanted,
            granted=self.granted,
            items={},
            orders={},
            policy=TargetPolicy(),
            now=self.clock.now(),
        )
        if plan.request is None:
            return plan
        answer = self.edge.write_attachments(plan.request)
        if isinstance(plan.request, ScheduleUpdate):
            after = parse_schedule(answer.body)
            assert verify_schedule(plan.request, after) == ()
            made = made_discounts(plan, after)
        else:
            subscription = parse_subscription(answer.body)
            assert isinstance(subscription, SubscriptionState)
            assert verify_subscription(plan.request, subscription) == ()
            made = made_discounts(plan, subscription)
        self._remember(plan, made)
        return plan

    def _remember(self, plan: TargetPlan, made: dict[str, str]) -> None:
        asked = {w.snapshot_id: w for w in self.wanted}
        carried = {each.snapshot_id: each.phases for each in plan.carried}
        for outcome in plan.outcomes:
            if outcome.outcome not in {"attached", "adopted"}:
                continue
            w = asked[outcome.snapshot_id]
            self.granted[w.snapshot_id] = GrantedAttachment(
                w.snapshot_id,
                plan.target_id,
                w.scope,
                w.coupon_id,
                w.duration,
                w.months,
                made.get(w.snapshot_id),
                self.clock.now(),
                frozenset((*outcome.phases, *carried.get(w.snapshot_id, ()))),
            )

    def coupon(self, coupon_id: str, **terms: object) -> str:
        """A coupon of 10 percent."""
        return self.account.make("coupon", {"id": coupon_id, "percent_off": 10, **terms})

    def schedule(self, phases: Sequence[dict[str, object]], start: str = "2026-01-01") -> str:
        """A schedule of one price."""
        customer = self.account.make("customer", {"name": "Acme"})
        price = self.account.price()
        return self.account.make(
            "subscription_schedule",
            {
                "customer": customer,
                "start_date": at(start),
                "phases": [
                    {"items": [{"price": price, "quantity": 1}], "currency": "usd", **phase}
                    for phase in phases
                ],
            },
        )

    def live(self) -> list[str | None]:
        """Coupons of the discounts on the subscription now."""
        state = read_target(self.edge, self.target_id)
        subscription = state.subscription if isinstance(state, ScheduleState) else state
        assert isinstance(subscription, SubscriptionState)
        return [each.coupon_id for each in subscription.discounts]

    def until(self, day: str) -> None:
        """Let time pass in Stripe."""
        self.account.sandbox.run_on_loop(
            lambda: self.clock.set(datetime.fromisoformat(day).replace(tzinfo=UTC))
        )


UNSETTLED = {
    "stripe_active_phase_discount": "coupon",
    "stripe_phase_price": "object",
    "stripe_inherited_discount": "new_id",
    "stripe_spent_discount_resent": "ignored",
    "stripe_item_discounts": "merge",
    "stripe_phase_discounts_omitted": "kept",
    "stripe_edit_under_schedule": "keeps_phase",
    "stripe_expand_levels": "without_data",
}
"""What Stripe's pages leave open, the other way round."""


@pytest.fixture(params=["usual", "other way round"])
def pipeline(request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    """An empty account at the start of 2026, where time passes only when it is told to."""
    clock = Clock(START, frozen=True)
    switches = Switches(**(UNSETTLED if request.param == "other way round" else {}))  # type: ignore[arg-type]  # literals by name
    with Sandbox(company=False, clock=clock, switches=switches) as sandbox:
        addresses = sandbox.addresses
        edge = StripeEdge(
            SecretStr(addresses.stripe_api_key),
            base_url=addresses.stripe_url,
            pause=lambda _seconds: None,
        )
        yield Pipeline(StripeAccount(sandbox), edge, clock)
        edge.close()


def order(name: str) -> dict[str, object]:
    """The metadata by which a phase says its order."""
    return {"metadata": {"salesforce_order_id": name}}


def test_a_once_discount_is_granted_once_even_if_the_ledger_is_lost(pipeline: Pipeline) -> None:
    """The proof in Stripe outlives the discount."""
    pipeline.target_id = pipeline.account.subscription()
    pipeline.coupon("welcome", duration="once")
    pipeline.wanted = [wants("a", coupon="welcome")]
    pipeline.run()
    assert pipeline.live() == ["welcome"]

    pipeline.until("2026-02-02")
    assert pipeline.live() == []
    pipeline.granted.clear()
    plan = pipeline.run()

    assert plan.request is None
    assert outcome_of(plan, "a").outcome == "unchanged"


def test_a_schedule_grants_each_kind_as_it_was_signed(pipeline: Pipeline) -> None:
    """Three segments of four months: for good, for six months, and once."""
    pipeline.coupon("good", duration="forever")
    pipeline.coupon("half_year", duration="repeating", duration_in_months=6)
    pipeline.coupon("once", duration="once")
    pipeline.target_id = pipeline.schedule(
        [
            {"end_date": at("2026-06-01"), **order("A")},
            {"end_date": at("2026-10-01"), **order("A")},
            {"end_date": at("2027-02-01"), **order("A")},
        ],
        start="2026-02-01",
    )
    pipeline.wanted = [
        wants("1", coupon="good", order="A", duration="forever", made="1"),
        wants("2", coupon="half_year", order="A", duration="repeating", months=6, made="2"),
        wants("3", coupon="once", order="A", made="3"),
    ]

    plan = pipeline.run()
    assert {each.outcome for each in plan.outcomes} == {"attached"}
    assert [later.snapshot_id for later in plan.carry_later] == ["1", "2"]

    seen = {}
    for day in ["2026-02-02", "2026-03-02", "2026-06-02", "2026-08-02", "2026-10-02"]:
        pipeline.until(day)
        seen[day] = pipeline.live()
        pipeline.run()
        assert pipeline.run().request is None

    assert seen == {
        "2026-02-02": ["good", "half_year"],
        "2026-03-02": ["good", "half_year"],
        "2026-06-02": ["good", "half_year"],
        "2026-08-02": ["good"],
        "2026-10-02": ["good"],
    }


def test_an_amendment_keeps_what_was_granted_before_it(pipeline: Pipeline) -> None:
    """The order sync adds the amendment's phase without the initial order's discounts."""
    pipeline.coupon("good", duration="forever")
    pipeline.coupon("extra", duration="repeating", duration_in_months=2)
    pipeline.target_id = pipeline.schedule(
        [
            {"end_date": at("2026-03-15"), **order("A")},
            {"end_date": at("2027-01-01"), **order("B")},
        ]
    )
    pipeline.wanted = [wants("1", coupon="good", order="A", duration="forever")]
    pipeline.run()
    pipeline.wanted.append(
        wants("2", coupon="extra", order="B", duration="repeating", months=2, made="2026-02")
    )
    pipeline.run()
    assert pipeline.live() == ["good"]

    pipeline.until("2026-03-20")
    assert pipeline.live() == ["good", "extra"]
    pipeline.until("2026-06-01")
    assert pipeline.live() == ["good"]
    assert pipeline.run().request is None


def test_an_unspent_once_discount_survives_the_phase_that_ends_first(pipeline: Pipeline) -> None:
    """It is granted shortly before the amendment's phase begins, and billed after."""
    pipeline.coupon("once", duration="once")
    pipeline.target_id = pipeline.schedule(
        [
            {"end_date": at("2026-01-20"), **order("A")},
            {"end_date": at("2026-06-01"), **order("B")},
            {"end_date": at("2027-01-01"), **order("C")},
        ]
    )
    pipeline.until("2026-01-10")
    pipeline.wanted = [wants("1", coupon="once", order="A")]
    assert [each.phases for each in pipeline.run().carry_later] == [(at("2026-01-20"),)]
    assert [each.phases for each in pipeline.run().carried] == [(at("2026-01-20"),)]

    pipeline.until("2026-01-25")
    assert pipeline.live() == ["once"]
    assert pipeline.run().request is None
    pipeline.until("2026-02-02")
    assert pipeline.live() == []
    pipeline.until("2026-06-02")
    assert pipeline.live() == []
    assert pipeline.run().request is None


def test_the_customers_own_discount_goes_on_beside_ours(pipeline: Pipeline) -> None:
    """It is hidden by any discount of the subscription, and by an explicit empty list."""
    pipeline.coupon("vip", duration="forever")
    pipeline.coupon("once", duration="once")
    pipeline.target_id = pipeline.schedule(
        [
            {"end_date": at("2026-03-01"), **order("A")},
            {"end_date": at("2027-01-01"), **order("A")},
        ],
        start="2026-02-01",
    )
    state = read_target(pipeline.edge, pipeline.target_id)
    assert isinstance(state, ScheduleState)
    sandbox = pipeline.account.sandbox
    sandbox.run_on_loop(lambda: sandbox.stripe.set_customer_discount(state.customer_id, "vip"))
    pipeline.wanted = [wants("1", coupon="once", order="A")]
    pipeline.run()

    pipeline.until("2026-02-02")
    assert pipeline.live() == ["vip"]
    pipeline.until("2026-03-02")
    assert pipeline.live() == ["vip"]
    assert pipeline.run().request is None


def test_a_discount_that_somebody_adds_beside_the_schedule_is_kept(pipeline: Pipeline) -> None:
    """Stripe splits the current phase for it, or leaves the phase behind the subscription."""
    pipeline.coupon("theirs", duration="forever")
    pipeline.coupon("good", duration="forever")
    pipeline.target_id = pipeline.schedule([{"end_date": at("2027-01-01"), **order("A")}])
    state = read_target(pipeline.edge, pipeline.target_id)
    assert isinstance(state, ScheduleState)
    assert state.subscription is not None
    path = f"/v1/subscriptions/{state.subscription.subscription_id}"
    pipeline.until("2026-01-10")
    sandbox = pipeline.account.sandbox
    change = {"discounts": [{"coupon": "theirs"}]}
    sandbox.run_on_loop(lambda: sandbox.stripe.call("POST", path, change))

    pipeline.wanted = [wants("1", coupon="good", order="A", duration="forever")]
    pipeline.run()

    assert pipeline.live() == ["theirs", "good"]
    assert pipeline.run().request is None


def test_a_released_subscription_keeps_the_memory_of_its_schedule(pipeline: Pipeline) -> None:
    """The order goes on naming the schedule."""
    pipeline.coupon("once", duration="once")
    pipeline.coupon("good", duration="forever")
    pipeline.target_id = pipeline.schedule([{"end_date": at("2026-06-01"), **order("A")}])
    pipeline.wanted = [wants("1", coupon="once", order="A")]
    pipeline.run()
    sandbox = pipeline.account.sandbox
    path = f"/v1/subscription_schedules/{pipeline.target_id}/release"
    pipeline.until("2026-03-02")
    sandbox.run_on_loop(lambda: sandbox.stripe.call("POST", path))
    pipeline.granted.clear()

    pipeline.wanted.append(wants("2", coupon="good", order="A", duration="forever"))
    plan = pipeline.run()

    assert outcome_of(plan, "1").outcome == "unchanged"
    assert outcome_of(plan, "2").outcome == "attached"
    assert pipeline.live() == ["good"]


def test_an_item_keeps_its_discount_through_the_phases_that_have_it(pipeline: Pipeline) -> None:
    """A line is amended in June and taken away in October."""
    pipeline.coupon("line", duration="forever")
    seats, support = pipeline.account.price(), pipeline.account.price()
    line = {"price": seats, "metadata": {"salesforce_order_item_id": "oi_1"}}
    pipeline.target_id = pipeline.schedule(
        [
            {"end_date": at("2026-06-01"), "items": [{**line, "quantity": 5}, {"price": support}]},
            {"end_date": at("2026-10-01"), "items": [{"price": support}, {**line, "quantity": 8}]},
            {"end_date": at("2027-01-01"), "items": [{"price": support}]},
        ]
    )
    pipeline.wanted = [wants("1", coupon="line", item="oi_1", duration="forever")]

    assert outcome_of(pipeline.run(), "1").outcome == "attached"

    seen = []
    for day in ["2026-02-02", "2026-06-02", "2026-10-02"]:
        pipeline.until(day)
        state = read_target(pipeline.edge, pipeline.target_id)
        assert isinstance(state, ScheduleState)
        assert state.subscription is not None
        seen.append(
            {i.price_id: [d.coupon_id for d in i.discounts] for i in state.subscription.items}
        )
        pipeline.run()
        assert pipeline.run().request is None
    assert seen == [
        {seats: ["line"], support: []},
        {seats: ["line"], support: []},
        {support: []},
    ]
