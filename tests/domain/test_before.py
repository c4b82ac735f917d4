"""Evidence holds what a write replaces, and nothing else."""

from coupon_pipeline.domain.attachments import (
    ItemUpdate,
    PhaseUpdate,
    ScheduleUpdate,
    SubscriptionUpdate,
)
from coupon_pipeline.domain.before import before_schedule, before_subscription
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    LiveDiscount,
    PhaseItemState,
    PhaseState,
    ScheduleState,
    SubscriptionItemState,
    SubscriptionState,
)

SUBSCRIPTION = SubscriptionState(
    "sub_1",
    "active",
    "usd",
    "cus_1",
    metadata={"coupon_pipeline": "old", "theirs": "x"},
    discounts=(LiveDiscount("di_1", "by-hand"),),
    items=(SubscriptionItemState("si_1", "price_1", discounts=(LiveDiscount("di_2", "ten"),)),),
)


def test_of_a_subscription_it_is_the_lists_and_keys_that_the_request_names() -> None:
    request = SubscriptionUpdate(
        "sub_1",
        (DiscountEntry("discount", "di_1"), DiscountEntry.granted("five")),
        (ItemUpdate("si_1", ()),),
        {"coupon_pipeline": "new"},
    )

    assert before_subscription(SUBSCRIPTION, request) == {
        "discounts": [{"discount": "di_1"}],
        "items": [{"id": "si_1", "discounts": [{"discount": "di_2"}]}],
        "metadata": {"coupon_pipeline": "old"},
    }
    proof_only = SubscriptionUpdate("sub_1", None, (), {"coupon_pipeline": "new", "other": "y"})
    assert before_subscription(SUBSCRIPTION, proof_only) == {
        "metadata": {"coupon_pipeline": "old", "other": None}
    }


def test_of_a_schedule_it_is_the_discounts_of_the_phases_that_are_sent_again() -> None:
    items = (PhaseItemState("price_1", discounts=(DiscountEntry.granted("ten"),)),)
    phases = tuple(
        PhaseState(
            start, start + 10, "usd", discounts=(DiscountEntry("discount", "di_1"),), items=items
        )
        for start in (0, 10)
    )
    state = ScheduleState("sub_sched_1", "active", "cus_1", phases=phases)
    request = ScheduleUpdate("sub_sched_1", (PhaseUpdate(10, 20, (), (), {}),), {})

    assert before_schedule(state, request) == {
        "phases": [
            {
                "start_date": 10,
                "end_date": 20,
                "discounts": [{"discount": "di_1"}],
                "items": [{"price": "price_1", "discounts": [{"coupon": "ten"}]}],
            }
        ]
    }
