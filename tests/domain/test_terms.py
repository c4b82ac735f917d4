"""Canonical terms, their hash, the coupon id, and what raw fields mean."""

import json
import re
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coupon_pipeline.domain.derivation import (
    DerivedCoupon,
    DeriveOptions,
    currency_disagreement,
    derive,
    derive_all,
    derive_coupon,
    full_metadata,
)
from coupon_pipeline.domain.mapping import parse_mapping
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.rates import ConversionRates
from coupon_pipeline.domain.records import RawFields, Scalar
from coupon_pipeline.domain.terms import (
    TermDifference,
    Terms,
    canonical,
    coupon_id,
    differences,
    parameters,
    terms_from_canonical,
    terms_hash,
)
from tests.domain.strategies import (
    COUPON,
    FIVE_DOLLARS,
    ORG,
    TEN_PERCENT,
    a_derived_coupon,
    a_snapshot,
    all_terms,
    blocked,
    derived,
    percentages,
    respelled,
)

RATES = ConversionRates(
    as_of=date(2026, 3, 10),
    source="DatedConversionRate",
    rates={
        "USD": Decimal(1),
        "EUR": Decimal("0.9"),
        "JPY": Decimal("150.5"),
        "KWD": Decimal("0.3"),
        "HRK": Decimal(7),
    },
)
CONVERTING = parse_mapping('[currency]\noptions = "corporate_rates"\n')
PERCENT_TERMS = Terms.of(duration="once", name="Spring", percent_off=Decimal(10))


# Canonical form ---------------------------------------------------------------------------------


@given(all_terms())
def test_canonical_terms_read_back_as_the_same_terms(terms: Terms) -> None:
    """The ledger keeps the text, and compares what it reads from it."""
    again = terms_from_canonical(canonical(terms))

    assert again == terms
    assert canonical(again) == canonical(terms)


@given(all_terms(), all_terms())
def test_terms_are_equal_exactly_when_their_hashes_are(ours: Terms, theirs: Terms) -> None:
    """The coupon id is made from the hash, so a collision would share a coupon."""
    assert (ours == theirs) == (terms_hash(ours) == terms_hash(theirs))
    assert (ours == theirs) == (differences(ours, theirs) == ())


@given(all_terms(), all_terms(), st.sampled_from([each.name for each in fields(Terms)]))
def test_any_single_change_of_a_term_gives_another_id(
    terms: Terms, other: Terms, changed: str
) -> None:
    """Two customers with different terms must never share a Stripe coupon."""
    one = replace(terms, **{changed: getattr(other, changed)})
    assume(one != terms)

    assert terms_hash(one) != terms_hash(terms)
    assert coupon_id(ORG, COUPON, terms_hash(one)) != coupon_id(ORG, COUPON, terms_hash(terms))
    assert [each.field for each in differences(terms, one)] == [changed]


def test_canonical_terms_hold_no_nulls_and_sorted_keys() -> None:
    """The text is what is hashed: it must not depend on who wrote it."""
    text = canonical(
        Terms.of(
            duration="repeating",
            amount_off=500,
            currency="USD",
            currency_options={"jpy": 800, "EUR": 450, "usd": 500},
            duration_in_months=3,
            applies_to_products=("prod_b", "prod_a", "prod_b"),
        )
    )

    assert text == (
        '{"amount_off":500,"applies_to":{"products":["prod_a","prod_b"]},"currency":"usd",'
        '"currency_options":{"eur":{"amount_off":450},"jpy":{"amount_off":800}},'
        '"duration":"repeating","duration_in_months":3}'
    )


@pytest.mark.parametrize("spelling", ["10", "10.0", "10.00", "1E+1"])
def test_a_percentage_has_one_spelling(spelling: str) -> None:
    """Stripe answers 10.0 where 10 was sent."""
    terms = replace(PERCENT_TERMS, percent_off=Decimal(spelling))

    assert parameters(terms)["percent_off"] == "10"
    assert terms_hash(terms) == terms_hash(PERCENT_TERMS)


@pytest.mark.parametrize("duration", ["once", "forever"])
def test_months_count_with_repeating_only(duration: Any) -> None:
    """CPQ keeps the months when somebody changes the duration, and Stripe refuses them."""
    assert Terms.of(duration=duration, duration_in_months=3).duration_in_months is None


def test_a_percentage_carries_no_currency() -> None:
    """One percent coupon serves orders in every currency."""
    terms = Terms.of(
        duration="once", percent_off=Decimal(10), currency="usd", currency_options={"eur": 1}
    )

    assert terms.currency is None
    assert terms.currency_options == ()


def test_the_coupon_id_is_what_it_was_yesterday() -> None:
    """A changed derivation would make every coupon of every customer a second time."""
    assert terms_hash(PERCENT_TERMS) == (
        "c61e96ad5f5a81f6f537c09062c3c67763f245be1ed639c22ed844e8d8315ccd"
    )
    assert a_derived_coupon(PERCENT_TERMS).coupon_id == "sf-a1c000000000001aaa-350294ee04d08343"


@given(all_terms(), st.sampled_from(["00D000000000002AAA", "00Dxx0000000001EAA"]))
def test_a_coupon_id_is_safe_in_an_address_and_differs_by_org(terms: Terms, org: str) -> None:
    """Ids enter URL paths, and one Stripe account may serve two orgs."""
    hashed = terms_hash(terms)

    assert re.fullmatch(r"[a-z0-9-]{38}", coupon_id(org, COUPON, hashed))
    assert coupon_id(org, COUPON, hashed) != coupon_id(ORG, COUPON, hashed)


def test_a_difference_names_the_field_and_both_values() -> None:
    """`explain` says why a coupon that looks right was not taken."""
    other = replace(PERCENT_TERMS, percent_off=Decimal("12.50"), applies_to_products=("prod_a",))

    found = differences(PERCENT_TERMS, other)

    assert found == (
        TermDifference("percent_off", "10", "12.5"),
        TermDifference("applies_to_products", "none", "prod_a"),
    )
    assert str(found[0]) == "percent_off is 12.5, not 10"


# From raw fields --------------------------------------------------------------------------------

raw_fields = st.fixed_dictionaries(
    {
        "Name__c": st.sampled_from([None, "Spring"]),
        "Percent_Off__c": percentages,
        "Amount_Off__c": st.none(),
        "Duration__c": st.just("repeating"),
        "Duration_In_Months__c": st.integers(1, 36),
        "Max_Redemptions__c": st.none() | st.integers(1, 99),
    }
)


@given(raw_fields, st.randoms(use_true_random=False), st.lists(st.integers(0, 3), min_size=6))
def test_the_same_terms_have_the_same_id_however_the_record_is_spelled(
    record: dict[str, Scalar], shuffle: Any, choices: list[int]
) -> None:
    """Key order, 10 against 10.0 and a number in a text field say nothing about the terms."""
    names = list(record)
    shuffle.shuffle(names)
    other = {
        name: respelled(record[name], choice) for name, choice in zip(names, choices, strict=False)
    }

    assert canonical(derived(record).terms) == canonical(derived(other).terms)


def test_a_record_becomes_the_terms_that_it_shows() -> None:
    """The one-to-one mapping, with a number of each field."""
    found = derived(
        {
            "Name__c": "Spring",
            "Amount_Off__c": Decimal("12.50"),
            "CurrencyIsoCode": "EUR",
            "Duration__c": "repeating",
            "Duration_In_Months__c": Decimal("6.0"),
            "Max_Redemptions__c": 40,
        }
    )

    assert found.terms == Terms.of(
        duration="repeating",
        name="Spring",
        amount_off=1250,
        currency="eur",
        duration_in_months=6,
        max_redemptions=40,
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Percent_Off__c": None}, "coupon.no_discount"),
        ({"Percent_Off__c": "  "}, "coupon.no_discount"),
        ({"Amount_Off__c": 5}, "coupon.amount_and_percent"),
        ({"Percent_Off__c": 0}, "coupon.percent_out_of_range"),
        ({"Percent_Off__c": -5}, "coupon.percent_out_of_range"),
        ({"Percent_Off__c": Decimal("100.01")}, "coupon.percent_out_of_range"),
        ({"Percent_Off__c": Decimal("33.333")}, "coupon.percent_precision"),
        ({"Percent_Off__c": "10%"}, "coupon.not_a_number"),
        ({"Percent_Off__c": "1,5"}, "coupon.not_a_number"),
        ({"Percent_Off__c": "1e1"}, "coupon.not_a_number"),
        ({"Percent_Off__c": True}, "coupon.not_a_number"),
        ({"Percent_Off__c": Decimal("NaN")}, "coupon.not_a_number"),
        ({"Duration__c": None}, "coupon.duration_invalid"),
        ({"Duration__c": "Once"}, "coupon.duration_invalid"),
        ({"Duration__c": "repeating"}, "coupon.months_missing"),
        ({"Duration__c": "repeating", "Duration_In_Months__c": 0}, "coupon.months_missing"),
        (
            {"Duration__c": "repeating", "Duration_In_Months__c": Decimal("2.5")},
            "coupon.months_missing",
        ),
        (
            {"Duration__c": "repeating", "Duration_In_Months__c": "soon"},
            "coupon.months_missing",
        ),
        ({"Max_Redemptions__c": 0}, "coupon.redemptions_invalid"),
        ({"Max_Redemptions__c": Decimal("1.5")}, "coupon.redemptions_invalid"),
        ({"Name__c": "x" * 41}, "coupon.name_too_long"),
    ],
)
def test_bad_data_blocks_with_its_own_code(changes: dict[str, Scalar], code: str) -> None:
    """Never rounded, cut or guessed into shape."""
    found = blocked({**TEN_PERCENT, **changes})
    problem = found.problem(quote_coupon_id=COUPON)

    assert found.code == code
    assert COUPON in problem.message
    assert "(unknown" not in problem.message + problem.fix.replace("(unknown order id)", "")


@pytest.mark.parametrize(("duration", "shown"), [("Once", "Once"), (None, "(empty)")])
def test_a_wrong_duration_is_told_from_an_empty_one(duration: str | None, shown: str) -> None:
    """One is cured by a default, the other by another field."""
    message = blocked({**TEN_PERCENT, "Duration__c": duration}).problem().message

    assert f"the duration {shown};" in message


@pytest.mark.parametrize("percent", [Decimal("0.01"), Decimal(100), Decimal("33.330")])
def test_the_edges_of_a_percentage_are_taken(percent: Decimal) -> None:
    """A full discount is a discount, and trailing zeros are no decimals."""
    assert derived({**TEN_PERCENT, "Percent_Off__c": percent}).terms.percent_off == percent


@pytest.mark.parametrize("name", [None, "", "   "])
def test_an_empty_name_is_no_name(name: str | None) -> None:
    """Stripe shows the id instead; an empty text would be refused."""
    assert derived({**TEN_PERCENT, "Name__c": name}).terms.name is None


def test_a_name_of_forty_characters_is_taken_whole() -> None:
    """The limit counts characters, not bytes."""
    assert derived({**TEN_PERCENT, "Name__c": "é" * 40}).terms.name == "é" * 40


@pytest.mark.parametrize(
    ("given_currency", "default", "expected"),
    [("GBP", None, "gbp"), (None, "usd", "usd"), ("GBP", "usd", "gbp")],
)
def test_the_currency_is_the_coupons_and_else_that_of_a_single_currency_org(
    given_currency: str | None, default: str | None, expected: str
) -> None:
    """A default never overrules a record that says otherwise."""
    record = {name: value for name, value in FIVE_DOLLARS.items() if name != "CurrencyIsoCode"}
    options = DeriveOptions(default_currency=default)

    assert derived(record, currency=given_currency, options=options).terms.currency == expected


def test_an_amount_without_any_currency_is_blocked() -> None:
    """Five of what?"""
    record = {**FIVE_DOLLARS, "CurrencyIsoCode": None}

    assert blocked(record).code == "currency.missing"


def test_an_amount_in_a_currency_that_stripe_does_not_take_is_blocked() -> None:
    """The code and the reason reach the person who can change it."""
    found = blocked({**FIVE_DOLLARS, "CurrencyIsoCode": "HRK"})

    assert found.code == "currency.unsupported"
    assert "HRK" in found.problem().message


def test_a_percentage_needs_no_currency_at_all() -> None:
    """The trigger's copy has a wrong one, which must not matter."""
    assert derived({**TEN_PERCENT, "CurrencyIsoCode": "HRK"}).terms.currency is None


REDEEM = parse_mapping('[coupon]\nredeem_by = "Until__c"\n')


@pytest.mark.parametrize(
    ("value", "until"),
    [
        ("2027-01-31", datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)),
        ("2027-01-31T09:00:00.000+0000", datetime(2027, 1, 31, 9, tzinfo=UTC)),
        ("2027-01-31T09:00:00Z", datetime(2027, 1, 31, 9, tzinfo=UTC)),
        ("2027-01-31T09:00:00+02:00", datetime(2027, 1, 31, 7, tzinfo=UTC)),
    ],
)
def test_redeem_by_is_the_end_of_a_day_or_an_exact_time(value: str, until: datetime) -> None:
    """Until 31 January means that it still works on that day."""
    found = derived({**TEN_PERCENT, "Until__c": value}, mapping=REDEEM)

    assert found.terms.redeem_by == int(until.timestamp())


@pytest.mark.parametrize("value", ["31.01.2027", "2027-02-30", "2027-01-31T09:00:00", 20270131])
def test_redeem_by_without_a_clear_moment_is_blocked(value: Scalar) -> None:
    """A time without a zone is several moments."""
    found = blocked({**TEN_PERCENT, "Until__c": value}, mapping=REDEEM)

    assert found.code == "coupon.redeem_by_invalid"


def test_products_are_a_set_of_ids() -> None:
    """Text fields and multi-select picklists separate them differently."""
    mapping = parse_mapping('[coupon]\napplies_to.products = "Products__c"\n')
    listed = derived({**TEN_PERCENT, "Products__c": "prod_b, prod_a;prod_b"}, mapping=mapping)
    wrong = blocked({**TEN_PERCENT, "Products__c": "prod_a / prod_b"}, mapping=mapping)

    assert listed.terms.applies_to_products == ("prod_a", "prod_b")
    assert wrong.code == "coupon.products_invalid"


def test_a_default_fills_what_the_record_leaves_empty_and_nothing_else() -> None:
    """An operator's default must not change a coupon that says what it wants."""
    mapping = parse_mapping('[coupon.defaults]\nduration = "forever"\n')

    empty = derived({**TEN_PERCENT, "Duration__c": None}, mapping=mapping)
    given_once = derived(TEN_PERCENT, mapping=mapping)

    assert empty.terms.duration == "forever"
    assert given_once.terms.duration == "once"


# Metadata ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (Decimal("7.50"), "7.5"),
        ("2026-03-10", "2026-03-10"),
        ("2026-03-10T12:00:00.000+0000", "2026-03-10T12:00:00Z"),
        ("2026-03-10T12:00:00.000+0200", "2026-03-10T10:00:00Z"),
        ("2026-13-99T12:00:00.000+0000", "2026-13-99T12:00:00.000+0000"),
        ("  spaced ", "  spaced "),
    ],
)
def test_a_value_in_metadata_has_one_defined_text(value: Scalar, text: str) -> None:
    """Systems that read the metadata should not have to guess."""
    mapping = parse_mapping('[coupon.metadata]\nkey = "Any__c"\n')

    assert derived({**TEN_PERCENT, "Any__c": value}, mapping=mapping).metadata == {"key": text}


@pytest.mark.parametrize("fields_given", [{}, {"Any__c": None}, {"Any__c": ""}])
def test_null_is_never_sent_as_text(fields_given: dict[str, Scalar]) -> None:
    """A metadata value of None or null reads like data."""
    mapping = parse_mapping('[coupon.metadata]\nkey = "Any__c"\n')

    assert derived({**TEN_PERCENT, **fields_given}, mapping=mapping).metadata == {}


def test_a_metadata_value_beyond_stripes_limit_is_blocked() -> None:
    """Cutting it could turn one contract's number into another's."""
    mapping = parse_mapping('[coupon.metadata]\nkey = "Any__c"\n')

    found = blocked({**TEN_PERCENT, "Any__c": "x" * 501}, mapping=mapping)

    assert found.code == "metadata.value_too_long"
    assert found.details["length"] == "501"
    assert (
        len(derived({**TEN_PERCENT, "Any__c": "x" * 500}, mapping=mapping).metadata["key"]) == 500
    )


def test_the_coupon_carries_where_it_came_from() -> None:
    """Somebody who finds the coupon in Stripe can open the record in Salesforce."""
    coupon = a_derived_coupon(PERCENT_TERMS, {"campaign": "Spring"})

    assert full_metadata(coupon, instance_url="https://acme.my.salesforce.com/") == {
        "campaign": "Spring",
        "salesforce_quote_stripe_coupon_id": COUPON,
        "salesforce_quote_stripe_coupon_link": f"https://acme.my.salesforce.com/{COUPON}",
        "coupon_pipeline_terms": coupon.terms_hash,
    }


# A snapshot's coupon ----------------------------------------------------------------------------


def test_a_snapshot_becomes_a_coupon_with_its_derived_id() -> None:
    """The id is known before anything is asked of Stripe."""
    coupon = derive_coupon(a_snapshot(), parse_mapping(None), DeriveOptions())

    assert isinstance(coupon, DerivedCoupon)
    assert coupon.terms == PERCENT_TERMS
    assert coupon.coupon_id == coupon_id(ORG, COUPON, terms_hash(PERCENT_TERMS))


def test_uncertain_terms_are_held_back_where_policy_says_so() -> None:
    """Policy may change after the snapshot was frozen."""
    snapshot = a_snapshot(terms_uncertain=True, evidence="quote_coupon_today")
    use, block = DeriveOptions(uncertain="use"), DeriveOptions(uncertain="block")

    held = derive_coupon(snapshot, parse_mapping(None), block)

    assert isinstance(derive_coupon(snapshot, parse_mapping(None), use), DerivedCoupon)
    assert isinstance(held, Blocked)
    assert held.code == "coupon.terms_uncertain"
    assert held.problem().effect == "blocked"


def test_one_bad_snapshot_does_not_stop_the_others() -> None:
    """Ninety-nine customers must not wait for one typing error."""
    bad = a_snapshot({**TEN_PERCENT, "Percent_Off__c": 200}, snapshot_id="sn_bad")

    found = derive_all([bad, a_snapshot()], parse_mapping(None), DeriveOptions())

    assert isinstance(found["sn_bad"], Blocked)
    assert isinstance(found["sn_1"], DerivedCoupon)


def test_snapshots_that_look_alike_are_not_taken_for_each_other() -> None:
    """Deriving many at once reads equal values once, and true equals 1 in Python."""
    later = replace(RATES, rates={**RATES.rates, "EUR": Decimal("0.8")})
    fields: dict[str, RawFields] = {
        "number": {**TEN_PERCENT, "Percent_Off__c": 1},
        "boolean": {**TEN_PERCENT, "Percent_Off__c": True},
        "text": {**TEN_PERCENT, "Percent_Off__c": "1"},
    }
    snapshots = [
        *(a_snapshot(each, snapshot_id=name) for name, each in fields.items()),
        a_snapshot(FIVE_DOLLARS, snapshot_id="early", rates=RATES),
        a_snapshot(FIVE_DOLLARS, snapshot_id="late", rates=later),
        a_snapshot(FIVE_DOLLARS, snapshot_id="none"),
    ]

    together = derive_all(iter(snapshots), CONVERTING, DeriveOptions())

    assert together == {
        each.snapshot_id: derive_coupon(each, CONVERTING, DeriveOptions()) for each in snapshots
    }
    assert isinstance(together["boolean"], Blocked)
    assert together["number"] == together["text"]
    assert len({str(together[name]) for name in ("early", "late", "none")}) == 3


FIVE_DOLLAR_TERMS = Terms.of(duration="once", amount_off=500, currency="usd")


@pytest.mark.parametrize(
    ("quote", "association", "order", "named"),
    [
        ("EUR", "USD", "USD", ("quote coupon", "USD", "quote", "EUR")),
        ("USD", "EUR", "USD", ("quote coupon", "USD", "association", "EUR")),
        ("USD", "USD", "EUR", ("quote coupon", "USD", "order", "EUR")),
        (None, None, "JPY", ("quote coupon", "USD", "order", "JPY")),
    ],
)
def test_an_amount_is_granted_only_where_all_currencies_agree(
    quote: str | None, association: str | None, order: str | None, named: tuple[str, ...]
) -> None:
    """The message names the two that differ, so that one can be corrected."""
    found = currency_disagreement(
        FIVE_DOLLAR_TERMS, quote=quote, association=association, order=order
    )

    assert found is not None
    assert found.code == "currency.mismatch"
    assert tuple(found.details.values()) == named


def test_currencies_that_nobody_knows_do_not_disagree() -> None:
    """An org with a single currency has no currency fields."""
    assert (
        currency_disagreement(FIVE_DOLLAR_TERMS, quote=None, association=None, order=None) is None
    )
    assert (
        currency_disagreement(FIVE_DOLLAR_TERMS, quote="usd", association="USD", order="USD")
        is None
    )


def test_a_percentage_is_granted_in_every_currency() -> None:
    """It takes its part of whatever is billed."""
    assert currency_disagreement(PERCENT_TERMS, quote="EUR", association=None, order="JPY") is None


# Corporate rates --------------------------------------------------------------------------------


def test_corporate_rates_fill_the_other_currencies() -> None:
    """One coupon then serves orders in several currencies, in amounts that Stripe takes."""
    found = derive(FIVE_DOLLARS, None, CONVERTING, DeriveOptions(), rates=RATES)

    assert not isinstance(found, Blocked)
    assert found.terms.currency_options == (("eur", 450), ("jpy", 753))
    assert found.rates is RATES


def test_rates_convert_from_a_coupon_that_is_not_in_the_corporate_currency() -> None:
    """Both rates count, and only the result is rounded."""
    assert RATES.convert(1000, "eur") == {"usd": 1111, "jpy": 1672}


def test_rates_are_not_used_unless_the_mapping_asks_for_them() -> None:
    """Off by default: a converted amount is a promise somebody has to make."""
    found = derive(FIVE_DOLLARS, None, parse_mapping(None), DeriveOptions(), rates=RATES)

    assert not isinstance(found, Blocked)
    assert found.terms.currency_options == ()
    assert found.rates is None


def test_a_currency_without_rate_or_amount_gets_no_option() -> None:
    """Nothing that was never agreed, and no discount of zero."""
    assert RATES.convert(1000, "gbp") == {}
    weak = ConversionRates(RATES.as_of, "CurrencyType", {"USD": Decimal(1), "JPY": Decimal("0.1")})
    assert weak.convert(400, "usd") == {}


def test_an_order_in_a_converted_currency_agrees() -> None:
    """That is what the option is for; a quote in another one still disagrees with its order."""
    terms = replace(FIVE_DOLLAR_TERMS, currency_options=(("eur", 450), ("jpy", 753)))

    assert currency_disagreement(terms, quote="EUR", association="USD", order="EUR") is None
    found = currency_disagreement(terms, quote="EUR", association="USD", order="JPY")
    assert found is not None
    assert dict(found.details) == {
        "first": "quote",
        "first_currency": "EUR",
        "second": "order",
        "second_currency": "JPY",
    }


def test_rates_are_kept_as_text_without_loss() -> None:
    """They are frozen with the snapshot, so that the amounts stay what they were."""
    again = ConversionRates.from_json(RATES.to_json())

    assert again == RATES
    assert json.loads(RATES.to_json())["rates"]["JPY"] == "150.5"


@given(st.dictionaries(st.from_regex(r"[A-Z][a-z]{2,8}__c", fullmatch=True), st.text(min_size=12)))
def test_without_a_mapping_of_yours_stripe_gets_ids_and_links_only(
    fields_given: dict[str, str],
) -> None:
    """Whatever people typed into fields of their own, nobody's name or address is sent along."""
    found = derived({**fields_given, **TEN_PERCENT})

    assert found.metadata == {}
