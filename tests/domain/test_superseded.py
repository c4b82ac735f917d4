"""Discounts that were granted from other terms than the mapping makes today."""

from decimal import Decimal

from hypothesis import given

from coupon_pipeline.domain.problems import Blocked, Effect
from coupon_pipeline.domain.superseded import superseded
from coupon_pipeline.domain.terms import Terms
from tests.domain.strategies import a_derived_coupon, a_snapshot, all_terms

TEN = Terms.of(duration="once", percent_off=Decimal(10))


@given(all_terms(), all_terms())
def test_a_grant_is_superseded_exactly_when_its_terms_differ(ours: Terms, granted: Terms) -> None:
    """Nobody wants to hear of a mapping that says the same in other words."""
    found = superseded(a_snapshot(), a_derived_coupon(ours), "sf-granted", granted)

    assert (found is None) == (ours == granted)


def test_it_names_the_coupon_and_both_values_and_blocks_nothing() -> None:
    """The discount is there; whether it is right is for somebody to say."""
    twelve = a_derived_coupon(Terms.of(duration="once", percent_off=Decimal(12)))

    found = superseded(a_snapshot(), twelve, "sf-granted", TEN)

    assert found is not None
    assert found.effect is Effect.REPORTED
    assert "sf-granted" in found.message
    assert "percent_off is 10, not 12" in found.message


def test_terms_that_could_not_be_made_any_more_say_why() -> None:
    """A new mapping may read a name that is too long from a record whose discount is granted."""
    blocked = Blocked("coupon.no_discount")

    found = superseded(a_snapshot(), blocked, "sf-granted", None)

    assert found is not None
    assert "has neither a percentage nor an amount" in found.message


def test_a_grant_whose_terms_nobody_knows_any_more_is_not_judged() -> None:
    """After a lost ledger there is nothing to compare with."""
    assert superseded(a_snapshot(), a_derived_coupon(TEN), "sf-granted", None) is None
