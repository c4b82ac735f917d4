"""Amounts to minor units, exactly or not at all."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.domain.currency import (
    CURRENCIES,
    find_currency,
    major_units,
    minor_units,
    nearest_minor_units,
    plain,
)
from coupon_pipeline.domain.problems import Blocked
from tests.domain.strategies import accepted_currencies

THREE_DECIMALS = ("bhd", "jod", "kwd", "omr", "tnd")


@given(accepted_currencies, st.integers(1, 10**12))
def test_minor_units_survive_the_way_to_major_units_and_back(code: str, steps: int) -> None:
    """What `explain` shows must be what was sent."""
    minor = steps * CURRENCIES[code].step

    assert minor_units(major_units(minor, code), code) == minor


@given(accepted_currencies, st.integers(1, 10**12), st.integers(0, 6))
def test_trailing_zeros_say_nothing_about_an_amount(code: str, steps: int, zeros: int) -> None:
    """Salesforce gives 5, 5.0 or 5.00 by the field's scale."""
    amount = major_units(steps * CURRENCIES[code].step, code)
    text = plain(amount)
    padded = f"{text}{'' if '.' in text else '.'}{'0' * zeros}" if zeros else text

    assert minor_units(Decimal(padded), code) == minor_units(amount, code)


@given(accepted_currencies, st.decimals(0, 10**9, places=5))
def test_an_amount_is_sent_whole_or_blocked_and_never_rounded(code: str, amount: Decimal) -> None:
    """A rounded discount is a wrong invoice that nobody notices."""
    result = minor_units(amount, code)

    if isinstance(result, Blocked):
        assert result.code in {"coupon.amount_precision", "coupon.amount_not_positive"}
    else:
        assert major_units(result, code) == amount
        assert result % CURRENCIES[code].step == 0


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [
        ("10", "usd", 1000),
        ("10", "USD", 1000),
        ("0.01", "eur", 1),
        ("1.15", "gbp", 115),
        ("19.99", "usd", 1999),
        ("500", "jpy", 500),
        ("500.00", "jpy", 500),
        ("7", "isk", 700),
        ("3000", "ugx", 300000),
        ("175.50", "huf", 17550),
        ("12.34", "twd", 1234),
        ("4", "mga", 4),
        ("1234567890123456.78", "usd", 123456789012345678),
    ],
)
def test_amounts_of_every_kind_of_currency_are_sent_as_stripe_counts_them(
    amount: str, code: str, minor: int
) -> None:
    """Zero-decimal, two-decimal and the currencies with a special rule."""
    assert minor_units(Decimal(amount), code) == minor


@pytest.mark.parametrize(
    ("amount", "code", "step"),
    [
        ("0.005", "usd", "0.01"),
        ("10.5", "jpy", "1"),
        ("5.5", "isk", "1"),
        ("0.01", "ugx", "1"),
        ("1E-30", "usd", "0.01"),
        ("1E+999999", "usd", "0.01"),
    ],
)
def test_an_amount_between_two_minor_units_names_the_step(
    amount: str, code: str, step: str
) -> None:
    """The person who corrects it needs to know what would fit."""
    result = minor_units(Decimal(amount), code)

    assert isinstance(result, Blocked)
    assert result.code == "coupon.amount_precision"
    assert result.details["step"] == step


@pytest.mark.parametrize("amount", ["0", "-0.00", "-5", "NaN", "Infinity"])
def test_an_amount_that_is_not_above_zero_is_blocked(amount: str) -> None:
    """Stripe would take a negative number for a surcharge or refuse the request."""
    result = minor_units(Decimal(amount), "usd")

    assert isinstance(result, Blocked)
    assert result.code == "coupon.amount_not_positive"


@pytest.mark.parametrize("code", THREE_DECIMALS)
def test_three_decimal_currencies_are_used_only_when_a_setting_names_them(code: str) -> None:
    """Whether the account takes them is unknown, and a factor of ten is at stake."""
    without = minor_units(Decimal("1.5"), code)
    named = frozenset({code})

    assert isinstance(without, Blocked)
    assert without.code == "currency.unsupported"
    assert minor_units(Decimal("1.5"), code, extra_currencies=named) == 1500
    assert isinstance(minor_units(Decimal("1.234"), code, extra_currencies=named), Blocked)


@pytest.mark.parametrize("code", ["xxx", "hrk", "lyd", "", "us"])
def test_an_unknown_or_dropped_code_is_unsupported_even_when_named(code: str) -> None:
    """Nobody could say how many decimals it has."""
    found = find_currency(code, extra_currencies=frozenset({code}))

    assert isinstance(found, Blocked)
    assert found.code == "currency.unsupported"
    assert found.details["reason"]


def test_the_table_knows_every_kind_of_currency() -> None:
    """A row lost while the table is edited would block a whole country."""
    listed = [each for each in CURRENCIES.values() if each.status == "listed"]
    zero = {each.code for each in listed if each.decimals == 0}

    assert len(listed) == 134
    assert " ".join(sorted(zero)) == ("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
    assert {each.code for each in CURRENCIES.values() if each.step == 100} == {"isk", "ugx"}
    assert {each.code for each in CURRENCIES.values() if each.decimals == 3} == set(THREE_DECIMALS)
    assert list(CURRENCIES) == [code.lower() for code in CURRENCIES]


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [
        (Fraction(1, 200), "usd", 1),
        (Fraction(49, 10_000), "usd", 0),
        (Fraction(3, 2), "jpy", 2),
        (Fraction(149, 100), "isk", 100),
        (Fraction(3, 2), "isk", 200),
        (Fraction(10, 3), "eur", 333),
    ],
)
def test_a_converted_amount_is_rounded_half_up_to_a_whole_step(
    amount: Fraction, code: str, minor: int
) -> None:
    """A rate has no exact result, so the rounding is defined."""
    assert nearest_minor_units(amount, CURRENCIES[code]) == minor


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_plain_text_of_a_decimal_reads_as_the_same_number(number: Decimal) -> None:
    """The canonical terms hold percentages as this text."""
    text = plain(number)

    assert Decimal(text) == number
    assert "E" not in text
    assert not ("." in text and text.endswith(("0", ".")))
