"""Orders in portions."""

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.portions import portions_of

ORDERS = [f"order-{number}" for number in range(12)]
SHARED = ["sub_1", "sub_2", "sub_3", "coupon"]
bonds_between_orders = st.lists(st.tuples(st.sampled_from(ORDERS), st.sampled_from(SHARED)))


@given(bonds_between_orders, st.integers(1, 13))
def test_every_order_is_in_one_portion(bonds: list[tuple[str, str]], at_most: int) -> None:
    """None is left out, and none is decided twice."""
    portions = portions_of(ORDERS, bonds, at_most)

    assert sorted(order for portion in portions for order in portion) == sorted(ORDERS)


@given(bonds_between_orders, st.integers(1, 13))
def test_orders_that_share_something_are_never_parted(
    bonds: list[tuple[str, str]], at_most: int
) -> None:
    """Two orders on one subscription would each replace the other's discounts."""
    portions = portions_of(ORDERS, bonds, at_most)

    for shared in SHARED:
        those = {order for order, name in bonds if name == shared}
        assert sum(bool(those & set(portion)) for portion in portions) <= 1


@given(bonds_between_orders, st.integers(1, 13))
def test_a_portion_keeps_the_order_of_activation(
    bonds: list[tuple[str, str]], at_most: int
) -> None:
    """Who was activated first comes first."""
    portions = portions_of(ORDERS, bonds, at_most)

    assert all(portion == sorted(portion, key=ORDERS.index) for portion in portions)


def test_a_portion_is_full_before_the_next_is_begun() -> None:
    """Each portion costs a few transactions, so there are as few as can be."""
    assert [len(portion) for portion in portions_of(ORDERS, [], 5)] == [5, 5, 2]
    assert [len(portion) for portion in portions_of([], [], 5)] == []


def test_orders_that_belong_together_may_be_more_than_a_portion_holds() -> None:
    """What is right comes before what fits."""
    bonds = [(order, "sub_1") for order in ORDERS]

    assert portions_of(ORDERS, bonds, 5) == [ORDERS]
