"""Discounts on schedules: every phase, amendments, and what goes on in later phases."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from coupon_pipeline.domain.attachments import (
    ScheduleUpdate,
    SubscriptionUpdate,
    TargetPlan,
    made_discounts,
)
from coupon_pipeline.domain.proof import PROOF_KEY
from coupon_pipeline.domain.records import OrderItem
from coupon_pipeline.domain.schedules import awaits_its_phase, never_began, plan_schedule
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    FormerSchedule,
    GrantedAttachment,
    LiveDiscount,
    PhaseItemState,
    PhaseState,
    ScheduleState,
    SubscriptionItemState,
    SubscriptionState,
    TargetGone,
    TargetPolicy,
    TargetState,
)
from tests.domain.target_builders import (
    ORDER,
    POLICY,
    a_phase,
    a_schedule,
    a_subscription,
    an_item,
    an_order,
    an_order_item,
    at,
    encode_proof,
    grant_of,
    live,
    names,
    outcome_of,
    wants,
)

TODAY = datetime(2026, 3, 1, tzinfo=UTC)
CASES = Path(__file__).parent.parent / "scenarios" / "schedules.toml"
SITUATIONS = tomllib.loads(CASES.read_text())["situation"]

Case = Mapping[str, Any]


def a_live(text: str) -> LiveDiscount:
    """From "di_1 coupon 2026-09-01"."""
    discount, coupon, *end = text.split()
    return live(discount, coupon, end=at(end[0]) if end else None)


def an_entry(text: str, coupons: Mapping[str, str | None]) -> DiscountEntry:
    """From "+coupon", "promo_1" or "di_1"."""
    if text.startswith("+"):
        return DiscountEntry.granted(text[1:])
    if text.startswith("promo"):
        return DiscountEntry("promotion_code", text)
    return DiscountEntry("discount", text, coupons.get(text))


def the_subscription(case: Case) -> SubscriptionState | None:
    """The subscription of a situation, if its schedule has begun."""
    if case.get("status", "active") == "not_started":
        return None
    said = case.get("subscription", {})
    items = [
        an_item(
            each["id"],
            price=each["price"],
            order_item=each.get("order_item"),
            discounts=[a_live(text) for text in each.get("discounts", [])],
            period_end=at("2026-03-15"),
        )
        for each in said.get("items", [{"id": "si_1", "price": "price_1"}])
    ]
    return a_subscription(
        discounts=[a_live(text) for text in said.get("discounts", [])],
        items=items,
        status=said.get("status", "active"),
        customer=a_live(said["customer"]) if "customer" in said else None,
        schedule="sub_sched_1",
    )


def the_phases(case: Case, coupons: Mapping[str, str | None]) -> list[PhaseState]:
    """The phases of a situation."""
    known = {"start", "end", "order", "discounts", "items"}
    return [
        a_phase(
            each["start"],
            each["end"],
            order=each.get("order"),
            discounts=[an_entry(text, coupons) for text in each.get("discounts", [])],
            items=[
                PhaseItemState(
                    item["price"],
                    {"salesforce_order_item_id": item["order_item"]}
                    if "order_item" in item
                    else {},
                    item.get("quantity", 1),
                    tuple(an_entry(text, coupons) for text in item.get("discounts", [])),
                )
                for item in each.get("items", [{"price": "price_1"}])
            ],
            **{key: value for key, value in each.items() if key not in known},
        )
        for each in case["phases"]
    ]


def the_state(case: Case) -> ScheduleState:
    """The schedule of a situation."""
    subscription = the_subscription(case)
    found = subscription.live_discounts() if subscription else ()
    return a_schedule(
        *the_phases(case, {each.discount_id: each.coupon_id for each in found}),
        status=case.get("status", "active"),
        subscription=subscription,
        current=case.get("current", 0),
        customer=a_live(case["customer"]) if "customer" in case else None,
    )


def planned(case: Case, state: ScheduleState) -> TargetPlan:
    """The plan for a situation."""
    granted: dict[str, GrantedAttachment] = {}
    for each in case.get("granted", []):
        beside = {"discount", "carried_to", "at"}
        said = {key: value for key, value in each.items() if key not in beside}
        granted |= grant_of(
            wants(said.pop("id"), **({"coupon": each["id"]} | said)),
            discount=each.get("discount"),
            target="sub_sched_1",
            carried_to=[at(day) for day in each.get("carried_to", [])],
            granted_at=datetime.fromtimestamp(at(each["at"]), UTC) if "at" in each else TODAY,
        )
    items: dict[str, OrderItem] = {}
    for each in case.get("order_items", []):
        said = {key: value for key, value in each.items() if key != "id"}
        items |= an_order_item(each["id"], **said)
    wanted = [
        wants(each["id"], **({"coupon": each["id"]} | {k: v for k, v in each.items() if k != "id"}))
        for each in case.get("wants", [])
    ]
    return plan_schedule(
        state,
        wanted,
        granted=granted,
        items=items,
        orders={
            each["id"]: an_order(each["id"], kind=each["kind"], effective=each["effective"])
            for each in case.get("orders", [])
        },
        policy=TargetPolicy(customer_discount=case.get("customer_discount", "keep")),
        now=TODAY,
    )


def short(entries: Sequence[DiscountEntry]) -> list[str]:
    """A list as the situations write it."""
    return [f"+{e.reference}" if e.kind == "coupon" else e.reference for e in entries]


def days(starts: Sequence[int]) -> list[str]:
    """Starts of phases as the situations write them."""
    return [datetime.fromtimestamp(start, UTC).date().isoformat() for start in starts]


@pytest.mark.parametrize("case", SITUATIONS, ids=[each["name"] for each in SITUATIONS])
def test_a_situation_has_its_phases(case: Case) -> None:
    """Each situation is a way in which a product has lost or doubled somebody's discount."""
    expected = case.get("expect", {})
    plan = planned(case, the_state(case))

    assert plan.request is None or isinstance(plan.request, ScheduleUpdate)
    sent = plan.request.phases if plan.request else ()
    assert [short(phase.discounts) for phase in sent] == expected.get("phases", [])
    items = [[short(entries) for _, entries in phase.item_discounts] for phase in sent]
    nothing: list[list[list[str]]] = [[[] for _ in phase.item_discounts] for phase in sent]
    assert items == expected.get("items", nothing)
    shown = {
        each.snapshot_id: outcome_of(plan, each.snapshot_id).outcome
        + (f": {each.code}" if each.code else "")
        for each in plan.outcomes
    }
    assert shown == expected.get("outcomes", {})
    assert {c.snapshot_id: days(c.phases) for c in plan.carried} == expected.get("carried", {})
    assert {c.snapshot_id: days(c.phases) for c in plan.carry_later} == expected.get("later", {})


def test_the_situations_have_different_names() -> None:
    """A name is what a failing test shows."""
    found = [each["name"] for each in SITUATIONS]

    assert len(set(found)) == len(found) >= 40


@pytest.mark.parametrize(
    ("status", "due_from"), [("active", TODAY), ("not_started", datetime(2026, 4, 1, tzinfo=UTC))]
)
def test_what_a_later_phase_needs_is_due_while_the_discount_exists(
    status: Literal["active", "not_started"], due_from: datetime
) -> None:
    """Before it begins there is nothing to send on, and the end of its phase takes it away."""
    start = "2026-01-01" if status == "active" else "2026-04-01"
    state = a_schedule(
        a_phase(start, "2026-10-01", order="A"),
        a_phase("2026-10-01", "2027-10-01", order="A"),
        status=status,
        subscription=a_subscription(
            items=[an_item("si_1", price="price_1")], schedule="sub_sched_1"
        )
        if status == "active"
        else None,
    )

    plan = plan_for(state, wants("a", order="A", duration="repeating", months=12))

    (later,) = plan.carry_later
    assert (later.due_from, later.before) == (int(due_from.timestamp()), at("2026-10-01"))


def plan_for(state: ScheduleState, *wanted: Any, **known: Any) -> TargetPlan:
    """The plan for a schedule without order items or orders to look up."""
    defaults: dict[str, Any] = {"granted": {}, "items": {}, "orders": {}, "policy": POLICY}
    return plan_schedule(state, wanted, now=TODAY, **(defaults | known))


def begun(**subscription: Any) -> SubscriptionState:
    """The subscription of an active schedule with one phase at price_1."""
    return a_subscription(
        items=[an_item(period_end=at("2026-03-15"))], schedule="sub_sched_1", **subscription
    )


def test_one_request_carries_all_phases_and_the_proof() -> None:
    """Nothing is prorated for a discount, and phases keep their exact dates."""
    state = a_schedule(a_phase("2026-01-01", "2027-01-01"), subscription=begun())

    plan = plan_for(state, wants("a", coupon="x"))

    assert isinstance(plan.request, ScheduleUpdate)
    assert plan.request.params() == {
        "phases": [
            {
                "start_date": at("2026-01-01"),
                "end_date": at("2027-01-01"),
                "currency": "usd",
                "discounts": [{"coupon": "x"}],
                "items": [{"price": "price_1", "discounts": ""}],
                "metadata": {PROOF_KEY: encode_proof(["a"])},
            }
        ],
        "metadata": {PROOF_KEY: encode_proof(["a"])},
        "proration_behavior": "none",
    }
    assert outcome_of(plan, "a").place == "sub_1"


def test_a_proof_on_the_subscription_counts_for_its_schedule() -> None:
    """A schedule made later around the subscription starts without the proof."""
    proof = encode_proof(["a"])
    state = a_schedule(
        a_phase("2026-01-01", "2027-01-01"), subscription=begun(metadata={PROOF_KEY: proof})
    )

    plan = plan_for(state, wants("a"), wants("b"))

    assert outcome_of(plan, "a").outcome == "unchanged"
    assert plan.request is not None
    assert plan.request.metadata == {PROOF_KEY: encode_proof(["a", "b"])}


@pytest.mark.parametrize("status", ["active", "released"])
def test_what_an_answer_showed_to_be_without_effect_is_granted_though_a_proof_speaks_of_it(
    status: Any,
) -> None:
    """On the schedule, and on the subscription that it left meanwhile."""
    proof = {PROOF_KEY: encode_proof(["a", "b"])}
    held = begun(metadata=proof) if status == "active" else a_subscription(metadata=proof)
    phase = a_phase("2026-01-01", "2027-01-01")
    state = a_schedule(phase, subscription=held, status=status, metadata=proof)

    plan = plan_for(state, wants("a"), wants("b"), not_made=frozenset({"a"}))

    assert outcome_of(plan, "a").outcome == "attached"
    assert outcome_of(plan, "b").outcome == "unchanged"
    assert plan.request is not None
    assert proof.items() >= plan.request.metadata.items()


@pytest.mark.parametrize("status", ["completed", "released"])
def test_an_ended_schedule_leaves_its_subscription_to_be_written(status: Any) -> None:
    """The schedule takes no more changes, but its proof still counts."""
    state = a_schedule(
        a_phase("2025-01-01", "2026-01-01"),
        status=status,
        subscription=a_subscription(discounts=[live("di_1")]),
        metadata={PROOF_KEY: str(encode_proof(["a"]))},
    )

    plan = plan_for(state, wants("a"), wants("b"))

    assert isinstance(plan.request, SubscriptionUpdate)
    assert plan.target_id == "sub_1"
    assert names(plan.request.discounts) == ["di_1", "coupon-of-b"]
    assert outcome_of(plan, "a").outcome == "unchanged"
    assert plan.request.metadata == {PROOF_KEY: encode_proof(["a", "b"])}


def test_a_schedule_that_ended_with_its_subscription_takes_nothing() -> None:
    """There is nothing left that bills."""
    plan = plan_for(a_schedule(a_phase("2025-01-01", "2026-01-01"), status="completed"), wants("a"))

    assert outcome_of(plan, "a").code == "target.ended"


def test_a_lost_ledger_still_carries_what_the_proof_and_the_live_discount_tell() -> None:
    """The coupon on the subscription is the one that the snapshot asked for."""
    state = a_schedule(
        a_phase("2026-01-01", "2026-06-01", order="A"),
        a_phase("2026-06-01", "2027-01-01", order="B"),
        subscription=begun(discounts=[live("di_1", "x")]),
        metadata={PROOF_KEY: str(encode_proof(["a"]))},
    )

    plan = plan_for(state, wants("a", coupon="x", order="A", duration="forever"))

    assert isinstance(plan.request, ScheduleUpdate)
    assert [names(phase.discounts) for phase in plan.request.phases] == [["di_1"], ["di_1"]]


def test_a_carried_discount_with_no_room_is_reported() -> None:
    """It ends with its phase, which somebody has to know before it happens."""
    full = [DiscountEntry.granted(f"c{number}") for number in range(20)]
    state = a_schedule(
        a_phase("2026-01-01", "2026-06-01", order="A"),
        a_phase("2026-06-01", "2027-01-01", order="B", discounts=full),
        subscription=begun(discounts=[live("di_1", "x")]),
    )
    w = wants("a", coupon="x", order="A", duration="forever")

    plan = plan_for(state, w, granted=grant_of(w, discount="di_1", target="sub_sched_1"))

    assert plan.request is None
    assert outcome_of(plan, "a").outcome == "unchanged"
    assert outcome_of(plan, "a").code == "target.too_many_discounts"


def test_planning_again_after_the_writes_changes_nothing() -> None:
    """The coupon of a later phase becomes the discount that it made, once; then all is done."""
    state = a_schedule(
        a_phase("2026-01-01", "2026-06-01", order="A"),
        a_phase("2026-06-01", "2027-01-01", order="B"),
        subscription=begun(),
    )
    w = wants("a", coupon="x", order="A", duration="forever")
    plan = plan_for(state, w)
    written = _written(state, plan)
    second = plan_for(written, w)
    third = plan_for(_written(written, second), w)

    assert made_discounts(plan, written) == {"a": "di_1"}
    assert isinstance(second.request, ScheduleUpdate)
    assert [names(phase.discounts) for phase in second.request.phases] == [["di_1"], ["di_1"]]
    assert third.request is None
    assert outcome_of(third, "a").outcome == "unchanged"


def _written(state: ScheduleState, plan: TargetPlan) -> ScheduleState:
    """The schedule after the plan's request, which made the discount di_1."""
    assert isinstance(plan.request, ScheduleUpdate)
    metadata = {**state.metadata, **plan.request.metadata}
    phases = [
        replace(phase, discounts=sent.discounts)
        for phase, sent in zip(state.phases, plan.request.phases, strict=True)
    ]
    running = begun(discounts=[live("di_1", "x")], metadata=metadata)
    return replace(a_schedule(*phases, subscription=running), metadata=metadata)


def test_a_subscription_is_told_what_only_its_schedule_proves() -> None:
    """The schedule ends one day, and its phase's metadata may not have reached the subscription."""
    proof = {PROOF_KEY: encode_proof(["a"])}
    phase = a_phase("2026-01-01", "2027-01-01", order="A")
    state = replace(a_schedule(phase, subscription=begun()), metadata=proof)

    plan = plan_for(state, wants("a", order="A"))

    assert plan.request == SubscriptionUpdate("sub_1", None, (), proof)


def test_items_with_one_price_are_told_apart_by_their_order_item() -> None:
    """The order sync may sell one price twice."""
    key = "salesforce_order_item_id"
    state = a_schedule(
        a_phase(
            "2026-01-01",
            "2027-01-01",
            items=[PhaseItemState("p", {key: "oi_1"}), PhaseItemState("p", {key: "oi_2"})],
        ),
        subscription=a_subscription(
            items=[
                SubscriptionItemState("si_2", "p", {key: "oi_2"}, 1, (live("di_2"),)),
                SubscriptionItemState("si_1", "p", {key: "oi_1"}, 1, (live("di_1"),)),
            ]
        ),
    )

    plan = plan_for(state, wants("a", coupon="x", item="oi_2"))

    assert isinstance(plan.request, ScheduleUpdate)
    lists = [names(entries) for _, entries in plan.request.phases[0].item_discounts]
    assert lists == [["di_1"], ["di_2", "x"]]
    assert outcome_of(plan, "a").place == "si_2"


def test_what_a_former_schedule_granted_counts_for_the_later_one() -> None:
    """The subscription was released from one schedule and has got another."""
    w = wants("a", coupon="x", order="A", duration="forever")
    proved = wants("b", order="A")
    state = replace(
        a_schedule(
            a_phase("2026-01-01", "2026-06-01", order="A"),
            a_phase("2026-06-01", "2027-01-01", order="B"),
            subscription=begun(discounts=[live("di_1", "x")]),
        ),
        former=(FormerSchedule("sub_sched_0", {PROOF_KEY: str(encode_proof(["b"]))}),),
    )

    plan = plan_for(state, w, proved, granted=grant_of(w, discount="di_1", target="sub_sched_0"))

    assert isinstance(plan.request, ScheduleUpdate)
    assert [names(phase.discounts) for phase in plan.request.phases] == [["di_1"], ["di_1"]]
    assert outcome_of(plan, "a").code is None
    assert outcome_of(plan, "b").outcome == "unchanged"


def test_a_customers_own_once_discount_is_named_in_the_current_phase_only() -> None:
    """It may be used up before a later phase begins, which must not bring it back."""
    customer = LiveDiscount("di_vip", "vip", duration="once")
    state = a_schedule(
        a_phase("2026-01-01", "2026-06-01", order="A"),
        a_phase("2026-06-01", "2027-01-01", order="A"),
        subscription=begun(customer=customer),
    )

    plan = plan_for(state, wants("a", order="A"))

    assert isinstance(plan.request, ScheduleUpdate)
    lists = [names(phase.discounts) for phase in plan.request.phases]
    assert lists == [["di_vip", "coupon-of-a"], []]


@pytest.mark.parametrize(
    ("state", "kind", "effective", "awaits"),
    [
        (a_subscription(), "Amendment", "2026-03-01", True),
        (a_subscription(), "Amendment", "2026-02-28", False),
        (a_subscription(), "New", "2026-04-01", False),
        (a_subscription(status="canceled"), "Amendment", "2026-04-01", False),
        (TargetGone("target.not_found", "sub_1"), "Amendment", "2026-04-01", False),
        (
            a_schedule(
                a_phase("2025-01-01", "2026-01-01"),
                status="released",
                subscription=a_subscription(),
            ),
            "Amendment",
            "2026-04-01",
            True,
        ),
        (
            a_schedule(a_phase("2025-01-01", "2026-01-01"), status="canceled"),
            "Amendment",
            "2026-04-01",
            False,
        ),
        (
            a_schedule(
                a_phase("2026-01-01", "2027-01-01", order="initial"), subscription=a_subscription()
            ),
            "Amendment",
            "2026-02-01",
            True,
        ),
        (
            a_schedule(
                a_phase("2026-01-01", "2026-04-01", order="initial"),
                a_phase("2026-04-01", "2027-01-01", order=ORDER),
                subscription=a_subscription(),
            ),
            "Amendment",
            "2026-04-01",
            False,
        ),
    ],
)
def test_a_phase_may_still_come(
    state: TargetState, kind: Literal["New", "Amendment"], effective: str, *, awaits: bool
) -> None:
    order = an_order(kind=kind, effective=effective)

    assert awaits_its_phase(state, order, POLICY, TODAY) is awaits


@pytest.mark.parametrize(
    ("ended", "named", "discount", "is_so"),
    [
        ("2026-02-01", ["2026-03-01"], None, True),
        ("2026-02-01", ["2026-03-01", "2026-06-01"], None, True),
        ("2026-03-01", ["2026-03-01"], None, False),
        ("2026-04-01", ["2026-03-01", "2026-06-01"], None, False),
        ("2026-02-01", ["2026-03-01"], "di_1", False),
        ("2026-02-01", [], None, False),
        (None, ["2026-03-01"], None, False),
    ],
)
@pytest.mark.parametrize("is_former", [True, False])
def test_what_a_schedule_names_begins_unless_it_ends_before(
    ended: str | None, named: list[str], discount: str | None, *, is_so: bool, is_former: bool
) -> None:
    ended_at = at(ended) if ended else None
    first = a_schedule(
        a_phase("2026-01-01", "2026-03-01"), status="released", subscription=a_subscription()
    )
    state = replace(first, ended_at=ended_at)
    if is_former:
        former = (FormerSchedule(first.schedule_id, {}, ended_at),)
        phases = a_phase("2026-01-01", "2027-01-01")
        state = replace(
            a_schedule(phases, subscription=a_subscription()),
            schedule_id="sub_sched_2",
            former=former,
        )
    (g,) = grant_of(
        wants("a"), target="sub_1", discount=discount, carried_to=[at(day) for day in named]
    ).values()
    granted = {"a": replace(g, schedule_id=first.schedule_id)}

    assert never_began([state], granted) == ({"a"} if is_so else set())
