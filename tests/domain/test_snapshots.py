"""Which coupons an order was signed with, and by what evidence."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.problems import CATALOGUE, Effect
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.records import (
    Association,
    CouponVersion,
    Order,
    OrderCoupon,
    OrderItem,
    RawFields,
    Scope,
)
from coupon_pipeline.domain.snapshots import (
    SnapshotPolicy,
    snapshot_id,
    take_snapshots,
)
from coupon_pipeline.domain.versions import VersionHistory, is_edit, observe
from tests.domain.strategies import (
    ACTIVATED,
    ASSOCIATION,
    COUPON,
    DAY,
    FIVE_DOLLARS,
    ITEM,
    MINUTE,
    ORDER,
    ORDER_COUPON,
    ORG,
    SECOND,
    TEN_PERCENT,
    a_line_association,
    a_version,
    an_association,
    an_item,
    an_order,
    an_order_coupon,
    codes,
    look,
)

TWENTY_PERCENT: RawFields = {**TEN_PERCENT, "Percent_Off__c": 20}


# Evidence ---------------------------------------------------------------------------------------


def test_the_order_coupon_is_the_best_evidence() -> None:
    """The trigger wrote it when the order activated, whatever became of the coupon since."""
    result = look(
        order_coupons=[an_order_coupon()],
        versions=[a_version(TWENTY_PERCENT, effective_at=ACTIVATED + DAY)],
    )

    (snapshot,) = result.new
    assert snapshot.evidence == "order_coupon"
    assert snapshot.evidence_record_id == ORDER_COUPON
    assert snapshot.evidence_at == ACTIVATED
    assert snapshot.fields["Percent_Off__c"] == 10
    assert not snapshot.terms_uncertain
    assert result.problems == ()


def test_without_an_order_coupon_the_version_in_force_is_the_evidence() -> None:
    """An order activated before an edit gets the older version, also when first seen later."""
    old = a_version(effective_at=ACTIVATED - DAY)
    new = a_version(TWENTY_PERCENT, effective_at=ACTIVATED + DAY)

    result = look(versions=[new, old])

    (snapshot,) = result.new
    assert snapshot.evidence == "coupon_version"
    assert snapshot.evidence_record_id == COUPON
    assert snapshot.evidence_at == ACTIVATED - DAY
    assert snapshot.fields["Percent_Off__c"] == 10
    assert not snapshot.terms_uncertain


def test_a_version_of_the_very_second_was_in_force() -> None:
    """A workflow before the order's update has the order's own time stamp."""
    old = a_version(effective_at=ACTIVATED - DAY)
    new = a_version(TWENTY_PERCENT, effective_at=ACTIVATED)

    (snapshot,) = look(versions=[old, new]).new

    assert snapshot.fields["Percent_Off__c"] == 20


def test_without_any_proof_todays_coupon_is_used_and_marked() -> None:
    """The signed terms may be others: somebody has to compare."""
    result = look(versions=[a_version(effective_at=ACTIVATED + DAY)])

    (snapshot,) = result.new
    assert snapshot.evidence == "quote_coupon_today"
    assert snapshot.terms_uncertain
    assert "coupon.terms_uncertain" in codes(result)
    problem = next(each for each in result.problems if each.code == "coupon.terms_uncertain")
    assert problem.effect is Effect.WARNING
    assert "2026-03-10T12:00:00Z" in problem.message
    assert "2026-03-11T12:00:00Z" in problem.message


def test_the_oldest_known_state_stands_for_terms_that_nobody_saw() -> None:
    """It is the nearest to what was signed."""
    versions = [
        a_version(TWENTY_PERCENT, effective_at=ACTIVATED + 2 * DAY),
        a_version(effective_at=ACTIVATED + DAY),
    ]

    (snapshot,) = look(versions=versions).new

    assert snapshot.fields["Percent_Off__c"] == 10
    assert snapshot.terms_uncertain


def test_policy_can_hold_uncertain_terms_back_without_freezing_them() -> None:
    """When the order coupon is added by hand, the next run freezes the proven terms."""
    policy = SnapshotPolicy(uncertain="block")
    today = a_version(TWENTY_PERCENT, effective_at=ACTIVATED + DAY)

    held = look(versions=[today], policy=policy)
    completed = look(versions=[today], order_coupons=[an_order_coupon()], policy=policy)

    assert held.new == ()
    assert held.missing_order_coupons == ()
    (problem,) = held.problems
    assert (problem.code, problem.effect) == ("coupon.terms_uncertain", Effect.BLOCKED)
    assert [each.fields["Percent_Off__c"] for each in completed.new] == [10]


def test_a_frozen_snapshot_without_proof_is_warned_about_only_while_it_is_used() -> None:
    """Where policy holds it back, deriving its terms says so; twice would be once too often."""
    versions = [a_version(effective_at=ACTIVATED + DAY)]
    frozen = {each.snapshot_id: each for each in look(versions=versions).new}

    used = look(versions=versions, frozen=frozen)
    held = look(versions=versions, frozen=frozen, policy=SnapshotPolicy(uncertain="block"))

    assert codes(used) == ["coupon.terms_uncertain", "order_coupon.missing"]
    assert codes(held) == ["order_coupon.missing"]


def test_an_empty_field_of_the_copy_counts_as_empty() -> None:
    """A limit that was set on the coupon later was not signed."""
    copy = an_order_coupon({**TEN_PERCENT, "Max_Redemptions__c": None})
    today = a_version({**TEN_PERCENT, "Max_Redemptions__c": 5}, effective_at=ACTIVATED + DAY)

    (snapshot,) = look(order_coupons=[copy], versions=[today]).new

    assert snapshot.fields["Max_Redemptions__c"] is None


def test_a_copy_that_says_the_same_shares_the_versions_fields() -> None:
    """A hundred thousand snapshots of a few coupons must fit into memory."""
    version = a_version({**TEN_PERCENT, "Region__c": "North"})

    (snapshot,) = look(order_coupons=[an_order_coupon()], versions=[version]).new

    assert snapshot.fields is version.fields


def test_a_field_that_the_copy_does_not_have_comes_from_the_coupon() -> None:
    """Older packages copy fewer fields, and none copies a customer's own."""
    copy = an_order_coupon({"Percent_Off__c": 10, "Duration__c": "once"})
    version = a_version({**TWENTY_PERCENT, "Region__c": "North", "Max_Redemptions__c": 5})

    (snapshot,) = look(order_coupons=[copy], versions=[version]).new

    assert snapshot.fields["Percent_Off__c"] == 10
    assert snapshot.fields["Region__c"] == "North"
    assert snapshot.fields["Max_Redemptions__c"] == 5


def test_the_currency_is_never_taken_from_the_copy() -> None:
    """The trigger does not copy it, so the copy has its creator's currency."""
    result = look(
        orders=[an_order(currency="USD")],
        order_coupons=[an_order_coupon({**FIVE_DOLLARS, "CurrencyIsoCode": "EUR"})],
        versions=[a_version(FIVE_DOLLARS)],
    )

    (snapshot,) = result.new
    assert snapshot.currency == "USD"
    assert snapshot.fields["CurrencyIsoCode"] == "USD"
    assert codes(result) == ["order_coupon.currency_differs"]
    assert "EUR" in result.problems[0].message
    assert "USD" in result.problems[0].message


def test_the_copys_currency_of_a_percentage_is_nobodys_business() -> None:
    """Every copy in a multi-currency org would be reported otherwise."""
    result = look(
        order_coupons=[an_order_coupon({**TEN_PERCENT, "CurrencyIsoCode": "EUR"})],
        versions=[a_version({**TEN_PERCENT, "CurrencyIsoCode": "USD"})],
    )

    assert result.problems == ()


def test_a_coupon_that_cannot_be_read_is_frozen_from_its_copy() -> None:
    """The copy holds everything that a percentage needs."""
    (snapshot,) = look(order_coupons=[an_order_coupon()], versions=[]).new

    assert dict(snapshot.fields) == dict(TEN_PERCENT)
    assert snapshot.currency is None


def test_an_amount_of_a_coupon_that_cannot_be_read_waits_for_its_currency() -> None:
    """Frozen without its currency it could never be granted, even when access is restored."""
    result = look(
        orders=[an_order(currency="USD")],
        order_coupons=[an_order_coupon({**FIVE_DOLLARS, "CurrencyIsoCode": "USD"})],
        versions=[],
    )

    assert result.new == ()
    assert codes(result) == ["currency.missing"]
    assert "takes 5 off" in result.problems[0].message


@pytest.mark.parametrize(
    ("currency", "fields"), [("USD", TEN_PERCENT), (None, FIVE_DOLLARS), (None, TEN_PERCENT)]
)
def test_what_needs_no_currency_of_its_own_does_not_wait(
    currency: str | None, fields: RawFields
) -> None:
    """A percentage has none, and an org with a single currency has a default."""
    result = look(
        orders=[an_order(currency=currency)], order_coupons=[an_order_coupon(fields)], versions=[]
    )

    assert len(result.new) == 1


def test_a_coupon_without_copy_and_without_record_is_blocked() -> None:
    """Nothing says what was promised."""
    result = look(versions=[])

    assert result.new == ()
    assert codes(result) == ["coupon.record_missing"]
    assert result.problems[0].effect is Effect.BLOCKED


def test_a_coupon_deleted_after_activation_keeps_its_terms() -> None:
    """What was signed is not taken back; its last state is still known."""
    versions = [a_version(effective_at=ACTIVATED - DAY, is_deleted=True)]

    (snapshot,) = look(versions=versions).new

    assert snapshot.evidence == "coupon_version"
    assert snapshot.fields["Percent_Off__c"] == 10


def test_the_rates_of_the_day_are_frozen_with_the_snapshot() -> None:
    """Amounts converted again later must be the same."""
    rates = ConversionRates(date(2026, 3, 10), "CurrencyType", {"USD": Decimal(1)})

    (snapshot,) = look(rates={date(2026, 3, 10): rates}).new
    (other,) = look(rates={date(2026, 3, 11): rates}).new

    assert snapshot.rates is rates
    assert other.rates is None


# The set of snapshots ---------------------------------------------------------------------------


def test_a_quotes_coupon_goes_to_every_order_of_the_quote() -> None:
    """Two orders of one quote activated together: the trigger serves only the last of them."""
    second = an_order(order_id="801000000000002AAA", order_number="00000101")

    result = look(
        orders=[an_order(), second],
        order_coupons=[an_order_coupon(order_id=second.order_id)],
    )

    assert [each.scope.order_id for each in result.new] == [ORDER, second.order_id]
    assert [each.evidence for each in result.new] == ["coupon_version", "order_coupon"]
    assert codes(result) == ["order_coupon.missing"]


def test_a_lines_coupon_goes_to_every_order_item_of_the_line() -> None:
    """A line may be split over several orders, and the trigger's last one wins there too."""
    second = an_order(order_id="801000000000002AAA")
    items = [
        an_item(),
        an_item(order_item_id="802000000000002AAA", order_id=second.order_id),
        an_item(order_item_id="802000000000003AAA", quote_line_id="a0L000000000009AAA"),
    ]

    result = look(orders=[an_order(), second], items=items, associations=[a_line_association()])

    assert [each.scope for each in result.new] == [
        Scope(ORDER, ITEM),
        Scope(second.order_id, "802000000000002AAA"),
    ]


def test_one_coupon_on_the_order_and_on_an_item_is_two_snapshots() -> None:
    """They discount different things."""
    line = a_line_association(association_id="a1B000000000001AAA")

    result = look(items=[an_item()], associations=[an_association(), line])

    assert [each.scope.level for each in result.new] == ["order", "order_item"]


def test_an_order_coupon_without_association_counts() -> None:
    """The junction may be gone for good; the trigger saw it."""
    result = look(
        associations=[],
        items=[an_item()],
        order_coupons=[an_order_coupon(order_id=None, order_item_id=ITEM)],
    )

    (snapshot,) = result.new
    assert snapshot.scope == Scope(ORDER, ITEM)
    assert snapshot.association_id is None
    assert snapshot.association_created_at is None
    assert result.problems == ()


def test_an_association_deleted_after_activation_counts() -> None:
    """Deleting it does not take back what was signed."""
    deleted = an_association(is_deleted=True, deleted_at=ACTIVATED + MINUTE)
    unknown = an_association(is_deleted=True)

    assert len(look(associations=[deleted]).new) == 1
    assert len(look(associations=[unknown]).new) == 1


def test_an_association_deleted_before_activation_does_not_count() -> None:
    """The discount was taken out of the offer before it was signed."""
    result = look(associations=[an_association(is_deleted=True, deleted_at=ACTIVATED - MINUTE)])

    assert result.new == ()
    assert result.problems == ()


def test_an_association_made_after_activation_is_reported_and_not_applied() -> None:
    """It is not part of what was signed."""
    result = look(associations=[an_association(created_at=ACTIVATED + MINUTE)])

    assert result.new == ()
    assert result.missing_order_coupons == ()
    (problem,) = result.problems
    assert (problem.code, problem.effect) == ("association.late", Effect.REPORTED)
    assert ASSOCIATION in problem.message


def test_an_association_of_the_very_second_is_in_time() -> None:
    """It was made in the transaction that activated the order; deleted in it, it does not hold."""
    kept = an_association(created_at=ACTIVATED)
    taken_back = replace(kept, is_deleted=True, deleted_at=ACTIVATED)

    assert len(look(associations=[kept]).new) == 1
    assert look(associations=[taken_back]).new == ()


def test_a_row_that_is_read_twice_counts_once() -> None:
    """Pages overlap when rows change between them."""
    result = look(
        orders=[an_order(), an_order()],
        items=[an_item(), an_item()],
        associations=[a_line_association()],
    )

    assert len(result.new) == 1
    assert codes(result) == ["order_coupon.missing"]


def test_a_late_association_that_was_taken_back_is_no_news() -> None:
    """Somebody noticed already."""
    late = an_association(created_at=ACTIVATED + MINUTE, is_deleted=True)

    assert look(associations=[late]).problems == ()


def test_a_late_association_with_an_order_coupon_is_not_late() -> None:
    """The copy proves that the trigger saw it, whatever the clocks say."""
    result = look(
        associations=[an_association(created_at=ACTIVATED + SECOND)],
        order_coupons=[an_order_coupon()],
    )

    assert [each.association_id for each in result.new] == [ASSOCIATION]
    assert result.problems == ()


def test_late_associations_are_applied_where_policy_says_so() -> None:
    """With the terms at the time they were made; no order coupon is missing for them."""
    result = look(
        associations=[an_association(created_at=ACTIVATED + 2 * DAY)],
        versions=[a_version(), a_version(TWENTY_PERCENT, effective_at=ACTIVATED + DAY)],
        policy=SnapshotPolicy(apply_late=True),
    )

    assert [each.fields["Percent_Off__c"] for each in result.new] == [20]
    assert codes(result) == ["association.late_applied"]
    assert result.missing_order_coupons == ()


def test_two_associations_of_one_coupon_are_one_discount() -> None:
    """Stripe refuses a coupon twice in a list, and one promise is granted once."""
    twice = [an_association(association_id="a1A000000000002AAA"), an_association()]

    result = look(associations=twice, order_coupons=[an_order_coupon()])

    assert [each.association_id for each in result.new] == [ASSOCIATION]
    assert codes(result) == ["association.duplicate"]
    assert "2 times" in result.problems[0].message


def test_two_order_coupons_of_one_coupon_are_one_discount() -> None:
    """The first one is what the trigger wrote."""
    copies = [
        an_order_coupon(TWENTY_PERCENT, order_coupon_id="a1O000000000002AAA"),
        an_order_coupon(),
    ]

    result = look(order_coupons=copies)

    assert [each.fields["Percent_Off__c"] for each in result.new] == [10]
    assert codes(result) == ["order_coupon.duplicate"]
    assert f"the first one, {ORDER_COUPON}," in result.problems[0].message


def test_records_of_other_orders_are_passed_over() -> None:
    """A run is about its own days."""
    result = look(
        associations=[an_association(parent_id="a0Q000000000009AAA")],
        items=[an_item(order_id="801000000000009AAA")],
        order_coupons=[an_order_coupon(order_id="801000000000009AAA")],
    )

    assert result.new == ()
    assert result.problems == ()


# What the trigger left out ----------------------------------------------------------------------


def test_an_order_without_any_order_coupon_is_completed_and_reported() -> None:
    """A trigger that failed leaves an activated order and no visible error."""
    result = look()

    (missing,) = result.missing_order_coupons
    assert codes(result) == ["order_coupon.missing"]
    assert missing.scope == Scope(ORDER, None)
    assert missing.quote_coupon_id == COUPON
    assert dict(missing.fields) == dict(TEN_PERCENT)
    assert not missing.terms_uncertain


def test_an_order_with_some_order_coupons_is_completed_and_reported() -> None:
    """The trigger never completes a partial set."""
    other = "a1C000000000002AAA"
    result = look(
        associations=[
            an_association(),
            an_association(association_id="a1A000000000002AAA", quote_coupon_id=other),
        ],
        order_coupons=[an_order_coupon()],
        versions=[a_version(), a_version(quote_coupon_id=other)],
    )

    assert [each.evidence for each in result.new] == ["order_coupon", "coupon_version"]
    assert codes(result) == ["order_coupon.partial"]
    assert [each.quote_coupon_id for each in result.missing_order_coupons] == [other]


def test_a_missing_order_coupon_holds_the_frozen_terms_and_currency() -> None:
    """It is a copy of what was signed, not of today's coupon."""
    first = look(versions=[a_version({**FIVE_DOLLARS, "Region__c": "North"})])
    frozen = {each.snapshot_id: each for each in first.new}

    again = look(
        versions=[a_version({**FIVE_DOLLARS, "Amount_Off__c": 50})],
        frozen=frozen,
    )

    (missing,) = again.missing_order_coupons
    assert missing.fields["Amount_Off__c"] == 5
    assert missing.currency == "USD"
    assert "Region__c" not in missing.fields
    assert "CurrencyIsoCode" not in missing.fields


def test_uncertain_terms_say_so_on_the_missing_order_coupon() -> None:
    """Writing it would turn a guess into evidence."""
    result = look(versions=[a_version(effective_at=ACTIVATED + DAY)])

    assert [each.terms_uncertain for each in result.missing_order_coupons] == [True]


def test_a_completed_order_coupon_is_not_missing_any_more() -> None:
    """Never written twice."""
    frozen = {each.snapshot_id: each for each in look().new}

    again = look(frozen=frozen, order_coupons=[an_order_coupon(created_at=ACTIVATED + DAY)])

    assert again.new == ()
    assert again.missing_order_coupons == ()
    assert again.problems == ()


# Races ------------------------------------------------------------------------------------------


def test_a_change_right_after_activation_that_the_copy_missed_is_a_race() -> None:
    """A workflow meant to run before the order's update ran after it."""
    result = look(
        order_coupons=[an_order_coupon()],
        versions=[a_version(), a_version(TWENTY_PERCENT, effective_at=ACTIVATED + 5 * SECOND)],
    )

    (problem,) = result.problems
    assert (problem.code, problem.effect) == ("coupon.race", Effect.WARNING)
    assert "2026-03-10T12:00:00Z" in problem.message
    assert "2026-03-10T12:00:05Z" in problem.message
    assert "Percent_Off__c is 10 on the order and became 20" in problem.message
    assert [each.fields["Percent_Off__c"] for each in result.new] == [10]


def test_a_change_just_before_activation_that_the_copy_missed_is_a_race() -> None:
    """Both happened in one transaction, in the wrong order."""
    result = look(
        order_coupons=[an_order_coupon()],
        versions=[a_version(TWENTY_PERCENT, effective_at=ACTIVATED)],
    )

    assert codes(result) == ["coupon.race"]


@pytest.mark.parametrize("seconds", [-60, -1, 0, 1, 60])
def test_the_only_known_version_can_show_a_race(seconds: int) -> None:
    """Mostly the coupon is first seen after its order."""
    result = look(
        order_coupons=[an_order_coupon({"Percent_Off__c": 10})],
        versions=[a_version({"Percent_Off__c": 20}, effective_at=ACTIVATED + seconds * SECOND)],
    )

    assert codes(result) == ["coupon.race"]


def test_a_change_that_the_copy_has_is_no_race() -> None:
    """10 and 10.0 are one percentage."""
    result = look(
        order_coupons=[an_order_coupon({**TEN_PERCENT, "Percent_Off__c": Decimal("10.0")})],
        versions=[a_version(TWENTY_PERCENT), a_version(effective_at=ACTIVATED - SECOND)],
    )

    assert result.problems == ()


def test_a_race_is_seen_without_a_copy_too() -> None:
    """Then the version in force was frozen and the change came seconds too late."""
    result = look(
        versions=[a_version(), a_version(TWENTY_PERCENT, effective_at=ACTIVATED + 5 * SECOND)]
    )

    assert "coupon.race" in codes(result)


@pytest.mark.parametrize("after", [61 * SECOND, DAY, -61 * SECOND])
def test_an_ordinary_edit_is_no_race(after: timedelta) -> None:
    """Coupons are edited all the time."""
    result = look(
        order_coupons=[an_order_coupon()],
        versions=[a_version(TWENTY_PERCENT, effective_at=ACTIVATED + after)],
    )

    assert result.problems == ()


# Versions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"Stripe_ID__c": "sf-1"},
        {"Stripe_Dashboard_Link__c": "https://dashboard.stripe.com/coupons/sf-1"},
        {"LastModifiedDate": "2026-03-11T00:00:00.000+0000"},
        {"SystemModstamp": "2026-03-11T00:00:00.000+0000", "LastModifiedById": "005"},
        {"Percent_Off__c": Decimal("10.00")},
        {"Newly_Readable__c": "x"},
        {"Campaign__r.Name": "Renamed"},
    ],
)
def test_what_nobody_edited_is_no_edit(changes: dict[str, Any]) -> None:
    """Our own write-back of the Stripe id moves LastModifiedDate like an edit."""
    before = a_version({**TEN_PERCENT, "Stripe_ID__c": None, "Campaign__r.Name": "Spring"})
    after = a_version({**before.fields, **changes}, effective_at=ACTIVATED + DAY)

    assert not is_edit(before, after)
    assert observe(before, after).effective_at == before.effective_at
    assert observe(before, after).fields == after.fields


@pytest.mark.parametrize(
    "changes",
    [{"Percent_Off__c": 11}, {"Name__c": None}, {"Region__c": "South"}],
)
def test_a_changed_field_is_an_edit(changes: dict[str, Any]) -> None:
    """A customer's own field may feed a term."""
    before = a_version({**TEN_PERCENT, "Region__c": "North"})
    after = a_version({**before.fields, **changes}, effective_at=ACTIVATED + DAY)

    assert is_edit(before, after)
    assert observe(before, after) == after


def test_a_changed_currency_is_an_edit() -> None:
    """It is the amount's currency."""
    before = a_version(FIVE_DOLLARS)

    assert is_edit(before, replace(before, currency="EUR"))


def test_the_first_observation_is_a_version() -> None:
    """Nothing is known about what was before."""
    assert observe(None, a_version()) == a_version()


def test_a_write_back_does_not_make_the_terms_uncertain() -> None:
    """The coupon had these terms before the order activated, and has them still."""
    first = a_version({**TEN_PERCENT, "Stripe_ID__c": None}, effective_at=ACTIVATED - DAY)
    written = a_version({**first.fields, "Stripe_ID__c": "sf-1"}, effective_at=ACTIVATED + MINUTE)

    (snapshot,) = look(versions=[observe(first, written)]).new

    assert snapshot.evidence == "coupon_version"
    assert not snapshot.terms_uncertain


@given(st.lists(st.integers(-50, 50), unique=True), st.integers(-60, 60))
def test_the_version_in_force_is_the_latest_that_had_taken_effect(
    minutes: list[int], at: int
) -> None:
    """The rule, as a search over all of them."""
    versions = [a_version(effective_at=ACTIVATED + each * MINUTE) for each in minutes]
    history = VersionHistory(versions)
    moment = ACTIVATED + at * MINUTE

    before = [each for each in versions if each.effective_at <= moment]
    expected = max(before, key=lambda each: each.effective_at, default=None)

    assert history.in_force(COUPON, moment) == expected
    assert history.in_force("a1C000000000009AAA", moment) is None


# Laws -------------------------------------------------------------------------------------------

Org = tuple[list[Order], list[OrderItem], list[Association], list[OrderCoupon], list[CouponVersion]]


@st.composite
def orgs(draw: st.DrawFn) -> Org:
    """A few orders, lines and coupons, tied together in any way."""
    numbers = range(draw(st.integers(1, 3)))
    times = st.integers(-4, 4).map(lambda step: ACTIVATED + step * timedelta(seconds=20))
    orders = [an_order(order_id=f"801{n:012}AAA", quote_id=f"a0Q{n // 2:012}AAA") for n in numbers]
    items = [
        an_item(
            order_item_id=f"802{n:012}AAA",
            order_id=draw(st.sampled_from(orders)).order_id,
            quote_line_id=f"a0L{n % 2:012}AAA",
        )
        for n in range(draw(st.integers(0, 3)))
    ]
    coupons = st.integers(0, 2).map(lambda n: f"a1C{n:012}AAA")
    associations = [
        an_association(
            association_id=f"a1A{n:012}AAA",
            level=(level := draw(st.sampled_from(["order", "order_item"]))),
            parent_id=f"{'a0Q' if level == 'order' else 'a0L'}{draw(st.integers(0, 1)):012}AAA",
            quote_coupon_id=draw(coupons),
            created_at=draw(times),
            is_deleted=(gone := draw(st.booleans())),
            deleted_at=draw(st.none() | times) if gone else None,
        )
        for n in range(draw(st.integers(0, 4)))
    ]
    order_coupons = [
        an_order_coupon(
            order_coupon_id=f"a1O{n:012}AAA",
            order_id=draw(st.sampled_from(orders)).order_id,
            order_item_id=draw(st.sampled_from([None, *(each.order_item_id for each in items)])),
            quote_coupon_id=draw(coupons),
            fields=draw(st.sampled_from([TEN_PERCENT, TWENTY_PERCENT])),
        )
        for n in range(draw(st.integers(0, 3)))
    ]
    moments = draw(st.lists(st.tuples(coupons, times), unique=True, max_size=4))
    versions = [
        a_version(
            draw(st.sampled_from([TEN_PERCENT, TWENTY_PERCENT])),
            quote_coupon_id=coupon,
            effective_at=at,
        )
        for coupon, at in moments
    ]
    return orders, items, associations, order_coupons, versions


policies = st.builds(
    SnapshotPolicy, uncertain=st.sampled_from(["use", "block"]), apply_late=st.booleans()
)


def taken(org: Org, policy: SnapshotPolicy, frozen: Any = None) -> Any:
    orders, items, associations, order_coupons, versions = org
    return take_snapshots(
        ORG,
        orders=orders,
        items=items,
        associations=associations,
        order_coupons=order_coupons,
        versions=versions,
        frozen=frozen or {},
        policy=policy,
    )


@given(orgs(), policies, st.randoms(use_true_random=False))
def test_snapshots_do_not_depend_on_the_order_of_the_rows(
    org: Org, policy: SnapshotPolicy, shuffle: Any
) -> None:
    """Salesforce promises no order, and pages may come in any."""
    shuffled: Any = tuple(shuffle.sample(rows, len(rows)) for rows in org)

    assert taken(shuffled, policy) == taken(org, policy)


@given(orgs(), policies)
def test_a_second_look_gives_nothing_new_and_says_the_same(
    org: Org, policy: SnapshotPolicy
) -> None:
    """A frozen snapshot is never made again, and what is odd stays visible."""
    first = taken(org, policy)
    frozen = {each.snapshot_id: each for each in first.new}

    second = taken(org, policy, frozen)

    assert second.new == ()
    assert second.problems == first.problems
    assert second.missing_order_coupons == first.missing_order_coupons


@given(orgs(), policies)
def test_there_is_one_snapshot_for_each_scope_and_coupon(org: Org, policy: SnapshotPolicy) -> None:
    """One promise is granted once, and its id says which it is."""
    result = taken(org, policy)

    keys = [(each.scope, each.quote_coupon_id) for each in result.new]
    assert len(set(keys)) == len(keys)
    assert all(
        each.snapshot_id == snapshot_id(ORG, each.scope, each.quote_coupon_id)
        for each in result.new
    )
    assert all(problem.code in CATALOGUE for problem in result.problems)
    assert all("(unknown" not in problem.message for problem in result.problems)


def test_a_snapshots_id_is_what_it_was_yesterday() -> None:
    """A changed derivation would freeze and grant everything a second time."""
    assert snapshot_id(ORG, Scope(ORDER, None), COUPON) == "sn_dc4c8674c1f6c73adec703e0"
    assert snapshot_id(ORG, Scope(ORDER, ITEM), COUPON) == "sn_e84e6a0b32d46ffed777c54d"
