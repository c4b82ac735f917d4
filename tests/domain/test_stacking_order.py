"""In which order discounts are put into a list."""

from coupon_pipeline.domain.targets import TargetPolicy, in_stacking_order
from tests.domain.target_builders import wants


def test_the_older_association_comes_first_whatever_the_ids_are() -> None:
    """Ids of snapshots are hashes: by them the order of an invoice would be left to chance."""
    wanted = [
        wants("a", coupon="third", made="2026-01-03T00:00:00Z"),
        wants("c", coupon="first", made="2026-01-01T00:00:00Z"),
        wants("b", coupon="second", made="2026-01-02T00:00:00Z"),
    ]

    ordered = in_stacking_order(wanted, TargetPolicy())

    assert [one.coupon_id for one in ordered] == ["first", "second", "third"]
