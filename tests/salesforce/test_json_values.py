"""JSON in which numbers stay exact."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.salesforce.json_values import Json, json_text

scalars: st.SearchStrategy[Json] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.decimals(-(10**12), 10**12, places=4)
)
values: st.SearchStrategy[Json] = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(values)
def test_what_is_written_is_read_back_the_same(value: Json) -> None:
    """An amount passes through JSON in both directions and must not change by a digit."""
    assert json.loads(json_text(value), parse_float=Decimal) == value


def test_a_number_is_written_as_it_stands() -> None:
    """As a float, this one loses its last digit."""
    assert json_text(Decimal("1234567890123456.78")) == "1234567890123456.78"
    assert json_text(Decimal("1E+3")) == "1000"


def test_what_is_no_number_has_no_json_form() -> None:
    """`NaN` is no JSON, though the standard encoder writes it."""
    with pytest.raises(ValueError, match="no JSON form"):
        json_text(Decimal("NaN"))
