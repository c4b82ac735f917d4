"""Which removed discounts were taken away by a write of ours that did not know of them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from coupon_pipeline.domain.overwritten import (
    OwnWrite,
    RemovedDiscount,
    discounts_named,
    overwritten,
)

WRITE = OwnWrite("sub_1", "run-1", "req_ours", "key-ours", frozenset({"di_kept", "di_ours"}))
REMOVED = RemovedDiscount(
    "di_theirs", "FIFTY", "sub_1", "req_ours", "key-ours", datetime(2026, 11, 2, tzinfo=UTC)
)


def test_what_a_write_of_ours_removed_and_did_not_know_was_added_in_between() -> None:
    """Told with the target and the run."""
    (found,) = overwritten([WRITE], [REMOVED], frozenset())

    assert (found.target_id, found.run_id) == ("sub_1", "run-1")
    assert found.words == "discount di_theirs from coupon FIFTY"


@pytest.mark.parametrize(
    "removed",
    [
        replace(REMOVED, request_id="req_theirs", idempotency_key=None),
        replace(REMOVED, request_id=None, idempotency_key=None),
        replace(REMOVED, discount_id="di_kept"),
        replace(REMOVED, discount_id="di_made_room"),
    ],
    ids=["by a request of others", "by Stripe itself", "that we knew of", "that we replaced"],
)
def test_what_others_removed_or_we_meant_to_is_not_told(removed: RemovedDiscount) -> None:
    """Nor what makes room for another discount of ours."""
    assert overwritten([WRITE], [removed], frozenset({"di_made_room"})) == ()


def test_a_write_whose_answer_was_lost_is_known_by_its_key() -> None:
    """The ledger never learned the id of its request."""
    lost = replace(WRITE, request_id=None)

    assert len(overwritten([lost], [REMOVED], frozenset())) == 1


def test_the_discounts_that_parameters_name_are_found_at_every_depth() -> None:
    """Of the subscription, its items, and the phases of a schedule and theirs."""
    body = (
        '{"discounts": [{"discount": "di_1"}, {"coupon": "A"}], "phases": [{"discounts": "", '
        '"items": [{"price": "p", "discounts": [{"discount": "di_2"}]}]}]}'
    )

    assert discounts_named(body, None, '{"items": [{"discounts": [{"discount": "di_3"}]}]}') == {
        "di_1",
        "di_2",
        "di_3",
    }
