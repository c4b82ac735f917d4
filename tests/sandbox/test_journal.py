"""The state file of the sandbox."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.sandbox.journal import Journal, JsonValue

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_without_a_file_nothing_is_kept() -> None:
    """Tests make hundreds of sandboxes; none of them may pay for a file."""
    journal = Journal()
    journal.put("coupon", "a", {"id": "a"})
    journal.flush()

    assert journal.load("coupon") == {}
    assert not journal.keeps


def test_what_was_flushed_is_there_for_the_next_one_in_the_order_it_was_made(
    tmp_path: Path,
) -> None:
    """Lists are served newest first, so the order of making has to survive a restart."""
    first = Journal(tmp_path / "state")
    for key in ("b", "a", "c"):
        first.put("coupon", key, {"id": key})
    first.flush()
    first.put("coupon", "b", {"id": "b", "name": "changed"})
    first.put("coupon", "c", None)
    first.flush()
    first.put("coupon", "lost", {})

    again = Journal(tmp_path / "state")

    assert list(again.load("coupon").items()) == [
        ("b", {"id": "b", "name": "changed"}),
        ("a", {"id": "a"}),
    ]
    assert again.load("customer") == {}
    again.close()
    first.close()


def test_a_value_is_written_as_it_stands_at_the_end_of_the_request(tmp_path: Path) -> None:
    """Services change an object after they have put it; half of a change must not be kept."""
    journal = Journal(tmp_path / "state")
    value: dict[str, JsonValue] = {"times_redeemed": 0}
    journal.put("coupon", "a", value)
    value["times_redeemed"] = 1
    journal.flush()

    assert journal.load("coupon") == {"a": {"times_redeemed": 1}}
    journal.close()


@given(st.dictionaries(st.text(max_size=5), JSON.filter(lambda value: value is not None)))
def test_every_json_value_comes_back_as_it_was(values: dict[str, JsonValue]) -> None:
    """The file is the only memory that a restarted sandbox has."""
    journal = Journal(Path(":memory:"))
    for key, value in values.items():
        journal.put("things", key, value)
    journal.flush()

    assert journal.load("things") == values
    journal.close()
