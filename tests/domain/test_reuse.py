"""Create, reuse, adopt, update or block: one Stripe coupon for each org, quote coupon and terms."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.problems import CATALOGUE
from coupon_pipeline.domain.reuse import (
    CouponAction,
    CouponPlanner,
    KnownCoupon,
    Missing,
    Reading,
    metadata_changes,
    terms_of_stripe,
)
from coupon_pipeline.domain.terms import Terms
from coupon_pipeline.domain.wanted import CouponRequest, WantedCoupon, wanted_coupons
from tests.domain.strategies import (
    ACTIVATED,
    COUPON,
    DAY,
    ORDER,
    a_derived_coupon,
    a_snapshot,
    a_wanted_coupon,
    all_terms,
    in_stripe,
)

NOW = datetime(2026, 4, 1, tzinfo=UTC)
TERMS = Terms.of(duration="once", name="Spring", percent_off=Decimal(10))
OTHER_TERMS = replace(TERMS, percent_off=Decimal(15))
DERIVED = a_derived_coupon(TERMS).coupon_id
METADATA = {"campaign": "Spring"}


def a_known_coupon(terms: Terms = TERMS, **changes: Any) -> KnownCoupon:
    derived = a_derived_coupon(terms)
    known = KnownCoupon(
        quote_coupon_id=COUPON,
        terms_hash=derived.terms_hash,
        coupon_id=derived.coupon_id,
        origin="created",
        terms=terms,
        metadata=METADATA,
        first_order_id=ORDER,
        recorded_at=ACTIVATED,
    )
    return replace(known, **changes)


def decide(
    wanted: WantedCoupon,
    readings: Mapping[str, Reading] | None = None,
    *known: KnownCoupon,
    livemode: bool = False,
) -> CouponAction:
    planner = CouponPlanner(known, now=NOW, livemode=livemode)
    assert planner.next_reads([wanted]) == set(readings or {})
    (action,) = planner.plan([wanted], readings or {})
    return action


# Create and reuse -------------------------------------------------------------------------------


def test_new_terms_make_a_coupon_without_asking_stripe_first() -> None:
    """Its derived id makes a second one impossible, so the question is not needed."""
    action = decide(a_wanted_coupon(TERMS))

    assert action.decision == "create"
    assert action.key == a_known_coupon().key
    assert action.coupon_id == DERIVED
    assert action.metadata_changes == METADATA
    assert action.near_matches == ()


def test_a_known_coupon_is_reused_and_says_since_when() -> None:
    """Every order with the same terms shares it."""
    action = decide(a_wanted_coupon(TERMS), {DERIVED: in_stripe(TERMS, DERIVED)}, a_known_coupon())

    assert action.decision == "reuse"
    assert action.coupon_id == DERIVED
    assert "2026-03-10T12:00:00Z" in action.reason
    assert ORDER in action.reason
    assert action.metadata_changes == {}


def test_changed_terms_make_another_coupon_and_say_what_differs() -> None:
    """The salesperson edited the coupon between two orders."""
    action = decide(a_wanted_coupon(OTHER_TERMS), {}, a_known_coupon())

    assert action.decision == "create"
    assert action.coupon_id != DERIVED
    (near,) = action.near_matches
    assert near.coupon_id == DERIVED
    assert [str(each) for each in near.differences] == ["percent_off is 10, not 15"]
    assert "percent_off is 10, not 15" in action.reason


def test_the_latest_coupon_of_other_terms_is_the_near_match() -> None:
    """Of many editions the last one is what people remember."""
    oldest = a_known_coupon(replace(TERMS, percent_off=Decimal(5)))
    latest = a_known_coupon(recorded_at=ACTIVATED + DAY)

    action = decide(a_wanted_coupon(OTHER_TERMS), {}, latest, oldest)

    assert [near.coupon_id for near in action.near_matches] == [latest.coupon_id]


def test_an_id_that_exists_with_the_same_terms_is_reused() -> None:
    """The ledger was lost, or the answer to the creation was."""
    planner = CouponPlanner((), now=NOW, livemode=False)

    action = planner.after_conflict(a_wanted_coupon(TERMS), in_stripe(TERMS, DERIVED))

    assert action.decision == "reuse"
    assert action.coupon_id == DERIVED


def test_an_id_that_exists_with_other_content_is_an_error() -> None:
    """Somebody deleted the coupon and made it again with other terms."""
    planner = CouponPlanner((), now=NOW, livemode=False)

    action = planner.after_conflict(a_wanted_coupon(TERMS), in_stripe(OTHER_TERMS, DERIVED))

    assert action.decision == "blocked"
    assert action.blocked is not None
    assert action.blocked.code == "coupon.id_conflict"
    assert "percent_off is 15, not 10" in action.reason


def test_nothing_is_made_for_terms_that_nothing_new_is_attached_to() -> None:
    """After a mapping change the orders that have their discount keep it."""
    planner = CouponPlanner((), now=NOW, livemode=False)
    wanted = a_wanted_coupon(TERMS, new_attachments=0, stripe_ids=("old",))

    assert planner.next_reads([wanted]) == set()
    assert planner.plan([wanted], {}) == ()


def test_a_second_run_reads_and_writes_nothing() -> None:
    """Reads are limited too, and a quiet account should stay quiet."""
    action = decide(a_wanted_coupon(TERMS, new_attachments=0), {}, a_known_coupon())

    assert action.decision == "reuse"
    assert action.metadata_changes == {}


@given(all_terms(), all_terms())
def test_terms_decide_about_reuse_and_nothing_else(ours: Terms, theirs: Terms) -> None:
    """Equality is decided on canonical terms, never on an API's formatting."""
    wanted = a_wanted_coupon(ours)
    planner = CouponPlanner((), now=NOW - timedelta(days=9999), livemode=False)

    action = planner.after_conflict(wanted, in_stripe(theirs, wanted.derived.coupon_id))

    assert terms_of_stripe(in_stripe(theirs, "x")) == theirs
    assert (action.decision == "blocked") == (ours != theirs)


# Adoption ---------------------------------------------------------------------------------------


def test_a_coupon_that_somebody_else_made_is_adopted_when_its_terms_are_equal() -> None:
    """It has our metadata from then on."""
    found = in_stripe(TERMS, "qfR2x", metadata={"theirs": "x"})

    action = decide(a_wanted_coupon(TERMS, stripe_ids=("qfR2x",)), {"qfR2x": found})

    assert action.decision == "adopt"
    assert action.coupon_id == "qfR2x"
    assert action.metadata_changes == METADATA


def test_a_near_match_is_not_adopted_and_says_what_differed() -> None:
    """A coupon that looks right is not good enough."""
    near = in_stripe(replace(TERMS, max_redemptions=5), "qfR2x")

    action = decide(a_wanted_coupon(TERMS, stripe_ids=("qfR2x",)), {"qfR2x": near})

    assert action.decision == "create"
    assert action.coupon_id == DERIVED
    (rejected,) = action.near_matches
    assert rejected.coupon_id == "qfR2x"
    assert [str(each) for each in rejected.differences] == ["max_redemptions is 5, not none"]


def test_the_second_named_coupon_is_adopted_when_the_first_differs() -> None:
    """The order coupon and the quote coupon may name different ones."""
    readings = {"a": in_stripe(OTHER_TERMS, "a"), "b": in_stripe(TERMS, "b")}

    action = decide(a_wanted_coupon(TERMS, stripe_ids=("a", "b")), readings)

    assert (action.decision, action.coupon_id) == ("adopt", "b")
    assert [near.coupon_id for near in action.near_matches] == ["a"]


def test_our_own_coupon_named_by_the_record_is_found_again() -> None:
    """The ledger was lost after the id had been written back."""
    wanted = a_wanted_coupon(TERMS, stripe_ids=(DERIVED,))

    action = decide(wanted, {DERIVED: in_stripe(TERMS, DERIVED)})

    assert action.decision == "reuse"
    assert "again" in action.reason


def test_our_own_coupon_of_earlier_terms_is_not_asked_about() -> None:
    """The record names it until the new one is written back; it was made from other terms."""
    earlier = a_derived_coupon(OTHER_TERMS).coupon_id

    assert decide(a_wanted_coupon(TERMS, stripe_ids=(earlier,))).decision == "create"


def test_a_text_that_is_no_coupon_id_is_not_asked_about() -> None:
    """Stripe_ID__c is free text, and ids enter URL paths."""
    wanted = a_wanted_coupon(TERMS, stripe_ids=("../subscriptions", "", "see note"))

    assert decide(wanted).decision == "create"


def test_a_coupon_of_another_quote_coupon_is_not_adopted() -> None:
    """A cloned record names its original's coupon; each would rewrite the other's metadata."""
    found = in_stripe(
        TERMS, "qfR2x", metadata={"salesforce_quote_stripe_coupon_id": "a1C000000000777AAA"}
    )

    action = decide(a_wanted_coupon(TERMS, stripe_ids=("qfR2x",)), {"qfR2x": found})

    assert action.decision == "create"
    assert "a1C000000000777AAA" in action.reason


def test_two_quote_coupons_do_not_adopt_the_same_coupon() -> None:
    """Also when neither has left its mark on it yet."""
    twin = "a1C000000000002AAA"
    wanted = [
        a_wanted_coupon(TERMS, coupon=twin, stripe_ids=("qfR2x",)),
        a_wanted_coupon(TERMS, stripe_ids=("qfR2x",)),
    ]
    planner = CouponPlanner((), now=NOW, livemode=False)

    actions = planner.plan(wanted, {"qfR2x": in_stripe(TERMS, "qfR2x")})

    assert [(each.quote_coupon_id, each.decision) for each in actions] == [
        (COUPON, "adopt"),
        (twin, "create"),
    ]


def test_a_coupon_that_is_gone_blocks_every_quote_coupon_that_names_it() -> None:
    """The first one blocked does not free the way for the second."""
    wanted = [
        a_wanted_coupon(TERMS, stripe_ids=("gone",)),
        a_wanted_coupon(TERMS, coupon="a1C000000000002AAA", stripe_ids=("gone",)),
    ]
    planner = CouponPlanner((), now=NOW, livemode=False)

    actions = planner.plan(wanted, {"gone": Missing.ABSENT})

    assert [each.decision for each in actions] == ["blocked", "blocked"]


@pytest.mark.parametrize("length", [15, 18])
def test_the_mark_of_this_quote_coupon_is_known_in_both_forms_of_its_id(length: int) -> None:
    """Older syncs wrote the short form."""
    mark = {"salesforce_sandbox_quote_stripe_coupon_id": COUPON[:length]}
    found = in_stripe(TERMS, "qfR2x", metadata=mark)
    twin = in_stripe(TERMS, "qfR2x", metadata=dict.fromkeys(mark, f"{COUPON[:14]}2"))
    wanted = a_wanted_coupon(TERMS, stripe_ids=("qfR2x",))

    assert decide(wanted, {"qfR2x": found}).decision == "adopt"
    assert decide(wanted, {"qfR2x": twin}).decision == "create"


def test_an_adopted_coupon_says_that_it_was_adopted() -> None:
    """Nobody should look for the run that made it."""
    known = a_known_coupon(coupon_id="qfR2x", origin="adopted")

    action = decide(a_wanted_coupon(TERMS), {"qfR2x": in_stripe(TERMS, "qfR2x")}, known)

    assert action.decision == "reuse"
    assert action.reason.startswith("Adopted at 2026-03-10T12:00:00Z")
    assert decide(
        a_wanted_coupon(TERMS, new_attachments=0), {}, a_known_coupon()
    ).reason.startswith("Made at")


@pytest.mark.parametrize(("seconds", "outcome"), [(-1, "blocked"), (0, "blocked"), (1, "goes on")])
def test_a_coupon_ends_with_the_second_that_it_names(seconds: int, outcome: str) -> None:
    """The same rule for a coupon that exists and for one still to be made."""
    terms = replace(TERMS, redeem_by=int(NOW.timestamp()) + seconds)
    known = a_known_coupon(terms)
    found = in_stripe(terms, known.coupon_id)

    reused = decide(a_wanted_coupon(terms), {known.coupon_id: found}, known)
    created = decide(a_wanted_coupon(terms))

    assert (reused.decision == "blocked") == (outcome == "blocked")
    assert (created.decision == "blocked") == (outcome == "blocked")


def test_a_coupon_that_the_ledger_gave_to_another_quote_coupon_stays_there() -> None:
    """The first owner was decided in an earlier run."""
    owner = a_known_coupon(
        quote_coupon_id="a1C000000000002AAA", coupon_id="qfR2x", origin="adopted"
    )
    wanted = a_wanted_coupon(TERMS, stripe_ids=("qfR2x",))

    assert decide(wanted, {"qfR2x": in_stripe(TERMS, "qfR2x")}, owner).decision == "create"


# What Stripe ended ------------------------------------------------------------------------------

UNTIL = datetime(2026, 3, 31, tzinfo=UTC)
EXPIRED = replace(TERMS, redeem_by=int(UNTIL.timestamp()))
LIMITED = replace(TERMS, max_redemptions=3)


@pytest.mark.parametrize(
    ("terms", "reading", "code", "told"),
    [
        (TERMS, Missing.ABSENT, "coupon.deleted_in_stripe", DERIVED),
        (TERMS, Missing.DELETED, "coupon.deleted_in_stripe", DERIVED),
        (TERMS, Missing.OTHER_MODE, "coupon.livemode_mismatch", "live"),
        (TERMS, {"livemode": True}, "coupon.livemode_mismatch", "live"),
        (EXPIRED, {"valid": False}, "coupon.expired", "2026-03-31"),
        (LIMITED, {"times_redeemed": 3, "valid": False}, "coupon.exhausted", "3 times of 3"),
        (LIMITED, {"times_redeemed": 2, "valid": False}, "coupon.not_valid", "redeemed"),
        (TERMS, {"name": "Renamed"}, "coupon.id_conflict", "name is Renamed, not Spring"),
        (TERMS, {"percent_off": Decimal(11)}, "coupon.id_conflict", "percent_off is 11"),
    ],
)
def test_an_ended_coupon_blocks_new_discounts_and_is_not_made_again(
    terms: Terms, reading: Missing | dict[str, Any], code: str, told: str
) -> None:
    """Somebody ended the offer: another coupon would work around them."""
    known = a_known_coupon(terms)
    if isinstance(reading, dict):
        found: Reading = replace(in_stripe(terms, known.coupon_id), **reading)
    else:
        found = reading
    told = told.replace(DERIVED, known.coupon_id)

    action = decide(a_wanted_coupon(terms), {known.coupon_id: found}, known)
    adopted = decide(
        a_wanted_coupon(terms, stripe_ids=(known.coupon_id,)), {known.coupon_id: found}
    )

    for each in (action, adopted):
        assert each.decision == "blocked"
        assert each.blocked is not None
        assert each.blocked.code == code
        assert told in each.reason
        assert "(unknown" not in each.reason


@pytest.mark.parametrize(
    ("reading", "code"),
    [
        (Missing.ABSENT, "coupon.deleted_in_stripe"),
        (Missing.OTHER_MODE, "coupon.livemode_mismatch"),
    ],
)
def test_a_named_coupon_that_is_gone_blocks_instead_of_being_made_again(
    reading: Missing, code: str
) -> None:
    """Whether it was these terms cannot be seen any more; the operator clears the field."""
    action = decide(a_wanted_coupon(TERMS, stripe_ids=("qfR2x",)), {"qfR2x": reading})

    assert action.blocked is not None
    assert action.blocked.code == code


def test_a_named_coupon_that_is_gone_does_not_hide_one_that_serves() -> None:
    """The order coupon may be older than the quote coupon's id."""
    readings: dict[str, Reading] = {"gone": Missing.ABSENT, "here": in_stripe(TERMS, "here")}

    action = decide(a_wanted_coupon(TERMS, stripe_ids=("gone", "here")), readings)

    assert (action.decision, action.coupon_id) == ("adopt", "here")


def test_an_ended_coupon_is_no_problem_where_nothing_new_is_attached() -> None:
    """Discounts that were made from it go on."""
    action = decide(a_wanted_coupon(EXPIRED, new_attachments=0), {}, a_known_coupon(EXPIRED))

    assert action.decision == "reuse"
    assert action.blocked is None


def test_a_coupon_is_not_made_after_its_last_day() -> None:
    """Stripe would refuse it."""
    action = decide(a_wanted_coupon(EXPIRED))

    assert action.blocked is not None
    assert action.blocked.code == "coupon.expired"


@pytest.mark.parametrize(
    ("until", "decision"),
    [
        (datetime(2031, 4, 1, tzinfo=UTC), "create"),
        (datetime(2031, 4, 1, 0, 0, 1, tzinfo=UTC), "blocked"),
    ],
)
def test_a_coupon_lasts_at_most_five_years(until: datetime, decision: str) -> None:
    """Stripe's limit, named before the request is made."""
    action = decide(a_wanted_coupon(replace(TERMS, redeem_by=int(until.timestamp()))))

    assert action.decision == decision
    if action.blocked is not None:
        assert action.blocked.code == "coupon.redeem_by_too_far"
        assert "2031-04-01" in action.reason


@pytest.mark.parametrize(
    ("until", "code"),
    [
        (datetime(2033, 2, 28, tzinfo=UTC), None),
        (datetime(2033, 2, 28, 0, 0, 1, tzinfo=UTC), "coupon.redeem_by_too_far"),
    ],
)
def test_five_years_from_a_leap_day_end_on_the_last_of_february(
    until: datetime, code: str | None
) -> None:
    """There is no 29 February five years later."""
    leap = datetime(2028, 2, 29, tzinfo=UTC)
    wanted = a_wanted_coupon(replace(TERMS, redeem_by=int(until.timestamp())))

    (action,) = CouponPlanner((), now=leap, livemode=False).plan([wanted], {})

    assert (action.blocked.code if action.blocked else None) == code


def test_what_blocks_a_coupon_is_told_in_the_same_words_the_next_day() -> None:
    """Salesforce is told of a problem once, not once a run."""
    wanted = a_wanted_coupon(replace(TERMS, redeem_by=int(ACTIVATED.timestamp()) + 10**9))

    told = {
        action.reason
        for now in (ACTIVATED, ACTIVATED + DAY)
        for action in CouponPlanner((), now=now, livemode=False).plan([wanted], {})
    }

    assert len(told) == 1


def test_the_redemptions_left_are_shared_by_all_orders() -> None:
    """Whoever attaches needs to know how many will still work."""
    used = in_stripe(LIMITED, a_derived_coupon(LIMITED).coupon_id, times_redeemed=1)

    reused = decide(a_wanted_coupon(LIMITED), {used.coupon_id: used}, a_known_coupon(LIMITED))

    assert reused.redemptions_left == 2
    assert decide(a_wanted_coupon(LIMITED)).redemptions_left == 3
    assert decide(a_wanted_coupon(TERMS)).redemptions_left is None


# Metadata ---------------------------------------------------------------------------------------


def test_a_coupon_that_only_a_proof_tells_of_is_not_updated_unread() -> None:
    """It may be gone, or another one that somebody made under its id."""
    action = decide(a_wanted_coupon(TERMS, new_attachments=0), {}, a_known_coupon(metadata={}))

    assert action.decision == "reuse"
    assert action.metadata_changes == {}
    assert action.metadata == {}


def test_changed_metadata_updates_the_coupon_in_place() -> None:
    """It is no part of the terms, so no new coupon is made, and nothing needs to be read."""
    wanted = a_wanted_coupon(TERMS, metadata={"campaign": "Autumn"}, new_attachments=0)

    action = decide(wanted, {}, a_known_coupon())

    assert action.decision == "update"
    assert action.coupon_id == DERIVED
    assert action.metadata_changes == {"campaign": "Autumn"}
    assert "campaign" in action.reason


def test_only_the_keys_that_differ_in_stripe_are_sent() -> None:
    """Other people's keys are theirs."""
    wanted = a_wanted_coupon(TERMS, metadata={"campaign": "Autumn", "region": "North"})
    found = in_stripe(TERMS, DERIVED, metadata={"campaign": "Autumn", "theirs": "x"})

    action = decide(wanted, {DERIVED: found}, a_known_coupon())

    assert action.decision == "update"
    assert action.metadata_changes == {"region": "North"}


def test_a_key_that_the_mapping_no_longer_has_is_unset() -> None:
    """Only if we wrote it, and only if it is still there."""
    known = a_known_coupon(metadata={**METADATA, "old": "x", "gone": "y"})
    found = in_stripe(TERMS, DERIVED, metadata={**METADATA, "old": "x", "theirs": "z"})

    action = decide(a_wanted_coupon(TERMS), {DERIVED: found}, known)

    assert action.metadata_changes == {"old": ""}


maps = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("xyz"))


@given(maps, maps, maps)
def test_after_an_update_nothing_is_left_to_update(
    wanted: dict[str, str], present: dict[str, str], written: dict[str, str]
) -> None:
    """Otherwise every run would write."""
    changes = metadata_changes(wanted, present, written)
    after = {key: value for key, value in (present | changes).items() if value}

    assert metadata_changes(wanted, after, wanted) == {}
    assert wanted.items() <= after.items()
    others = present.keys() - written.keys() - wanted.keys()
    assert {key: after[key] for key in others} == {key: present[key] for key in others}


# Wanted coupons ---------------------------------------------------------------------------------

INSTANCE = "https://acme.my.salesforce.com"


def a_request(number: int, campaign: str, **changes: Any) -> CouponRequest:
    snapshot = a_snapshot(snapshot_id=f"sn_{number}", activated_at=ACTIVATED + number * DAY)
    derived = a_derived_coupon(TERMS, {"campaign": campaign})
    request = CouponRequest(snapshot, derived, needs_attachment=True)
    return replace(request, **changes)


def test_orders_with_the_same_terms_want_one_coupon() -> None:
    """Its metadata is that of the order that was activated last."""
    requests = [
        a_request(2, "Autumn", stripe_ids=("second", "quote")),
        a_request(1, "Spring", stripe_ids=("first", "quote"), needs_attachment=False),
    ]

    (wanted,) = wanted_coupons(requests, instance_url=INSTANCE)

    assert wanted.metadata["campaign"] == "Autumn"
    assert wanted.new_attachments == 1
    assert wanted.first_order_id == ORDER
    assert wanted.stripe_ids == ("first", "second", "quote")


@given(st.permutations([a_request(number, str(number)) for number in range(4)]))
def test_wanted_coupons_do_not_depend_on_the_order_of_the_rows(
    requests: list[CouponRequest],
) -> None:
    """Otherwise two runs could write different metadata in turn."""
    (wanted,) = wanted_coupons(requests, instance_url=INSTANCE)

    assert wanted.metadata["campaign"] == "3"


def test_other_terms_want_another_coupon() -> None:
    """Editing the coupon between two orders gives two."""
    edited = a_request(2, "Spring", derived=a_derived_coupon(OTHER_TERMS))

    wanted = wanted_coupons([a_request(1, "Spring"), edited], instance_url=INSTANCE)

    assert {each.derived.terms for each in wanted} == {TERMS, OTHER_TERMS}
    assert [each.key for each in wanted] == sorted(each.key for each in wanted)


def test_every_code_of_a_decision_is_in_the_catalogue() -> None:
    """The decision's sentence and remedy come from there."""
    for code in ("deleted_in_stripe", "expired", "exhausted", "not_valid", "livemode_mismatch"):
        assert CATALOGUE[f"coupon.{code}"].effect == "blocked"


def test_a_renamed_org_does_not_rewrite_every_link() -> None:
    """The record's path stays the same, and the old domain redirects."""
    key = "salesforce_quote_stripe_coupon_link"
    old, new = {key: f"https://old.example/{COUPON}"}, {key: f"https://new.example/{COUPON}"}

    assert metadata_changes(new, old, old) == {}
    assert metadata_changes(new, {key: "https://old.example/elsewhere"}, old) == new
