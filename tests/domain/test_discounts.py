"""Discount lists on subscriptions and their items."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coupon_pipeline.domain.attachments import (
    ItemUpdate,
    SubscriptionUpdate,
    TargetPlan,
    made_discounts,
)
from coupon_pipeline.domain.discounts import plan_subscription
from coupon_pipeline.domain.proof import PROOF_KEY, Proof
from coupon_pipeline.domain.records import Order, OrderItem
from coupon_pipeline.domain.schedules import plan_target
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    GrantedAttachment,
    SubscriptionItemState,
    SubscriptionState,
    TargetGone,
    TargetPolicy,
    WantedAttachment,
)
from tests.domain.target_builders import (
    NOW,
    POLICY,
    a_subscription,
    an_item,
    an_order,
    an_order_item,
    encode_proof,
    grant_of,
    live,
    names,
    outcome_of,
    wants,
)


def plan(
    state: SubscriptionState,
    *wanted: WantedAttachment,
    granted: dict[str, GrantedAttachment] | None = None,
    items: dict[str, OrderItem] | None = None,
    orders: dict[str, Order] | None = None,
    policy: TargetPolicy = POLICY,
) -> TargetPlan:
    """The plan for a subscription."""
    return plan_subscription(
        state,
        wanted,
        granted=granted or {},
        items=items or {},
        orders=orders,
        policy=policy,
        now=NOW,
    )


def request_of(made: TargetPlan) -> SubscriptionUpdate:
    """The request of a plan that needs one."""
    assert isinstance(made.request, SubscriptionUpdate)
    return made.request


def proof(*snapshot_ids: str) -> str:
    """The metadata value that proves these."""
    return encode_proof(snapshot_ids)


def test_one_request_carries_every_level_and_the_proof() -> None:
    """A crash between two requests would leave a discount without its proof."""
    state = a_subscription(items=[an_item("si_1", order_item="oi_1"), an_item("si_2")])

    made = plan(state, wants("a"), wants("b", item="oi_1"))

    assert request_of(made).params() == {
        "discounts": [{"coupon": "coupon-of-a"}],
        "items": [{"id": "si_1", "discounts": [{"coupon": "coupon-of-b"}]}],
        "metadata": {PROOF_KEY: proof("a", "b")},
        "proration_behavior": "none",
    }
    assert outcome_of(made, "a").outcome == outcome_of(made, "b").outcome == "attached"


def test_existing_discounts_go_back_by_their_ids_before_ours() -> None:
    """Naming their coupons would restart a window or revive a discount that is used up."""
    state = a_subscription(discounts=[live("di_1"), live("di_2")])

    made = plan(state, wants("a"))

    assert request_of(made).discounts == (
        DiscountEntry("discount", "di_1", "coupon-of-di_1"),
        DiscountEntry("discount", "di_2", "coupon-of-di_2"),
        DiscountEntry("coupon", "coupon-of-a", "coupon-of-a"),
    )


def test_only_items_that_change_are_sent() -> None:
    """What is not sent cannot be changed by accident."""
    state = a_subscription(
        items=[an_item("si_1", order_item="oi_1"), an_item("si_2", discounts=[live("di_1")])]
    )

    made = plan(state, wants("a", item="oi_1"))

    assert request_of(made).items == (ItemUpdate("si_1", (DiscountEntry.granted("coupon-of-a"),)),)
    assert request_of(made).discounts is None


def test_a_spent_once_discount_is_not_granted_again() -> None:
    """Stripe drops a `once` discount after its first invoice, so absence proves nothing."""
    w = wants("a", duration="once")

    by_ledger = plan(a_subscription(), w, granted=grant_of(w, discount="di_1"))
    by_proof = plan(a_subscription(metadata={PROOF_KEY: proof("a")}), w)

    assert by_ledger.request is by_proof.request is None
    for made in (by_ledger, by_proof):
        assert outcome_of(made, "a").outcome == "unchanged"
        assert outcome_of(made, "a").code is None


@pytest.mark.parametrize("known", ["ledger", "proof"])
def test_a_discount_removed_by_hand_is_reported_and_left_so(known: str) -> None:
    """Somebody had a reason; granting it again would start a tug of war over a customer's bill."""
    w = wants("a", duration="forever")
    granted = grant_of(w, discount="di_1") if known == "ledger" else {}
    metadata = {PROOF_KEY: proof("a")} if known == "proof" else {}

    made = plan(a_subscription(metadata=metadata), w, granted=granted)

    assert made.request is None
    assert outcome_of(made, "a").outcome == "unchanged"
    assert outcome_of(made, "a").code == "attachment.removed_by_hand"


@pytest.mark.parametrize(("months_ago", "code"), [(1, "attachment.removed_by_hand"), (4, None)])
def test_a_repeating_discount_is_missed_only_while_its_window_runs(
    months_ago: int, code: str | None
) -> None:
    """After its months are over Stripe drops it by itself."""
    w = wants("a", duration="repeating", months=3)
    granted = grant_of(w, discount="di_1", granted_at=NOW - timedelta(days=31 * months_ago))

    made = plan(a_subscription(), w, granted=granted)

    assert outcome_of(made, "a").code == code


def test_a_discount_granted_elsewhere_is_not_granted_here() -> None:
    """A subscription made anew for the same order must not double what the customer got."""
    w = wants("a", duration="forever")

    made = plan(a_subscription(), w, granted=grant_of(w, target="sub_before"))

    assert made.request is None
    assert outcome_of(made, "a").code == "attachment.on_other_target"


def test_a_discount_that_is_here_is_not_said_to_be_elsewhere() -> None:
    """A subscription that its schedule released keeps what the schedule was recorded with."""
    w = wants("a", duration="forever")
    state = a_subscription(discounts=[live("di_1", "coupon-of-a")])

    made = plan(state, w, granted=grant_of(w, discount="di_1", target="sub_sched_1"))

    assert outcome_of(made, "a").code is None


def test_a_coupon_that_is_there_already_is_adopted_and_proved() -> None:
    """Without the proof, a lost ledger would grant it again once the first is used up."""
    w = wants("a", coupon="spring")
    state = a_subscription(discounts=[live("di_1", "spring")])

    made = plan(state, w)

    assert outcome_of(made, "a").outcome == "adopted"
    assert outcome_of(made, "a").discount_id == "di_1"
    assert request_of(made).params() == {"metadata": {PROOF_KEY: proof("a")}}


def test_a_coupon_on_an_item_is_not_taken_for_one_on_the_subscription() -> None:
    """They take different amounts off."""
    state = a_subscription(items=[an_item(discounts=[live("di_1", "spring")])])

    made = plan(state, wants("a", coupon="spring"))

    assert outcome_of(made, "a").outcome == "attached"


@pytest.mark.parametrize(
    ("duration", "outcome"),
    [("once", "pending"), ("repeating", "pending"), ("forever", "adopted")],
)
def test_two_orders_with_one_coupon_share_it_or_take_turns(duration: str, outcome: str) -> None:
    """Stripe takes a coupon once in a list; what runs out is granted again when it has run out."""
    first = wants("a", coupon="spring", duration=duration)  # type: ignore[arg-type]  # a parameter
    second = wants("b", coupon="spring", duration=duration, order="801000000000002AAA")  # type: ignore[arg-type]  # a parameter

    together = plan(a_subscription(), first, second)
    later = plan(
        a_subscription(discounts=[live("di_1", "spring")]),
        second,
        granted=grant_of(first, discount="di_1"),
    )

    assert names(request_of(together).discounts) == ["spring"]
    assert outcome_of(together, "b").outcome == outcome_of(later, "b").outcome == outcome


def test_a_turn_comes_when_the_first_discount_is_used_up() -> None:
    """What was signed twice is granted twice, one after the other."""
    first = wants("a", coupon="spring")
    second = wants("b", coupon="spring")

    made = plan(a_subscription(), second, granted=grant_of(first, discount="di_1"))

    assert outcome_of(made, "b").outcome == "attached"


def test_the_customers_own_discount_is_carried_along() -> None:
    """Any discount of the subscription hides it, so attaching ours would take it away."""
    state = a_subscription(customer=live("di_customer"))

    made = plan(state, wants("a"))

    assert names(request_of(made).discounts) == ["di_customer", "coupon-of-a"]


def test_the_customers_own_discount_is_replaced_by_policy() -> None:
    """Some companies mean an order's discount instead of the customer's."""
    state = a_subscription(customer=live("di_customer"))

    made = plan(state, wants("a"), policy=TargetPolicy(customer_discount="replace"))

    assert names(request_of(made).discounts) == ["coupon-of-a"]


def test_a_customer_discount_that_is_hidden_already_stays_hidden() -> None:
    """Bringing it back would grant what nobody was getting."""
    state = a_subscription(discounts=[live("di_1")], customer=live("di_customer"))

    made = plan(state, wants("a"))

    assert names(request_of(made).discounts) == ["di_1", "coupon-of-a"]


def test_a_customer_discount_from_the_same_coupon_waits_its_turn() -> None:
    """Both cannot be in one list; the customer's own takes effect again after ours."""
    state = a_subscription(customer=live("di_customer", "spring"))

    made = plan(state, wants("a", coupon="spring"))

    assert request_of(made).discounts == (DiscountEntry.granted("spring"),)


def test_an_item_discount_leaves_the_customers_own_alone() -> None:
    """Only discounts of the subscription itself hide it."""
    state = a_subscription(items=[an_item(order_item="oi_1")], customer=live("di_customer"))

    made = plan(state, wants("a", item="oi_1"))

    assert request_of(made).discounts is None


@pytest.mark.parametrize(
    ("stacking", "expected"),
    [
        ("association", ["amount-1", "percent-1", "amount-2", "percent-2"]),
        ("percent_first", ["percent-1", "percent-2", "amount-1", "amount-2"]),
        ("amount_first", ["amount-1", "amount-2", "percent-1", "percent-2"]),
    ],
)
def test_stacking_follows_the_setting(stacking: str, expected: list[str]) -> None:
    """10 % of what is left after 5 off is not what is left of 10 % and 5 off."""
    wanted = [
        wants("4", coupon="percent-2", made="2026-01-04T00:00:00Z"),
        wants("3", coupon="amount-2", currencies=["usd"], made="2026-01-03T00:00:00Z"),
        wants("2", coupon="percent-1", made="2026-01-02T00:00:00Z"),
        wants("1", coupon="amount-1", currencies=["usd"], made="2026-01-01T00:00:00Z"),
    ]

    made = plan(a_subscription(), *wanted, policy=TargetPolicy(stacking=stacking))  # type: ignore[arg-type]  # a parameter

    assert names(request_of(made).discounts) == expected


def test_the_21st_discount_is_blocked_and_the_first_twenty_are_granted() -> None:
    """Stripe would refuse the request as a whole."""
    state = a_subscription(discounts=[live(f"di_{number}") for number in range(19)])

    made = plan(state, wants("a"), wants("b"))

    assert outcome_of(made, "a").outcome == "attached"
    assert outcome_of(made, "b").code == "target.too_many_discounts"
    assert outcome_of(made, "b").details["count"] == "21"


def test_the_customers_own_discount_counts_towards_twenty() -> None:
    """It takes a place in the list when it is carried along."""
    state = a_subscription(customer=live("di_customer"))

    made = plan(state, *[wants(f"{number:02}") for number in range(20)])

    assert len(request_of(made).discounts or ()) == 20
    assert outcome_of(made, "19").code == "target.too_many_discounts"


@pytest.mark.parametrize("status", ["active", "trialing", "past_due", "unpaid", "paused"])
def test_a_subscription_that_goes_on_takes_discounts(status: str) -> None:
    """An unpaid or paused one bills again, and what was signed holds then."""
    assert plan(a_subscription(status=status), wants("a")).request is not None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("canceled", "target.ended"),
        ("incomplete_expired", "target.ended"),
        ("incomplete", "target.incomplete"),
    ],
)
def test_a_subscription_that_does_not_go_on_takes_none(status: str, code: str) -> None:
    """A canceled one never bills again; an incomplete one may still become active."""
    made = plan(a_subscription(status=status), wants("a"))

    assert made.request is None
    assert outcome_of(made, "a").code == code


def test_an_ended_subscription_misses_no_discount() -> None:
    """Nothing was removed by hand where everything has ended."""
    w = wants("a", duration="forever")

    made = plan(a_subscription(status="canceled"), w, granted=grant_of(w))

    assert outcome_of(made, "a").outcome == "unchanged"
    assert outcome_of(made, "a").code is None


def test_an_amount_in_another_currency_is_blocked_and_a_percentage_is_not() -> None:
    """Stripe refuses the one, and with it every other discount of the request."""
    state = a_subscription(currency="eur")

    made = plan(state, wants("a", currencies=["usd", "gbp"]), wants("b"))

    assert outcome_of(made, "a").code == "currency.mismatch"
    assert names(request_of(made).discounts) == ["coupon-of-b"]


def test_an_amount_with_an_option_in_the_currency_is_attached() -> None:
    """A coupon may hold its amount in several currencies."""
    made = plan(a_subscription(currency="eur"), wants("a", currencies=["usd", "eur"]))

    assert outcome_of(made, "a").outcome == "attached"


def test_a_proof_of_somebody_else_is_not_overwritten() -> None:
    """It may be the only memory of what was granted."""
    w = wants("b")
    state = a_subscription(metadata={PROOF_KEY: "written by hand"})

    made = plan(state, wants("a"), w, granted=grant_of(w))

    assert made.request is None
    assert outcome_of(made, "a").code == "target.proof_unreadable"
    assert outcome_of(made, "b").outcome == "unchanged"


def test_no_room_for_the_proof_blocks_the_attachment() -> None:
    """A discount without proof could be granted again after the ledger is lost."""
    full = {f"key {number}": "" for number in range(50)}

    made = plan(a_subscription(metadata=full), wants("a"))

    assert made.request is None
    assert outcome_of(made, "a").code == "target.metadata_full"


def test_a_full_proof_blocks_the_attachment() -> None:
    """Dropping old fingerprints would let old discounts be granted again."""
    value, proved = Proof(), 0
    while isinstance(longer := value.extended([f"old {proved}"]), Proof):
        value, proved = longer, proved + 1

    made = plan(a_subscription(metadata=value.metadata()), wants(f"old {proved}"), wants("old 1"))

    assert outcome_of(made, f"old {proved}").code == "target.proof_full"
    assert outcome_of(made, "old 1").outcome == "unchanged"


@pytest.mark.parametrize(
    ("stripe_id", "effective", "outcome"),
    [
        (None, "2026-03-02", "pending"),
        (None, "2026-03-01", "attached"),
        ("sub_1", "2026-03-02", "attached"),
    ],
)
def test_an_amendment_found_through_its_contract_waits_for_its_day(
    stripe_id: str | None, effective: str, outcome: str
) -> None:
    """Without a schedule it has no phase, and the order sync has not said that it was there."""
    order = replace(an_order(kind="Amendment", effective=effective), stripe_id=stripe_id)

    made = plan_subscription(
        a_subscription(),
        [wants("a")],
        granted={},
        items={},
        orders={order.order_id: order},
        policy=POLICY,
        now=NOW,
    )

    assert outcome_of(made, "a").outcome == outcome


def test_metadata_of_others_is_never_sent() -> None:
    """A value that changed since the read would be overwritten with its older state."""
    made = plan(a_subscription(metadata={"salesforce_order_id": "801"}), wants("a"))

    assert set(request_of(made).metadata) == {PROOF_KEY}


def test_a_proof_that_somebody_deleted_is_completed_on_the_next_write() -> None:
    """The ledger still knows what it held."""
    w = wants("a")

    made = plan(a_subscription(), wants("b"), granted=grant_of(w))

    assert request_of(made).metadata == {PROOF_KEY: proof("a", "b")}


@pytest.mark.parametrize(
    ("order_item", "price", "stripe_id", "found"),
    [
        ("oi_1", "price_2", "si_2", "si_1"),
        ("oi_9", "price_1", "si_2", "si_2"),
        ("oi_9", "price_3", None, "si_3"),
        ("oi_9", "price_2", None, None),
        ("oi_9", "price_1", None, None),
        ("oi_9", "price_4", "si_gone", None),
    ],
    ids=["metadata", "item id", "only price", "price of two", "price of another's", "nothing"],
)
def test_an_item_is_found_by_metadata_then_id_then_price(
    order_item: str, price: str, stripe_id: str | None, found: str | None
) -> None:
    """A discount on the wrong item is a wrong invoice, so a guess is no match."""
    items = [
        an_item("si_1", order_item="oi_1", price="price_1"),
        an_item("si_2", price="price_2"),
        an_item("si_3", price="price_3"),
        an_item("si_4", price="price_2"),
    ]

    made = plan(
        a_subscription(items=items),
        wants("a", item=order_item),
        items=an_order_item(order_item, price=price, stripe_id=stripe_id),
    )

    assert outcome_of(made, "a").place == found
    if found is None:
        assert outcome_of(made, "a").code == "target.item_not_found"


def test_a_line_without_quantity_left_is_not_applicable() -> None:
    """An amendment that takes a line away has an order item with a negative quantity."""
    made = plan(a_subscription(), wants("a", item="oi_1"), items=an_order_item("oi_1", quantity=-5))

    assert outcome_of(made, "a").code == "target.item_removed"


@pytest.mark.parametrize(
    ("items", "stripe_id", "code"),
    [
        ([an_item("si_1", price="price_1")], None, "target.no_phase_yet"),
        ([], None, "target.no_phase_yet"),
        ([an_item("si_1", price="price_1")], "si_1", None),
        ([an_item("si_1", price="price_1", order_item="oi_2")], None, None),
    ],
    ids=["price of another's", "no item", "item id", "metadata"],
)
def test_a_line_of_an_amendment_to_come_waits_for_its_day_or_its_item(
    items: list[SubscriptionItemState], stripe_id: str | None, code: str | None
) -> None:
    """The item that has its price until then was sold by the initial order."""
    made = plan(
        a_subscription(items=items),
        wants("a", item="oi_2", order="B"),
        items=an_order_item("oi_2", order="B", price="price_1", stripe_id=stripe_id),
        orders={"B": an_order("B", kind="Amendment", effective="2026-06-01")},
    )

    assert outcome_of(made, "a").code == code


def test_a_blocked_snapshot_stops_no_other() -> None:
    """One wrong coupon must not withhold the right ones."""
    made = plan(a_subscription(), wants("a", item="oi_1"), wants("b"))

    assert outcome_of(made, "a").outcome == "blocked"
    assert names(request_of(made).discounts) == ["coupon-of-b"]


def test_a_managed_subscription_is_not_planned_beside_its_schedule() -> None:
    """The schedule would undo the change at its next phase."""
    with pytest.raises(ValueError, match="sub_sched_1"):
        plan(a_subscription(schedule="sub_sched_1"), wants("a"))


def test_the_ids_of_new_discounts_are_read_from_the_answer() -> None:
    """The ledger remembers them, so that the same discount can go on in a later phase."""
    state = a_subscription(items=[an_item("si_1", order_item="oi_1")])
    made = plan(state, wants("a", coupon="x"), wants("b", coupon="x", item="oi_1"))
    answer = a_subscription(
        discounts=[live("di_0"), live("di_1", "x")],
        items=[an_item("si_1", discounts=[live("di_2", "x")])],
    )

    assert made_discounts(made, answer) == {"a": "di_1", "b": "di_2"}


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("target.not_subscription", "not_applicable"), ("target.not_found", "blocked")],
)
def test_nothing_is_attached_where_there_is_no_subscription(code: str, outcome: str) -> None:
    """An invoice is paid once; what is not found may be a typing error."""
    granted = wants("b")
    made = plan_target(
        TargetGone(code, "in_1"),
        [wants("a"), granted],
        granted=grant_of(granted, target="in_1"),
        items={},
        orders={},
        policy=POLICY,
        now=NOW,
    )

    assert made.request is None
    assert outcome_of(made, "a").outcome == outcome
    assert outcome_of(made, "b").outcome == "unchanged"
