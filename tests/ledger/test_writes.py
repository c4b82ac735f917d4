"""Intents and outcomes: an intent without outcome is a question, and reading answers it."""

from datetime import UTC, datetime
from pathlib import Path

from coupon_pipeline.ledger import Ledger
from coupon_pipeline.ledger.writes import (
    WriteIntent,
    WriteOutcome,
    read_open_intents,
    read_refusals,
    record_intents,
    record_outcomes,
    settle_intents,
)

AT = datetime(2026, 11, 2, tzinfo=UTC)


def _intent(intent_id: str, target_id: str) -> WriteIntent:
    return WriteIntent(intent_id, "stripe", "coupon.create", target_id, 0, "{}", "run", AT)


def test_an_intent_is_open_until_its_outcome_is_known(tmp_path: Path) -> None:
    """A killed run leaves it open."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    with ledger.transaction() as tx:
        record_intents(tx, [_intent("a", "one"), _intent("b", "two")])
        record_outcomes(tx, [WriteOutcome("a", "done", "req_1", "", AT, "run")])
        assert [intent.intent_id for intent in read_open_intents(tx)] == ["b"]

        settle_intents(tx, "stripe", [("coupon.create", "two")], "later run", AT)

        assert read_open_intents(tx) == []


def test_a_run_does_not_settle_what_it_has_sent_itself(tmp_path: Path) -> None:
    """It read the target before the request left, so what it read says nothing about it."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    with ledger.transaction() as tx:
        record_intents(tx, [_intent("a", "one")])

        settle_intents(tx, "stripe", [("coupon.create", "one")], "run", AT)

        assert [intent.intent_id for intent in read_open_intents(tx)] == ["a"]


def test_a_refusal_is_counted_so_that_its_stored_answer_is_not_given_again(
    tmp_path: Path,
) -> None:
    """Stripe replays an error for the same key for a day."""
    ledger = Ledger(tmp_path / "ledger.duckdb")
    with ledger.transaction() as tx:
        record_intents(tx, [_intent("a", "one"), _intent("b", "one"), _intent("c", "two")])
        record_outcomes(
            tx,
            [
                WriteOutcome("a", "refused", None, "no", AT, "run"),
                WriteOutcome("b", "refused", None, "no", AT, "run"),
                WriteOutcome("c", "done", None, "", AT, "run"),
            ],
        )

        assert read_refusals(tx) == {("coupon.create", "one"): 2}
