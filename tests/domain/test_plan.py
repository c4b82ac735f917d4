"""What is left to be done, and who comes first where there is not enough for all."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.plan import beyond_the_limit, wanted_attachment
from coupon_pipeline.domain.terms import Terms
from tests.domain.strategies import ACTIVATED, a_snapshot

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
