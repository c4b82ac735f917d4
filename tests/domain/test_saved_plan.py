"""A plan in a file: read back as it was, and refused for each reason under its own code."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from coupon_pipeline.domain.planned_writes import PlannedWrite, digest_of
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.saved_plan import Accounts, SavedPlan

MADE = datetime(2026, 11, 2, 9, tzinfo=UTC)
DAY = timedelta(hours=24)
ACCOUNTS = Accounts("00D000000000001AAA", "acct_1", livemode=False, ledger="2026-11-01T00:00:00")
WRITE = PlannedWrite("stripe", "coupon.create", "sf-1", '{"percent_off":"10"}', ("801",))
PLAN = SavedPlan(
    plan_id="7f1c",
    made_at=MADE,
    accounts=ACCOUNTS,
    selection=Selection(date(2026, 11, 2), date(2026, 11, 3), ("801",)),
    replace_attached=("snapshot",),
    basis={"the mapping": "abc"},
    writes=(WRITE,),
    document={"orders": 1, "rate": 0.5},
)


def test_a_plan_is_read_back_as_it_was_written() -> None:
    """Whatever is in it."""
    assert SavedPlan.from_text(PLAN.to_text()) == PLAN


@pytest.mark.parametrize(
    ("found", "instead"), [("sf-1", "sf-2"), ("2026-11-02T09", "2026-11-02T10"), ("abc", "abd")]
)
def test_a_changed_file_is_told_from_the_one_that_was_written(found: str, instead: str) -> None:
    """The hash is over everything."""
    problem = SavedPlan.from_text(PLAN.to_text().replace(found, instead))

    assert isinstance(problem, Problem)
    assert problem.code == "plan.tampered"


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "plan", '{"hash": 1, "format": 99}'])
def test_what_is_no_plan_says_so(text: str) -> None:
    """Never a traceback."""
    problem = SavedPlan.from_text(text)

    assert isinstance(problem, Problem)
    assert problem.code == "plan.unreadable"


@pytest.mark.parametrize(
    "other",
    [
        replace(ACCOUNTS, org_id="00D000000000002AAA"),
        replace(ACCOUNTS, stripe_account="acct_2"),
        replace(ACCOUNTS, livemode=True),
        replace(ACCOUNTS, ledger="2026-11-02T00:00:00"),
        replace(ACCOUNTS, ledger=None),
    ],
)
def test_a_plan_of_other_accounts_is_refused(other: Accounts) -> None:
    """Org, account, mode and ledger."""
    problem = PLAN.refusal(other, MADE, max_age=DAY, applied=None)

    assert problem is not None
    assert problem.code == "plan.other_accounts"


def test_a_plan_is_applied_once_and_while_it_is_young() -> None:
    """To the very second; a plan of the future is no plan either."""

    def code(now: datetime, applied: datetime | None = None) -> str | None:
        problem = PLAN.refusal(ACCOUNTS, now, max_age=DAY, applied=applied)
        return None if problem is None else problem.code

    assert code(MADE) is None
    assert code(MADE + DAY) is None
    assert code(MADE + DAY + timedelta(seconds=1)) == "plan.too_old"
    assert code(MADE - timedelta(seconds=1)) == "plan.too_old"
    assert code(MADE, MADE) == "plan.already_applied"


def test_what_has_changed_is_named() -> None:
    """What it rests on, and what would be written now."""
    other = replace(WRITE, target_id="sf-2")

    assert PLAN.change(PLAN.basis, [replace(WRITE, order_ids=())]) is None
    for basis, writes, named in (
        ({"the mapping": "abd"}, PLAN.writes, "the mapping"),
        ({**PLAN.basis, "Order 7": "x"}, PLAN.writes, "Order 7"),
        (PLAN.basis, (), "the write coupon.create of sf-1"),
        (PLAN.basis, (WRITE, other), "the write coupon.create of sf-2"),
    ):
        problem = PLAN.change(basis, writes)
        assert problem is not None
        assert problem.code == "plan.changed"
        assert named in problem.message


def test_a_digest_depends_on_what_is_said_and_not_on_its_order() -> None:
    """Sets and mappings have none; a list has."""
    assert digest_of({"a": 1, "b": {2, 3}}) == digest_of({"b": {3, 2}, "a": 1})
    assert digest_of(["a", "b"]) != digest_of(["b", "a"])
    assert digest_of(date(2026, 11, 2)) != digest_of("2026-11-02")
    with pytest.raises(TypeError, match="float"):
        digest_of(0.5)


def test_the_file_is_json_that_a_reviewer_can_read() -> None:
    """The writes are in it one by one."""
    assert json.loads(PLAN.to_text())["writes"][0]["target_id"] == "sf-1"
