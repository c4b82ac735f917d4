"""Record ids in 15 and 18 characters."""

import string

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.sandbox.salesforce.ids import IdMinter, checksum, to_18

SHORT_IDS = st.text(string.digits + string.ascii_letters, min_size=15, max_size=15)


@given(SHORT_IDS)
def test_18_characters_name_the_record_in_any_case(short: str) -> None:
    """The checksum says which letters are upper case."""
    full = to_18(short)

    assert full == short + checksum(short)
    assert to_18(full.lower()) == to_18(full.upper()) == full


@given(SHORT_IDS, SHORT_IDS)
def test_ids_that_differ_in_case_only_have_different_checksums(one: str, other: str) -> None:
    """Lower-casing 18 characters keeps them apart; lower-casing 15 would not."""
    if one != other:
        assert (one + checksum(one)).lower() != (other + checksum(other)).lower()


def test_a_known_id_has_its_known_checksum() -> None:
    """001A0000006Vm9r becomes 001A0000006Vm9rIAC in Salesforce's own documentation."""
    assert to_18("001A0000006Vm9r") == "001A0000006Vm9rIAC"


def test_what_is_no_id_is_none() -> None:
    """Wrong length, wrong characters, wrong checksum."""
    for text in ("", "001", "001A0000006Vm9r!", "001A0000006Vm9rIAD", "001-00000006Vm9"):
        assert to_18(text) is None


@given(st.integers(0, 1_000), st.integers(1, 50))
def test_minted_ids_are_all_different_and_ascend(seed: int, count: int) -> None:
    """Ascending as text, so that an order by Id is the order of making."""
    minter = IdMinter(seed)

    ids = [minter.mint("801") for _ in range(count)]

    assert ids == sorted(set(ids))
    assert all(to_18(record_id) == record_id for record_id in ids)
