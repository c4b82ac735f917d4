"""Discounts that make room for others: once, in their place, and nothing is given out twice."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate, TargetPlan
from coupon_pipeline.domain.drafts import months_after, unix
from coupon_pipeline.domain.proof import Proof
from coupon_pipeline.domain.replacement import terms_in_place
from coupon_pipeline.domain.replacing import (
    Replacing,
    place_of,
    plan_with_replacements,
    replaced_already,
    replacement_id,
)
from coupon_pipeline.domain.schedules import is_proven, plan_target
from coupon_pipeline.domain.targets import (
    BillingInterval,
    DiscountEntry,
    Duration,
    GrantedAttachment,
    SubscriptionState,
    TargetState,
    WantedAttachment,
)
from coupon_pipeline.domain.terms import Terms
from tests.domain.stripe_model import SUBSCRIPTION, StripeModel, later_by_months
from tests.domain.target_builders import (
    NOW,
    POLICY,
    a_phase,
    a_schedule,
    a_subscription,
    an_item,
    an_order_item,
    grant_of,
    live,
    names,
    outcome_of,
    wants,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
MONTHS = 4
NAMES = [{"s0"}, {"s1"}, {"s2"}, {"s3"}]
ALL = {"s0", "s1", "s2", "s3"}


def plan(
    state: TargetState,
    wanted: Sequence[WantedAttachment],
    granted: Mapping[str, GrantedAttachment],
    replacing: Mapping[str, Replacing],
    now: datetime = NOW,
) -> tuple[TargetPlan, list[str]]:
    """The plan, and the snapshots whose discount could not be replaced."""
    planned, refused = plan_with_replacements(
        lambda w, g: plan_target(
            state, w, granted=g, items=an_order_item("oi_1"), orders={}, policy=POLICY, now=now
        ),
        wanted,
        granted,
        replacing,
    )
    return planned, sorted(refused)


def replacing(w: WantedAttachment, discount: str | None, new: str) -> dict[str, Replacing]:
    """That a snapshot's discount is to be made from another coupon."""
    (old,) = grant_of(w, discount=discount).values()
    there = None if discount is None else live(discount, w.coupon_id)
    return {w.snapshot_id: Replacing(old, there, replace(w, coupon_id=new))}


def sent(planned: TargetPlan) -> SubscriptionUpdate:
    """The request for a subscription."""
    assert isinstance(planned.request, SubscriptionUpdate)
    return planned.request


def test_the_new_discount_comes_in_the_place_of_the_old_one_and_the_others_stay() -> None:
    """The order of a list decides what is taken off what, so it is kept."""
    w = wants("s1", coupon="ten", duration="forever")
    state = a_subscription(
        discounts=[live("di_0", "theirs"), live("di_1", "ten"), live("di_2", "more")]
    )

    planned, refused = plan(state, [w], grant_of(w, discount="di_1"), replacing(w, "di_1", "new"))

    assert not refused
    assert names(sent(planned).discounts) == ["di_0", "new", "di_2"]
    found = outcome_of(planned, "s1")
    assert (found.outcome, found.coupon_id) == ("replaced", "new")
    proof = Proof.read(sent(planned).metadata)
    assert isinstance(proof, Proof)
    assert proof.has("s1"), "the older attachment stays proved"
    assert proof.has(replacement_id("s1", "new"))


def test_a_full_list_has_room_for_what_only_takes_a_place() -> None:
    """Nothing is added."""
    w = wants("s1", coupon="ten", duration="forever")
    others = [live(f"di_{number}", f"theirs-{number}") for number in range(2, 21)]
    state = a_subscription(discounts=[live("di_1", "ten"), *others])

    planned, refused = plan(state, [w], grant_of(w, discount="di_1"), replacing(w, "di_1", "new"))

    assert not refused
    assert len(sent(planned).discounts or ()) == 20


def test_a_coupon_that_is_there_already_takes_the_place_as_it_is() -> None:
    """Stripe takes each coupon once, and somebody has put it there by hand."""
    w = wants("s1", coupon="ten", duration="forever")
    state = a_subscription(discounts=[live("di_1", "ten"), live("di_2", "new")])

    planned, _ = plan(state, [w], grant_of(w, discount="di_1"), replacing(w, "di_1", "new"))

    assert names(sent(planned).discounts) == ["di_2"]
    assert outcome_of(planned, "s1").discount_id == "di_2"


def test_a_discount_that_two_orders_share_is_replaced_for_both_or_for_neither() -> None:
    """Who is not named must not lose his."""
    one = wants("s1", coupon="ten", duration="forever", order="o1")
    two = wants("s2", coupon="ten", duration="forever", order="o2")
    state = a_subscription(discounts=[live("di_1", "ten")])
    granted = grant_of(one, discount="di_1") | grant_of(two, discount="di_1")

    alone, refused = plan(state, [one, two], granted, replacing(one, "di_1", "new"))
    both = replacing(one, "di_1", "new") | replacing(two, "di_1", "new")
    together, none_refused = plan(state, [one, two], granted, both)

    assert alone.request is None
    assert refused == ["s1"]
    assert not none_refused
    assert names(sent(together).discounts) == ["new"]
    assert {o.outcome for o in together.outcomes} == {"replaced"}


def test_what_the_target_refuses_stays_and_is_carried_on() -> None:
    """An amount in another currency cannot take the place of anything here."""
    w = wants("s1", coupon="ten", duration="forever")
    state = a_subscription(discounts=[live("di_1", "ten")])
    asked = replacing(w, "di_1", "new")
    euros = replace(asked["s1"].new, percent=False, currencies=frozenset({"eur"}))
    asked = {"s1": replace(asked["s1"], new=euros)}

    planned, refused = plan(state, [w], grant_of(w, discount="di_1"), asked)

    assert refused == ["s1"]
    assert planned.request is None
    assert outcome_of(planned, "s1").outcome == "unchanged"


def test_an_item_is_replaced_on_the_item() -> None:
    """And the subscription's own list is not sent."""
    w = wants("s1", coupon="ten", item="oi_1", duration="forever")
    state = a_subscription(items=[an_item(order_item="oi_1", discounts=[live("di_1", "ten")])])

    planned, _ = plan(state, [w], grant_of(w, discount="di_1"), replacing(w, "di_1", "new"))

    assert sent(planned).discounts is None
    (item,) = sent(planned).items
    assert names(item.discounts) == ["new"]


def test_a_schedule_has_the_new_one_in_all_phases_to_come_for_good() -> None:
    """The old one's id or coupon goes from each of them."""
    w = wants("s1", coupon="ten", duration="forever")
    state = a_schedule(
        a_phase("2026-01-01", "2026-06-01", discounts=[DiscountEntry.granted("ten")]),
        a_phase(
            "2026-06-01",
            "2026-09-01",
            discounts=[DiscountEntry.granted("theirs"), DiscountEntry("discount", "di_1", "ten")],
        ),
        a_phase("2026-09-01", "2026-12-01", discounts=[DiscountEntry.granted("ten")]),
        subscription=a_subscription(
            discounts=[live("di_1", "ten"), live("di_2", "more")], items=[an_item()]
        ),
    )

    planned, refused = plan(state, [w], grant_of(w, discount="di_1"), replacing(w, "di_1", "new"))

    assert not refused
    assert isinstance(planned.request, ScheduleUpdate)
    lists = [names(phase.discounts) for phase in planned.request.phases]
    assert lists[0] == ["new", "di_2"]
    assert sorted(lists[1]) == ["new", "theirs"]
    assert lists[2] == ["new"]


def test_a_phase_to_come_names_the_new_coupon_in_the_place_of_the_old() -> None:
    """Nothing has begun, so nothing is lost."""
    w = wants("s1", coupon="ten", order="o2", duration="repeating")
    state = a_schedule(
        a_phase("2026-01-01", "2026-06-01", order="o1"),
        a_phase(
            "2026-06-01",
            "2026-12-01",
            order="o2",
            discounts=[DiscountEntry.granted("ten"), DiscountEntry.granted("theirs")],
        ),
        subscription=a_subscription(items=[an_item()]),
    )

    planned, _ = plan(state, [w], grant_of(w), replacing(w, None, "new"))

    assert isinstance(planned.request, ScheduleUpdate)
    assert names(planned.request.phases[1].discounts) == ["new", "theirs"]
    assert outcome_of(planned, "s1").outcome == "replaced"


class ReplacementMachine(RuleBasedStateMachine):
    """One subscription, a mapping that changes, an operator who asks, answers that are lost."""

    @initialize(
        durations=st.lists(
            st.sampled_from(["once", "repeating", "forever"]), min_size=2, max_size=4
        )
    )
    def begin(self, durations: list[Duration]) -> None:
        """Orders activate; each snapshot has a quote coupon of its own."""
        self.stripe = StripeModel(START, next_invoice=later_by_months(START, 1))
        self.stripe.now = START.replace(day=10)
        self.granted: dict[str, GrantedAttachment] = {}
        self.terms: dict[str, Terms] = {}
        self.asked: dict[str, Terms] = {}
        self.durations = {f"s{number}": duration for number, duration in enumerate(durations)}
        self.version = 1
        self.removed: set[str] = set()
        self.had: set[str] = set()
        """Coupons that the ledger knows a discount to have been made from."""
        self.the_pipeline_runs(set(), lost=False)

    @rule(named=st.sampled_from([set(), *NAMES, ALL]), lost=st.booleans())
    def the_mapping_changes(self, named: set[str], *, lost: object) -> None:
        """Every coupon has other terms now, and somebody may want them at once."""
        self.version += 1
        self.the_pipeline_runs(named, lost=lost)

    @rule()
    def a_month_passes(self) -> None:
        """An invoice uses up what is granted once; windows end."""
        self.stripe.advance()
        self.stripe.now += timedelta(days=3)

    @rule(at=st.integers(0, 12))
    def somebody_removes(self, at: int) -> None:
        """A person takes a discount away."""
        held = self.stripe.lists[SUBSCRIPTION]
        if at < len(held):
            self.removed.add((held[at].coupon_id or "").split("-")[0])
            del held[at]

    @rule(named=st.sampled_from([set(), *NAMES, ALL]), lost=st.booleans())
    def the_pipeline_runs(self, named: set[str], *, lost: object) -> None:
        """With or without a wish to replace; the answer may be lost."""
        before = [d.coupon_id for d in self.stripe.lists[SUBSCRIPTION]]
        self._recognise()
        planned = self._plan(named)
        if isinstance(planned.request, SubscriptionUpdate):
            self.stripe.update_subscription(planned.request)
            self._check_order(before)
            if lost:
                return
        self._record(planned)

    def _check_order(self, before: Sequence[str | None]) -> None:
        """Who was there is where he was, by himself or by what replaced him."""
        after = [str(d.coupon_id).split("-")[0] for d in self.stripe.lists[SUBSCRIPTION]]
        assert after[: len(before)] == [str(each).split("-")[0] for each in before]

    def _plan(self, named: set[str]) -> TargetPlan:
        state = self._state()
        wishes, changes = [], {}
        for snapshot, duration in self.durations.items():
            held = self.granted.get(snapshot)
            derived = _terms(duration, self.version)
            coupon = held.coupon_id if held else self._coupon(snapshot, derived)
            months = (self.terms[coupon] if held else derived).duration_in_months
            w = wants(snapshot, coupon=coupon, duration=duration, months=months, made=snapshot)
            wishes.append(w)
            if held is None or snapshot not in named or self.asked[held.coupon_id] == derived:
                continue
            place = place_of(
                w.scope, state, items={}, orders={}, policy=POLICY, now=self.stripe.now
            )
            assert place is not None
            standing = place.standing(held)
            terms = terms_in_place(
                self.asked[held.coupon_id], derived, standing, self.stripe.seconds
            )
            if isinstance(terms, Terms):
                new = self._coupon(snapshot, terms, derived)
                other = replace(w, coupon_id=new, months=terms.duration_in_months)
                changes[snapshot] = Replacing(held, standing.live, other)
        planned, refused = plan(state, wishes, self.granted, changes, self.stripe.now)
        assert not refused
        for o in planned.outcomes:
            by_hand = o.code == "attachment.removed_by_hand"
            assert not by_hand or o.snapshot_id in self.removed, "a replacement is taken for a loss"
        return planned

    def _state(self) -> SubscriptionState:
        """The subscription with what it is billed by."""
        item = an_item(period_end=unix(self.stripe.next_invoice or START))
        begun = months_after(self.stripe.next_invoice or START, -1)
        item = replace(item, current_period_start=unix(begun), interval=BillingInterval("month"))
        return replace(self.stripe.subscription(), items=(item,))

    def _coupon(self, snapshot: str, terms: Terms, asked: Terms | None = None) -> str:
        coupon = f"{snapshot}-{terms.percent_off}-{terms.duration_in_months}"
        self.stripe.coupons[coupon] = (terms.duration, terms.duration_in_months or 0)
        self.terms[coupon] = terms
        self.asked[coupon] = asked or terms
        return coupon

    def _recognise(self) -> None:
        """What a request without answer did is seen by its proof."""
        state = self._state()
        for snapshot, held in list(self.granted.items()):
            others = [c for c in self.terms.keys() - self.had if c.startswith(f"{snapshot}-")]
            place = place_of(
                held.scope, state, items={}, orders={}, policy=POLICY, now=self.stripe.now
            )
            assert place is not None
            done = replaced_already(
                held, place, others, lambda key: is_proven(state, key, self.stripe.now)
            )
            if done is not None:
                coupon, discount = done
                self.had.add(coupon)
                self.granted[snapshot] = replace(
                    held, coupon_id=coupon, discount_id=discount.discount_id if discount else None
                )

    def _record(self, planned: TargetPlan) -> None:
        there = {d.coupon_id: d for d in self.stripe.lists[SUBSCRIPTION]}
        for o in planned.outcomes:
            outcome_of(planned, o.snapshot_id)
            if o.outcome not in {"attached", "adopted", "replaced", "unchanged"}:
                continue
            if o.outcome == "unchanged" and o.snapshot_id in self.granted:
                continue
            assert o.coupon_id is not None
            made = there.get(o.coupon_id)
            w = wants(o.snapshot_id, coupon=o.coupon_id, duration=self.durations[o.snapshot_id])
            discount = made.discount_id if made else None
            self.had.add(o.coupon_id)
            self.granted |= grant_of(w, discount=discount, granted_at=self.stripe.now)

    def teardown(self) -> None:
        """What each snapshot was given, over all its coupons."""
        if not hasattr(self, "stripe"):
            return
        billed: Counter[str] = Counter()
        for coupon, number in self.stripe.billed.items():
            billed[coupon.split("-")[0]] += number
        for snapshot, duration in self.durations.items():
            held = [
                d
                for d in self.stripe.lists[SUBSCRIPTION]
                if (d.coupon_id or "").startswith(f"{snapshot}-")
            ]
            assert len(held) <= 1, "one discount for each snapshot"
            assert not (snapshot in self.removed and held), "what was removed came back"
            if duration == "once":
                assert billed[snapshot] <= 1, "a spent discount was granted again"
            if duration == "repeating":
                assert billed[snapshot] <= MONTHS, "a window was made longer"


def _terms(duration: Duration, version: int) -> Terms:
    return Terms.of(duration=duration, percent_off=Decimal(10 + version), duration_in_months=MONTHS)


TestReplacements = ReplacementMachine.TestCase
TestReplacements.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
