"""Problems: still there tomorrow, gone when they are mended, back with a new date."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger import Ledger, source
from coupon_pipeline.ledger.problems import NotedProblem, note_problems, read_open_problems
from tests.domain.strategies import ACTIVATED, COUPON, ORDER, an_order

SELECTION = Selection(ACTIVATED.date(), ACTIVATED.date())
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
PROBLEM = Problem("coupon.no_discount", order_id=ORDER, quote_coupon_id=COUPON)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.duckdb")
    with made.transaction() as tx:
        source.record_orders(tx, SELECTION, [an_order()], [])
    return made


def _note(ledger: Ledger, stage: str, problems: list[Problem], days: int) -> list[NotedProblem]:
    with ledger.transaction() as tx:
        source.select_orders(tx, SELECTION)
        at = MONDAY + timedelta(days=days)
        note_problems(tx, stage, problems, {ORDER: ACTIVATED.date()}, at)
    with ledger.reading() as tx:
        return read_open_problems(tx)


def test_a_problem_that_stays_keeps_its_first_day(ledger: Ledger) -> None:
    """People ask since when."""
    _note(ledger, "coupon_snapshots", [PROBLEM], 0)

    (noted,) = _note(ledger, "coupon_snapshots", [PROBLEM], 1)

    assert noted.first_seen_at == MONDAY
    assert noted.last_seen_at == MONDAY + timedelta(days=1)
    assert noted.message == PROBLEM.message


def test_a_problem_that_is_gone_is_resolved_and_may_come_back(ledger: Ledger) -> None:
    """The list is what is wrong now."""
    _note(ledger, "coupon_snapshots", [PROBLEM], 0)
    assert _note(ledger, "coupon_snapshots", [], 1) == []

    (noted,) = _note(ledger, "coupon_snapshots", [PROBLEM], 2)

    assert noted.first_seen_at == MONDAY + timedelta(days=2)


def test_a_stage_resolves_only_what_it_saw_itself(ledger: Ledger) -> None:
    """The attachments know nothing of the snapshots' problems."""
    _note(ledger, "coupon_snapshots", [PROBLEM], 0)

    assert len(_note(ledger, "coupon_attachments", [], 1)) == 1
