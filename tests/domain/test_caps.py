"""Caps: met exactly they stop nothing, and one more stops everything."""

from decimal import Decimal

import pytest

from coupon_pipeline.domain.caps import (
    Allowance,
    Caps,
    exceeded_by_attachments,
    exceeded_by_coupons,
    parse_amounts,
)
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.terms import Terms

TEN = Terms.of(duration="once", percent_off=Decimal(10))
FIFTY_USD = Terms.of(duration="once", amount_off=5000, currency="usd")
FIVE_EUR = Terms.of(duration="once", amount_off=500, currency="eur")


def code(problem: Problem | None) -> str | None:
    """The code of a stop, if there is one."""
    return None if problem is None else problem.code


def test_without_caps_nothing_is_stopped() -> None:
    """They are off unless somebody sets them."""
    assert exceeded_by_coupons(Caps(), 10**6, [TEN]) is None
    assert exceeded_by_attachments(Caps(), [FIFTY_USD] * 10**3, [1, 1, 1]) is None


@pytest.mark.parametrize(("created", "expected"), [(3, None), (4, "cap.coupons")])
def test_coupons_are_counted(created: int, expected: str | None) -> None:
    """Those to be made."""
    assert code(exceeded_by_coupons(Caps(coupons=3), created, [])) == expected


@pytest.mark.parametrize(("most", "expected"), [("10", None), ("9.99", "cap.percent")])
def test_the_highest_percentage_counts_whether_its_coupon_is_new_or_not(
    most: str, expected: str | None
) -> None:
    """A typing error of a sales person is seen before the first customer has it."""
    assert code(exceeded_by_coupons(Caps(percent=Decimal(most)), 0, [TEN, FIFTY_USD])) == expected


def test_discounts_and_their_amounts_are_counted_over_all_portions() -> None:
    """Each currency by itself; a run that comes in portions has one allowance."""
    by_count = Allowance(Caps(attachments=3), [])
    assert code(by_count.use([TEN, TEN])) is None
    assert code(by_count.use([TEN])) is None
    assert code(by_count.use([TEN])) == "cap.attachments"

    by_amount = Allowance(Caps(amount={"usd": 10000}), [])
    assert code(by_amount.use([FIFTY_USD, FIVE_EUR, TEN])) is None
    assert code(by_amount.use([FIFTY_USD, FIVE_EUR])) is None
    stopped = by_amount.use([FIFTY_USD])
    assert stopped is not None
    assert (stopped.code, "150.00 USD" in stopped.message) == ("cap.amount", True)


@pytest.mark.parametrize(
    ("earlier", "count", "expected"),
    [
        ([10, 20, 30], 40, None),
        ([10, 20, 30], 41, "cap.growth"),
        ([10, 20], 1000, None),
    ],
)
def test_growth_is_measured_against_the_mean_of_the_last_runs(
    earlier: list[int], count: int, expected: str | None
) -> None:
    """Two runs are no custom yet."""
    assert (
        code(exceeded_by_attachments(Caps(growth=Decimal(2)), [TEN] * count, earlier)) == expected
    )


def test_a_raised_cap_takes_the_place_of_the_setting_and_the_others_stay() -> None:
    """For one run."""
    caps = Caps(coupons=1, percent=Decimal(50), amount={"usd": 1, "eur": 2})

    raised = caps.raised(Caps(coupons=9, amount={"usd": 5}))

    assert raised == Caps(coupons=9, percent=Decimal(50), amount={"usd": 5, "eur": 2})


def test_amounts_are_written_in_major_units() -> None:
    """As people say them, each in its currency's decimals."""
    assert parse_amounts("usd=1000, EUR=900.50,jpy=3") == {"usd": 100000, "eur": 90050, "jpy": 3}
    assert parse_amounts("") == {}
    for wrong in ("usd", "usd=x", "xxx=1", "usd=1.005", "usd=-1", "usd=NaN"):
        with pytest.raises(ValueError, match=wrong.partition("=")[0]):
            parse_amounts(wrong)


def test_whether_everything_would_be_too_much_is_asked_without_using_the_allowance() -> None:
    """What was used before counts, and what is asked about does not."""
    allowance = Allowance(Caps(attachments=3), [])
    allowance.use([TEN])
    assert not allowance.ends_with([TEN, TEN])
    assert allowance.ends_with([TEN, TEN, TEN])
    assert code(allowance.use([TEN, TEN])) is None
