"""Keys follow from intents: equal intents share one, different intents never do."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.stripe_api.keys import canonical_json, idempotency_key

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=20),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9),
)
states = st.dictionaries(
    st.text(max_size=10),
    st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    ),
    max_size=5,
)


@given(states)
def test_the_order_of_fields_does_not_change_the_key(state: dict[str, object]) -> None:
    """A planner may build the same request in another order after an upgrade."""
    backwards = dict(reversed(state.items()))

    assert idempotency_key("attach", "sub_1", state, 0) == idempotency_key(
        "attach", "sub_1", backwards, 0
    )


@given(states, states)
def test_different_states_have_different_keys(
    one: dict[str, object], other: dict[str, object]
) -> None:
    """Stripe would answer the second write with what it said to the first."""
    same_text = canonical_json(one) == canonical_json(other)
    same_key = idempotency_key("attach", "sub_1", one, 0) == idempotency_key(
        "attach", "sub_1", other, 0
    )

    assert same_key == same_text


@pytest.mark.parametrize(
    "other",
    [("detach", "sub_1", 0), ("attach", "sub_2", 0), ("attach", "sub_1", 1)],
    ids=["operation", "target", "epoch"],
)
def test_operation_target_and_epoch_are_part_of_the_key(other: tuple[str, str, int]) -> None:
    """Each of them makes another intent."""
    operation, target, epoch = other

    assert idempotency_key(operation, target, {}, epoch) != idempotency_key(
        "attach", "sub_1", {}, 0
    )


@given(st.text(), states)
def test_a_key_fits_into_what_stripe_takes(target: str, state: dict[str, object]) -> None:
    """255 characters are the documented limit."""
    key = idempotency_key("attach", target, state, 7)

    assert len(key) <= 255
    assert key.isascii()
    assert key.isprintable()


@pytest.mark.parametrize("spelling", [Decimal("12.5"), Decimal("12.50"), Decimal("1.25E+1")])
def test_one_number_has_one_text(spelling: Decimal) -> None:
    """A trailing zero is no other discount."""
    assert canonical_json({"percent_off": spelling}) == '{"percent_off":"12.5"}'


@pytest.mark.parametrize("inexact", [12.5, Decimal("NaN"), object()], ids=["float", "nan", "other"])
def test_what_has_no_exact_text_gets_no_key(inexact: object) -> None:
    """A key that depends on how a float is printed would not be the same for ever."""
    with pytest.raises(TypeError, match="no exact text"):
        canonical_json({"percent_off": inexact})
