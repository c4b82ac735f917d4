"""What is left to be done, and who comes first where there is not enough for all."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.plan import beyond_the_limit, names_disagree, wanted_attachment
from coupon_pipeline.domain.terms import Terms
from tests.domain.strategies import ACTIVATED, a_snapshot
from tests.domain.target_builders import an_order

TERMS = Terms.of(duration="once", max_redemptions=2)


@given(st.permutations(range(5)), st.integers(min_value=0, max_value=6))
def test_redemptions_go_by_activation_whatever_the_order_of_rows(
    order: list[int], left: int
) -> None:
    """The same orders get them in every run."""
    wanted = [
        wanted_attachment(
            replace(
                a_snapshot(),
                snapshot_id=f"sn_{number}",
                activated_at=ACTIVATED + timedelta(days=number),
            ),
            TERMS,
            "limited",
        )
        for number in order
    ]

    beyond = beyond_the_limit(wanted, {"limited": left})

    assert beyond == {f"sn_{number}" for number in range(left, 5)}


def test_a_coupon_without_a_limit_is_never_short() -> None:
    """Only limited coupons are counted."""
    wanted = [wanted_attachment(a_snapshot(), TERMS, "unlimited")]

    assert beyond_the_limit(wanted, {"limited": 0}) == frozenset()


@pytest.mark.parametrize(
    ("kind", "own", "initial", "target"),
    [
        ("Amendment", None, "sub_1", "sub_1"),
        ("Amendment", "sub_2", "sub_1", "sub_2"),
        ("Amendment", None, None, None),
        ("New", None, "sub_1", None),
    ],
)
def test_only_an_amendment_without_a_stripe_id_follows_its_contract(
    kind: str, own: str | None, initial: str | None, target: str | None
) -> None:
    """A new order waits for the order sync: its subscription is to come."""
    order = replace(an_order(), order_type=kind, stripe_id=own, initial_stripe_id=initial)

    assert order.target_id == target


@pytest.mark.parametrize(
    ("kind", "own", "initial", "disagree"),
    [
        ("Amendment", "sub_2", "sub_1", True),
        ("Amendment", "sub_1", "sub_1", False),
        ("Amendment", "sub_1", None, False),
        ("Amendment", "in_1", "sub_1", False),
        ("Renewal", "sub_2", "sub_1", False),
    ],
)
def test_names_of_an_amendment_disagree_where_both_name_a_target(
    kind: str, own: str, initial: str | None, disagree: object
) -> None:
    """A renewal has a subscription of its own, and an invoice is no target."""
    order = replace(an_order(), order_type=kind, stripe_id=own, initial_stripe_id=initial)

    assert names_disagree(order) is disagree
