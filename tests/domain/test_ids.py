"""Salesforce ids in one spelling."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.ids import InvalidIdError, checksum, is_id, normalise_id

short_ids = st.text(string.ascii_letters + string.digits, min_size=15, max_size=15)


@given(short_ids)
def test_both_forms_of_an_id_have_one_spelling(short: str) -> None:
    """Reports show 15 characters and the API 18; a ledger keyed by both would hold twins."""
    assert normalise_id(short) == normalise_id(short + checksum(short)) == short + checksum(short)


@given(short_ids)
def test_normalising_twice_changes_nothing(short: str) -> None:
    """An id that was stored is normalised again when somebody asks for it."""
    assert normalise_id(normalise_id(short)) == normalise_id(short)


@given(short_ids)
def test_an_id_that_lost_its_capitals_gets_them_back(short: str) -> None:
    """A Stripe coupon's id holds the Salesforce id in lower case, and people paste it."""
    full = normalise_id(short)

    assert normalise_id(full.lower()) == full
    assert normalise_id(full.upper()) == full


@given(short_ids, st.integers(0, 14))
def test_a_letter_of_the_wrong_case_is_noticed(short: str, position: int) -> None:
    """Two ids may differ in one capital: a typing error must not become another record."""
    swapped = short[:position] + short[position].swapcase() + short[position + 1 :]
    mistyped = swapped + checksum(short)
    mixed_case = swapped not in (swapped.lower(), swapped.upper())

    if swapped != short and mixed_case:
        assert not is_id(mistyped)


def test_the_check_characters_are_the_documented_ones() -> None:
    """Each stands for five characters, the first of which is the lowest bit."""
    assert normalise_id("001000000000000") == "001000000000000AAA"
    assert normalise_id("003e0000003GuNX") == "003e0000003GuNXAA0"
    assert normalise_id("ABCDEFGHIJKLMNO") == "ABCDEFGHIJKLMNO555"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "801",
        "801000000000001' OR Id",
        "8010000000000001",
        "80100000000000é",
        "801000000000001A9A",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    """Ids go into statements: anything else must not pass for one."""
    with pytest.raises(InvalidIdError):
        normalise_id(text)
